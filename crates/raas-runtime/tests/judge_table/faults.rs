//! Rows about proofs: made, missed, declared missing, disputed, made again, and missed for too long.
//!
//! All sectors lie in deadline 42, which with a period from 6 300 000 on is open from 6 302 520 to
//! 6 302 579, as on every day before and after. A sector that is not proven then is faulty since
//! 6 302 579, and terminated 120 960 epochs later, at 6 423 539.

use raas_types::Verdict::{Ended, Gone, StartMissed, Terminated};

use super::{
    ACTIVE, DEAD, Deed, FAR, FAULTY, Play, Remembered, Row, Sector, UNPROVEN, active, exact,
    observed, pending,
};

/// Never proven again.
const MISSED: u64 = 100_009;
/// Recovered with the next proof: declared one epoch before the fault cutoff of that deadline.
const RECOVERED: u64 = 100_010;
/// Recovered a day later, as it was declared at the cutoff.
const LATE: u64 = 100_011;
/// Declared to be missing while everything else is proven.
const DECLARED: u64 = 100_012;
/// Declared to be recovered, and not proven then.
const IN_VAIN: u64 = 100_013;
/// Its sector's own time is over before the fault would be too old.
const SHORT: u64 = 100_014;

/// Proven like the others, by a proof that is disputed and lost.
const DISPUTED: u64 = 100_015;

const DEADLINE: u64 = 42;
/// The last epoch of the first deadline that was not proven.
const F: i64 = 6_302_579;

/// The same sector several times over, each with another fate.
pub(crate) fn faults() -> Vec<(i64, Deed)> {
    let plant = |deal, provider, end| {
        let sealed = Some((6_297_100, DEADLINE));
        (6_297_000, Deed::Plant { deal, provider, start: 6_297_500, end, sealed })
    };
    vec![
        plant(MISSED, 1000, FAR),
        plant(RECOVERED, 1001, FAR),
        plant(LATE, 1002, FAR),
        plant(DECLARED, 1004, FAR),
        plant(IN_VAIN, 1000, FAR),
        plant(SHORT, 1000, 6_400_000),
        plant(DISPUTED, 1003, FAR),
        (6_300_000, Deed::Stop(1000)),
        (6_300_000, Deed::Stop(1001)),
        (6_300_000, Deed::Stop(1002)),
        (6_300_000, Deed::DeclareFault(DECLARED)),
        // The last epoch to dispute a proof in is 1799 above the close of its deadline, 6 302 580.
        (6_304_379, Deed::LoseDispute(DISPUTED)),
        (6_305_000, Deed::DeclareRecovered(IN_VAIN)),
        (6_305_000, Deed::DeclareRecovered(DECLARED)),
        (6_305_329, Deed::Prove(1001)),
        (6_305_330, Deed::Prove(1002)),
    ]
}

