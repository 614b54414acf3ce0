//! What a simulation came to, in numbers.

use serde::Serialize;

/// Counts of what happened; those of several seeds add up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each is a count of what it is named after")]
pub struct Tally {
    pub passes: u64,
    pub looks: u64,
    /// Deals that were asked for, and taken by an aggregator.
    pub orders: u64,
    /// Bytes handed to aggregators and fetched from providers, by the size that the data stands for.
    pub bytes: u64,
    /// Outages of providers, faults of single sectors, spells of trouble with endpoints, aggregators,
    /// the contract and the store, and errors in them.
    pub faults_injected: u64,
    pub providers_died: u64,
    pub crashes: u64,
    pub reorgs: u64,
    /// Answers that were not the truth, and were given as if.
    pub lies: u64,
    /// Data that was lost although there was time to save it.
    pub losses: u64,
    /// Data all of whose copies died within the time that saving takes.
    pub unavoidable_losses: u64,
    pub broken_invariants: u64,
}

impl Tally {
    /// Adds what another seed came to.
    pub fn add(&mut self, other: &Self) {
        self.passes += other.passes;
        self.looks += other.looks;
        self.orders += other.orders;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.faults_injected += other.faults_injected;
        self.providers_died += other.providers_died;
        self.crashes += other.crashes;
        self.reorgs += other.reorgs;
        self.lies += other.lies;
        self.losses += other.losses;
        self.unavoidable_losses += other.unavoidable_losses;
        self.broken_invariants += other.broken_invariants;
    }
}
