//! One HTTP exchange with an endpoint: sent, awaited no longer than it may take, read no further than
//! fits, counted.
//!
//! Requests are made here and not by alloy's transport, which would read an answer of any length
//! into memory.

use std::time::{Duration, SystemTime};

use alloy::transports::http::reqwest::{self, header};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    EndpointSettings,
    pause::{Pause, retry_after},
    tally::Tally,
};

/// The longest answer that is read, in bytes. A listed deal is two words, 128 digits of hex: this is
/// room for 131 072 deals of one CID; and for as many events of a span as there are kilobytes, 16 384.
pub(crate) const MAX_ANSWER: usize = 16 << 20;

/// The longest time that connecting may take. An answer may need half a minute of work, a connection
/// needs a few round trips.
const CONNECT: Duration = Duration::from_secs(5);

/// The longest pause that is waited for, once for each request; what must wait longer fails and is
/// asked again in the next pass. So a request has ended after this and twice its time-out.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// A connection, and what was asked over it.
#[derive(Debug)]
pub(crate) struct Line {
    http: reqwest::Client,
    url: reqwest::Url,
    pause: Pause,
    pub(crate) tally: Tally,
}

/// Why there is no answer, or none of use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lost {
    #[error("no connection")]
    NoConnection,
    #[error("no answer in time")]
    NoAnswer,
    #[error("the connection broke off")]
    BrokenOff,
    #[error("the answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
    #[error("HTTP 429: it asks for no requests for {} s", .left.as_secs_f64().ceil())]
    Throttled { left: Duration },
    #[error("HTTP {0}{hint}", hint = hint(*.0))]
    Status(u16),
    #[error("unreadable answer: {0}")]
    Unreadable(String),
    #[error("not asked, as it left earlier questions unanswered")]
    NotAsked,
    /// It is not where the question is about.
    #[error("{0}")]
    Elsewhere(String),
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// `None` where the body is no JSON.
    pub(crate) body: Option<Value>,
}

/// How the endpoint answered a request.
enum Answered {
    With(Reply),
    /// With 429, and perhaps for how long.
    TooMany {
        pause: Option<Duration>,
    },
}

impl Line {
    /// Prepares to ask; nothing is sent. The error says what is wrong with the settings.
    pub(crate) fn new(settings: &EndpointSettings) -> Result<Self, String> {
        let mut headers = header::HeaderMap::new();
        if let Some(token) = &settings.token {
            let mut value = header::HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| "the token has characters that no header may have")?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let http = reqwest::Client::builder()
            .timeout(settings.timeout)
            .connect_timeout(CONNECT.min(settings.timeout))
            .default_headers(headers)
            // A node that moved is a matter of configuration, and tokens go nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        let url = settings.url.clone();
        Ok(Self { http, url, pause: Pause::default(), tally: Tally::default() })
    }

    /// Sends a body that calls one method so many times, and reads the answer. Waits once where the
    /// endpoint asks for a pause and it is short.
    pub(crate) async fn exchange(
        &self,
        method: &'static str,
        elements: usize,
        body: &Value,
    ) -> Result<Reply, Lost> {
        let body = body.to_string();
        let (mut waited, mut refused) = (false, false);
        loop {
            if let Some(left) = self.pause.left(Instant::now()) {
                if waited || left > MAX_WAIT {
                    return Err(Lost::Throttled { left });
                }
                waited = true;
                tokio::time::sleep(left).await;
                continue;
            }
            self.tally.sent(method, elements, body.len());
            match self.post(body.clone()).await? {
                Answered::With(reply) => {
                    self.pause.answered();
                    return Ok(reply);
                }
                Answered::TooMany { pause } => {
                    self.tally.throttled();
                    let left = self.pause.begin(pause, Instant::now());
                    if refused {
                        return Err(Lost::Throttled { left });
                    }
                    refused = true;
                }
            }
        }
    }

    async fn post(&self, body: String) -> Result<Answered, Lost> {
        let request = self.http.post(self.url.clone());
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        if status == 429 {
            let header = response.headers().get(header::RETRY_AFTER);
            let header = header.and_then(|value| value.to_str().ok());
            let pause = header.and_then(|header| retry_after(header, SystemTime::now()));
            return Ok(Answered::TooMany { pause });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            self.tally.received(chunk.len());
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Lost::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answered::With(Reply { status, body: serde_json::from_slice(&body).ok() }))
    }
}

/// reqwest's own words end in the URL, whose path may be a secret.
fn lost(error: reqwest::Error) -> Lost {
    if error.is_connect() {
        Lost::NoConnection
    } else if error.is_timeout() {
        Lost::NoAnswer
    } else {
        Lost::BrokenOff
    }
}

impl Lost {
    /// Whether somebody must change the configuration first.
    pub(crate) fn is_misconfiguration(&self) -> bool {
        matches!(self, Self::Status(300..=399 | 401 | 403 | 404 | 405 | 415))
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => ": a valid token is needed",
        300..=399 | 404 | 405 | 415 => ": check the URL, nodes answer at /rpc/v1",
        _ => "",
    }
}
