//! One HTTP client with limits on everything.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use raas_retrieval::{ByteStream, Error, Result};
use raas_types::Cid;
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use tokio::time::{Instant, timeout};
use url::Url;

use crate::HttpError;
use crate::address::{AddressPolicy, Forbidden};

/// Limits of time, size and rate on what is asked of one party.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// For connecting, names and TLS included.
    pub connect_timeout: Duration,
    /// From sending a request to the head of its answer: a gateway may have to look for the data.
    pub answer_timeout: Duration,
    /// Between two pieces of a body.
    pub idle_timeout: Duration,
    /// For everything that is asked of one gateway or provider for one DAG.
    pub party_timeout: Duration,
    /// Bodies that come slower than this many bytes a second are given up, once `rate_grace` was
    /// spent waiting for one.
    pub min_rate: u64,
    /// How long a body may be slow at its beginning.
    pub rate_grace: Duration,
    /// The longest body, in bytes.
    pub max_bytes: u64,
    /// The most blocks that are asked for one by one, for one DAG and party.
    pub max_raw_requests: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(30),
            // 32 GiB at 1.6 MB/s.
            party_timeout: Duration::from_secs(6 * 3600),
            min_rate: 16 * 1024,
            rate_grace: Duration::from_secs(30),
            // The largest piece.
            max_bytes: 64 << 30,
            // 1 GiB in leaves of 256 KiB.
            max_raw_requests: 4096,
        }
    }
}

/// Sends requests under a policy and limits.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
    /// `None` for hosts that the operator named.
    policy: Option<AddressPolicy>,
    pub(crate) options: ClientOptions,
}

impl Http {
    /// For hosts that the operator named; they may be anywhere.
    pub(crate) fn trusted(options: ClientOptions) -> Result<Self, HttpError> {
        let client = builder(&options).build()?;
        Ok(Self { client, policy: None, options })
    }

    /// For hosts that somebody else named.
    pub(crate) fn guarded(
        options: ClientOptions,
        policy: AddressPolicy,
    ) -> Result<Self, HttpError> {
        let client = builder(&options).dns_resolver(policy.clone()).build()?;
        Ok(Self { client, policy: Some(policy), options })
    }

    /// Refuses a host that the policy forbids, before anything else is asked of it.
    pub(crate) async fn admit(&self, url: &Url) -> Result<()> {
        let Some(policy) = &self.policy else { return Ok(()) };
        timeout(self.options.connect_timeout, policy.check_host(url))
            .await
            .map_err(|_| slow(format!("the name {} does not resolve in time", host(url))))?
            .map_err(|forbidden| Error::Refused(forbidden.to_string()))
    }

    pub(crate) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    /// Sends a request for `cid` and answers what came back with success.
    pub(crate) async fn send(&self, request: RequestBuilder, cid: &Cid) -> Result<Response> {
        let request = request.build().map_err(|error| unanswered(error.without_url()))?;
        if let Some(policy) = &self.policy {
            policy.check_url(request.url()).map_err(|error| Error::Refused(error.to_string()))?;
        }
        let response = timeout(self.options.answer_timeout, self.client.execute(request))
            .await
            .map_err(|_| {
                let seconds = self.options.answer_timeout.as_secs_f32();
                slow(format!("no answer within {seconds} s"))
            })?
            .map_err(|error| unanswered(error.without_url()))?;
        judge(response, cid)
    }

    /// The body of an answer, up to a length, as a stream that ends with an error where it breaks
    /// off, stalls, crawls or grows too long.
    pub(crate) fn body(&self, response: Response, max_bytes: u64) -> Result<ByteStream> {
        let max_bytes = max_bytes.min(self.options.max_bytes);
        if response.content_length().is_some_and(|length| length > max_bytes) {
            return Err(too_long(max_bytes));
        }
        let body = Body {
            stream: response.bytes_stream().boxed(),
            options: self.options.clone(),
            max_bytes,
            taken: 0,
            waited: Duration::ZERO,
        };
        let stream = futures::stream::try_unfold(body, |mut body| async move {
            let next = body.next().await.map_err(std::io::Error::from)?;
            Ok(next.map(|bytes| (bytes, body)))
        });
        Ok(stream.boxed())
    }

