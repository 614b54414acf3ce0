//! A job in words: each replica's verdict with what it is known from, the orders, the last look.

use raas_api_types::{
    Answer, ByteSize, DealAnswer, EvidenceView, JobView, LoggedDecision, OrderView, ReplicaView,
    SaidView, SectorAnswer, TermsView,
};
use raas_types::{FaultSince, Unknown, Verdict};

/// What is known of a job, below the line that names it.
pub(crate) fn lines(job: &JobView) -> Vec<String> {
    let mut lines: Vec<_> = policy(&job.terms).collect();
    for replica in &job.replicas {
        lines.push(format!(
            "  deal {} on {}: {}",
            replica.deal,
            replica.provider,
            in_words(replica)
        ));
        match &replica.evidence {
            Some(evidence) => known_from(evidence, &mut lines),
            None => lines.push("    It was not read yet.".to_owned()),
        }
    }
    lines.extend(job.orders.iter().map(order));
    match &job.last_look {
        Some(look) => lines.extend(look.words.iter().map(|words| format!("  {words}"))),
        None => lines.push("  It was not looked at yet.".to_owned()),
    }
    lines.extend(job.last_decision.map(|LoggedDecision { number, epoch }| {
        let how = format!("raas replay --config raas.toml --cid {}", job.cid);
        format!("  The last decision is number {number} of epoch {epoch}; replay it with {how}")
    }));
    lines
}

