//! What is known of providers and is not on the chain: from a file, and by an operator's calls.
//!
//! Of each provider the whole of one word stands. A call is newer than the file that the node was
//! started with, so what a call says of a provider stands in place of all that the file says of it;
//! taken back, the file's word stands again. Facts change nothing at once: each CID is planned for
//! with them from its next look on.
//!
//! What calls said is kept in the store as one note, so that nodes that share a store share it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use raas_job_store::Change;
use raas_types::{ParseIdError, ProviderBook, ProviderFacts, ProviderId};

use crate::{Node, node::locked};

/// The note that keeps what calls said, as JSON.
const NOTE: &str = "providers";

/// Providers that calls speak of at the most: on mainnet some 4000 ever had power. The note is written
/// anew at each call, 10 000 of some 200 bytes are 2 MB.
const LIMIT: usize = 10_000;

/// The longest name, in characters: an address is 41 of them or 86, and each is read by people.
const NAME_LENGTH: usize = 200;

/// All of a provider's sectors, in millionths.
const ALL_SECTORS_PPM: u32 = 1_000_000;

/// A provider, what is known of it, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownProvider {
    /// The provider.
    pub id: ProviderId,
    /// What is known of it; all of it absent where somebody said that nothing is.
    pub facts: ProviderFacts,
    /// Who says so.
    pub source: FactsSource,
}

/// Who says what is known of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactsSource {
    /// An operator, by a call.
    Call,
    /// What the node was built with: a configured file.
    File,
}

/// Facts about a provider could not be read or changed; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// They are none; all that is wrong with them.
    #[error("{}", .0.join("; "))]
    Facts(Vec<String>),
    /// Nobody said anything of it.
    #[error("nothing is known of {0}")]
    Unknown(ProviderId),
    /// Only the file says anything of it, and no call takes that back.
    #[error(
        "no call said anything of {0}: what is known of it stands in the node's file, change that"
    )]
    OfFile(ProviderId),
    /// Calls spoke of as many as can be kept.
    #[error(
        "facts are kept of {0} providers at the most: remove some, or write them into the file"
    )]
    TooMany(usize),
    /// The store failed, or what it keeps of providers is damaged.
    #[error(transparent)]
    Store(#[from] raas_job_store::Error),
}

/// What a node knows of providers.
#[derive(Debug)]
pub(crate) struct Providers {
    of_file: ProviderBook,
    known: Mutex<Known>,
    /// One change at a time: each writes all of the note.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Known {
    /// The note, as it was read last; `None` until it was.
    note: Option<Vec<u8>>,
    /// What it says.
    by_calls: Arc<ProviderBook>,
    /// All of it, together with the file.
    book: Arc<ProviderBook>,
}

impl Providers {
    pub(crate) fn new(of_file: ProviderBook) -> Self {
        let book = Arc::new(of_file.clone());
        let known = Known { note: None, by_calls: Arc::default(), book };
        Self { of_file, known: Mutex::new(known), changing: tokio::sync::Mutex::default() }
    }

    /// Takes over a note, unless it is the one that is known.
    fn take(&self, note: Vec<u8>) -> raas_job_store::Result<()> {
        if locked(&self.known).note.as_ref() == Some(&note) {
            return Ok(());
        }
        let by_calls = decode(&note)?;
        let mut book = self.of_file.clone();
        book.extend(by_calls.iter().map(|(id, facts)| (*id, facts.clone())));
        let (by_calls, book) = (Arc::new(by_calls), Arc::new(book));
        *locked(&self.known) = Known { note: Some(note), by_calls, book };
        Ok(())
    }
}

impl Node {
    /// What is known of providers: what a file says, under what calls say. What calls say is read when
    /// a pass begins, when a job is registered or evaluated, and after each change.
    pub fn provider_book(&self) -> Arc<ProviderBook> {
        Arc::clone(&self.known_providers().book)
    }

