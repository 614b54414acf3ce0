//! Puts a [`Node`] together: one adapter per port, checked before anything runs.

use std::sync::Arc;

use raas_aggregator::Aggregator;
use raas_deal_status::{DealRecorder, DealStatusSource};
use raas_job_store::JobStore;
use raas_lotus::LotusChain;
use raas_retrieval::{BlobStore, DataSource};
use raas_types::{ProviderBook, ProviderId};

use crate::{
    CorePlanner, Node, Planner, Settings,
    node::Ports,
    providers::{Providers, tidy_facts},
};

/// The parts of a node that are still missing or contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A port has no adapter.
    #[error("a node needs {0}: give the builder one")]
    Missing(&'static str),
    /// Two aggregators have one name, so that orders could not be told apart.
    #[error("two aggregators are named {0:?}: rename one")]
    SameName(String),
    /// Two endpoints of the chain have one name: the second would bear witness for itself.
    #[error("the endpoint {0} is there twice: leave one out, or name another node")]
    SameEndpoint(String),
    /// What is said of a provider is no fact.
    #[error("provider {provider}: {wrong}")]
    Facts {
        /// The provider.
        provider: ProviderId,
        /// What is wrong, and how to mend it.
        wrong: String,
    },
}

/// Collects the adapters of a node.
#[derive(Debug, Default)]
pub struct NodeBuilder {
    chain: Vec<Arc<dyn LotusChain>>,
    contract: Option<Arc<dyn DealStatusSource>>,
    recorder: Option<Arc<dyn DealRecorder>>,
    aggregators: Vec<Arc<dyn Aggregator>>,
    store: Option<Arc<dyn JobStore>>,
    blobs: Option<BlobStore>,
    sources: Vec<Arc<dyn DataSource>>,
    planner: Option<Arc<dyn Planner>>,
    settings: Settings,
    providers: ProviderBook,
}

impl NodeBuilder {
    /// One more endpoint of the chain; the first is the one to read, and with two or more nothing is
    /// spent on what only one of them says ([`Settings::witnesses`]).
    pub fn chain(mut self, chain: Arc<dyn LotusChain>) -> Self {
        self.chain.push(chain);
        self
    }

    /// The contract to ask.
    pub fn contract(mut self, contract: Arc<dyn DealStatusSource>) -> Self {
        self.contract = Some(contract);
        self
    }

    /// The contract to write to. Without one the node only reads it.
    pub fn recorder(mut self, recorder: Arc<dyn DealRecorder>) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// One more aggregator; the first is the best.
    pub fn aggregator(mut self, aggregator: Arc<dyn Aggregator>) -> Self {
        self.aggregators.push(aggregator);
        self
    }

    /// Where jobs are kept.
    pub fn store(mut self, store: Arc<dyn JobStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Where bytes are kept.
    pub fn blobs(mut self, blobs: BlobStore) -> Self {
        self.blobs = Some(blobs);
        self
    }

    /// One more place to fetch bytes from; they are asked in this order.
    pub fn source(mut self, source: Arc<dyn DataSource>) -> Self {
        self.sources.push(source);
        self
    }

    /// Who decides; [`CorePlanner`] where nobody else is given.
    pub fn planner(mut self, planner: Arc<dyn Planner>) -> Self {
        self.planner = Some(planner);
        self
    }

    /// How the node behaves.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// What is known of providers from the start, such as a file says. What is said by
    /// [`Node::set_provider_facts`] is newer, and stands in place of it.
    pub fn providers(mut self, book: ProviderBook) -> Self {
        self.providers = book;
        self
    }

    /// The node. Nothing runs yet: call [`Node::pass`] or [`Node::run`].
    ///
    /// # Errors
    ///
    /// Says which part is missing.
    pub fn build(self) -> Result<Node, BuildError> {
        let mut names: Vec<_> = self.aggregators.iter().map(|a| a.name()).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(BuildError::SameName(pair[0].to_string()));
        }
        if self.chain.is_empty() {
            return Err(BuildError::Missing("a chain"));
        }
        let mut names: Vec<_> = self.chain.iter().map(|chain| chain.endpoint()).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(BuildError::SameEndpoint(pair[0].clone()));
        }
        let ports = Ports {
            chain: self.chain,
            contract: self.contract.ok_or(BuildError::Missing("a contract"))?,
            recorder: self.recorder,
            aggregators: self.aggregators,
            store: self.store.ok_or(BuildError::Missing("a job store"))?,
            blobs: self.blobs.ok_or(BuildError::Missing("a blob store"))?,
            sources: self.sources,
        };
        let planner = self.planner.unwrap_or_else(|| Arc::new(CorePlanner));
        let tidy = |(provider, facts)| match tidy_facts(facts) {
            Ok(facts) => Ok((provider, facts)),
            Err(wrong) => Err(BuildError::Facts { provider, wrong: wrong.join("; ") }),
        };
        let book = self.providers.into_iter().map(tidy).collect::<Result<_, _>>()?;
        Ok(Node::new(ports, planner, self.settings, Providers::new(book)))
    }
}
