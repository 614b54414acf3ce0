//! Requests into the domain: JSON and queries become CIDs and [`Terms`].
//!
//! Shapes are checked by hand before serde sees them, so that a wrong number is named with what to
//! write in its place. Whether terms make sense together is for `raas-core` to say.

use raas_api_types::{
    RegisterRequest, RenewalTerms, RepairTerms, ReplicationTerms, Span, StoreQuery,
};
use raas_runtime::{
    core::MAX_TARGET,
    retrieval::{self, links, verify_block},
};
use raas_types::{
    AggregatorName, ChainEpoch, Cid, EpochDelta, Renewal, Repair, Replication, Terms, Trust,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{problem::Failure, query::Parameters};

/// What is wrong with a request, and how to mend it; all of it at once.
pub(crate) type Complaints = Vec<String>;

/// How much of a wrong value a message repeats, in characters.
const QUOTED: usize = 60;

/// A job as it is asked for, from JSON.
pub(crate) fn request(value: &Value) -> Result<RegisterRequest, Complaints> {
    if !value.is_object() {
        let example = r#"{"cid": "bafy…", "replication": {"target": 3}}"#;
        return Err(vec![format!("{} is no job: give an object such as {example}", short(value))]);
    }
    let mut wrong = wrong_shapes(value);
    section::<ReplicationTerms>(value, "replication", &mut wrong);
    section::<RenewalTerms>(value, "renewal", &mut wrong);
    section::<RepairTerms>(value, "repair", &mut wrong);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    serde_json::from_value(value.clone()).map_err(|error| vec![format!("the job: {error}")])
}

/// The CID and the terms of a request; `now` is the epoch of the last pass, where there was one.
pub(crate) fn job(
    request: &RegisterRequest,
    now: Option<ChainEpoch>,
) -> Result<(Cid, Terms), Complaints> {
    let mut wrong = Vec::new();
    let cid = cid(&request.cid).map_err(|error| wrong.push(error)).ok();
    let terms = Terms {
        replication: request.replication.map(|r| replication(r, &mut wrong)),
        renewal: request.renewal.as_ref().and_then(|r| {
            Some(Renewal { threshold: span("renewal.threshold", &r.threshold, &mut wrong)? })
        }),
        repair: request.repair.as_ref().and_then(|r| {
            Some(Repair { threshold: span("repair.threshold", &r.threshold, &mut wrong)? })
        }),
        until: request.until.and_then(|until| self::until(until, now, &mut wrong)),
        aggregators: request.aggregators.iter().map(AggregatorName::new).collect(),
        trust: trust(request.trust.as_deref(), &mut wrong),
    };
    match cid {
        Some(cid) if wrong.is_empty() => Ok((cid, terms)),
        _ => Err(wrong),
    }
}

/// The terms in the query of an upload, `None` where there are none.
pub(crate) fn of_upload(parameters: &Parameters) -> Result<Option<Terms>, Failure> {
    let mut wrong = Vec::new();
    let text = |name| parameters.get(name).map(|text| Span::Text(text.to_owned()));
    let query = StoreQuery {
        replicas: parameters.get("replicas").and_then(|text| match text.parse() {
            Ok(replicas) => Some(replicas),
            Err(_) => {
                wrong.push(format!("replicas is {:?}: {WHOLE_NUMBER}", quoted(text)));
                None
            }
        }),
        renew_within: text("renew_within"),
        repair_after: text("repair_after"),
    };
    let terms = Terms {
        replication: query
            .replicas
            .map(|replicas| Replication::around(count("replicas", replicas, &mut wrong))),
        renewal: query
            .renew_within
            .and_then(|s| Some(Renewal { threshold: span("renew_within", &s, &mut wrong)? })),
        repair: query
            .repair_after
            .and_then(|s| Some(Repair { threshold: span("repair_after", &s, &mut wrong)? })),
        ..Terms::default()
    };
    if !wrong.is_empty() {
        return Err(Failure::bad_request(wrong.join("; ")));
    }
    Ok((terms != Terms::default()).then_some(terms))
}

/// What is said of terms, in the words of an upload's query.
pub(crate) fn in_words_of_upload(message: &str) -> String {
    message
        .replace("replication.target", "replicas")
        .replace("renewal.threshold", "renew_within")
        .replace("repair.threshold", "repair_after")
}

/// A CID of data that can be verified.
pub(crate) fn cid(text: &str) -> Result<Cid, String> {
    let cid = Cid::try_from(text).map_err(|error| {
        format!(
            "{:?} is no CID ({error}): write it as bafy…, bafk… or Qm…, without \"ipfs://\"",
            quoted(text)
        )
    })?;
    // Of empty bytes only one thing matters here: whether the hash and the codec are known at all.
    for checked in [verify_block(&cid, &[]), links(&cid, &[]).map(drop)] {
        if let Err(error @ retrieval::Error::Unsupported { .. }) = checked {
            return Err(format!("{error}; give the CID of the data itself, not of a piece"));
        }
    }
    Ok(cid)
}

const WHOLE_NUMBER: &str = "give a whole number from 1 to 100";
const _: () = assert!(MAX_TARGET == 100, "WHOLE_NUMBER names another limit");
const SPAN: &str = "give a number of epochs (30 seconds each), or text such as \"30d\" or \"12h\"";

/// Numbers and spans that are none, or beyond what an `i64` holds.
fn wrong_shapes(job: &Value) -> Complaints {
    let mut wrong = Vec::new();
    let mut check = |pointer: &str, fits: fn(&Value) -> bool, mend: &str| {
        if let Some(value) = job.pointer(pointer).filter(|value| !fits(value)) {
            let name = pointer[1..].replace('/', ".");
            wrong.push(format!("{name} is {}: {mend}", short(value)));
        }
    };
    check("/cid", Value::is_string, "give the CID as text");
    check("/replication/target", |v| v.as_i64().is_some(), WHOLE_NUMBER);
    for optional in ["/replication/min", "/replication/max"] {
        check(optional, |v| v.is_null() || v.as_i64().is_some(), WHOLE_NUMBER);
    }
    for threshold in ["/renewal/threshold", "/repair/threshold"] {
        check(threshold, |v| v.is_string() || v.as_i64().is_some(), SPAN);
    }
    check("/until", |v| v.is_null() || v.as_i64().is_some(), "give an epoch, or leave it out");
    wrong
}

/// Says which of the terms an unknown or missing field belongs to.
fn section<T: DeserializeOwned>(job: &Value, name: &str, wrong: &mut Complaints) {
    let Some(value) = job.get(name).filter(|value| !value.is_null()) else { return };
    let already = wrong.iter().any(|complaint| complaint.starts_with(name));
    if let (false, Err(error)) = (already, T::deserialize(value)) {
        wrong.push(format!("{name}: {error}"));
    }
}

fn replication(asked: ReplicationTerms, wrong: &mut Complaints) -> Replication {
    let target = count("replication.target", asked.target, wrong);
    let usual = Replication::around(target);
    Replication {
        target,
        // A target below what was thought the usual minimum is complained about by its own name.
        min: asked.min.map_or(usual.min, |min| count("replication.min", min, wrong)),
        max: asked.max.map_or(usual.max, |max| count("replication.max", max, wrong)),
    }
}

/// A number of replicas. 0 passes, for core to refuse in its own words.
fn count(name: &str, asked: i64, wrong: &mut Complaints) -> u32 {
    u32::try_from(asked).unwrap_or_else(|_| {
        wrong.push(format!("{name} is {asked}: {WHOLE_NUMBER}"));
        0
    })
}

fn span(name: &str, asked: &Span, wrong: &mut Complaints) -> Option<EpochDelta> {
    match asked {
        Span::Epochs(epochs) => Some(EpochDelta::new(*epochs)),
        Span::Text(text) => text
            .parse()
            .map_err(|_| wrong.push(format!("{name} is {:?}: {SPAN}", quoted(text))))
            .ok(),
    }
}

fn until(asked: i64, now: Option<ChainEpoch>, wrong: &mut Complaints) -> Option<ChainEpoch> {
    let now = now.unwrap_or(ChainEpoch::GENESIS);
    if asked <= now.get() {
        wrong.push(format!(
            "until is {asked} and the chain is at {now}: give a later epoch, or leave it out"
        ));
    }
    Some(ChainEpoch::new(asked))
}

fn trust(asked: Option<&str>, wrong: &mut Complaints) -> Trust {
    match asked {
        None | Some("proven") => Trust::Proven,
        Some("contract") => Trust::Contract,
        Some(other) => {
            wrong.push(format!(
                "trust is {:?}: give \"proven\" (the default) or \"contract\"",
                quoted(other)
            ));
            Trust::Proven
        }
    }
}

fn short(value: &Value) -> String {
    quoted(&value.to_string())
}

/// The beginning of a text, so that no message repeats a megabyte.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use serde_json::json;

    use super::*;

    const CID: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

    fn complaints(job: Value) -> String {
        match request(&job).and_then(|request| super::job(&request, Some(ChainEpoch::new(1000)))) {
            Ok((_, terms)) => panic!("{job} became {terms:?}"),
            Err(complaints) => complaints.join("; "),
        }
    }

    #[test]
    fn a_whole_job_becomes_terms() {
        let value = json!({
            "cid": CID, "replication": {"target": 3, "min": 1, "max": 4},
            "renewal": {"threshold": "30d"}, "repair": {"threshold": 2880},
            "until": 5000, "aggregators": ["a"], "trust": "contract",
        });
        let (cid, terms) = job(&request(&value).unwrap(), None).unwrap();
        assert_eq!(cid.to_string(), CID);
        assert_eq!(terms.replication.unwrap(), Replication { target: 3, min: 1, max: 4 });
        assert_eq!(terms.renewal.unwrap().threshold, EpochDelta::days(30));
        assert_eq!(terms.repair.unwrap().threshold, EpochDelta::DAY);
        assert_eq!(terms.until, Some(ChainEpoch::new(5000)));
        assert_eq!(terms.aggregators, [AggregatorName::new("a")]);
        assert_eq!(terms.trust, Trust::Contract);
    }

    #[test]
    fn a_band_left_out_is_the_usual_one() {
        let value = json!({"cid": CID, "replication": {"target": 3}});
        let (_, terms) = job(&request(&value).unwrap(), None).unwrap();
        assert_eq!(terms.replication.unwrap(), Replication::around(3));
    }

    #[test]
    fn each_mistake_is_named_with_what_to_write_instead() {
        let of = |field: &str, value: Value| {
            let mut job = json!({"cid": CID});
            job[field] = value;
            complaints(job)
        };
        for (message, says) in [
            (of("cid", json!("ipfs://nope")), "is no CID"),
            (of("cid", json!(5)), "cid is 5: give the CID as text"),
            (complaints(json!({"repair": {"threshold": 1}})), "missing field `cid`"),
            (complaints(json!("job")), "give an object such as"),
            (of("replication", json!({"target": -3})), "replication.target is -3: give a whole"),
            (of("replication", json!({"target": 1e30})), "replication.target is 1e+30: give a"),
            (of("replication", json!({"target": 2.5})), "replication.target is 2.5: give a"),
            (of("replication", json!({"target": "3"})), "replication.target is \"3\": give a"),
            (of("replication", json!({"target": 5_000_000_000_i64})), "is 5000000000: give a"),
            (of("replication", json!({"target": 3, "min": -1})), "replication.min is -1: give"),
            (of("replication", json!({"copies": 3})), "replication: unknown field `copies`"),
            (of("replication", json!(3)), "replication: invalid type"),
            (of("replicas", json!(3)), "unknown field `replicas`, expected one of `cid`"),
            (
                of("renewal", json!({"threshold": "3 moons"})),
                "\"3 moons\": give a number of epochs",
            ),
            (of("repair", json!({"threshold": 1.5})), "repair.threshold is 1.5: give a number"),
            (of("repair", json!({})), "repair: missing field `threshold`"),
            (of("until", json!(999)), "until is 999 and the chain is at 1000"),
            (of("until", json!("soon")), "until is \"soon\": give an epoch"),
            (of("trust", json!("me")), "trust is \"me\": give \"proven\""),
        ] {
            assert!(message.contains(says), "{message:?} does not say {says:?}");
        }
    }

    #[test]
    fn all_mistakes_are_named_at_once_and_none_at_length() {
        let message = complaints(json!({
            "cid": "x".repeat(1000), "replication": {"target": -1}, "trust": "no",
        }));
        assert!(
            message.contains("is no CID")
                && message.contains("target")
                && message.contains("trust")
        );
        assert!(message.len() < 500, "{message}");
    }

    #[test]
    fn the_cid_of_a_piece_is_told_from_that_of_data() {
        let piece = "baga6ea4seaqao7s73y24kcutaosvacpdjgfe5pw76ooefnyqw4ynr3d2y6x2mpq";
        let message = complaints(json!({"cid": piece, "replication": {"target": 1}}));
        assert!(message.contains("not of a piece"), "{message}");
    }
}