    /// The providers that something was said of, in the order of their ids.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn providers(&self) -> Result<Vec<KnownProvider>, ProviderError> {
        self.read_providers().await?;
        let Known { by_calls, book, .. } = self.known_providers();
        let known = |(id, facts): (&ProviderId, &ProviderFacts)| {
            let is_by_call = by_calls.contains_key(id);
            let source = if is_by_call { FactsSource::Call } else { FactsSource::File };
            KnownProvider { id: *id, facts: facts.clone(), source }
        };
        Ok(book.iter().map(known).collect())
    }

    /// Says what is known of a provider, in place of whatever was said of it before, by a call or in a
    /// file. Durable when it returns. The facts are kept as [`tidy_facts`] writes them.
    ///
    /// # Errors
    ///
    /// When a fact is none, when there are too many providers, or when the store fails.
    pub async fn set_provider_facts(
        &self,
        id: ProviderId,
        facts: ProviderFacts,
    ) -> Result<KnownProvider, ProviderError> {
        let facts = tidy_facts(facts).map_err(ProviderError::Facts)?;
        self.change_providers(|by_calls| {
            by_calls.insert(id, facts.clone());
            if by_calls.len() > LIMIT { Err(ProviderError::TooMany(LIMIT)) } else { Ok(()) }
        })
        .await?;
        Ok(KnownProvider { id, facts, source: FactsSource::Call })
    }

    /// Takes back what calls said of a provider. What the file says of it, where it does, stands again.
    ///
    /// # Errors
    ///
    /// When no call said anything, or when the store fails.
    pub async fn remove_provider_facts(&self, id: ProviderId) -> Result<(), ProviderError> {
        let is_in_file = self.inner_providers().of_file.contains_key(&id);
        self.change_providers(|by_calls| match by_calls.remove(&id) {
            Some(_) => Ok(()),
            None if is_in_file => Err(ProviderError::OfFile(id)),
            None => Err(ProviderError::Unknown(id)),
        })
        .await
    }

    /// Reads what calls said: to this node, and to others on the same store.
    pub(crate) async fn read_providers(&self) -> raas_job_store::Result<()> {
        let note = self.store().note(NOTE).await?.unwrap_or_default();
        self.inner_providers().take(note)
    }

    /// The same where it was not done yet. Whoever can do without goes on without: the next pass tells
    /// of what is wrong.
    pub(crate) async fn read_providers_once(&self) {
        if self.known_providers().note.is_none()
            && let Err(error) = self.read_providers().await
        {
            tracing::warn!(%error, "what is known of providers could not be read");
        }
    }

    fn known_providers(&self) -> Known {
        locked(&self.inner_providers().known).clone()
    }

    async fn change_providers(
        &self,
        change: impl FnOnce(&mut ProviderBook) -> Result<(), ProviderError>,
    ) -> Result<(), ProviderError> {
        let _one_at_a_time = self.inner_providers().changing.lock().await;
        let note = self.store().note(NOTE).await?.unwrap_or_default();
        let mut by_calls = decode(&note)?;
        change(&mut by_calls)?;
        let note = encode(&by_calls);
        let notes = vec![(NOTE.to_owned(), note.clone())];
        self.store().commit(&Change { notes, ..Change::default() }).await?;
        Ok(self.inner_providers().take(note)?)
    }
}

/// Facts as they are kept: without spaces around them, countries in capitals.
///
/// # Errors
///
/// All that is wrong with them, and how to mend it.
pub fn tidy_facts(facts: ProviderFacts) -> Result<ProviderFacts, Vec<String>> {
    let mut wrong = Vec::new();
    let ProviderFacts { owner, organisation, country, yearly_loss_ppm } = facts;
    let owner = owner.and_then(|owner| name("owner", &owner, &mut wrong));
    let organisation = organisation.and_then(|name_| name("organisation", &name_, &mut wrong));
    let country = country.map(|country| country.trim().to_ascii_uppercase());
    if let Some(country) = &country
        && !(country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        wrong.push(format!(
            "country is {:?}: give the two letters of ISO 3166-1, such as \"DE\", or leave it out",
            shortened(country)
        ));
    }
    if let Some(ppm) = yearly_loss_ppm.filter(|ppm| *ppm > ALL_SECTORS_PPM) {
        wrong.push(format!(
            "yearly_loss_ppm is {ppm}: give at most {ALL_SECTORS_PPM}, the share of sectors lost in a \
             year in millionths"
        ));
    }
    let tidy = ProviderFacts { owner, organisation, country, yearly_loss_ppm };
    if wrong.is_empty() { Ok(tidy) } else { Err(wrong) }
}

fn name(which: &str, text: &str, wrong: &mut Vec<String>) -> Option<String> {
    let text = text.trim();
    let length = text.chars().count();
    if text.is_empty() {
        wrong.push(format!("{which} is empty: leave it out where it is not known"));
    } else if length > NAME_LENGTH {
        wrong.push(format!("{which} has {length} characters: give at most {NAME_LENGTH}"));
    } else if text.chars().any(char::is_control) {
        wrong.push(format!("{which} is {:?}: leave out the control characters", shortened(text)));
    }
    Some(text.to_owned())
}

