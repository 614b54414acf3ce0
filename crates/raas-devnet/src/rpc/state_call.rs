//! `Filecoin.StateCall` of the miner methods that anybody may call (FIP-0112): where a sector is and
//! how it does, told by the actor itself.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use raas_types::SectorNumber;
use serde_json::{Value, json};

use super::{
    Node,
    error::RpcError,
    json::{Params, base64, cid},
};
use crate::chain::ChainView as _;

/// `GenerateSectorLocation`: FRC-42 number of the name.
const GENERATE_SECTOR_LOCATION: u64 = 1_321_604_665;
/// `GetNominalSectorExpiration`.
const GET_NOMINAL_SECTOR_EXPIRATION: u64 = 3_010_055_991;
/// The parameters do not decode.
const USR_SERIALIZATION: u64 = 21;
/// The actor has no such sector.
const USR_NOT_FOUND: u64 = 17;
/// The actor has no such method.
const USR_UNHANDLED_MESSAGE: u64 = 22;
/// What one such call is charged here. Real ones differ; nobody pays for a StateCall.
const GAS_USED: u64 = 5_000_000;

/// Runs the message on the state after `at` and forgets what it did.
pub(super) fn call(node: &Node<'_>, params: &Params<'_>, at: i64) -> Result<Value, RpcError> {
    let message = params.value(0);
    let to = message.get("To").and_then(Value::as_str).unwrap_or_default();
    let provider = to.parse().map_err(|_| params.bad(0, format!("To: no id address: {to:?}")))?;
    let method = message.get("Method").and_then(Value::as_u64);
    let method = method.ok_or_else(|| params.bad(0, "Method: a number is needed"))?;
    let encoded = message.get("Params").and_then(Value::as_str).unwrap_or_default();
    let input = STANDARD.decode(encoded);
    let input = input.map_err(|error| params.bad(0, format!("Params: {error}")))?;
    let miner = node.miner(provider)?;

    let sector = |bytes: &[u8]| decode_uint(bytes).map(SectorNumber::new);
    let answer = match method {
        GENERATE_SECTOR_LOCATION => match input.split_first() {
            // A tuple of one field.
            Some((0x81, field)) => sector(field).ok_or(USR_SERIALIZATION).map(|sector| {
                let found = miner.location_after(sector, at);
                let signed = |n: u64| n.cast_signed();
                let (deadline, partition) =
                    found.location.map_or((-1, -1), |(d, p)| (signed(d), signed(p)));
                let mut aux = vec![0x82];
                aux.extend(encode_int(deadline));
                aux.extend(encode_int(partition));
                // Two small integers take at most 1 + 2 * 9 bytes, which fits a short header.
                let mut answer = vec![0x82, found.state as u8, 0x40 | aux.len() as u8];
                answer.extend(aux);
                answer
            }),
            _ => Err(USR_SERIALIZATION),
        },
        GET_NOMINAL_SECTOR_EXPIRATION => match sector(&input) {
            None => Err(USR_SERIALIZATION),
            Some(number) => {
                match miner.sector(number).filter(|s| s.partition_after(at).is_some()) {
                    None => Err(USR_NOT_FOUND),
                    Some(sector) => Ok(encode_int(sector.expiration)),
                }
            }
        },
        _ => Err(USR_UNHANDLED_MESSAGE),
    };
    Ok(result(node, message, answer, at))
}

fn result(node: &Node<'_>, message: &Value, answer: Result<Vec<u8>, u64>, at: i64) -> Value {
    let (exit, bytes) = match answer {
        Ok(bytes) => (0, json!(base64(&bytes))),
        Err(exit) => (exit, Value::Null),
    };
    let zero = "0";
    let id = cid(&node.view.clock().root("call", node.view.parent_epoch(at)));
    json!({
        "MsgCid": id,
        "Msg": message,
        "MsgRct": {
            "ExitCode": exit,
            "Return": bytes,
            "GasUsed": GAS_USED,
            "EventsRoot": null,
        },
        "GasCost": {
            "Message": null, "GasUsed": zero, "BaseFeeBurn": zero, "OverEstimationBurn": zero,
            "MinerPenalty": zero, "MinerTip": zero, "Refund": zero, "TotalCost": zero,
        },
        "ExecutionTrace": trace(message, exit, &bytes),
        "Error": if exit == 0 { String::new() } else { format!("message failed (exit={exit})") },
        "Duration": 1_000_000,
    })
}

/// What the FVM charged for, one entry a step; a search through a miner's deadlines takes many. With
/// 64 steps of some 70 bytes in each of four calls the trace has about 18 kB, and real ones have 10
/// to 30.
const STEPS: [&str; 8] = [
    "OnBlockOpenBase",
    "OnBlockOpenPerByte",
    "OnBlockRead",
    "OnSyscall",
    "wasm_exec",
    "OnBlockLink",
    "OnHashing",
    "wasm_memory_copy",
];
const STEPS_PER_CALL: u64 = 64;
const SUBCALLS: u64 = 3;

fn trace(message: &Value, exit: u64, bytes: &Value) -> Value {
    let subcalls = (0..SUBCALLS).map(|depth| {
        json!({
            "Msg": message,
            "MsgRct": {"ExitCode": 0, "Return": null, "ReturnCodec": 0},
            "InvokedActor": null,
            "GasCharges": gas_charges(depth + 1),
            "Subcalls": null,
        })
    });
    json!({
        "Msg": message,
        "MsgRct": {"ExitCode": exit, "Return": bytes, "ReturnCodec": 81},
        "InvokedActor": null,
        "GasCharges": gas_charges(0),
        "Subcalls": subcalls.collect::<Vec<_>>(),
    })
}

fn gas_charges(call: u64) -> Value {
    let charges = (0..STEPS_PER_CALL).map(|step| {
        let name = STEPS[(step % STEPS.len() as u64) as usize];
        let gas = 14_000 + 97 * step + call;
        json!({"Name": name, "tg": gas, "cg": gas, "sg": 0, "tt": 1_000 + 31 * step})
    });
    charges.collect()
}

/// A CBOR unsigned integer that fills `bytes`.
fn decode_uint(bytes: &[u8]) -> Option<u64> {
    let (head, rest) = bytes.split_first()?;
    match (head, rest.len()) {
        (0..=23, 0) => Some(u64::from(*head)),
        (24, 1) | (25, 2) | (26, 4) | (27, 8) => {
            Some(rest.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        }
        _ => None,
    }
}

/// A CBOR integer in its shortest form.
fn encode_int(number: i64) -> Vec<u8> {
    let (major, value) = if number < 0 { (0x20, !number) } else { (0, number) };
    let value = value.unsigned_abs();
    let bytes = value.to_be_bytes();
    match value {
        0..=23 => vec![major | bytes[7]],
        24..=0xff => vec![major | 24, bytes[7]],
        0x100..=0xffff => [&[major | 25], &bytes[6..]].concat(),
        0x1_0000..=0xffff_ffff => [&[major | 26], &bytes[4..]].concat(),
        _ => [&[major | 27], &bytes[..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_and_written_as_cbor() {
        assert_eq!(decode_uint(&[0x09]), Some(9));
        assert_eq!(decode_uint(&[0x1a, 0x04, 0x72, 0x66, 0xbc]), Some(74_606_268));
        assert_eq!(decode_uint(&[0x09, 0x00]), None);
        assert_eq!(encode_int(-1), [0x20]);
        assert_eq!(encode_int(42), [0x18, 0x2a]);
        assert_eq!(encode_int(6_500_000), [0x1a, 0x00, 0x63, 0x2e, 0xa0]);
    }
}
