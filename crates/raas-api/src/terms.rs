//! Requests into the domain: JSON and queries become CIDs and [`Terms`].
//!
//! Shapes are checked by hand before serde sees them, so that a wrong number is named with what to
//! write in its place. Whether terms make sense together is for `raas-core` to say.

use raas_api_types::{
    BudgetTerms, ByteSize, PlacementTerms, RegisterRequest, RenewalTerms, RepairTerms,
    ReplicationTerms, Span,
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

use crate::{policy, problem::Failure, query::Parameters};

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
    section::<PlacementTerms>(value, "placement", &mut wrong);
    section::<BudgetTerms>(value, "budget", &mut wrong);
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
        placement: or_default(request.placement.as_ref(), policy::placement, &mut wrong),
        budget: or_default(request.budget.as_ref(), policy::budget, &mut wrong),
    };
    match cid {
        Some(cid) if wrong.is_empty() => Ok((cid, terms)),
        _ => Err(wrong),
    }
}

/// The parameters of an upload's query.
pub(crate) const OF_UPLOAD: [&str; 11] = [
    "replicas",
    "renew_within",
    "repair_after",
    "per_owner",
    "per_organisation",
    "per_country",
    "prefer",
    "avoid",
    "exclude",
    "deals_per_day",
    "bytes_per_day",
];

/// The terms in the query of an upload, `None` where there are none.
pub(crate) fn of_upload(parameters: &Parameters) -> Result<Option<Terms>, Failure> {
    let mut wrong = Vec::new();
    let mut number = |name, mend| {
        let text = parameters.get(name)?;
        let read = text.parse().ok();
        if read.is_none() {
            wrong.push(format!("{name} is {:?}: {mend}", quoted(text)));
        }
        read
    };
    let replicas = number("replicas", WHOLE_NUMBER);
    let [per_owner, per_organisation, per_country, deals_per_day] =
        ["per_owner", "per_organisation", "per_country", "deals_per_day"]
            .map(|name| number(name, policy::COUNT));
    let list = |name| {
        let listed = parameters.get(name).map(|text| text.split(',').map(str::to_owned).collect());
        listed.unwrap_or_default()
    };
    let (prefer, avoid, exclude) = (list("prefer"), list("avoid"), list("exclude"));
    let placement =
        PlacementTerms { per_owner, per_organisation, per_country, prefer, avoid, exclude };
    let text = |name| parameters.get(name).map(str::to_owned);
    let budget =
        BudgetTerms { deals_per_day, bytes_per_day: text("bytes_per_day").map(ByteSize::Text) };
    let renew_within = text("renew_within").map(Span::Text);
    let repair_after = text("repair_after").map(Span::Text);
    let terms = Terms {
        replication: replicas
            .map(|replicas| Replication::around(count("replicas", replicas, &mut wrong))),
        renewal: renew_within
            .and_then(|s| Some(Renewal { threshold: span("renew_within", &s, &mut wrong)? })),
        repair: repair_after
            .and_then(|s| Some(Repair { threshold: span("repair_after", &s, &mut wrong)? })),
        placement: policy::placement(&placement, &mut wrong),
        budget: policy::budget(&budget, &mut wrong),
        ..Terms::default()
    };
    if !wrong.is_empty() {
        return Err(Failure::bad_request(in_words_of_upload(&wrong.join("; "))));
    }
    Ok((terms != Terms::default()).then_some(terms))
}

/// What is said of terms, in the words of an upload's query.
pub(crate) fn in_words_of_upload(message: &str) -> String {
    let message = message
        .replace("replication, renewal and repair", "replicas, renew_within and repair_after")
        .replace("replication.target", "replicas")
        .replace("renewal.threshold", "renew_within")
        .replace("repair.threshold", "repair_after");
    // The other terms have the names there that they have within their section.
    OF_UPLOAD.iter().fold(message, |message, name| {
        ["placement", "budget"]
            .iter()
            .fold(message, |message, section| message.replace(&format!("{section}.{name}"), name))
    })
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
    policy::wrong_shapes(job, &mut wrong);
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

/// Terms that a client may leave out.
fn or_default<A, T: Default>(
    asked: Option<&A>,
    read: fn(&A, &mut Complaints) -> T,
    wrong: &mut Complaints,
) -> T {
    asked.map_or_else(T::default, |asked| read(asked, wrong))
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

pub(crate) fn short(value: &Value) -> String {
    quoted(&value.to_string())
}

/// The beginning of a text, so that no message repeats a megabyte.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use raas_types::{Budget, Placement, ProviderId};
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
            "placement": {
                "per_owner": 1, "per_organisation": 1, "per_country": 2,
                "prefer": ["f01000"], "avoid": ["1001"], "exclude": ["t01002", "f01002"],
            },
            "budget": {"deals_per_day": 2, "bytes_per_day": "64GiB"},
        });
        let (cid, terms) = job(&request(&value).unwrap(), None).unwrap();
        assert_eq!(cid.to_string(), CID);
        assert_eq!(terms.replication.unwrap(), Replication { target: 3, min: 1, max: 4 });
        assert_eq!(terms.renewal.unwrap().threshold, EpochDelta::days(30));
        assert_eq!(terms.repair.unwrap().threshold, EpochDelta::DAY);
        assert_eq!(terms.until, Some(ChainEpoch::new(5000)));
        assert_eq!(terms.aggregators, [AggregatorName::new("a")]);
        assert_eq!(terms.trust, Trust::Contract);
        let Placement { per_owner, per_organisation, per_country, prefer, avoid, exclude } =
            terms.placement;
        assert_eq!((per_owner, per_organisation, per_country), (Some(1), Some(1), Some(2)));
        let one = |id| [ProviderId::new(id)].into();
        assert_eq!((prefer, avoid, exclude), (one(1000), one(1001), one(1002)));
        let budget = Budget { deals_per_day: Some(2), bytes_per_day: Some(64 << 30) };
        assert_eq!(terms.budget, budget);
    }

    #[test]
    fn placement_and_budget_left_out_empty_or_null_are_none() {
        for value in [json!({}), json!(null)] {
            let value = json!({"cid": CID, "repair": {"threshold": 9}, "placement": value,
                "budget": value});
            let (_, terms) = job(&request(&value).unwrap(), None).unwrap();
            assert!(terms.placement.is_free() && terms.budget.is_unlimited(), "{terms:?}");
        }
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
            (of("placement", json!({"per_country": -1})), "placement.per_country is -1: give a"),
            (of("placement", json!({"per_owner": "2"})), "placement.per_owner is \"2\": give a"),
            (of("placement", json!({"per_city": 1})), "placement: unknown field `per_city`"),
            (of("placement", json!({"exclude": "f01"})), "placement.exclude is \"f01\": give an"),
            (of("placement", json!({"avoid": [1]})), "placement.avoid is [1]: give an array"),
            (of("placement", json!({"prefer": ["me"]})), "placement.prefer has \"me\": write"),
            (of("placement", json!(["f01"])), "placement: invalid type"),
            (of("budget", json!({"deals_per_day": 1.5})), "budget.deals_per_day is 1.5: give"),
            (of("budget", json!({"bytes_per_day": "much"})), "bytes_per_day is \"much\": give a"),
            (of("budget", json!({"bytes_per_day": -1})), "bytes_per_day is -1: give a whole"),
            (of("budget", json!({"fil_per_day": 1})), "budget: unknown field `fil_per_day`"),
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
