//! The storage providers' HTTP side: one server each, and the IPNI endpoint that finds them.
//!
//! Who holds what is the [`World`](crate::chain::World)'s to say; the bytes are in the
//! [`library::Library`]. A provider can be offline (its connections drop) or corrupt (its bodies
//! are wrong), whatever its sectors do on the chain.

pub(crate) mod dag;
mod ipni;
pub(crate) mod library;
pub(crate) mod range;
mod serve;
mod switches;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use cid::Cid;
use raas_types::ProviderId;
use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) use self::switches::Served;
use self::{
    ipni::{FindResponse, ProviderResult},
    library::{Library, StoredPiece},
    serve::Server,
    switches::{SwitchedListener, Switches},
};
use crate::chain::{SharedWorld, UnknownProvider, lock};

/// The providers' servers; clones are the same ones. They stop when the last clone is gone.
#[derive(Clone)]
pub(crate) struct Providers {
    inner: Arc<Inner>,
}

struct Inner {
    world: SharedWorld,
    library: Arc<Library>,
    servers: BTreeMap<ProviderId, Running>,
}

struct Running {
    addr: SocketAddr,
    switches: Arc<Switches>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Providers {
    /// Starts one server for each provider of the world, each on a port of its own on loopback.
    pub(crate) async fn start(world: SharedWorld) -> io::Result<Self> {
        let ids = lock(&world).providers();
        let library = Arc::new(Library::default());
        let mut servers = BTreeMap::new();
        for id in ids {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let addr = listener.local_addr()?;
            let switches = Arc::new(Switches::default());
            let server = Server::new(id, world.clone(), library.clone(), switches.clone());
            let listener = SwitchedListener::new(listener, switches.clone());
            let task = tokio::spawn(async move {
                if let Err(error) = axum::serve(listener, server.router()).await {
                    tracing::error!(provider = %id, %error, "a provider's server ended");
                }
            });
            servers.insert(id, Running { addr, switches, task });
        }
        Ok(Self { inner: Arc::new(Inner { world, library, servers }) })
    }

    /// The IPNI endpoint, to be merged into the devnet's router.
    pub(crate) fn router(&self) -> Router {
        Router::new().route("/cid/{cid}", get(find)).with_state(self.clone())
    }

    /// Where the pieces lie; the aggregator adds to it.
    pub(crate) fn library(&self) -> &Library {
        &self.inner.library
    }

    /// Where a provider's server listens.
    pub(crate) fn addr(&self, id: ProviderId) -> Option<SocketAddr> {
        self.inner.servers.get(&id).map(|server| server.addr)
    }

    /// Makes a provider drop its connections, or take them again.
    pub(crate) fn set_offline(&self, id: ProviderId, offline: bool) -> Result<(), UnknownProvider> {
        self.switches(id).map(|switches| switches.set_offline(offline))
    }

    /// Makes a provider serve wrong bytes, or right ones again.
    pub(crate) fn set_corrupt(&self, id: ProviderId, corrupt: bool) -> Result<(), UnknownProvider> {
        self.switches(id).map(|switches| switches.set_corrupt(corrupt))
    }

    /// Whether a provider's server drops its connections.
    pub(crate) fn is_offline(&self, id: ProviderId) -> bool {
        self.switches(id).is_ok_and(Switches::is_offline)
    }

    /// Whether a provider serves wrong bytes.
    pub(crate) fn is_corrupt(&self, id: ProviderId) -> bool {
        self.switches(id).is_ok_and(Switches::is_corrupt)
    }

    /// What each provider has served so far.
    pub(crate) fn served(&self) -> BTreeMap<ProviderId, Served> {
        self.inner.servers.iter().map(|(id, server)| (*id, server.switches.served())).collect()
    }

    fn switches(&self, id: ProviderId) -> Result<&Switches, UnknownProvider> {
        let server = self.inner.servers.get(&id).ok_or(UnknownProvider(id))?;
        Ok(&server.switches)
    }

    /// Each provider that holds the CID (a block's or a piece's), with a piece that it is in.
    /// An index does not notice that a server is offline.
    fn holders(&self, cid: &Cid) -> Vec<(ProviderId, Arc<StoredPiece>)> {
        let pieces = self.inner.library.holding(cid);
        let world = lock(&self.inner.world);
        let holders = self.inner.servers.keys().flat_map(|id| {
            let held = pieces.iter().find(|piece| world.provider_holds(*id, &piece.piece.cid));
            held.map(|piece| (*id, piece.clone()))
        });
        holders.collect()
    }
}

async fn find(State(providers): State<Providers>, Path(cid): Path<String>) -> Response {
    let Ok(cid) = cid.parse::<Cid>() else {
        return (StatusCode::BAD_REQUEST, "that is no CID").into_response();
    };
    let holders = providers.holders(&cid);
    let results: Vec<ProviderResult> = holders
        .iter()
        .filter_map(|(id, piece)| {
            Some(ProviderResult::new(*id, &piece.piece, providers.addr(*id)?))
        })
        .collect();
    if results.is_empty() {
        return (StatusCode::NOT_FOUND, "no results for query").into_response();
    }
    Json(FindResponse::new(&cid, results)).into_response()
}
