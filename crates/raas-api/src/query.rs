//! Queries, read by hand so that a misspelt parameter is named and not dropped.

use axum::{extract::Query, http::Uri};

use crate::problem::Failure;

/// The parameters of a query, as they came.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of a request that takes `known` and no others, each once.
    pub(crate) fn only(uri: &Uri, known: &[&str]) -> Result<Self, Failure> {
        let parameters = Self::any(uri)?;
        for (i, (name, _)) in parameters.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Failure::bad_request(format!(
                    "the query has no parameter {name:?}; it takes {}",
                    known.join(", ")
                )));
            }
            if parameters.0[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(Failure::bad_request(format!("give {name} once in the query")));
            }
        }
        Ok(parameters)
    }

    /// Those of a request that ignores what it does not know.
    pub(crate) fn any(uri: &Uri) -> Result<Self, Failure> {
        let Query(pairs) = Query::try_from_uri(uri).map_err(|error| {
            Failure::bad_request(format!("the query cannot be read: {}", error.body_text()))
        })?;
        Ok(Self(pairs))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}
