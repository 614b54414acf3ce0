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
    /// Deals that were published.
    pub deals: u64,
    /// Of these such as nobody needed: all replicas that were wanted were there or coming already, or
    /// one on the same provider was.
    pub needless_deals: u64,
    /// Bytes handed to aggregators and fetched from providers, by the size that the data stands for.
    pub bytes: u64,
    /// Outages of providers, faults of single sectors, spells of trouble with endpoints, aggregators,
    /// the contract and the store, and errors in them.
    pub faults_injected: u64,
    /// Of these what comes whoever keeps the data: outages of providers, losses of copies, and spells.
    pub faults_of_the_world: u64,
    pub providers_died: u64,
    pub crashes: u64,
    pub reorgs: u64,
    /// Answers that were not the truth, and were given as if.
    pub lies: u64,
    /// Days of jobs with fewer replicas than they ask for, lost data included: replicas that are there
    /// in truth, and proven, or faulty for less than the job minds.
    pub job_days_below_target: u64,
    /// Data that was lost although there was time to save it: it had wanted more copies for long
    /// enough, and nothing stood in the way. Counted by what is true, whoever keeps the data.
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
        self.deals += other.deals;
        self.needless_deals += other.needless_deals;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.faults_injected += other.faults_injected;
        self.faults_of_the_world += other.faults_of_the_world;
        self.providers_died += other.providers_died;
        self.crashes += other.crashes;
        self.reorgs += other.reorgs;
        self.lies += other.lies;
        self.job_days_below_target += other.job_days_below_target;
        self.losses += other.losses;
        self.unavoidable_losses += other.unavoidable_losses;
        self.broken_invariants += other.broken_invariants;
    }
}
