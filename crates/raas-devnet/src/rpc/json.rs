//! Lotus JSON: the forms that its Go types take on the wire.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use raas_types::{Cid, ProviderId};
use serde_json::{Value, json};

use super::error::RpcError;
use crate::chain::{ChainView as _, View, blake2b, provider_text};

/// The longest run of a bitfield that is sent to us: more sectors than any miner here has.
const MAX_RUN: u64 = 1_000_000;

/// `{"/": "baf…"}`.
pub(crate) fn cid(cid: &Cid) -> Value {
    json!({"/": cid.to_string()})
}

/// A bitfield as run lengths that start with a run of unset bits: `[0]` is empty, `[5,1]` is {5}.
/// `members` must ascend.
pub(crate) fn bitfield(members: impl IntoIterator<Item = u64>) -> Value {
    // Runs alternate unset, set, unset, ...; `end` is where the last one ends.
    let mut runs = vec![0_u64];
    let mut end = 0;
    for member in members {
        if member > end || end == 0 {
            let gap = member - end;
            match runs.len() {
                1 => runs[0] = gap,
                _ => runs.push(gap),
            }
            runs.push(1);
        } else if let Some(run) = runs.last_mut() {
            *run += 1;
        }
        end = member + 1;
    }
    json!(runs)
}

/// An id address with the prefix of test networks.
pub(crate) fn id_address(id: u64) -> Value {
    json!(provider_text(ProviderId::new(id)))
}

/// The tipset with its block headers.
pub(crate) fn tipset(view: &View<'_>, epoch: i64) -> Value {
    let key = view.key(epoch);
    let parents = if epoch == 0 { Vec::new() } else { view.key(view.parent_epoch(epoch)) };
    let blocks = (0..key.len()).map(|index| header(view, epoch, index, &parents));
    json!({
        "Cids": key.iter().map(cid).collect::<Vec<_>>(),
        "Blocks": blocks.collect::<Vec<_>>(),
        "Height": epoch,
    })
}

/// Standard base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn header(view: &View<'_>, epoch: i64, index: usize, parents: &[Cid]) -> Value {
    let clock = view.clock();
    let providers = view.world().providers();
    let turn = clock.draw(b"miner", epoch) as usize + index;
    let miner = providers.get(turn % providers.len().max(1)).map_or(0, |id| id.get());
    // Signatures and proofs are 96 bytes of BLS; nobody checks these.
    let proof = |what: &str| {
        let part = blake2b(&[what.as_bytes(), &epoch.to_be_bytes(), &index.to_be_bytes()]);
        base64(&part.repeat(3))
    };
    json!({
        "Miner": id_address(if epoch == 0 { 0 } else { miner }),
        "Ticket": {"VRFProof": proof("ticket")},
        "ElectionProof": {"WinCount": 1, "VRFProof": proof("election")},
        "BeaconEntries": null,
        "WinPoStProof": null,
        "Parents": parents.iter().map(cid).collect::<Vec<_>>(),
        // One block adds about this much on a small network; only its growth means something.
        "ParentWeight": (epoch * 100).to_string(),
        "Height": epoch,
        "ParentStateRoot": cid(&clock.root("state", epoch)),
        "ParentMessageReceipts": cid(&clock.root("receipts", epoch)),
        "Messages": cid(&clock.root("messages", epoch)),
        "BLSAggregate": {"Type": 2, "Data": proof("aggregate")},
        "Timestamp": clock.timestamp(epoch),
        "BlockSig": {"Type": 2, "Data": proof("signature")},
        "ForkSignaling": 0,
        "ParentBaseFee": "100",
    })
}

/// Positional parameters of a call, decoded one by one.
pub(crate) struct Params<'a> {
    method: &'a str,
    values: &'a [Value],
}

impl<'a> Params<'a> {
    /// The parameters, which must be `want` in number.
    pub(crate) fn new(method: &'a str, values: &'a [Value], want: usize) -> Result<Self, RpcError> {
        if values.len() == want {
            Ok(Self { method, values })
        } else {
            Err(RpcError::param_count(method, values.len(), want))
        }
    }

