//! The file that tells of providers, which `[node] providers` names: a table for each, such as
//! `[f01000]` with `organisation = "Acme"` and `country = "DE"`.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Result;
use raas_runtime::tidy_facts;
use raas_types::{ProviderBook, ProviderFacts, ProviderId};

use crate::output::BadInput;

/// Reads the file; all that is wrong with its providers is said at once.
pub(crate) fn read(path: &Path) -> Result<ProviderBook> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| BadInput(format!("cannot read node.providers, {shown}: {error}")))?;
    parse(&text).map_err(|why| BadInput(format!("{shown} is not as it should be: {why}")).into())
}

fn parse(text: &str) -> Result<ProviderBook, String> {
    let tables: BTreeMap<String, ProviderFacts> =
        toml::from_str(text).map_err(|error| error.to_string())?;
    let mut wrong = Vec::new();
    let mut book = ProviderBook::new();
    for (name, facts) in tables {
        let id: ProviderId = match name.parse() {
            Ok(id) => id,
            Err(_) => {
                wrong.push(format!("[{name}]: name a storage provider, such as [f01000]"));
                continue;
            }
        };
        match tidy_facts(facts) {
            Ok(facts) => {
                if book.insert(id, facts).is_some() {
                    wrong.push(format!("[{name}]: {id} is there twice, leave one out"));
                }
            }
            Err(complaints) => wrong.push(format!("[{name}]: {}", complaints.join("; "))),
        }
    }
    if wrong.is_empty() { Ok(book) } else { Err(wrong.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_for_each_provider_tells_what_is_known_of_it() {
        let text = "[f01000]\norganisation = \"Acme\"\ncountry = \"de\"\n[1001]\nowner = \"f0999\"\n\
                    yearly_loss_ppm = 20000\n[t01002]\n";
        let book = parse(text).expect("a book");
        let facts = |id| &book[&ProviderId::new(id)];
        assert_eq!(book.len(), 3);
        assert_eq!(facts(1000).organisation.as_deref(), Some("Acme"));
        assert_eq!(facts(1000).country.as_deref(), Some("DE"));
        assert_eq!(facts(1001).yearly_loss_ppm, Some(20_000));
        assert_eq!(*facts(1002), ProviderFacts::default());
        assert_eq!(parse(""), Ok(ProviderBook::new()));
    }

    #[test]
    fn whatever_is_wrong_is_named_with_its_provider() {
        let text = "[acme]\n[f01000]\ncountry = \"Germany\"\n[f01001]\n[t01001]\n";
        let why = parse(text).expect_err("three mistakes");
        for says in ["[acme]: name a", "[f01000]: country is", "f01001 is there twice"] {
            assert!(why.contains(says), "{why:?} does not say {says:?}");
        }
        let why = parse("[f01000]\norganization = \"Acme\"\n").expect_err("a misspelling");
        assert!(why.contains("line 2") && why.contains("`organisation`"), "{why}");
        let why = parse("country = \"DE\"\n").expect_err("no table");
        assert!(why.contains("country"), "{why}");
    }

    #[test]
    fn a_file_that_is_not_there_is_bad_input_that_names_it() {
        let error = read(Path::new("/nonexistent/providers.toml")).expect_err("nothing is there");
        assert!(error.is::<BadInput>());
        assert!(error.to_string().contains("node.providers, /nonexistent/providers.toml"));
    }
}
