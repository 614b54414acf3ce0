//! Every decoder against whatever a server may send: bytes, JSON, and good replies that were bent a
//! little. None may panic, none may keep more than a small multiple of what came, and nothing but an
//! error of the node may read as *not found*.
//!
//! A few thousand cases by default; `PROPTEST_CASES` sets another number. Each case runs each of the
//! [`DECODERS`] decoders once, but for the six questions, which are put to what is JSON: 18 decoders a
//! case for sure, and all of them in the two tests that give JSON.

#![expect(clippy::unwrap_used, reason = "a broken fixture should stop")]

use std::{borrow::Cow, sync::LazyLock, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use raas_types::{
    ChainEpoch, DealId, DealReading, OnChainDeal, ProviderId, SectorHealth, SectorId, SectorNumber,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json, value::RawValue};

use crate::{
    JsonRpcLotus, JsonRpcLotusConfig,
    ask::{Answer, Question as _},
    batch::answers,
    deals::DealQuestion,
    error::{Trouble, clip},
    exchange::refusal,
    pace::retry_after,
    sectors::{
        DeadlineQuestion, ExpirationQuestion, LocationQuestion, PlaceQuestion, ScheduleQuestion,
    },
    wire,
};

/// Decoders that one case runs: thirteen shapes, CBOR bare and wrapped, six questions, the pairing of
/// replies, the refusal of a batch, texts.
const DECODERS: u32 = 13 + 2 + 6 + 1 + 1 + 1;

const SECTOR: SectorId = SectorId { provider: ProviderId::new(1000), number: SectorNumber::new(9) };

/// What the largest and smallest numbers do to what is reckoned with them.
const EPOCHS: [ChainEpoch; 4] = [
    ChainEpoch::new(i64::MIN),
    ChainEpoch::GENESIS,
    ChainEpoch::new(6_302_600),
    ChainEpoch::new(i64::MAX),
];

fn decode_all(bytes: &[u8]) {
    shapes(bytes);
    cbor(bytes);
    questions(bytes);
    replies(bytes);
    let refused = refusal(bytes).to_string();
    assert!(refused.chars().count() < 400, "{refused}");
    texts(bytes);
}

fn each<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

fn shapes(bytes: &[u8]) {
    let _ = each::<wire::MarketDeal>(bytes).map(OnChainDeal::try_from);
    let _ = each::<wire::MarketState>(bytes).map(|state| state.next_id());
    let _ = each::<wire::Tipset>(bytes).map(raas_types::Tipset::try_from);
    let _ = each::<wire::SyncState>(bytes).map(|state| EPOCHS.map(|epoch| state.behind(epoch)));
    let _ = each::<wire::EthSyncing>(bytes).map(wire::EthSyncing::behind);
    if let Some(place) = each::<wire::SectorLocation>(bytes) {
        assert!(place.deadline < 48);
    }
    let _ = each::<wire::SectorExpiration>(bytes).map(|e| (e.on_time(), e.first_missed()));
    if let Some(deadline) = each::<wire::ProvingDeadline>(bytes) {
        for at in EPOCHS {
            assert!(deadline.offset().next_end(42, at) >= at);
        }
    }
    if let Some(wire::List(partitions)) = each::<wire::List<wire::Partition>>(bytes) {
        for partition in partitions {
            for number in [0, 9, u64::MAX] {
                let _ = partition.health(SectorNumber::new(number));
            }
        }
    }
    if let Some(field) = each::<wire::Bitfield>(bytes) {
        assert!(field.runs() <= bytes.len(), "it grows with what came and no faster");
        assert!(!field.contains(u64::MAX), "no sector has that number");
    }
    if let Some(Ok(Some(located))) = each::<wire::Invocation>(bytes).map(wire::Invocation::located)
    {
        assert!(located.place.is_some(), "what is somewhere is known, what is nowhere is not");
    }
    let _ = each::<wire::NodeVersion>(bytes).map(|version| (version.text(), version.says("lotus")));
    let _ = each::<wire::Key>(bytes);
}

fn cbor(bytes: &[u8]) {
    let mut reader = wire::Reader::new(bytes);
    let _ = reader.array(2);
    let _ = reader.integer();
    if let Ok(taken) = reader.bytes() {
        assert!(taken.len() < bytes.len());
    }
    let _ = reader.end();
    // The same bytes as what an actor returns.
    let answer = json!({"MsgRct": {"ExitCode": 0, "Return": STANDARD.encode(bytes)}});
    let invocation: wire::Invocation = serde_json::from_value(answer).unwrap();
    if let Ok(Some(located)) = invocation.located() {
        let alive = located.health != SectorHealth::Dead;
        assert!(located.place.is_some() || !alive, "{located:?}");
    }
}

/// A result is never read as *not found* where that takes an error.
fn questions(bytes: &[u8]) {
    let result = || {
        let text = std::str::from_utf8(bytes).ok()?;
        RawValue::from_string(text.to_owned()).ok().map(|raw| Answer::Result(Cow::Owned(raw)))
    };
    let Some(deal) = result() else { return };
    let deal = DealQuestion(DealId::new(9)).read(deal);
    assert!(!matches!(deal, Ok(DealReading::NotFound { .. })));
    let place = PlaceQuestion(SECTOR).read(result().unwrap());
    assert!(!matches!(place, Ok(None)));
    let _ = LocationQuestion(SECTOR).read(result().unwrap());
    let _ = ExpirationQuestion(SECTOR).read(result().unwrap());
    if let Ok(offset) = ScheduleQuestion(SECTOR.provider).read(result().unwrap()) {
        assert!(EPOCHS.into_iter().all(|at| offset.next_end(47, at) >= at), "{offset:?}");
    }
    let key = wire::Key::HEAD;
    let deadline = DeadlineQuestion::about(&LOTUS, &key, SECTOR);
    if let Ok(reading) = deadline.read(result().unwrap()) {
        assert_eq!((reading.statuses.len(), reading.size), (1, bytes.trim_ascii().len()));
    }
}

/// Where a deadline is kept when it is read. It asks nobody here.
static LOTUS: LazyLock<JsonRpcLotus> = LazyLock::new(|| {
    JsonRpcLotus::new(JsonRpcLotusConfig::new("http://localhost/rpc/v1".parse().unwrap())).unwrap()
});

/// However replies come, there is one for each question, in their order.
fn replies(bytes: &[u8]) {
    let Ok(answers) = answers(bytes, 0..4) else { return };
    assert_eq!(answers.len(), 4);
    assert!(!answers.iter().any(|answer| matches!(answer, Answer::Lost(_))));
}

fn texts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(clip(&text).chars().count() <= 303);
    let _ = retry_after(&text, SystemTime::UNIX_EPOCH);
    let _ = wire::says_sector_not_found(&text, SECTOR.number);
    let _ = wire::says_no_such_provider(11, &text, SECTOR.provider);
    let _ = wire::says_deal_not_found(&text, DealId::new(9));
    let message = clip(&text);
    let trouble = Trouble::Rpc { code: 1, message };
    let _ = DealQuestion(DealId::new(9)).read(Answer::Error(trouble.clone()));
    let _ = trouble.into_error("node");
}

