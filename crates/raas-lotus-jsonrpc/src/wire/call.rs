//! `Filecoin.StateCall` of the miner's `GenerateSectorLocation` (FIP-0112, network version 28): how a
//! sector does and where it lies, told by the provider's actor itself.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use raas_types::{SectorHealth, SectorId};
use serde::{Deserialize, Serialize};

use super::{
    SectorLocation,
    cbor::{Reader, tuple_of_one},
    provider_address,
};

/// FRC-42 number of `GenerateSectorLocation` (builtin-actors `actors/miner/src/lib.rs`, v18).
const GENERATE_SECTOR_LOCATION: u64 = 1_321_604_665;

/// The network version from which on there is such a method.
pub(crate) const LOCATION_SINCE: u32 = 28;

// Exit codes (go-state-types `exitcode/common.go`).
const OK: i64 = 0;
/// There is no such actor.
const SYS_INVALID_RECEIVER: i64 = 5;
/// The actor knows no such sector.
const USR_NOT_FOUND: i64 = 17;
/// The actor has no such method.
const USR_UNHANDLED_MESSAGE: i64 = 22;

/// A message that is run and forgotten; no gas is paid for it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Message {
    version: u64,
    to: String,
    from: &'static str,
    nonce: u64,
    value: &'static str,
    gas_limit: i64,
    gas_fee_cap: &'static str,
    gas_premium: &'static str,
    method: u64,
    params: String,
}

impl Message {
    fn new(to: String, method: u64, params: &[u8]) -> Self {
        Self {
            version: 0,
            to,
            from: "f00",
            nonce: 0,
            value: "0",
            gas_limit: 0,
            gas_fee_cap: "0",
            gas_premium: "0",
            method,
            params: STANDARD.encode(params),
        }
    }

    /// Asks where a sector lies.
    pub(crate) fn locate(sector: SectorId) -> Self {
        let params = tuple_of_one(sector.number.get());
        Self::new(provider_address(sector.provider), GENERATE_SECTOR_LOCATION, &params)
    }

    /// Asks nothing: a transfer of nothing to the system actor.
    pub(crate) fn nothing() -> Self {
        Self::new("f00".to_owned(), 0, &[])
    }
}

/// `Filecoin.StateCall`'s answer; the execution trace, which is most of it, is passed over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Invocation {
    msg_rct: Receipt,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receipt {
    exit_code: i64,
    r#return: Option<String>,
}

/// What the actor says of a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) health: SectorHealth,
    /// `None` when the deadlines do not hold it.
    pub(crate) place: Option<SectorLocation>,
}

impl Invocation {
    /// What the actor says; `None` when there is no such sector, or no such actor.
    pub(crate) fn located(self) -> Result<Option<Located>, String> {
        let Receipt { exit_code, r#return } = self.msg_rct;
        match exit_code {
            OK => {
                let answer = STANDARD.decode(r#return.unwrap_or_default());
                let answer = answer.map_err(|e| format!("an answer that is no base64: {e}"))?;
                let located = decode(&answer)?;
                // Dead and nowhere is what the actor says of any number.
                let known = located.health != SectorHealth::Dead || located.place.is_some();
                Ok(known.then_some(located))
            }
            SYS_INVALID_RECEIVER | USR_NOT_FOUND => Ok(None),
            USR_UNHANDLED_MESSAGE => Err(format!(
                "the actor has no method to tell of a sector (exit code {exit_code}): it is no \
                 provider, or older than network version {LOCATION_SINCE}"
            )),
            _ => Err(format!("the actor failed with exit code {exit_code}")),
        }
    }
}

/// `[status, aux]`, aux being `[deadline, partition]` as bytes.
fn decode(answer: &[u8]) -> Result<Located, String> {
    let mut reader = Reader::new(answer);
    reader.array(2)?;
    let health = match reader.integer()? {
        0 => SectorHealth::Dead,
        1 => SectorHealth::Active,
        2 => SectorHealth::Faulty,
        other => return Err(format!("a sector of status {other}")),
    };
    let mut aux = Reader::new(reader.bytes()?);
    reader.end()?;
    aux.array(2)?;
    let place = match (aux.integer()?, aux.integer()?) {
        (-1, -1) => None,
        (deadline, partition) => Some(SectorLocation::new(deadline, partition)?),
    };
    aux.end()?;
    if place.is_none() && health != SectorHealth::Dead {
        return Err(format!("a sector that is {health:?} and lies nowhere"));
    }
    Ok(Located { health, place })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use raas_types::{ProviderId, SectorNumber};
    use serde_json::json;

    use super::*;

    fn answer(exit: i64, returned: &str) -> Result<Option<Located>, String> {
        let answer = json!({"MsgRct": {"ExitCode": exit, "Return": returned, "GasUsed": 1},
            "ExecutionTrace": {"Subcalls": [{"Msg": {}}]}, "Error": ""});
        serde_json::from_value::<Invocation>(answer).unwrap().located()
    }

    #[test]
    fn the_message_is_the_one_that_nodes_take() {
        let sector =
            SectorId { provider: ProviderId::new(1_206_408), number: SectorNumber::new(9) };
        let expected = json!({"Version": 0, "To": "f01206408", "From": "f00", "Nonce": 0,
            "Value": "0", "GasLimit": 0, "GasFeeCap": "0", "GasPremium": "0",
            "Method": 1_321_604_665, "Params": "gQk="});
        assert_eq!(serde_json::to_value(Message::locate(sector)).unwrap(), expected);
    }

    #[test]
    fn an_answer_is_health_and_place() {
        let place = SectorLocation::new(42, 3).unwrap();
        for (returned, health) in
            [("ggFEghgqAw==", SectorHealth::Active), ("ggJEghgqAw==", SectorHealth::Faulty)]
        {
            let located = Located { health, place: Some(place) };
            assert_eq!(answer(0, returned), Ok(Some(located)));
        }
        // 82 00 44 82182a03: terminated, and not compacted yet.
        let dead = Located { health: SectorHealth::Dead, place: Some(place) };
        assert_eq!(answer(0, "ggBEghgqAw=="), Ok(Some(dead)));
        assert_eq!(answer(0, "ggBDgiAg"), Ok(None), "dead and nowhere");
    }

    #[test]
    fn an_exit_code_is_an_answer_only_where_it_says_that_nothing_is_there() {
        for exit in [5, 17] {
            assert_eq!(answer(exit, ""), Ok(None), "{exit}");
        }
        for exit in [1, 7, 10, 16, 20, 22, 33, -1, i64::MIN] {
            assert!(answer(exit, "ggBDgiAg").unwrap_err().contains(&exit.to_string()), "{exit}");
        }
    }

    #[test]
    fn half_an_answer_is_none() {
        // Nothing; no base64; active and nowhere; status 3; deadline 48; partition -1; one item.
        for returned in
            ["", "?", "ggFDgiAg", "ggNEghgqAw==", "ggFEghgwAw==", "ggFEghgqIA==", "gQE="]
        {
            assert!(answer(0, returned).is_err(), "{returned}");
        }
    }
}