    /// A whole small body.
    pub(crate) async fn bytes(&self, response: Response, max_bytes: usize) -> Result<Bytes> {
        let mut stream = self.body(response, max_bytes as u64)?;
        let mut bytes = Vec::new();
        while let Some(next) = stream.next().await {
            bytes.extend_from_slice(&next.map_err(Error::from_stream)?);
        }
        Ok(bytes.into())
    }

    /// Runs all that is asked of one party within its time.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(self.options.party_timeout, work).await.unwrap_or_else(|_| {
            let seconds = self.options.party_timeout.as_secs_f32();
            Err(slow(format!("not done within {seconds} s")))
        })
    }
}

/// A base URL that was given by the operator.
pub(crate) fn parse_base(text: &str) -> Result<Url, HttpError> {
    let bad = |why: &str| HttpError::BadUrl { url: text.to_owned(), why: why.to_owned() };
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    match (url.scheme(), url.host()) {
        ("http" | "https", Some(_)) => Ok(url),
        ("http" | "https", None) => Err(bad("it has no host")),
        _ => Err(bad("it must be http or https")),
    }
}

/// A path below a base URL.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// A URL's host and port, for people: never its user, password, path or query.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or("nowhere");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn builder(options: &ClientOptions) -> reqwest::ClientBuilder {
    Client::builder()
        .connect_timeout(options.connect_timeout)
        // A redirect leads wherever its sender likes.
        .redirect(redirect::Policy::none())
        // A proxy would resolve names itself, past the policy.
        .no_proxy()
        .user_agent(concat!("raas/", env!("CARGO_PKG_VERSION")))
}

struct Body {
    stream: futures::stream::BoxStream<'static, reqwest::Result<Bytes>>,
    options: ClientOptions,
    max_bytes: u64,
    taken: u64,
    /// Time spent waiting for the sender; what the receiver does in between is not its fault.
    waited: Duration,
}

impl Body {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let from = Instant::now();
        let next = timeout(self.options.idle_timeout, self.stream.next()).await.map_err(|_| {
            let seconds = self.options.idle_timeout.as_secs_f32();
            slow(format!("nothing came for {seconds} s after {} bytes", self.taken))
        })?;
        self.waited += from.elapsed();
        let Some(next) = next else { return Ok(None) };
        let bytes = next.map_err(|error| {
            let message = format!("broke off after {} bytes", self.taken);
            Error::unavailable(message, error.without_url())
        })?;
        self.taken += bytes.len() as u64;
        if self.taken > self.max_bytes {
            return Err(too_long(self.max_bytes));
        }
        let due = self.options.min_rate as f64 * self.waited.as_secs_f64();
        if self.waited > self.options.rate_grace && (self.taken as f64) < due {
            let rate = self.options.min_rate;
            return Err(slow(format!("slower than {rate} bytes a second")));
        }
        Ok(Some(bytes))
    }
}

fn judge(response: Response, cid: &Cid) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Error::NotFound { cid: *cid },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            slow(format!("answered {status}"))
        }
        // Of a gateway without CARs, as of one that answers 400 or 406.
        StatusCode::NOT_IMPLEMENTED => Error::Refused(format!("answered {status}")),
        _ if status.is_server_error() => slow(format!("answered {status}")),
        _ if status.is_redirection() => Error::Refused(format!(
            "answered {status}, and redirects are not followed: configure the address it leads to"
        )),
        _ => Error::Refused(format!("answered {status}")),
    })
}

/// Why there was no answer: the policy, or the network.
fn unanswered(error: reqwest::Error) -> Error {
    let mut cause = error.source();
    let mut last = error.to_string();
    while let Some(inner) = cause {
        if let Some(forbidden) = inner.downcast_ref::<Forbidden>() {
            return Error::Refused(forbidden.to_string());
        }
        last = inner.to_string();
        cause = inner.source();
    }
    Error::unavailable(format!("no answer: {last}"), error)
}

fn slow(message: String) -> Error {
    Error::Unavailable { message, source: None }
}

fn too_long(max_bytes: u64) -> Error {
    Error::TooLarge(format!("the answer is longer than {max_bytes} bytes"))
}
