//! [`EvmDealStatus`]: asks the contract.

use std::{collections::BTreeMap, result::Result as StdResult, sync::Arc};

use alloy::{
    primitives::{Address, Bytes, TxKind},
    rpc::types::{TransactionInput, TransactionRequest},
    sol_types::SolCall,
};
use async_trait::async_trait;
use cid::Cid;
use raas_deal_status::{Cursor, DealStatusSource, Error, Listing, Requests, Result};
use raas_types::{EpochDelta, RpcUsage, Tipset};

use crate::{
    ContractAddress, EndpointSettings, Settings,
    choice::Choice,
    contract::DealStatus::{Deal, getActiveDealsCall, getAllDealsCall, getExpiringDealsCall},
    endpoint::{Block, Endpoint},
    error::{CallError, reason},
    requests, wire,
};

/// Lists read from the contract's own storage that are asked for in one request: a few milliseconds
/// of a node's time each, a fraction of a second together.
const LISTS_AT_ONCE: usize = 50;
/// Lists for which the contract asks the market actor about each deal, likewise: up to 10^10 units
/// of gas each, which are seconds.
const JUDGED_LISTS_AT_ONCE: usize = 10;

/// A DealStatus contract, asked over Ethereum JSON-RPC.
///
/// It may be asked at several endpoints: see [`also`](Self::also). The block that a question is about
/// is named by its hash, so that an endpoint on another fork or another network has no answer rather
/// than another one. Copies share connections, counts and what was learned about the endpoints.
///
/// Everything ends: a request after twice its time-out and 5 s of a pause that the endpoint asks for,
/// a reading at an endpoint as soon as three requests were lost, and then the next endpoint is asked.
#[derive(Clone, Debug)]
pub struct EvmDealStatus {
    pub(crate) settings: Settings,
    /// The one of the settings: preferred, and the only one that is written through.
    pub(crate) endpoint: Endpoint,
    others: Vec<Endpoint>,
    choice: Arc<Choice>,
}

impl EvmDealStatus {
    /// A contract behind an endpoint. Nothing is asked yet.
    pub fn new(settings: Settings) -> Result<Self> {
        let endpoint = connect(&settings, settings.endpoint.clone())?;
        Ok(Self { settings, endpoint, others: Vec::new(), choice: Arc::new(Choice::among(1)) })
    }

    /// Adds an endpoint at which the same contract is read where those before it are not there, do
    /// not know the block, refuse or answer nonsense. What the contract itself says, a revert too, is
    /// not asked for twice. An endpoint that failed is tried last for a while. One with a URL that is
    /// here already adds nothing.
    ///
    /// Only reads go there: what [`EvmDealRecorder`](crate::EvmDealRecorder) writes, it writes through
    /// the settings' own endpoint, as only one node's message pool knows which nonces are waiting.
    pub fn also(mut self, endpoint: EndpointSettings) -> Result<Self> {
        if self.endpoints().all(|known| known.settings.url != endpoint.url) {
            self.others.push(connect(&self.settings, endpoint)?);
            self.choice = Arc::new(Choice::among(1 + self.others.len()));
        }
        Ok(self)
    }

    /// Where the contract is.
    pub fn address(&self) -> ContractAddress {
        self.settings.contract
    }

    /// A message to the contract.
    pub(crate) fn request(&self, data: Vec<u8>) -> TransactionRequest {
        TransactionRequest {
            to: Some(TxKind::Call(Address::from(self.settings.contract.0))),
            input: TransactionInput::new(data.into()),
            ..TransactionRequest::default()
        }
    }

    fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        [&self.endpoint].into_iter().chain(&self.others)
    }

    /// The endpoints in the order in which they are to be tried now, with their places.
    fn in_order(&self) -> impl Iterator<Item = (usize, &Endpoint)> {
        let endpoint = |place: usize| match place.checked_sub(1) {
            None => Some(&self.endpoint),
            Some(other) => self.others.get(other),
        };
        self.choice.order().into_iter().filter_map(move |place| Some((place, endpoint(place)?)))
    }

    /// What the contract lists for each key of each CID: asked at one endpoint after the other until
    /// the contract has answered.
    async fn lists<C>(&self, most: usize, calls: &[C], at: Block) -> Vec<Result<Vec<Deal>>>
    where
        C: SolCall<Return = Vec<Deal>>,
    {
        let mut found: Vec<StdResult<Vec<Deal>, Failures>> =
            calls.iter().map(|_| Err(Failures::new())).collect();
        let mut open: Vec<usize> = (0..calls.len()).collect();
        if open.is_empty() {
            return Vec::new();
        }
        for (place, endpoint) in self.in_order() {
            if open.is_empty() {
                break;
            }
            let asked = open.iter().map(|index| self.request(calls[*index].abi_encode()));
            let asked: Vec<_> = asked.collect();
            let answers = endpoint.call_all(C::SIGNATURE, most, &asked, at).await;
            let (mut still_open, mut answered, mut at_fault) = (Vec::new(), false, false);
            for (index, answer) in open.into_iter().zip(answers) {
                match answer.and_then(|answer| decode::<C>(&answer)) {
                    Ok(deals) => {
                        answered = true;
                        found[index] = Ok(deals);
                    }
                    Err(error) => {
                        if error.is_final() {
                            answered = true;
                        } else {
                            at_fault |= error.is_about_endpoint();
                            still_open.push(index);
                        }
                        note(&mut found[index], endpoint, error);
                    }
                }
            }
            if answered {
                self.choice.answered(place);
            } else if at_fault {
                self.choice.failed(place);
            }
            open = still_open;
        }
        let all_failed = |failures| self.all_failed(failures);
        found.into_iter().map(|found| found.map_err(all_failed)).collect()
    }

    /// All deals under each key of each CID.
    async fn all_deals(&self, cids: &[Cid], at: Block) -> Vec<Keyed> {
        let keyed = cids.iter().enumerate();
        let keyed = keyed.flat_map(|(place, cid)| wire::keys(cid).map(|key| (place, key)));
        let keyed: Vec<(usize, Bytes)> = keyed.collect();
        let calls = keyed.iter().map(|(_, key)| getAllDealsCall { _cid: key.clone() });
        let lists = self.lists(LISTS_AT_ONCE, &calls.collect::<Vec<_>>(), at).await;
        keyed.into_iter().zip(lists).map(|((place, key), deals)| (place, key, deals)).collect()
    }

    /// What the caller is told when no endpoint brought an answer. A revert is what the contract says,
    /// whatever endpoints said before.
    fn all_failed(&self, mut failures: Failures) -> Error {
        let is_revert = |(_, error): &(String, Error)| matches!(error, Error::Rejected { .. });
        let is_alone = failures.len() == 1;
        if let Some((_, error)) = failures.pop_if(|last| is_alone || is_revert(last)) {
            return error;
        }
        let may_pass = failures.is_empty() || failures.iter().any(|(_, e)| e.is_temporary());
        let said = failures.into_iter().map(|(host, error)| format!("{host}: {}", reason(error)));
        let (contract, reason) = (self.contract(), said.collect::<Vec<_>>().join("; "));
        if may_pass {
            Error::Unavailable { contract, reason }
        } else {
            Error::Misconfigured { contract, reason }
        }
    }

    /// The block whose state is the state at `at`.
    fn block(&self, at: &Tipset) -> Result<Block> {
        let hash = wire::block_hash(&at.parents);
        let hash = hash.ok_or_else(|| self.endpoint.unavailable("genesis has no state to ask"))?;
        Ok(Block::Hash(hash))
    }
}

/// What the endpoints said, in the order in which they were asked, with their hosts.
type Failures = Vec<(String, Error)>;

/// The place of a CID in the question, one of its keys, and the deals under it.
type Keyed = (usize, Bytes, Result<Vec<Deal>>);

/// One CID's answers while they come in.
struct Pending {
    /// All deals under each key.
    all: Result<Vec<Vec<Deal>>>,
    active: Lists,
    expiring: Lists,
}

/// What each key of a CID answered, or why one did not.
type Lists = StdResult<Vec<Vec<Deal>>, String>;

fn connect(settings: &Settings, endpoint: EndpointSettings) -> Result<Endpoint> {
    Endpoint::new(endpoint, &format!("contract {}", settings.contract))
}

fn decode<C: SolCall>(answer: &[u8]) -> StdResult<C::Return, CallError> {
    C::abi_decode_returns(answer).map_err(|error| {
        CallError::NoContract(if answer.is_empty() {
            "there is no contract at this address on this network".to_owned()
        } else {
            format!("this is no DealStatus contract: {}: {error}", C::SIGNATURE)
        })
    })
}

fn note<T>(found: &mut StdResult<T, Failures>, endpoint: &Endpoint, error: CallError) {
    if let Err(failures) = found {
        failures.push((endpoint.host.clone(), endpoint.error(error)));
    }
}