/// Good replies, whole and their results alone.
static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(corpus);

fn corpus() -> Vec<Vec<u8>> {
    macro_rules! replies {
        ($($name:literal),*) => {
            [$(include_str!(concat!("../../../testdata/lotus/", $name, ".json"))),*]
        };
    }
    let replies = replies!(
        "chain_head",
        "deal_active",
        "deal_not_found",
        "eth_syncing",
        "genesis",
        "market_state",
        "miner_partitions",
        "proving_deadline",
        "sector_expiration_faulty",
        "sector_location",
        "sector_not_due",
        "sector_partition",
        "sync_state",
        "version"
    );
    let replies = replies.map(|text| serde_json::from_str::<Value>(text).unwrap());
    let mut texts: Vec<_> = replies.iter().map(|reply| reply["result"].to_string()).collect();
    // A batch of some of them.
    let batch = replies.iter().take(5).zip(0..).map(|(reply, id)| {
        let mut reply = reply.clone();
        reply["id"] = json!(id % 4);
        reply
    });
    texts.push(batch.collect::<Value>().to_string());
    texts.push(replies[2].to_string());
    let mut corpus: Vec<_> = texts.into_iter().map(String::into_bytes).collect();
    // What an actor returns.
    corpus.extend(["ggFEghgqAw==", "ggBDgiAg"].map(|text| STANDARD.decode(text).unwrap()));
    corpus
}

