//! What a [`JsonRpcLotus`](crate::JsonRpcLotus) is made from.

use std::{fmt, time::Duration};

use raas_types::EpochDelta;
use url::Url;

/// The largest batch that is sent: what Forest takes; more is answered with one error for all.
pub(crate) const MAX_BATCH: usize = 100;

/// The endpoint, and how to treat it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JsonRpcLotusConfig {
    /// Where JSON-RPC is answered: `http://127.0.0.1:1234/rpc/v1` for Lotus, port 2345 for Forest.
    pub url: Url,
    /// The API token, where the endpoint wants one. Permission to read is enough.
    pub token: Option<Token>,
    /// How long one HTTP exchange may take, answer read; 30 s, half of what Forest allows itself.
    /// As long may a request wait for its turn before; so a call has ended after twice this.
    pub request_timeout: Duration,
    /// How long connecting may take; 5 s.
    pub connect_timeout: Duration,
    /// How far below the head a tipset is held to be final where the endpoint does not say; 900
    /// epochs, the bound of expected consensus (lotus `build/buildconstants`).
    pub finality_fallback: EpochDelta,
    /// Items in one batch, 1 to 100; 100. An endpoint that takes fewer is found out by asking.
    pub max_batch: usize,
    /// HTTP requests in flight at a time, at least 1, and so connections; 16, which hides 50 ms of
    /// latency behind 16 x 100 / 0.05 s = 32 000 items a second.
    pub max_in_flight: usize,
    /// HTTP requests a second, more than 0; `None` for as many as the endpoint answers. Public
    /// endpoints say what they allow; what goes beyond it they answer with 429, which is honoured.
    pub requests_per_second: Option<f64>,
    /// The largest answer that is read, in bytes; 16 MiB, four times what the largest deadline of
    /// the largest provider comes to. With [`max_in_flight`](Self::max_in_flight) it bounds memory:
    /// 16 x 16 MiB of answers, each of which is there twice while it is decoded.
    pub max_response: u32,
}

impl JsonRpcLotusConfig {
    /// The defaults, for this endpoint.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            token: None,
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            finality_fallback: EpochDelta::EC_FINALITY,
            max_batch: MAX_BATCH,
            max_in_flight: 16,
            requests_per_second: None,
            max_response: 16 * 1024 * 1024,
        }
    }

    /// What cannot work, and what to write instead.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        // An hour between two requests is no pace for a node; 1/3600 Hz.
        let slowest = 1.0 / 3_600.0;
        if !matches!(self.url.scheme(), "http" | "https") {
            Some("the URL must begin with http:// or https://")
        } else if !(1..=MAX_BATCH).contains(&self.max_batch) {
            Some("max_batch must be 1 to 100")
        } else if self.max_in_flight == 0 {
            Some("max_in_flight must be at least 1")
        } else if self.finality_fallback < EpochDelta::ZERO {
            Some("finality_fallback must not be negative")
        } else if self.requests_per_second.is_some_and(|pace| !pace.is_finite() || pace < slowest) {
            Some("requests_per_second must be a number above 0 (1/3600 at least), or left out")
        } else {
            None
        }
    }

    /// How many requests one reading keeps under way: no more than get their turn at this pace in
    /// half the time that a request may wait for it.
    pub(crate) fn in_flight_of_a_reading(&self) -> usize {
        let Some(pace) = self.requests_per_second else { return self.max_in_flight };
        let turns = pace * self.request_timeout.as_secs_f64() / 2.0;
        // Saturates at both ends, which the clamp takes care of.
        (turns as usize).clamp(1, self.max_in_flight)
    }
}

/// An API token. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token with this text; white space around it (a file's last newline) is dropped.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a constant URL")]

    use super::*;

    #[test]
    fn a_slow_pace_keeps_few_requests_waiting() {
        let mut config = JsonRpcLotusConfig::new("http://localhost/rpc/v1".parse().unwrap());
        // Half of 30 s is 15 s of turns.
        for (pace, in_flight) in
            [(None, 16), (Some(100.0), 16), (Some(0.5), 7), (Some(0.01), 1), (Some(1e300), 16)]
        {
            config.requests_per_second = pace;
            assert_eq!(config.in_flight_of_a_reading(), in_flight, "{pace:?}");
            assert_eq!(config.complaint(), None);
        }
        for pace in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9] {
            config.requests_per_second = Some(pace);
            assert!(config.complaint().is_some(), "{pace}");
        }
    }
}
