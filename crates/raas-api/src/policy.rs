//! Placement and budget: between what a client writes and the domain, in both directions.

use std::collections::BTreeSet;

use raas_api_types::{BudgetTerms, ByteSize, PlacementTerms};
use raas_types::{Budget, Placement, ProviderId};
use serde_json::Value;

use crate::terms::{Complaints, quoted, short};

/// Providers in one list at most: as many as on mainnet ever had power, some 4000, are 40 kB.
const LISTED: usize = 4_000;

pub(crate) const COUNT: &str = "give a whole number of at least 1, or leave it out";
const BYTES: &str = "give a whole number of bytes, or text such as \"64GiB\" or \"500GB\"";
const LIST: &str = "give an array of providers such as [\"f01000\"]";

/// Units of bytes and how many each is.
const UNITS: [(&str, u64); 11] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
];

/// Numbers, sizes and lists of a job that are none.
pub(crate) fn wrong_shapes(job: &Value, wrong: &mut Complaints) {
    let mut check = |pointer: &str, fits: fn(&Value) -> bool, mend: &str| {
        if let Some(value) = job.pointer(pointer).filter(|value| !value.is_null() && !fits(value)) {
            wrong.push(format!("{} is {}: {mend}", name_of(pointer), short(value)));
        }
    };
    for count in [
        "/placement/per_owner",
        "/placement/per_organisation",
        "/placement/per_country",
        "/budget/deals_per_day",
    ] {
        check(count, |value| value.as_i64().is_some(), COUNT);
    }
    check("/budget/bytes_per_day", |value| value.is_string() || value.as_u64().is_some(), BYTES);
    let is_list =
        |value: &Value| value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
    for list in ["/placement/prefer", "/placement/avoid", "/placement/exclude"] {
        check(list, is_list, LIST);
    }
}

fn name_of(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

/// Where replicas may be.
pub(crate) fn placement(asked: &PlacementTerms, wrong: &mut Complaints) -> Placement {
    let PlacementTerms { per_owner, per_organisation, per_country, prefer, avoid, exclude } = asked;
    Placement {
        per_owner: count("placement.per_owner", *per_owner, wrong),
        per_organisation: count("placement.per_organisation", *per_organisation, wrong),
        per_country: count("placement.per_country", *per_country, wrong),
        prefer: providers("placement.prefer", prefer, wrong),
        avoid: providers("placement.avoid", avoid, wrong),
        exclude: providers("placement.exclude", exclude, wrong),
    }
}

/// What may be spent.
pub(crate) fn budget(asked: &BudgetTerms, wrong: &mut Complaints) -> Budget {
    Budget {
        deals_per_day: count("budget.deals_per_day", asked.deals_per_day, wrong),
        bytes_per_day: asked.bytes_per_day.as_ref().and_then(|size| match size {
            ByteSize::Bytes(bytes) => Some(*bytes),
            ByteSize::Text(text) => {
                let bytes = bytes(text);
                if bytes.is_none() {
                    wrong.push(format!("budget.bytes_per_day is {:?}: {BYTES}", quoted(text)));
                }
                bytes
            }
        }),
    }
}

/// A placement as a client would write it; `None` where any provider will do.
pub(crate) fn of_placement(placement: &Placement) -> Option<PlacementTerms> {
    let names = |ids: &BTreeSet<ProviderId>| ids.iter().map(ToString::to_string).collect();
    (!placement.is_free()).then(|| PlacementTerms {
        per_owner: placement.per_owner.map(i64::from),
        per_organisation: placement.per_organisation.map(i64::from),
        per_country: placement.per_country.map(i64::from),
        prefer: names(&placement.prefer),
        avoid: names(&placement.avoid),
        exclude: names(&placement.exclude),
    })
}

/// A budget as a client would write it; `None` where there is no limit.
pub(crate) fn of_budget(budget: &Budget) -> Option<BudgetTerms> {
    (!budget.is_unlimited()).then(|| BudgetTerms {
        deals_per_day: budget.deals_per_day.map(i64::from),
        bytes_per_day: budget.bytes_per_day.map(ByteSize::Bytes),
    })
}

/// A number of deals or replicas. 0 passes, for core to refuse in its own words.
fn count(name: &str, asked: Option<i64>, wrong: &mut Complaints) -> Option<u32> {
    let asked = asked?;
    let count = u32::try_from(asked);
    count.map_err(|_| wrong.push(format!("{name} is {asked}: {COUNT}"))).ok()
}

fn providers(name: &str, asked: &[String], wrong: &mut Complaints) -> BTreeSet<ProviderId> {
    if asked.len() > LISTED {
        wrong.push(format!("{name} has {} providers: give at most {LISTED}", asked.len()));
        return BTreeSet::new();
    }
    let mut all = BTreeSet::new();
    for text in asked {
        match text.parse() {
            Ok(id) => {
                all.insert(id);
            }
            // The first says what is wrong with the others too.
            Err(_) => {
                let mend = "write a storage provider as its actor id, such as \"f01000\"";
                wrong.push(format!("{name} has {:?}: {mend}", quoted(text)));
                break;
            }
        }
    }
    all
}

/// A whole number of bytes with a unit, `None` where it is none or beyond what can be counted.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let (_, each) = UNITS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<u64>().ok()?.checked_mul(each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_the_units_that_people_write() {
        for (text, expected) in [
            ("64GiB", Some(64 << 30)),
            ("64 gib", Some(64 << 30)),
            ("10GB", Some(10_000_000_000)),
            (" 1kB ", Some(1_000)),
            ("2PiB", Some(2 << 50)),
            ("17", Some(17)),
            ("17B", Some(17)),
            ("1.5GiB", None),
            ("-1GiB", None),
            ("GiB", None),
            ("", None),
            ("64G", None),
            ("99999999PiB", None),
            ("64GiB a day", None),
        ] {
            assert_eq!(bytes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn placement_and_budget_are_shown_as_they_are_asked_for() {
        let placement = PlacementTerms {
            per_country: Some(2),
            prefer: vec!["f01000".to_owned(), "f01001".to_owned()],
            ..PlacementTerms::default()
        };
        let budget = BudgetTerms {
            deals_per_day: Some(2),
            bytes_per_day: Some(ByteSize::Text("1KiB".to_owned())),
        };
        let mut wrong = Vec::new();
        let (place, spend) =
            (super::placement(&placement, &mut wrong), super::budget(&budget, &mut wrong));
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(of_placement(&place), Some(placement));
        let in_bytes = BudgetTerms { bytes_per_day: Some(ByteSize::Bytes(1024)), ..budget };
        assert_eq!(of_budget(&spend), Some(in_bytes));
        assert_eq!(of_placement(&Placement::default()), None);
        assert_eq!(of_budget(&Budget::default()), None);
    }

    #[test]
    fn however_many_providers_are_none_one_is_named() {
        let asked = vec!["f01000".to_owned(), "acme".to_owned(), "x".to_owned()];
        let mut wrong = Vec::new();
        providers("placement.exclude", &asked, &mut wrong);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].contains("placement.exclude has \"acme\": write"), "{wrong:?}");
        let many: Vec<_> = (0..=LISTED).map(|id| format!("f0{id}")).collect();
        providers("placement.avoid", &many, &mut wrong);
        assert!(wrong[1].contains("at most 4000"), "{wrong:?}");
    }
}