/// One change to a reply.
#[derive(Clone, Debug)]
enum Bend {
    Flip(prop::sample::Index, u8),
    CutOff(prop::sample::Index),
    Drop(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    /// A piece of another reply.
    Splice(prop::sample::Index, prop::sample::Index, usize),
    /// Another value for a number, or anything else in its place.
    Number(prop::sample::Index, &'static str),
}

const EXTREMES: [&str; 14] = [
    "-9223372036854775808",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "0",
    "1e308",
    "-0.5",
    "\"7\"",
    "null",
    "[]",
    "{}",
    "true",
];

fn bend() -> impl Strategy<Value = Bend> {
    let at = || any::<prop::sample::Index>();
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, bits)| Bend::Flip(at, bits)),
        at().prop_map(Bend::CutOff),
        (at(), 1..20_usize).prop_map(|(at, count)| Bend::Drop(at, count)),
        (at(), 1..20_usize).prop_map(|(at, count)| Bend::Repeat(at, count)),
        (at(), at(), 1..40_usize).prop_map(|(at, from, count)| Bend::Splice(at, from, count)),
        (at(), prop::sample::select(&EXTREMES[..])).prop_map(|(at, with)| Bend::Number(at, with)),
    ]
}

fn apply(bytes: &mut Vec<u8>, bend: &Bend, other: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match bend {
        Bend::Flip(at, bits) => bytes[at.index(length)] ^= bits,
        Bend::CutOff(at) => bytes.truncate(at.index(length)),
        Bend::Drop(at, count) => {
            let at = at.index(length);
            bytes.drain(at..length.min(at + count));
        }
        Bend::Repeat(at, count) => {
            let at = at.index(length);
            let piece = bytes[at..length.min(at + count)].to_vec();
            bytes.splice(at..at, piece);
        }
        Bend::Splice(at, from, count) => {
            let from = from.index(other.len());
            let piece = other[from..other.len().min(from + count)].to_vec();
            let at = at.index(length);
            bytes.splice(at..at, piece);
        }
        Bend::Number(at, with) => {
            // The first number from there on.
            let from = at.index(length);
            let digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
            let Some(start) = bytes[from..].iter().position(digit).map(|at| at + from) else {
                return;
            };
            let end = bytes[start..].iter().position(|byte| !digit(byte));
            let end = end.map_or(length, |end| start + end);
            bytes.splice(start..end, with.bytes());
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(-1)),
        ".{0,12}".prop_map(Value::from),
        "0x[0-9a-g]{0,20}".prop_map(Value::from),
        "[ft]0[0-9]{0,25}".prop_map(Value::from),
    ];
    // Names that decoders look for, so that some of it is half right.
    let names = "Deadline|Partition|OnTime|Early|PeriodStart|MsgRct|ExitCode|Return|State|NextID|\
                 Proposal|Cids|Blocks|Height|ActiveSyncs|AllSectors|LiveSectors|Version|id|error|\
                 result|code|message|jsonrpc|[A-Za-z/]{1,12}";
    leaf.prop_recursive(4, 32, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A good reply with one value in it replaced, at the place that `steps` lead to.
fn spoil(value: &mut Value, steps: &[prop::sample::Index], with: Value) {
    let children: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(map) => map.values_mut().collect(),
        _ => vec![],
    };
    match steps.split_first() {
        Some((step, rest)) if !children.is_empty() => {
            let at = step.index(children.len());
            let child = children.into_iter().nth(at).unwrap();
            spoil(child, rest, with);
        }
        _ => *value = with,
    }
}

/// Enough to find what is easily found at every run of the tests; `PROPTEST_CASES` goes before.
fn cases() -> ProptestConfig {
    let config = ProptestConfig::default();
    let chosen = std::env::var_os("PROPTEST_CASES").is_some();
    // 4 x 1000 x 18 decoders, and in two of the four tests six more: 84 000 executions at least.
    ProptestConfig { cases: if chosen { config.cases } else { 1_000 }, ..config }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_all(&bytes);
    }

    #[test]
    fn no_json_makes_a_decoder_panic(value in any_json()) {
        decode_all(value.to_string().as_bytes());
    }

    #[test]
    fn no_bent_reply_makes_a_decoder_panic(
        which in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        bends in prop::collection::vec(bend(), 1..6),
    ) {
        let mut bytes = which.get::<Vec<u8>>(&CORPUS).clone();
        for bend in &bends {
            apply(&mut bytes, bend, other.get::<Vec<u8>>(&CORPUS));
        }
        decode_all(&bytes);
    }

    #[test]
    fn no_spoilt_reply_makes_a_decoder_panic(
        which in any::<prop::sample::Index>(),
        steps in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        with in any_json(),
    ) {
        let reply = serde_json::from_slice(which.get::<Vec<u8>>(&CORPUS));
        let mut value: Value = reply.unwrap_or_default();
        spoil(&mut value, &steps, with);
        decode_all(value.to_string().as_bytes());
    }
}

