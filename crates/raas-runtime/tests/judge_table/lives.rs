//! Rows about deals: made or not, activated or not, ended, settled, terminated.

use raas_types::Unknown;

use super::{ACTIVE, DEAD, Deed, FAR, Remembered, Row, Sector, UNPROVEN, active, pending, unknown};
use raas_types::Verdict::{Completed, Ended, Gone, NeverExisted, StartMissed, Terminated};

/// Its start is the epoch of its own visit by cron, which then waits for the next, 30 days later:
/// 100 000 and 6 234 400 are both 13 600 modulo 86 400.
const LINGERS: u64 = 100_000;
const LINGERS_START: i64 = 6_234_400;
/// Published at 6 200 000, to start by 6 210 000, never activated. Cron visits it at 6 234 401, the
/// first epoch after its start that is its id modulo 86 400.
const NEVER_ACTIVATED: u64 = 100_001;
/// Ends at 6 400 000 and is settled at 6 410 000.
const ENDS: u64 = 100_002;
/// Missed its start, and is settled before cron comes.
const SETTLED_EARLY: u64 = 100_003;
/// Ends at 6 400 000; its sector is terminated after that; nobody settles it.
const DIES_ENDED: u64 = 100_004;

/// The ids of what [`deals_of_a_sector`] plants.
const TERMINATED: u64 = 100_005;
const UNHEARD: u64 = 100_006;
const NEIGHBOUR: u64 = 100_007;
const DIES_EARLY: u64 = 100_008;

/// Nobody made it.
const NEVER_MADE: u64 = 999_999;

/// Deals that are never activated, deals that end, and what becomes of them when somebody settles
/// them.
pub(crate) fn lives() -> Vec<(i64, Deed)> {
    let plant = |deal, start, end, sealed| {
        (6_200_000, Deed::Plant { deal, provider: 1003, start, end, sealed })
    };
    vec![
        plant(LINGERS, LINGERS_START, FAR, None),
        plant(NEVER_ACTIVATED, 6_210_000, FAR, None),
        plant(ENDS, 6_210_000, 6_400_000, Some((6_200_100, 5))),
        plant(SETTLED_EARLY, 6_210_000, FAR, None),
        plant(DIES_ENDED, 6_210_000, 6_400_000, Some((6_200_100, 5))),
        (6_220_000, Deed::Settle(SETTLED_EARLY)),
        (6_405_000, Deed::Terminate(DIES_ENDED)),
        (6_410_000, Deed::Settle(ENDS)),
    ]
}

/// Deals in sectors of one deadline, two in a partition, some of which are terminated; then the
/// deadline is compacted. Deadline 10 opens at 6 300 600, and a day before and after.
pub(crate) fn deals_of_a_sector() -> Vec<(i64, Deed)> {
    let plant = |deal, start, end, at| {
        (6_297_000, Deed::Plant { deal, provider: 1005, start, end, sealed: Some((at, 10)) })
    };
    vec![
        plant(TERMINATED, 6_297_500, 6_350_000, 6_297_100),
        plant(UNHEARD, 6_297_500, FAR, 6_297_101),
        plant(NEIGHBOUR, 6_297_500, FAR, 6_297_102),
        plant(DIES_EARLY, 6_305_000, FAR, 6_299_000),
        (6_300_000, Deed::Terminate(TERMINATED)),
        (6_300_000, Deed::TerminateUnheard(UNHEARD)),
        (6_300_000, Deed::Terminate(DIES_EARLY)),
        (6_301_000, Deed::Compact(1005, 10)),
    ]
}