    /// The parameter as it came.
    pub(crate) fn value(&self, index: usize) -> &'a Value {
        self.values.get(index).unwrap_or(&Value::Null)
    }

    /// A number that is not negative.
    pub(crate) fn unsigned(&self, index: usize) -> Result<u64, RpcError> {
        let value = self.value(index);
        value.as_u64().ok_or_else(|| self.bad(index, format!("{value} is no uint64")))
    }

    /// A number.
    pub(crate) fn signed(&self, index: usize) -> Result<i64, RpcError> {
        let value = self.value(index);
        value.as_i64().ok_or_else(|| self.bad(index, format!("{value} is no int64")))
    }

    /// An address as text.
    pub(crate) fn text(&self, index: usize) -> Result<&'a str, RpcError> {
        let value = self.value(index);
        value.as_str().ok_or_else(|| self.bad(index, format!("{value} is no string")))
    }

    /// An id address.
    pub(crate) fn actor(&self, index: usize) -> Result<ProviderId, RpcError> {
        let text = self.text(index)?;
        // The bare numbers that our own vocabulary reads are no addresses.
        let prefixed = text.starts_with("f0") || text.starts_with("t0");
        let parsed = text.parse().ok().filter(|_| prefixed);
        parsed.ok_or_else(|| self.bad(index, format!("invalid address {text:?}")))
    }

    /// A tipset key: `null`, `[]` or a list of CIDs.
    pub(crate) fn key(&self, index: usize) -> Result<Vec<Cid>, RpcError> {
        let bad = || self.bad(index, "a tipset key is null or a list of {\"/\": \"bafy…\"}");
        match self.value(index) {
            Value::Null => Ok(Vec::new()),
            Value::Array(cids) => cids
                .iter()
                .map(|cid| cid.get("/")?.as_str()?.parse().ok())
                .collect::<Option<_>>()
                .ok_or_else(bad),
            _ => Err(bad()),
        }
    }

    /// A bitfield's members, or `null` for all there are.
    pub(crate) fn bits(&self, index: usize) -> Result<Option<BTreeSet<u64>>, RpcError> {
        let bad = || self.bad(index, "a bitfield is null or a list of run lengths");
        let Some(runs) = self.value(index).as_array() else {
            return if self.value(index).is_null() { Ok(None) } else { Err(bad()) };
        };
        let (mut members, mut end) = (BTreeSet::new(), 0_u64);
        for (position, run) in runs.iter().enumerate() {
            let run = run.as_u64().filter(|run| *run <= MAX_RUN).ok_or_else(bad)?;
            if position % 2 == 1 {
                members.extend(end..end + run);
            }
            end += run;
        }
        Ok(Some(members))
    }

    /// The error for a parameter that does not decode.
    pub(crate) fn bad(&self, index: usize, why: impl std::fmt::Display) -> RpcError {
        RpcError::bad_param(self.method, index, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitfields_are_run_lengths_that_start_with_unset_bits() {
        for (members, runs) in [
            (vec![], json!([0])),
            (vec![5], json!([5, 1])),
            (vec![0], json!([0, 1])),
            (vec![0, 1, 2, 5], json!([0, 3, 2, 1])),
            (vec![20, 21], json!([20, 2])),
            (vec![1, 3, 5], json!([1, 1, 1, 1, 1, 1])),
        ] {
            assert_eq!(bitfield(members.clone()), runs, "{members:?}");
        }
    }

    #[test]
    fn parameters_are_counted_and_decoded_strictly() {
        let values = [json!("f01000"), json!("1000"), json!([{"/": "x"}]), json!(-1)];
        let params = Params::new("M", &values, 4).ok();
        let params = params.as_ref().map(|params| {
            (
                params.actor(0).map(ProviderId::get).ok(),
                params.actor(1).is_err(),
                params.key(2).is_err(),
                params.unsigned(3).is_err(),
            )
        });
        assert_eq!(params, Some((Some(1_000), true, true, true)));
        let error = Params::new("M", &values, 2).err().map(|error| error.message);
        assert_eq!(error.as_deref(), Some("wrong param count (method 'M'): 4 != 2"));
    }
}