#[test]
fn what_is_not_bent_decodes() {
    // Otherwise the corpus would lead into nothing but errors.
    let any = |decodes: &dyn Fn(&[u8]) -> bool| CORPUS.iter().any(|bytes| decodes(bytes));
    let deal = |bytes: &[u8]| each::<wire::MarketDeal>(bytes).is_some();
    assert!(any(&deal));
    assert!(any(&|bytes| each::<wire::Tipset>(bytes).is_some()));
    assert!(any(&|bytes| each::<wire::ProvingDeadline>(bytes).is_some()));
    assert!(any(&|bytes| each::<wire::NodeVersion>(bytes).is_some()));
    let batch = |bytes: &[u8]| {
        let is_result = |answer: &_| matches!(answer, Answer::Result(_));
        answers(bytes, 0..4).is_ok_and(|answers| answers.iter().any(is_result))
    };
    assert!(any(&batch));
    let located = |bytes: &[u8]| each::<wire::Invocation>(bytes).map(wire::Invocation::located);
    assert!(any(&|bytes| matches!(located(bytes), Some(Ok(Some(_))))));
    assert!(any(
        &|bytes| each::<wire::List<wire::Partition>>(bytes).is_some_and(|l| l.0.len() == 2)
    ));
    let asked = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).ok()?;
        RawValue::from_string(text).ok().map(|raw| Answer::Result(Cow::Owned(raw)))
    };
    let (schedule, expiration) = (ScheduleQuestion(SECTOR.provider), ExpirationQuestion(SECTOR));
    assert!(any(&|bytes| asked(bytes).is_some_and(|answer| schedule.read(answer).is_ok())));
    assert!(any(&|bytes| asked(bytes).is_some_and(|answer| expiration.read(answer).is_ok())));
    let key = wire::Key::HEAD;
    let deadline = DeadlineQuestion::about(&LOTUS, &key, SECTOR);
    assert!(any(&|bytes| asked(bytes).is_some_and(|answer| deadline.read(answer).is_ok())));
    assert_eq!(DECODERS, 24, "as `cases` reckons with");
}