/// Where replicas may be and what may be spent, as far as that is limited.
fn policy(terms: &TermsView) -> impl Iterator<Item = String> {
    let placement = terms.placement.iter().map(|placement| {
        let cap = |name: &str, cap: Option<i64>| cap.map(|cap| format!("{cap} per {name}"));
        let list = |name: &str, providers: &[String]| {
            (!providers.is_empty()).then(|| format!("{name} {}", providers.join(", ")))
        };
        let parts = [
            cap("owner", placement.per_owner),
            cap("organisation", placement.per_organisation),
            cap("country", placement.per_country),
            list("prefer", &placement.prefer),
            list("avoid", &placement.avoid),
            list("exclude", &placement.exclude),
        ];
        format!("  placement: {}", parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    });
    let budget = terms.budget.iter().map(|budget| {
        let deals = budget.deals_per_day.map(|deals| format!("deals {deals}"));
        let bytes = budget.bytes_per_day.as_ref().map(|size| match size {
            ByteSize::Bytes(bytes) => format!("bytes {bytes}"),
            ByteSize::Text(text) => format!("bytes {text}"),
        });
        let parts = [deals, bytes].into_iter().flatten().collect::<Vec<_>>();
        format!("  budget of a day: {}", parts.join("; "))
    });
    placement.chain(budget)
}

fn in_words(replica: &ReplicaView) -> String {
    // A newer node may have verdicts that this version has no words for.
    let Ok(verdict) = serde_json::from_value::<Verdict>(replica.particulars.clone()) else {
        return replica.verdict.replace('_', " ");
    };
    match verdict {
        Verdict::Pending { start } => format!("pending, to be activated by {start}"),
        Verdict::Active { end } => format!("active, ends {end}"),
        Verdict::Faulty { since: FaultSince::Exact(since), end } => {
            format!("faulty since {since}, ends {end}")
        }
        Verdict::Faulty { since: FaultSince::Observed(since), end } => {
            format!("faulty since {since} by our own observation, ends {end}")
        }
        Verdict::Unknown { why } => format!("unknown: {}", because(&why)),
        other => other.kind().name().replace('_', " "),
    }
}

fn because(why: &Unknown) -> String {
    match why {
        Unknown::Deal(why) => format!("the deal could not be read ({why})"),
        Unknown::Sector(why) => format!("the sector could not be read ({why})"),
        Unknown::NextId => "the market's next deal id could not be read".to_owned(),
        Unknown::AheadOfChain => "the endpoint does not know this deal yet".to_owned(),
        Unknown::ProviderMismatch => {
            "the chain names another provider than whoever told us of the deal".to_owned()
        }
        Unknown::Disagreement { first, second } => {
            format!("the endpoints disagree, {first} or {second}")
        }
    }
}

/// Where on the chain it was read, from whom, and what they said.
fn known_from(evidence: &EvidenceView, lines: &mut Vec<String>) {
    let finality = if evidence.finalized { "final" } else { "not final" };
    let tipset = match &evidence.tipset[..] {
        [] => "an unnamed tipset".to_owned(),
        [block] => format!("tipset {block}"),
        [first, others @ ..] => format!("tipset {first} +{}", others.len()),
    };
    lines.push(format!("    read at epoch {}, {finality}, {tipset}", evidence.epoch));
    let EvidenceView { endpoint, said: Some(said), .. } = evidence else {
        lines.push(format!("    from {}", evidence.endpoint));
        return;
    };
    lines.push(format!("    {endpoint}: {}", answers(said)));
    if let Some(witness) = &evidence.witness {
        let its = answers(&witness.said);
        let its = if its == answers(said) { "the same".to_owned() } else { its };
        lines.push(format!("    {}: {its}", witness.endpoint));
    }
}

fn answers(said: &SaidView) -> String {
    match &said.sector {
        Some(sector) => format!("{}; {}", deal(&said.deal), self::sector(sector)),
        None => deal(&said.deal),
    }
}

fn deal(answer: &DealAnswer) -> String {
    let number = |epoch: Option<i64>| epoch.map_or("?".to_owned(), |epoch| epoch.to_string());
    match answer.answer {
        Answer::Found => {
            let provider = answer.provider.as_deref().unwrap_or("?");
            let slashed = answer.slashed.map(|at| format!(", slashed {at}")).unwrap_or_default();
            let sector = match (answer.sector, answer.activated) {
                (Some(sector), Some(at)) => format!("in sector {sector} since {at}"),
                _ => "published only".to_owned(),
            };
            let (start, end) = (number(answer.start), number(answer.end));
            format!("deal on {provider}, {start} to {end}, {sector}{slashed}")
        }
        Answer::NotFound => match answer.next_id {
            Some(next) => {
                format!("no such deal, the next id is {next}{}", by(&answer.next_id_method))
            }
            None => "no such deal".to_owned(),
        },
        Answer::Failed => format!("no answer, {}", answer.error.as_deref().unwrap_or("?")),
    }
}

fn sector(answer: &SectorAnswer) -> String {
    match answer.answer {
        Answer::Found => {
            let health = answer.health.as_deref().unwrap_or("?");
            let place = match (answer.deadline, answer.partition) {
                (Some(deadline), Some(partition)) => {
                    format!(" in deadline {deadline}, partition {partition}")
                }
                _ => String::new(),
            };
            let dated_by = by(&answer.first_missed_method);
            let missed = answer.first_missed.map(|at| format!(", first missed {at}{dated_by}"));
            format!("sector {health}{place}{}{}", by(&answer.method), missed.unwrap_or_default())
        }
        Answer::NotFound => format!("no such sector{}", by(&answer.method)),
        Answer::Failed => {
            let why = answer.error.as_deref().unwrap_or("?");
            format!("no answer for the sector, {why}{}", by(&answer.method))
        }
    }
}

/// The method that an answer came by, where it is known.
fn by(method: &Option<String>) -> String {
    method.as_ref().map(|method| format!(" ({method})")).unwrap_or_default()
}

fn order(order: &OrderView) -> String {
    let came = order.deal.map_or(String::new(), |deal| format!(", deal {deal}"));
    let why = order.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    format!("  order for {} of epoch {}: {}{came}{why}", order.cause, order.created, order.state)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A job with one replica of this verdict and evidence.
    fn job(particulars: Value, evidence: Value) -> JobView {
        let job = json!({
            "id": "j", "cid": "c", "submission": null, "next_look": null,
            "terms": {"target": 1, "min": 1, "max": 3, "renewal_threshold": null,
                "repair_threshold": null, "until": null, "aggregators": [], "trust": "proven"},
            "replicas": [{"deal": 7, "provider": "f01000", "verdict": particulars["kind"],
                "particulars": particulars, "evidence": evidence, "known_from": "ordered",
                "replaces": null, "sector": 3, "start": 100, "end": 9000, "piece": null}],
        });
        serde_json::from_value(job).expect("a job")
    }

    fn found(health: &str) -> Value {
        json!({
            "deal": {"method": "StateMarketStorageDeal", "answer": "found", "provider": "f01000",
                "start": 100, "end": 9000, "sector": 3, "activated": 99},
            "sector": {"method": "StateMinerPartitions", "answer": "found", "health": health,
                "deadline": 4, "partition": 0},
        })
    }

    #[test]
    fn a_healthy_replica_takes_three_lines() {
        let evidence = json!({"epoch": 500, "tipset": ["b1", "b2", "b3"], "finalized": true,
            "endpoint": "a", "said": found("active"),
            "witness": {"endpoint": "b", "said": found("active")}});
        let lines = lines(&job(json!({"kind": "active", "end": 9000}), evidence));
        let expected = [
            "  deal 7 on f01000: active, ends 9000",
            "    read at epoch 500, final, tipset b1 +2",
            "    a: deal on f01000, 100 to 9000, in sector 3 since 99; sector active in deadline 4, \
             partition 0 (StateMinerPartitions)",
            "    b: the same",
            "  It was not looked at yet.",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_last_decision_is_named_with_how_to_replay_it() {
        let mut job = job(json!({"kind": "active", "end": 9000}), Value::Null);
        job.last_decision = Some(LoggedDecision { number: 12, epoch: 500 });
        let said = "  The last decision is number 12 of epoch 500; replay it with raas replay \
                    --config raas.toml --cid c";
        assert_eq!(lines(&job).last().map(String::as_str), Some(said));
    }

    #[test]
    fn limits_on_place_and_spending_are_said_where_there_are_any() {
        let mut job = job(json!({"kind": "active", "end": 9000}), Value::Null);
        assert!(lines(&job)[0].starts_with("  deal 7"));
        job.terms = serde_json::from_value(json!({
            "aggregators": [], "trust": "proven",
            "placement": {"per_country": 2, "exclude": ["f01000", "f01001"]},
            "budget": {"deals_per_day": 2, "bytes_per_day": 1024},
        }))
        .expect("terms");
        let expected = [
            "  placement: 2 per country; exclude f01000, f01001",
            "  budget of a day: deals 2; bytes 1024",
        ];
        assert_eq!(lines(&job)[..2], expected);
    }

    #[test]
    fn of_a_disagreement_both_answers_stand_side_by_side() {
        let mut faulty = found("faulty");
        faulty["sector"]["first_missed"] = json!(400);
        faulty["sector"]["first_missed_method"] = json!("StateSectorExpiration");
        let gone = json!({"deal": {"method": "m", "answer": "not_found", "next_id": 900,
            "next_id_method": "StateReadState"}});
        let why = json!({"disagreement": {"first": "faulty", "second": "terminated"}});
        let evidence = json!({"epoch": 500, "tipset": ["b1"], "finalized": true, "endpoint": "a",
            "said": faulty, "witness": {"endpoint": "b", "said": gone}});
        let lines = lines(&job(json!({"kind": "unknown", "why": why}), evidence));
        assert!(lines[0].ends_with("unknown: the endpoints disagree, faulty or terminated"));
        assert_eq!(
            lines[2],
            "    a: deal on f01000, 100 to 9000, in sector 3 since 99; sector faulty in deadline 4, \
             partition 0 (StateMinerPartitions), first missed 400 (StateSectorExpiration)"
        );
        assert_eq!(lines[3], "    b: no such deal, the next id is 900 (StateReadState)");
    }

    #[test]
    fn a_sector_that_was_not_told_of_names_what_was_asked() {
        let mut said = found("active");
        said["sector"] = json!({"method": "m1 or m2", "answer": "not_found"});
        let mut its = found("active");
        its["sector"] = json!({"method": "m1 or m2", "answer": "failed", "error": "late"});
        let evidence = json!({"epoch": 500, "tipset": ["b1"], "finalized": false, "endpoint": "a",
            "said": said, "witness": {"endpoint": "b", "said": its}});
        let lines = lines(&job(json!({"kind": "terminated"}), evidence));
        assert_eq!(lines[1], "    read at epoch 500, not final, tipset b1");
        assert!(lines[2].ends_with("; no such sector (m1 or m2)"), "{lines:?}");
        assert!(lines[3].ends_with("; no answer for the sector, late (m1 or m2)"), "{lines:?}");
    }

    #[test]
    fn what_an_earlier_or_a_later_version_says_is_shown_as_far_as_it_goes() {
        let before = json!({"epoch": 5, "tipset": [], "finalized": false, "endpoint": "a"});
        let lines = lines(&job(json!({"kind": "half_proven"}), before));
        assert!(lines[0].ends_with("half proven"), "{lines:?}");
        assert!(lines[1].contains("not final") && lines[2].contains("from a"), "{lines:?}");
    }
}
