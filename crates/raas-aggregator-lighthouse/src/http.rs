//! Requests within limits, and what their failures mean for the caller.

use std::{error::Error as _, time::Duration};

use futures::StreamExt as _;
use raas_aggregator::{Error, Result};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use url::Url;

use crate::config::{ApiKey, LighthouseConfig};

/// The largest answer that is read. A deal's proof is some 6 KB (two paths of at most 63 nodes of
/// 67 bytes, and 1 KB of names): this is room for 600 deals of one CID.
const MAX_ANSWER: usize = 4 << 20;
/// How much of an error's text is repeated in ours: enough for a sentence.
const MAX_REASON: usize = 200;
/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a request does when it goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: it only asks.
    None,
    /// It makes an order; after it was sent, a lost answer leaves that open.
    Order,
}

/// The service, spoken to with our key.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    name: String,
    key: ApiKey,
    timeout: Duration,
}

/// An answer's status and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Whether it says when to come back.
    pub(crate) retry_after: bool,
    pub(crate) body: Vec<u8>,
}

impl Http {
    pub(crate) fn new(config: &LighthouseConfig) -> Result<Self> {
        let name = config.name.to_string();
        let misconfigured =
            |reason: String| Error::Misconfigured { aggregator: name.clone(), reason };
        let mut key = HeaderValue::try_from(format!("Bearer {}", config.api_key.reveal()))
            .map_err(|_| {
                misconfigured("the API key has characters that no header can carry".to_owned())
            })?;
        key.set_sensitive(true);
        let client = Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, key)]))
            .connect_timeout(CONNECT_TIMEOUT)
            // An API that moved is for a person to look at; the key goes nowhere else by itself.
            .redirect(Policy::none())
            .build()
            .map_err(|error| misconfigured(format!("the HTTP client cannot be made: {error}")))?;
        let (key, timeout) = (config.api_key.clone(), config.timeout);
        Ok(Self { client, name, key, timeout })
    }

    pub(crate) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url).timeout(self.timeout)
    }

    pub(crate) fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url).timeout(self.timeout)
    }

    /// Sends, and reads the answer whatever its status.
    pub(crate) async fn send(&self, request: RequestBuilder, effect: Effect) -> Result<Answer> {
        let response = request.send().await.map_err(|error| self.lost(&error, effect))?;
        let status = response.status();
        let retry_after = response.headers().contains_key(RETRY_AFTER);
        let body = self.read(response, effect).await?;
        Ok(Answer { status, retry_after, body })
    }

    /// Sends, and accepts success only.
    pub(crate) async fn succeed(&self, request: RequestBuilder, effect: Effect) -> Result<Answer> {
        let answer = self.send(request, effect).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(self.refused(&answer, effect)) }
    }

    /// The body of a successful answer, as JSON of this shape.
    pub(crate) fn json<T: DeserializeOwned>(&self, answer: &Answer, effect: Effect) -> Result<T> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            let reason = format!("its answer is not what it should be: {error}");
            self.open_ended(effect, reason)
        })
    }

    /// What an answer without success means.
    pub(crate) fn refused(&self, answer: &Answer, effect: Effect) -> Error {
        let Answer { status, retry_after, body } = answer;
        let (aggregator, said) = (self.name.clone(), self.excerpt(body));
        let reason = format!("HTTP {status}{said}");
        match status.as_u16() {
            401 | 403 => {
                let reason = format!("{reason}; give a valid API key of this account");
                Error::Misconfigured { aggregator, reason }
            }
            402 => {
                let reason = format!("{reason}; the account's quota or plan does not allow it");
                Error::Misconfigured { aggregator, reason }
            }
            // Both say that the request was not taken on.
            429 => Error::Unavailable { aggregator, reason },
            503 if *retry_after => Error::Unavailable { aggregator, reason },
            // Without a time to come back, it may be a proxy's word after the service took it; a
            // gateway's 502 and 504 say that it was passed on, whatever their headers.
            408 | 500..=599 => self.open_ended(effect, reason),
            300..=399 => {
                let reason = format!("{reason}; the API has moved, change its address");
                Error::Misconfigured { aggregator, reason }
            }
            _ => Error::Rejected { aggregator, reason },
        }
    }

    async fn read(&self, response: Response, effect: Effect) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| self.lost(&error, effect))?;
            if body.len() + chunk.len() > MAX_ANSWER {
                let reason = format!("its answer is longer than {MAX_ANSWER} bytes");
                return Err(self.open_ended(effect, reason));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The transport failed. Without a connection nothing was sent; after that nobody can tell.
    fn lost(&self, error: &reqwest::Error, effect: Effect) -> Error {
        let effect = if error.is_connect() || error.is_builder() { Effect::None } else { effect };
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        self.open_ended(effect, reason)
    }

    fn open_ended(&self, effect: Effect, reason: String) -> Error {
        let aggregator = self.name.clone();
        match effect {
            Effect::None => Error::Unavailable { aggregator, reason },
            Effect::Order => Error::Ambiguous { aggregator, reason },
        }
    }

    /// The beginning of what an error's body says, on one line and without our key.
    fn excerpt(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body).replace(self.key.reveal(), "***");
        let words: Vec<&str> = text.split_whitespace().collect();
        let text: String = words.join(" ").chars().take(MAX_REASON).collect();
        if text.is_empty() { String::new() } else { format!(": {text}") }
    }
}

/// A path below a base address, which may have a path of its own.
pub(crate) fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_put_below_the_base_address() {
        for base in ["http://h:1", "http://h:1/"] {
            let base = Url::parse(base).expect("a URL");
            assert_eq!(endpoint(&base, "api/x").as_str(), "http://h:1/api/x");
        }
        let base = Url::parse("http://h:1/devnet/").expect("a URL");
        assert_eq!(endpoint(&base, "api/x").as_str(), "http://h:1/devnet/api/x");
    }
}