#[rustfmt::skip] // A table is read line by line.
pub(crate) fn rows_of_faults() -> Vec<Row> {
    use Remembered::{Active, Faulty, Heard, Published};
    /// A healthy day before the fault.
    const SEEN: Remembered = Active(6_299_700);
    let row = Row::new;
    let fault = |name, deal, at, remembered, on_gateway| {
        row(name, deal, at, remembered, FAULTY, exact(F, FAR)).on_gateway(observed(on_gateway, FAR))
    };
    vec![
        // New sectors.
        row("a sector shows above the tipset that activates it",
            MISSED, 6_297_100, Published, Sector::None, pending(6_297_500)),
        row("a new sector that nothing was proven of is not faulty",
            MISSED, 6_297_101, Published, UNPROVEN, active(FAR)),
        row("not even when its first deadline opens",
            MISSED, 6_299_640, Published, UNPROVEN, active(FAR)),
        row("its first proof shows above the tipset that it is in",
            MISSED, 6_299_650, Published, UNPROVEN, active(FAR)),
        row("from then on it is proven",
            MISSED, 6_299_651, Published, ACTIVE, active(FAR)),
        row("the last proof before the fault is in the deadline that closes at 6 299 699",
            MISSED, 6_299_699, SEEN, ACTIVE, active(FAR)),

        // A missed proof, and the offset of one tipset (deferred execution).
        row("while the deadline is open nothing is missed",
            MISSED, 6_302_520, SEEN, ACTIVE, active(FAR)),
        row("state at a tipset is that before it: at 6 302 579 the fault does not show",
            MISSED, 6_302_579, SEEN, ACTIVE, active(FAR)),
        fault("at 6 302 580 it does, since the last epoch of the deadline",
            MISSED, 6_302_580, SEEN, 6_299_700),
        fault("who never saw the deal knows no better time than now, unless the chain tells",
            MISSED, 6_302_580, Heard(6_302_580), 6_302_580),
        fault("who never saw it healthy counts from the first time it was seen faulty",
            MISSED, 6_305_399, Faulty(6_302_580), 6_302_580),
        fault("a second missed proof is the same fault",
            MISSED, 6_305_460, SEEN, 6_299_700),
        fault("six weeks later the market still has nothing to say of it",
            MISSED, 6_423_539, SEEN, 6_299_700),
        row("then cron terminates the sector, and the deal is gone without an event",
            MISSED, 6_423_540, SEEN, Sector::None, Terminated),
        row("for who saw nothing but the fault it is terminated too",
            MISSED, 6_423_540, Faulty(6_302_580), Sector::None, Terminated),
        row("for who never saw it it is gone",
            MISSED, 6_423_540, Heard(6_423_540), Sector::None, Gone),
        row("for who saw it published it has missed its start, as far as that one can tell",
            MISSED, 6_423_540, Published, Sector::None, StartMissed),

        // Recovery.
        fault("a recovery is not declared to be one: until the proof the sector is faulty",
            RECOVERED, 6_305_400, SEEN, 6_299_700),
        fault("the proof shows above the tipset that it is in",
            RECOVERED, 6_305_410, SEEN, 6_299_700),
        row("a recovered sector leaves no trace of its fault",
            RECOVERED, 6_305_411, SEEN, ACTIVE, active(FAR)),
        row("nor does it for who only ever saw the fault",
            RECOVERED, 6_305_460, Faulty(6_302_580), ACTIVE, active(FAR)),
        row("when it would have been terminated it is as well as ever",
            RECOVERED, 6_423_540, SEEN, ACTIVE, active(FAR)),
        fault("a recovery that is declared at the cutoff waits for another day",
            LATE, 6_305_460, SEEN, 6_299_700),
        fault("on which it is faulty until it is proven",
            LATE, 6_308_290, SEEN, 6_299_700),
        row("and not faulty when it is",
            LATE, 6_308_291, SEEN, ACTIVE, active(FAR)),
        fault("a recovery that is declared and not proven keeps the age of the fault",
            IN_VAIN, 6_305_460, SEEN, 6_299_700),
        row("and does not save the sector",
            IN_VAIN, 6_423_540, SEEN, Sector::None, Terminated),

        // Declared faults.
        row("a declaration shows above the tipset that it is in",
            DECLARED, 6_300_000, SEEN, ACTIVE, active(FAR)),
        fault("a declared fault counts from the end of the next deadline, which is still to come",
            DECLARED, 6_300_001, SEEN, 6_299_700),
        fault("and no later when that has come",
            DECLARED, 6_302_580, SEEN, 6_299_700),
        fault("until its recovery is proven",
            DECLARED, 6_305_410, SEEN, 6_299_700),
        row("a declared fault recovers like any other",
            DECLARED, 6_305_411, SEEN, ACTIVE, active(FAR)),

        // A proof that was made, and lost a dispute after it was seen.
        row("a proof that will lose a dispute is one until it does",
            DISPUTED, 6_304_379, SEEN, ACTIVE, active(FAR)),
        row("a dispute that is lost has the sector faulty since before it was seen to be proven",
            DISPUTED, 6_304_380, Active(6_304_379), FAULTY, exact(F, FAR))
            .on_gateway(observed(6_304_379, FAR)),
        row("the next proof does not cure that",
            DISPUTED, 6_305_460, Active(6_304_379), FAULTY, exact(F, FAR))
            .on_gateway(observed(6_304_379, FAR)),
        fault("who saw it proven before that deadline only learns the same",
            DISPUTED, 6_305_460, SEEN, 6_299_700),
        row("six weeks after the disputed proof it is terminated",
            DISPUTED, 6_423_540, Active(6_304_379), Sector::None, Terminated),

        // A fault that the chain does not date.
        row("a sector that expires before its fault is too old: the fault has no date",
            SHORT, 6_302_580, SEEN, FAULTY, observed(6_299_700, 6_400_000)),
        row("it counts from when it was first seen faulty",
            SHORT, 6_305_460, Faulty(6_302_580), FAULTY, observed(6_302_580, 6_400_000)),
        row("or from now, where it was never seen before",
            SHORT, 6_302_580, Heard(6_302_580), FAULTY, observed(6_302_580, 6_400_000)),
        row("to the last epoch of the deal",
            SHORT, 6_399_999, SEEN, FAULTY, observed(6_299_700, 6_400_000)),
        row("a deal that ends in a faulty sector has ended",
            SHORT, 6_400_000, SEEN, FAULTY, Ended),
        row("and so it has when its sector has expired",
            SHORT, 6_423_540, SEEN, DEAD, Ended),
    ]
}

/// The same missed proof where the round of 6 302 579 is null. Cron for it runs in the tipset of
/// 6 302 580, whose own state is that of 6 302 578: the fault shows one tipset later.
pub(crate) fn at_a_null_round() -> Play {
    const DEAL: u64 = 100_000;
    const SEEN: Remembered = Remembered::Active(6_299_700);
    let sealed = Some((6_297_100, DEADLINE));
    let plant = Deed::Plant { deal: DEAL, provider: 1000, start: 6_297_500, end: FAR, sealed };
    let row = Row::new;
    Play {
        begins: 6_296_990,
        // With this seed and one null round in twenty, 6 302 579 is null; its neighbours are not.
        seed: 15,
        null_every: 20,
        deeds: vec![(6_297_000, plant), (6_300_000, Deed::Stop(1000))],
        rows: vec![
            row(
                "before the null round nothing is missed",
                DEAL,
                6_302_578,
                SEEN,
                ACTIVE,
                active(FAR),
            ),
            row(
                "the tipset above it has the state from below it",
                DEAL,
                6_302_580,
                SEEN,
                ACTIVE,
                active(FAR),
            ),
            row(
                "the next one shows the fault, since the null round",
                DEAL,
                6_302_581,
                SEEN,
                FAULTY,
                exact(F, FAR),
            )
            .on_gateway(observed(6_299_700, FAR)),
        ],
    }
}