#[rustfmt::skip] // A table is read line by line.
pub(crate) fn rows_of_lives() -> Vec<Row> {
    use Remembered::{Active, Elsewhere, Heard, Published};
    use Sector::None;
    let ahead = || unknown(Unknown::AheadOfChain);
    let row = Row::new;
    vec![
        // Deals that are never activated.
        row("a deal shows above the tipset that published it",
            NEVER_ACTIVATED, 6_200_000, Heard(6_200_000), None, ahead()),
        row("a deal that was seen and was not made yet has an endpoint that went back",
            NEVER_ACTIVATED, 6_200_000, Published, None, ahead()),
        row("a published deal waits for its sector",
            NEVER_ACTIVATED, 6_200_001, Heard(6_200_001), None, pending(6_210_000)),
        row("a published deal may wait until its start",
            NEVER_ACTIVATED, 6_210_000, Published, None, pending(6_210_000)),
        row("one epoch after its start a deal has missed it, by the clock alone",
            NEVER_ACTIVATED, 6_210_001, Published, None, StartMissed),
        row("a missed start needs no memory while the deal lingers",
            NEVER_ACTIVATED, 6_210_001, Heard(6_210_001), None, StartMissed),
        row("it lingers until cron visits it",
            NEVER_ACTIVATED, 6_234_401, Published, None, StartMissed),
        row("when cron has visited it, what is remembered tells that it missed its start",
            NEVER_ACTIVATED, 6_234_402, Published, None, StartMissed),
        row("when cron has visited it, it is gone for who never saw it",
            NEVER_ACTIVATED, 6_234_402, Heard(6_234_402), None, Gone),
        row("30 days after its start at the latest it is cleaned up",
            NEVER_ACTIVATED, 6_296_400, Published, None, StartMissed),
        row("a deal that cron visits late waits as long as its start allows",
            LINGERS, 6_234_400, Published, None, pending(LINGERS_START)),
        row("and has missed its start like any other",
            LINGERS, 6_234_401, Published, None, StartMissed),
        row("it lingers for weeks",
            LINGERS, 6_296_400, Published, None, StartMissed),
        row("for 30 days to the epoch",
            LINGERS, 6_320_800, Heard(6_320_800), None, StartMissed),
        row("and no longer: for who saw it it missed its start",
            LINGERS, 6_320_801, Published, None, StartMissed),
        row("and no longer: for who did not it is gone",
            LINGERS, 6_320_801, Heard(6_320_801), None, Gone),
        row("a missed start may be settled before cron comes",
            SETTLED_EARLY, 6_220_000, Published, None, StartMissed),
        row("a missed start that was settled is known from memory",
            SETTLED_EARLY, 6_220_001, Published, None, StartMissed),
        row("a missed start that was settled is gone for who never saw it",
            SETTLED_EARLY, 6_220_001, Heard(6_220_001), None, Gone),

        // Deals that end.
        row("a deal is pending in the tipset that activates it",
            ENDS, 6_200_100, Published, None, pending(6_210_000)),
        row("an activated deal is active at the next tipset, though nothing is proven yet",
            ENDS, 6_200_101, Published, UNPROVEN, active(6_400_000)),
        row("a deal is active in the last epoch before its end",
            ENDS, 6_399_999, Active(6_399_000), ACTIVE, active(6_400_000)),
        row("at its end it is over, though market and sector look as before",
            ENDS, 6_400_000, Active(6_399_999), ACTIVE, Ended),
        row("its end needs no memory while nobody settles it",
            ENDS, 6_400_000, Heard(6_400_000), ACTIVE, Ended),
        row("it stays until somebody settles it",
            ENDS, 6_410_000, Active(6_399_999), ACTIVE, Ended),
        row("settled, it is complete for who saw it active",
            ENDS, 6_410_001, Active(6_399_999), None, Completed),
        row("settled, it is complete for who saw it published",
            ENDS, 6_410_001, Published, None, Completed),
        row("settled, it is gone for who never saw it",
            ENDS, 6_410_001, Heard(6_410_001), None, Gone),
        row("a sector that is terminated after the deal's end changes nothing",
            DIES_ENDED, 6_405_001, Active(6_399_999), DEAD, Ended),

        // A termination takes the deal with it.
        row("a termination shows above the tipset it is in",
            TERMINATED, 6_300_000, Active(6_299_000), ACTIVE, active(6_350_000)),
        row("a terminated deal is not in the market any more",
            TERMINATED, 6_300_001, Active(6_300_000), None, Terminated),
        row("a terminated deal is gone for who never saw it",
            TERMINATED, 6_300_001, Heard(6_300_001), None, Gone),
        row("what was last seen published and is gone after its start is held to have missed it",
            TERMINATED, 6_300_001, Published, None, StartMissed),
        row("a terminated deal is one to the last epoch before its end",
            TERMINATED, 6_349_999, Active(6_300_000), None, Terminated),
        row("looked for after its end it cannot be told from a completed one",
            TERMINATED, 6_350_000, Active(6_300_000), None, Completed),
        row("a deal that died before its start is terminated for who saw it active",
            DIES_EARLY, 6_300_001, Active(6_300_000), None, Terminated),
        row("a deal that died before its start missed none: it is gone for who saw it published",
            DIES_EARLY, 6_300_001, Published, None, Gone),

        // The market did not hear of it; compaction.
        row("a sector is active until the tipset that terminates it has passed",
            UNHEARD, 6_300_000, Active(6_299_000), ACTIVE, active(FAR)).lies_in(10, 0),
        row("a deal that outlives its sector is terminated: the sector is in the tables, dead",
            UNHEARD, 6_300_001, Active(6_300_000), DEAD, Terminated).lies_in(10, 0),
        row("so it is for who never saw it",
            UNHEARD, 6_300_001, Heard(6_300_001), DEAD, Terminated),
        row("a dead sector stays in the tables until they are compacted",
            UNHEARD, 6_301_000, Active(6_300_000), DEAD, Terminated).lies_in(10, 0),
        row("compaction takes it out of them, which changes nothing",
            UNHEARD, 6_301_001, Active(6_300_000), Sector::NotFound, Terminated),
        row("nor do weeks",
            UNHEARD, 6_423_540, Active(6_300_000), Sector::NotFound, Terminated),
        row("a sector lies where it was put",
            NEIGHBOUR, 6_301_000, Active(6_300_000), ACTIVE, active(FAR)).lies_in(10, 1),
        row("compaction moves it to another partition, where it is found",
            NEIGHBOUR, 6_301_001, Active(6_300_000), ACTIVE, active(FAR)).lies_in(10, 0),

        // What others say of a deal.
        row("a deal that is told of as another provider's counts for nobody",
            ENDS, 6_300_000, Elsewhere, ACTIVE, unknown(Unknown::ProviderMismatch)),
        row("nor does one that is not activated yet",
            NEVER_ACTIVATED, 6_200_001, Elsewhere, None, unknown(Unknown::ProviderMismatch)),
        row("an id that was never handed out may yet be, for 900 epochs",
            NEVER_MADE, 6_302_580, Heard(6_301_681), None, ahead()),
        row("and then it never existed",
            NEVER_MADE, 6_302_580, Heard(6_301_680), None, NeverExisted),
    ]
}
