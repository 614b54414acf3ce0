//! The [`Client`] and its small calls: JSON in, JSON out.

use std::{fmt, future::Future, time::Duration};

use raas_api_types::{
    AlertList, DryRunProblem, DryRunResponse, JobList, JobView, Problem, ProviderFacts,
    ProviderList, ProviderView, RegisterProblem, RegisterRequest, RegisterResponse, Resumed,
    Spending,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::{Error, Result};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a small call may take. A thousand jobs are registered in some seconds.
const ANSWER: Duration = Duration::from_secs(60);
/// How often a silent connection is asked whether the other end still lives.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// The largest JSON answer that is read: a page of 1000 jobs of a kilobyte is a megabyte; one job
/// with thousands of deals and orders is a few.
const JSON_BYTES: usize = 32 << 20;
/// How much of an answer that is not understood is shown, in characters.
const SHOWN: usize = 200;

/// A connection to one node's HTTP face. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    base: Url,
    token: String,
    http: reqwest::Client,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the node at `base_url`, such as `http://127.0.0.1:8787`, with the bearer token
    /// that it printed. An empty token is not sent: public retrieval works without.
    ///
    /// # Errors
    ///
    /// When the URL or the token cannot be used; nothing is sent yet.
    pub fn new(base_url: &str, token: impl Into<String>) -> Result<Self> {
        let token = token.into();
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = "the token holds spaces or characters beyond ASCII: copy it again";
            return Err(Error::Protocol(what.to_owned()));
        }
        let base = base(base_url)?;
        let http = reqwest::Client::builder();
        // A proxy of the environment is for what is elsewhere.
        let http = if is_here(&base) { http.no_proxy() } else { http };
        let http = http
            .connect_timeout(CONNECT)
            .tcp_keepalive(KEEPALIVE)
            // The token is for this node and nobody it may point to.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::Protocol(format!("no HTTP client can be made: {error}")))?;
        Ok(Self { base, token, http })
    }

    /// Registers jobs; an answer for each, in order. Jobs that were refused say so in their results,
    /// even when all were.
    pub async fn register(&self, jobs: &[RegisterRequest]) -> Result<RegisterResponse> {
        let request = self.request(Method::POST, &["register_jobs"])?.json(jobs);
        let refused = |RegisterProblem { results, .. }| RegisterResponse { results };
        self.call_or(request, refused).await
    }

    /// What would become of jobs were they registered; nothing is kept. An answer for each, in order,
    /// each as if it were the only new one.
    pub async fn dry_run(&self, jobs: &[RegisterRequest]) -> Result<DryRunResponse> {
        let request = self.request(Method::POST, &["register_jobs"])?.json(jobs);
        let refused = |DryRunProblem { results, .. }| DryRunResponse { results };
        self.call_or(request.query(&[("dry_run", "true")]), refused).await
    }

    /// A page of jobs with ids above `after`; [`JobList::next`] is where the next one starts.
    pub async fn jobs(&self, after: Option<&str>) -> Result<JobList> {
        let query: Vec<_> = after.map(|after| ("after", after)).into_iter().collect();
        self.call(self.request(Method::GET, &["v1", "jobs"])?.query(&query)).await
    }

    /// One job with all that is known of it.
    pub async fn job(&self, id: &str) -> Result<JobView> {
        self.call(self.request(Method::GET, &["v1", "jobs", id])?).await
    }

    /// Removes a job. Its deals live on until they end; nothing more is ordered for it.
    pub async fn remove(&self, id: &str) -> Result<()> {
        let response = self.send(self.request(Method::DELETE, &["v1", "jobs", id])?).await?;
        self.accept(response).await.map(drop)
    }

    /// The providers that something is known of, with all that is.
    pub async fn providers(&self) -> Result<ProviderList> {
        self.call(self.request(Method::GET, &["v1", "providers"])?).await
    }

    /// What is known of a provider, such as `f01000`.
    pub async fn provider(&self, id: &str) -> Result<ProviderView> {
        self.call(self.request(Method::GET, &["v1", "providers", id])?).await
    }

    /// Says what is known of a provider, in place of all that was said of it before.
    pub async fn set_provider(&self, id: &str, facts: &ProviderFacts) -> Result<ProviderView> {
        self.call(self.request(Method::PUT, &["v1", "providers", id])?.json(facts)).await
    }

    /// Takes back what was said of a provider. What the node's file says of it, where it does, stands
    /// again.
    pub async fn remove_provider(&self, id: &str) -> Result<()> {
        let request = self.request(Method::DELETE, &["v1", "providers", id])?;
        let response = self.send(request).await?;
        self.accept(response).await.map(drop)
    }

    /// What an operator of the node should know now.
    pub async fn alerts(&self) -> Result<AlertList> {
        self.call(self.request(Method::GET, &["v1", "alerts"])?).await
    }

    /// Whether orders are made, and why not where they are not.
    pub async fn spending(&self) -> Result<Spending> {
        self.call(self.request(Method::GET, &["v1", "spending"])?).await
    }

    /// Has orders made again, and says what had stopped them. Harmless where nothing had.
    pub async fn resume_spending(&self) -> Result<Resumed> {
        self.call(self.request(Method::POST, &["v1", "spending", "resume"])?).await
    }

    /// A request to a path below the base URL, with the token.
    pub(crate) fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder> {
        let mut url = self.base.clone();
        // Segments are escaped, so that no id reaches another path.
        url.path_segments_mut()
            .map_err(|()| Error::Protocol(format!("{} has no path", self.base)))?
            .pop_if_empty()
            .extend(path);
        let request = self.http.request(method, url);
        Ok(if self.token.is_empty() { request } else { request.bearer_auth(&self.token) })
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let response = self.send(request).await?;
        let response = self.accept(response).await?;
        self.json(response).await
    }

    /// The answer to a request about several things, also where it is a problem that names them all.
    async fn call_or<T, P>(&self, request: RequestBuilder, refused: fn(P) -> T) -> Result<T>
    where
        T: DeserializeOwned,
        P: DeserializeOwned,
    {
        let response = self.send(request).await?;
        if response.status().is_success() {
            return self.json(response).await;
        }
        let (status, body) = self.body(response).await?;
        match serde_json::from_slice(&body) {
            Ok(problem) => Ok(refused(problem)),
            Err(_) => Err(self.problem(status, &body)),
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        self.within(ANSWER, request.send()).await?.map_err(Error::of_transport)
    }

    /// The response if it is a success, else the problem it tells of.
    pub(crate) async fn accept(&self, response: Response) -> Result<Response> {
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, body) = self.body(response).await?;
        Err(self.problem(status, &body))
    }

    pub(crate) async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T> {
        let (_, body) = self.body(response).await?;
        serde_json::from_slice(&body).map_err(|error| {
            Error::Protocol(format!(
                "{} does not answer like a RaaS node ({error}): {}",
                self.base,
                beginning(&body)
            ))
        })
    }

    async fn body(&self, mut response: Response) -> Result<(StatusCode, Vec<u8>)> {
        let status = response.status();
        let mut body = Vec::new();
        while let Some(bytes) =
            self.within(ANSWER, response.chunk()).await?.map_err(Error::of_transport)?
        {
            if body.len() + bytes.len() > JSON_BYTES {
                let what = format!("{} answers with more than {JSON_BYTES} bytes", self.base);
                return Err(Error::Protocol(what));
            }
            body.extend_from_slice(&bytes);
        }
        Ok((status, body))
    }

    fn problem(&self, status: StatusCode, body: &[u8]) -> Error {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => Error::Problem(problem),
            Err(_) => Error::Protocol(format!(
                "{} answers {status}, and not like a RaaS node: {}; check the URL",
                self.base,
                beginning(body)
            )),
        }
    }

    /// Gives up on what takes longer than `limit`.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T> {
        tokio::time::timeout(limit, work).await.map_err(|_| self.silent(limit))
    }

    pub(crate) fn silent(&self, limit: Duration) -> Error {
        let waited = format!("nothing came for {} seconds", limit.as_secs());
        Error::connect(self.base.as_str(), "does not answer", waited)
    }
}

fn base(text: &str) -> Result<Url> {
    let wrong = |why: String| {
        Error::Protocol(format!(
            "{text:?} is no URL of a node ({why}): write one such as http://127.0.0.1:8787"
        ))
    };
    let url = Url::parse(text.trim()).map_err(|error| wrong(error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.query().is_none() && url.fragment().is_none() => Ok(url),
        "http" | "https" => Err(wrong("it has a query or a fragment".to_owned())),
        other => Err(wrong(format!("its scheme is {other}"))),
    }
}

/// Whether a URL names this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = text.chars().take(SHOWN).map(printable).collect();
    format!("{shown:?}")
}
