//! `/v1/providers`: what an operator knows of providers, and the chain does not.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
};
use raas_api_types::{FactsSource, ProviderFacts, ProviderList, ProviderView};
use raas_runtime::{self as runtime, KnownProvider, ProviderError};
use raas_types::{ParseIdError, ProviderId};

use crate::{body, face::Shared, problem::Failure};

const EXAMPLE: &str = r#"{"organisation": "Acme", "country": "DE"}"#;

type Id = Result<Path<String>, PathRejection>;

/// `GET /v1/providers`: all that something is known of; a node keeps ten thousand by calls at most.
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<ProviderList>, Failure> {
    let known = shared.node().providers().await?;
    Ok(Json(ProviderList { providers: known.into_iter().map(view).collect() }))
}

/// `GET /v1/providers/{id}`.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    id: Id,
) -> Result<Json<ProviderView>, Failure> {
    let id = provider(id)?;
    let known = shared.node().providers().await?.into_iter().find(|known| known.id == id);
    Ok(Json(view(known.ok_or(ProviderError::Unknown(id))?)))
}

/// `PUT /v1/providers/{id}`: in place of all that was said before.
pub(crate) async fn set(
    State(shared): State<Arc<Shared>>,
    id: Id,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ProviderView>, Failure> {
    let id = provider(id)?;
    let (_, value) = body::json(&headers, body).await?;
    if !value.is_object() {
        return Err(Failure::bad_request(format!("the facts are an object such as {EXAMPLE}")));
    }
    let facts: ProviderFacts = serde_json::from_value(value).map_err(|error| {
        Failure::bad_request(format!("the facts: {error}; give an object such as {EXAMPLE}"))
    })?;
    let ProviderFacts { owner, organisation, country, yearly_loss_ppm } = facts;
    let facts = raas_types::ProviderFacts { owner, organisation, country, yearly_loss_ppm };
    Ok(Json(view(shared.node().set_provider_facts(id, facts).await?)))
}

/// `DELETE /v1/providers/{id}`: what a file says of it, where it does, stands again.
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    id: Id,
) -> Result<StatusCode, Failure> {
    shared.node().remove_provider_facts(provider(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn provider(path: Id) -> Result<ProviderId, Failure> {
    let Path(text) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    text.parse().map_err(|error: ParseIdError| Failure::bad_request(error.to_string()))
}

fn view(KnownProvider { id, facts, source }: KnownProvider) -> ProviderView {
    ProviderView {
        provider: id.to_string(),
        owner: facts.owner,
        organisation: facts.organisation,
        country: facts.country,
        yearly_loss_ppm: facts.yearly_loss_ppm,
        source: match source {
            runtime::FactsSource::Call => FactsSource::Call,
            runtime::FactsSource::File => FactsSource::File,
        },
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Facts(_) => Self::bad_request(error.to_string()),
            ProviderError::Unknown(id) => {
                Self::not_found(format!("{error}: say it with PUT /v1/providers/{id}"))
            }
            ProviderError::OfFile(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            ProviderError::TooMany(_) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string())
            }
            ProviderError::Store(error) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
        }
    }
}
