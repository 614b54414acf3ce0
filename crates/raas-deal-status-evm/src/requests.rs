//! What clients asked of the contract: its events, read in spans that nodes allow.
//!
//! Nodes answer `eth_getLogs` for their present chain, whatever tipset the caller has pinned. The
//! pin is therefore looked for on that chain before and after; when it is on another fork, nothing
//! is returned and the cursor stays. What a cursor has passed is not read again: callers who must
//! not miss a reorganisation read up to a finalized tipset.

use std::{collections::BTreeSet, result::Result as StdResult};

use alloy::{
    primitives::{Address, B256},
    rpc::types::{Filter, Log},
    sol_types::SolEvent,
};
use raas_deal_status::{Cursor, Request, RequestedTerms, Requests};
use raas_types::{ChainEpoch, SubmissionId, Tipset};
use tokio::time::Instant;

use crate::{
    ContractAddress, Settings,
    contract::DealStatus::{SubmitAggregatorRequest, SubmitAggregatorRequestWithRaaS},
    endpoint::Endpoint,
    error::{CallError, is_too_often},
    line::Lost,
    wire,
};

/// What events are asked for with.
const QUERY: &str = "eth_getLogs";
/// The widest span that nodes answer by default (Lotus `Events.MaxFilterHeightRange`, Forest
/// likewise): `toBlock - fromBlock` may be 2880.
const MAX_SPAN: i64 = 2880;
/// Queries for one answer: 64 * 2881 epochs are 64 days.
const MAX_QUERIES: usize = 64;
/// Time-outs that one answer may take at an endpoint, whatever the number of queries; what was read by
/// then is the answer. With the defaults: two minutes.
const MAX_TIMEOUTS: u32 = 4;
/// More requests than this end an answer; the next one continues.
const ENOUGH: usize = 1_000;
/// The code for a span that is too wide (Lotus since v1.35.1, Forest).
const CODE_LIMIT_EXCEEDED: i64 = -32005;

/// What is to be read: from after the cursor to the last epoch that is part of the state.
#[derive(Debug)]
pub(crate) struct Span {
    cursor: Cursor,
    next: i64,
    last: i64,
}

/// The span after `cursor` that is part of the state at `until`; an answer without requests where
/// there is none.
pub(crate) fn span(
    settings: &Settings,
    cursor: Option<Cursor>,
    until: &Tipset,
) -> StdResult<Span, Requests> {
    let beginning = settings.from_epoch.get();
    let read = cursor.map_or(beginning.saturating_sub(1), |cursor| cursor.epoch.get());
    // State at a tipset has the effects of its parents and not its own; between them all rounds are
    // null.
    let last = until.epoch.get().saturating_sub(1);
    let cursor = cursor.unwrap_or(Cursor { epoch: ChainEpoch::new(read.min(last)) });
    if read >= last {
        return Err(Requests { requests: Vec::new(), cursor, more: false });
    }
    Ok(Span { cursor, next: read + 1, last })
}

/// The requests in a span, as one endpoint tells them.
pub(crate) async fn read(
    endpoint: &Endpoint,
    contract: ContractAddress,
    span: &Span,
    until: &Tipset,
) -> StdResult<Requests, CallError> {
    let by = Instant::now() + endpoint.settings.timeout * MAX_TIMEOUTS;
    let Span { cursor, mut next, last } = *span;
    let mut requests = Requests { requests: Vec::new(), cursor, more: false };
    let parent = on_chain(endpoint, until).await?;
    let mut width = MAX_SPAN;
    for _ in 0..MAX_QUERIES {
        let end = last.min(next.saturating_add(width));
        match query(endpoint, contract, next, end).await {
            Ok(logs) => requests.requests.extend(logs.iter().filter_map(request)),
            Err(error) if width > 0 && is_too_wide(&error) && Instant::now() < by => {
                width /= 2;
                continue;
            }
            Err(error) => return Err(error),
        }
        requests.cursor.epoch = ChainEpoch::new(end);
        next = end + 1;
        if next > last || requests.requests.len() >= ENOUGH || Instant::now() >= by {
            break;
        }
    }
    requests.more = requests.cursor.epoch.get() < last;
    // A reorganisation meanwhile may have mixed two forks.
    if on_chain(endpoint, until).await? != parent {
        return Err(elsewhere("the chain was reorganised while events were read".to_owned()));
    }
    tidy(&mut requests.requests);
    Ok(requests)
}