/// The beginning of a text, so that no message repeats all of a long one.
fn shortened(text: &str) -> String {
    text.chars().take(20).collect()
}

fn encode(by_calls: &ProviderBook) -> Vec<u8> {
    let by_name: BTreeMap<String, &ProviderFacts> =
        by_calls.iter().map(|(id, facts)| (id.to_string(), facts)).collect();
    // Serialising plain data into memory cannot fail; were it to, nothing would be known by calls.
    serde_json::to_vec(&by_name).unwrap_or_default()
}

/// Reads a note; one that was never written is empty.
fn decode(note: &[u8]) -> raas_job_store::Result<ProviderBook> {
    let damaged = |why: String| {
        raas_job_store::Error::Corrupt(format!("what operators said of providers: {why}"))
    };
    if note.is_empty() {
        return Ok(ProviderBook::new());
    }
    let by_name: BTreeMap<String, ProviderFacts> =
        serde_json::from_slice(note).map_err(|error| damaged(error.to_string()))?;
    let facts_of = |(name, facts): (String, ProviderFacts)| {
        let id = name.parse().map_err(|error: ParseIdError| damaged(error.to_string()))?;
        Ok((id, facts))
    };
    by_name.into_iter().map(facts_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_country(country: &str) -> ProviderFacts {
        ProviderFacts { country: Some(country.to_owned()), ..ProviderFacts::default() }
    }

    #[test]
    fn facts_are_tidied_so_that_the_same_thing_is_spelt_alike() {
        let facts = ProviderFacts {
            organisation: Some("  Acme Ltd ".to_owned()),
            country: Some(" de".to_owned()),
            ..ProviderFacts::default()
        };
        let tidy = tidy_facts(facts).expect("facts");
        assert_eq!(tidy.organisation.as_deref(), Some("Acme Ltd"));
        assert_eq!((tidy.country.as_deref(), tidy.owner), (Some("DE"), None));
        assert_eq!(tidy_facts(ProviderFacts::default()), Ok(ProviderFacts::default()));
    }

    #[test]
    fn what_is_no_fact_is_refused_all_at_once_with_how_to_mend_it() {
        let facts = ProviderFacts {
            owner: Some(" ".to_owned()),
            organisation: Some("x".repeat(201)),
            country: Some("Germany".to_owned()),
            yearly_loss_ppm: Some(1_000_001),
        };
        let wrong = tidy_facts(facts).expect_err("none of them is a fact");
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        for (complaint, mend) in wrong.iter().zip(["leave it out", "200", "\"DE\"", "1000000"]) {
            assert!(complaint.contains(mend), "{complaint}");
        }
        assert!(tidy_facts(in_country("D3")).is_err() && tidy_facts(in_country("dé")).is_err());
    }

    #[test]
    fn the_note_is_read_as_it_was_written() {
        let book: ProviderBook =
            [(9, "DE"), (1000, "FR")].map(|(id, c)| (ProviderId::new(id), in_country(c))).into();
        let note = encode(&book);
        assert!(String::from_utf8_lossy(&note).contains("f01000"), "as people write them");
        assert_eq!(decode(&note).expect("a note"), book);
        assert_eq!(decode(b"").expect("none was written yet"), ProviderBook::new());
        for damaged in [&b"{"[..], b"{\"f0x\": {}}", b"{\"f01\": {\"colour\": \"red\"}}"] {
            assert!(matches!(decode(damaged), Err(raas_job_store::Error::Corrupt(_))));
        }
    }

    #[test]
    fn what_a_call_says_stands_in_place_of_all_that_the_file_says() {
        let id = ProviderId::new(1000);
        let of_file = ProviderFacts { owner: Some("f02".to_owned()), ..in_country("DE") };
        let providers = Providers::new([(id, of_file.clone())].into());
        let facts = || locked(&providers.known).book[&id].clone();
        assert_eq!(facts(), of_file);
        providers.take(encode(&[(id, in_country("FR"))].into())).expect("a note");
        assert_eq!(facts(), in_country("FR"), "the file's owner went with it");
        providers.take(encode(&ProviderBook::new())).expect("a note");
        assert_eq!(facts(), of_file);
    }
}
