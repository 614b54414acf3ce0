//! What others said, made fit for our errors and logs: one line, of bounded length, no secrets.

use url::Url;

use crate::EndpointSettings;

/// How much of what others said is repeated, in characters: enough for a few sentences, or for a
/// revert of four words of hex.
const MAX_QUOTE: usize = 300;
/// How long a reason may be, in characters: a quotation and a sentence of our own.
const MAX_REASON: usize = MAX_QUOTE + 150;
/// A part of a URL's path that is at least this long is taken for a key: hosted nodes put theirs
/// there, with 20 characters or more, and the words of ordinary paths (`rpc`, `v1`) are shorter.
const KEY_CHARS: usize = 16;
/// What stands where a secret was.
const HIDDEN: &str = "***";

/// Clears text of what must not be seen.
#[derive(Clone)]
pub(crate) struct Censor {
    /// None is empty; the longest first, for one may be part of another.
    secrets: Vec<String>,
}

impl Censor {
    /// Knows the token, and the keys in the address.
    pub(crate) fn of(settings: &EndpointSettings) -> Self {
        let token = settings.token.iter().map(|token| token.trim().to_owned());
        let mut secrets: Vec<String> = token.chain(keys_in(&settings.url)).collect();
        secrets.retain(|secret| !secret.is_empty());
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets }
    }

    /// The beginning of what an endpoint said, on one line and without secrets.
    pub(crate) fn quote(&self, said: &str) -> String {
        clip(&self.hide(said), MAX_QUOTE)
    }

    /// A reason that may hold a quotation, likewise.
    pub(crate) fn reason(&self, text: &str) -> String {
        clip(&self.hide(text), MAX_REASON)
    }

    fn hide(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }
}

/// At most so many characters, on one line.
fn clip(text: &str, max: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(max) {
        None => line,
        Some(_) => line.chars().take(max - 1).chain(['…']).collect(),
    }
}

fn keys_in(url: &Url) -> impl Iterator<Item = String> {
    let parts = url.path_segments().into_iter().flatten().map(str::to_owned);
    let values = url.query_pairs().map(|(_, value)| value.into_owned());
    let long = parts.chain(values).filter(|part| part.chars().count() >= KEY_CHARS);
    long.chain(url.password().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn censor(url: &str, token: Option<&str>) -> Censor {
        let settings = EndpointSettings::new(Url::parse(url).unwrap());
        Censor::of(&EndpointSettings { token: token.map(str::to_owned), ..settings })
    }

    #[test]
    fn a_text_is_one_line_of_bounded_length() {
        let censor = censor("http://node.example/rpc/v1", None);
        assert_eq!(censor.quote(" no\r\n\tmore \u{1b}[31m\0gas "), "no more [31m gas");
        assert_eq!(censor.quote(""), "");
        for long in ["x".repeat(100_000), "é ".repeat(100_000), "x".repeat(MAX_QUOTE + 1)] {
            let quote = censor.quote(&long);
            assert!(quote.chars().count() == MAX_QUOTE && quote.ends_with('…'), "{quote}");
        }
        let fits = "x".repeat(MAX_QUOTE);
        assert_eq!(censor.quote(&fits), fits);
    }

    #[test]
    fn neither_the_token_nor_a_key_in_the_address_is_repeated() {
        let url = "https://me:hunter2@node.example/v1/0123456789abcdef0123?key=fedcba9876543210";
        let censor = censor(url, Some("hunter2-and-more"));
        let said = "hunter2-and-more hunter2 /v1/0123456789abcdef0123 fedcba9876543210";
        assert_eq!(censor.quote(said), "*** *** /v1/*** ***");
    }

    #[test]
    fn an_empty_token_hides_nothing() {
        assert_eq!(censor("http://node.example", Some("")).quote("no gas"), "no gas");
    }
}