/// The number of the pin's parent block; an error where the node's chain does not have it.
async fn on_chain(endpoint: &Endpoint, pin: &Tipset) -> StdResult<u64, CallError> {
    let gone = |why: &str| elsewhere(format!("tipset {} {why}", pin.epoch));
    let hash = wire::block_hash(&pin.parents).ok_or_else(|| gone("has no parents"))?;
    let number = endpoint.block_number(hash).await?;
    let number = number.ok_or_else(|| gone("is not known to this endpoint"))?;
    if endpoint.block_hash(number).await? == Some(hash) {
        Ok(number)
    } else {
        Err(gone("is not on this endpoint's chain: it was reorganised, or the endpoint lags"))
    }
}

fn elsewhere(reason: String) -> CallError {
    CallError::Lost { method: QUERY, why: Lost::Elsewhere(reason) }
}

async fn query(
    endpoint: &Endpoint,
    contract: ContractAddress,
    from: i64,
    to: i64,
) -> StdResult<Vec<Log>, CallError> {
    let topics: Vec<B256> = vec![
        SubmitAggregatorRequest::SIGNATURE_HASH,
        SubmitAggregatorRequestWithRaaS::SIGNATURE_HASH,
    ];
    let number = |epoch: i64| u64::try_from(epoch).unwrap_or(0);
    let filter = Filter::new()
        .address(Address::from(contract.0))
        .event_signature(topics)
        .from_block(number(from))
        .to_block(number(to));
    endpoint.logs(&filter).await
}

/// Whether a narrower span may be answered. Older nodes have code 1 for everything; words remain.
fn is_too_wide(error: &CallError) -> bool {
    match error {
        CallError::Lost { why: Lost::TooLong, .. } => true,
        CallError::Refused { message, .. } if is_too_often(message) => false,
        CallError::Refused { code: CODE_LIMIT_EXCEEDED, .. } => true,
        CallError::Refused { message, .. } => {
            ["range", "too many", "too far"].iter().any(|word| message.contains(word))
        }
        _ => false,
    }
}

/// The request that an event tells of.
fn request(log: &Log) -> Option<Request> {
    if log.removed {
        return None;
    }
    let (id, key, terms) = match log.topic0()? {
        topic if *topic == SubmitAggregatorRequest::SIGNATURE_HASH => {
            let event = SubmitAggregatorRequest::decode_log(&log.inner).ok()?;
            (event.id, event.cid.clone(), None)
        }
        _ => {
            let event = SubmitAggregatorRequestWithRaaS::decode_log(&log.inner).ok()?;
            let terms = RequestedTerms {
                replication_target: wire::saturated(event._replication_target),
                repair_threshold: wire::saturated(event._repair_threshold),
                renewal_threshold: wire::saturated(event._renew_threshold),
            };
            (event.id, event.cid.clone(), Some(terms))
        }
    };
    Some(Request {
        submission: SubmissionId(wire::saturated(id)),
        key: key.to_vec(),
        terms,
        epoch: ChainEpoch::new(i64::try_from(log.block_number?).ok()?),
        transaction: wire::tx_hash(log.transaction_hash?),
        log_index: log.log_index?,
    })
}

/// Oldest first, each once. The contract numbers its requests as they come.
fn tidy(requests: &mut Vec<Request>) {
    requests.sort_by_key(|request| (request.epoch, request.submission));
    let mut seen = BTreeSet::new();
    requests.retain(|request| seen.insert((request.transaction.clone(), request.log_index)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_words_for_a_wide_span_are_known() {
        let refused = |code, message: &str| CallError::Refused { code, message: message.into() };
        assert!(is_too_wide(&refused(-32005, "block range exceeds maximum of 2880 (got 2881)")));
        let old = "invalid epoch range: from block is too far in the past (maximum: 2880)";
        assert!(is_too_wide(&refused(1, old)));
        assert!(!is_too_wide(&refused(1, "chain indexer disabled")));
        assert!(!is_too_wide(&refused(1, "rate limit reached")));
        assert!(!is_too_wide(&refused(-32005, "too many requests: rate limit reached")));
        let lost = |why| CallError::Lost { method: QUERY, why };
        assert!(is_too_wide(&lost(Lost::TooLong)) && !is_too_wide(&lost(Lost::NoAnswer)));
        assert!(!is_too_wide(&CallError::Reverted(Default::default())));
    }
}