/// Adds one key's answer to the others'. Whatever keeps the contract or the endpoints from answering
/// (a dead deal, the gas of a long list, a time-out) makes this one answer unknown, with the reason in
/// words, and leaves the list of all deals as good as it is.
fn join(lists: &mut Lists, answer: Result<Vec<Deal>>) {
    // With one key's answer missing, the other's is of no use.
    let Ok(known) = lists else { return };
    match answer {
        Ok(deals) => known.push(deals),
        Err(error) => *lists = Err(reason(error)),
    }
}

#[async_trait]
impl DealStatusSource for EvmDealStatus {
    fn contract(&self) -> String {
        let others = self.others.iter().map(|endpoint| endpoint.host.as_str());
        [&self.endpoint.name[..]].into_iter().chain(others).collect::<Vec<_>>().join(", ")
    }

    async fn listings(
        &self,
        cids: &[Cid],
        within: EpochDelta,
        at: &Tipset,
    ) -> Vec<Result<Listing>> {
        // A negative span holds nothing, and neither does an empty one.
        let epochs = u64::try_from(within.get()).unwrap_or(0);
        let block = match self.block(at) {
            Ok(block) => block,
            Err(error) => {
                let reason = error.to_string();
                let again =
                    || Error::Unavailable { contract: self.contract(), reason: reason.clone() };
                return cids.iter().map(|_| Err(again())).collect();
            }
        };
        let all = self.all_deals(cids, block).await;
        // A key with no deals has none that are active: it need not be asked.
        let has_deals = |(_, _, deals): &&Keyed| deals.as_ref().is_ok_and(|d| !d.is_empty());
        let known: Vec<_> = all.iter().filter(has_deals).map(|(cid, key, _)| (*cid, key)).collect();
        let calls = known.iter().map(|(_, key)| getActiveDealsCall { _cid: (*key).clone() });
        let active = self.lists(JUDGED_LISTS_AT_ONCE, &calls.collect::<Vec<_>>(), block).await;
        let calls =
            known.iter().map(|(_, key)| getExpiringDealsCall { _cid: (*key).clone(), epochs });
        let expiring = self.lists(JUDGED_LISTS_AT_ONCE, &calls.collect::<Vec<_>>(), block).await;

        let mut pending: Vec<Pending> = cids.iter().map(|_| Pending::new()).collect();
        for ((cid, _), (active, expiring)) in
            known.into_iter().zip(active.into_iter().zip(expiring))
        {
            join(&mut pending[cid].active, active);
            join(&mut pending[cid].expiring, expiring);
        }
        for (cid, _, deals) in all {
            pending[cid].hear_all(deals);
        }
        pending.into_iter().map(Pending::listing).collect()
    }

    async fn requests_since(&self, cursor: Option<Cursor>, until: &Tipset) -> Result<Requests> {
        let span = match requests::span(&self.settings, cursor, until) {
            Ok(span) => span,
            Err(nothing_new) => return Ok(nothing_new),
        };
        let mut failures = Failures::new();
        for (place, endpoint) in self.in_order() {
            match requests::read(endpoint, self.settings.contract, &span, until).await {
                Ok(requests) => {
                    self.choice.answered(place);
                    return Ok(requests);
                }
                Err(error) => {
                    // One that keeps no events, or none so old, may be good for all else.
                    if matches!(error, CallError::Lost { .. }) {
                        self.choice.failed(place);
                    }
                    failures.push((endpoint.host.clone(), endpoint.error(error)));
                }
            }
        }
        Err(self.all_failed(failures))
    }

    /// By host and port, endpoints of one host together. What a recorder made with
    /// [`EvmDealRecorder::beside`](crate::EvmDealRecorder::beside) asks is in it.
    fn usage(&self) -> BTreeMap<String, RpcUsage> {
        let mut usage = BTreeMap::<String, RpcUsage>::new();
        for endpoint in self.endpoints() {
            usage.entry(endpoint.host.clone()).or_default().add(&endpoint.usage());
        }
        usage
    }
}

impl Pending {
    fn new() -> Self {
        Self { all: Ok(Vec::new()), active: Ok(Vec::new()), expiring: Ok(Vec::new()) }
    }

    fn hear_all(&mut self, deals: Result<Vec<Deal>>) {
        let Ok(known) = &mut self.all else { return };
        match deals {
            Ok(deals) => known.push(deals),
            Err(error) => self.all = Err(error),
        }
    }

    fn listing(self) -> Result<Listing> {
        Ok(Listing {
            all: wire::deals(self.all?),
            active: self.active.map(wire::deals),
            expiring: self.expiring.map(wire::deals),
        })
    }
}
