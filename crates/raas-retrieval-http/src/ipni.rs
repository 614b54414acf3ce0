//! Finding who has the data, and asking each of them.

use async_trait::async_trait;
use raas_retrieval::{Attempt, DataSource, Error, Result, Served, Staging, Wanted};
use raas_types::Cid;
use url::Url;

use crate::HttpError;
use crate::address::AddressPolicy;
use crate::client::{ClientOptions, Http, below, host, parse_base};
use crate::find::{self, Holder};
use crate::gateway::{fetch_dag, is_unreachable};
use crate::piece::fetch_piece;

/// The longest answer of an index, in bytes: 64 results of some 2 kB are 128 kB, and popular CIDs
/// have more than we read.
const MAX_ANSWER: usize = 4 << 20;
/// The most pieces that are looked up for one DAG: more replicas than anybody keeps.
const MAX_PIECES: usize = 32;
/// The most servers that are asked for one DAG.
const MAX_SERVERS: usize = 32;

/// Whoever an IPNI index (such as `https://cid.contact`) says has the data: each at its `/ipfs/`,
/// then at its `/piece/` for the pieces that are said to hold it.
#[derive(Debug)]
pub struct IpniSource {
    name: String,
    index: Url,
    /// For the index, which the operator named.
    finder: Http,
    /// For the holders, which the index named.
    http: Http,
}

impl IpniSource {
    /// Asks the index at a base URL, and those it names as far as the policy allows. The limits
    /// hold for the index and for each holder.
    pub fn new(
        ipni_url: &str,
        policy: AddressPolicy,
        options: ClientOptions,
    ) -> Result<Self, HttpError> {
        let index = parse_base(ipni_url)?;
        Ok(Self {
            name: format!("ipni {}", host(&index)),
            index,
            finder: Http::trusted(options.clone())?,
            http: Http::guarded(options, policy)?,
        })
    }

    /// Who has a CID, by the index. Nobody is no error.
    async fn find(&self, cid: &Cid) -> Result<Vec<Holder>> {
        let url = below(&self.index, &format!("cid/{cid}"));
        let accept = "application/json, application/x-ndjson;q=0.9";
        let request = self.finder.get(url).header("accept", accept);
        let response = match self.finder.send(request, cid).await {
            Ok(response) => response,
            Err(Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let body = self.finder.bytes(response, MAX_ANSWER).await?;
        find::parse(&body)
            .ok_or_else(|| Error::Corrupt("the index answered neither JSON nor NDJSON".to_owned()))
    }

    /// The servers to ask: those that hold the DAG, then those that hold a piece of it.
    async fn servers(&self, wanted: &Wanted, attempts: &mut Vec<Attempt>) -> Vec<Server> {
        let mut servers = Servers(Vec::new());
        match self.find(&wanted.cid).await {
            Ok(holders) => holders.iter().for_each(|holder| servers.add(holder, None, wanted)),
            Err(error) => attempts.push(Attempt { source: self.name.clone(), error }),
        }
        for (i, hint) in wanted.pieces.iter().take(MAX_PIECES).enumerate() {
            match self.find(&hint.piece.cid).await {
                Ok(holders) => {
                    holders.iter().for_each(|holder| servers.add(holder, Some(i), wanted));
                }
                Err(error) => {
                    // An index that does not answer for one piece will not for the next.
                    attempts.push(Attempt { source: self.name.clone(), error });
                    break;
                }
            }
        }
        servers.0.truncate(MAX_SERVERS);
        servers.0
    }

    /// Asks one server, first as a gateway, then for pieces; answers how it served, and tells all
    /// that failed.
    async fn ask(
        &self,
        server: &Server,
        wanted: &Wanted,
        staging: &mut Staging,
        attempts: &mut Vec<Attempt>,
    ) -> Option<String> {
        let url = &server.url;
        let label = server.label();
        let mut failed = |source: &str, error: Error| {
            tracing::debug!(source, %error, "asked in vain");
            attempts.push(Attempt { source: source.to_owned(), error });
        };
        if let Err(error) = self.http.admit(url).await {
            failed(&label, error);
            return None;
        }
        if server.gateway {
            let by = format!("{label} by /ipfs");
            match self.http.within(fetch_dag(&self.http, url, &wanted.cid, staging)).await {
                Ok(()) => return Some(by),
                Err(error) => {
                    // Where nobody listens, one attempt says all there is.
                    let gone = is_unreachable(&error);
                    failed(&by, error);
                    if gone {
                        return None;
                    }
                }
            }
        }
        let by = format!("{label} by /piece");
        for i in &server.pieces {
            let hint = &wanted.pieces[*i];
            match self.http.within(fetch_piece(&self.http, url, hint, staging)).await {
                Ok(()) => return Some(by),
                Err(error) => {
                    let gone = is_unreachable(&error);
                    failed(&by, error);
                    if gone {
                        return None;
                    }
                }
            }
        }
        None
    }
}

#[async_trait]
impl DataSource for IpniSource {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn fetch(&self, wanted: &Wanted, staging: &mut Staging) -> Result<Served> {
        if staging.is_complete() {
            return Ok(Served::by(&self.name));
        }
        let mut attempts = Vec::new();
        let servers = self.servers(wanted, &mut attempts).await;
        for server in servers {
            if let Some(by) = self.ask(&server, wanted, staging, &mut attempts).await {
                return Ok(Served { by, attempts });
            }
        }
        if attempts.is_empty() {
            return Err(Error::NotFound { cid: wanted.cid });
        }
        Err(Error::Tried(attempts))
    }
}

/// A server that somebody named, and what may be asked of it.
#[derive(Debug)]
struct Server {
    url: Url,
    /// The peer id, or the provider's where a piece tells it.
    id: String,
    gateway: bool,
    /// Positions of pieces among what is wanted, the likely ones first.
    pieces: Vec<usize>,
}

impl Server {
    fn label(&self) -> String {
        format!("provider {} at {}", self.id, host(&self.url))
    }
}

struct Servers(Vec<Server>);

impl Servers {
    /// Adds a holder's servers, or what it holds to a server that is known already. `found_by` is
    /// the piece whose lookup named it.
    fn add(&mut self, holder: &Holder, found_by: Option<usize>, wanted: &Wanted) {
        let known = wanted.pieces.iter().position(|hint| Some(hint.piece.cid) == holder.piece);
        let likely = found_by.or(known);
        // A gateway's host serves pieces too, as boost's and Curio's do, whatever it announces.
        let others = 0..wanted.pieces.len().min(MAX_PIECES);
        let provider = likely.and_then(|i| wanted.pieces[i].provider);
        for url in &holder.urls {
            let at = self.0.iter().position(|server| server.url == *url).unwrap_or_else(|| {
                let id = holder.id.clone();
                self.0.push(Server { url: url.clone(), id, gateway: false, pieces: Vec::new() });
                self.0.len() - 1
            });
            let server = &mut self.0[at];
            // The claim about a piece may come after the claim about the DAG.
            if let Some(provider) = provider {
                server.id = provider.to_string();
            }
            server.gateway |= holder.gateway && found_by.is_none();
            for i in likely.into_iter().chain(others.clone()) {
                if (holder.pieces || likely == Some(i) || holder.gateway)
                    && !server.pieces.contains(&i)
                {
                    server.pieces.push(i);
                }
            }
        }
    }
}
