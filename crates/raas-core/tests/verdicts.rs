//! The life cycle of a deal, row by row (FILECOIN.md §1.4, Appendix A), as the verdict sees it.

use raas_core::{
    corroborate, is_confirmed, is_stale, judge, last_known, remember, sector_of, verdict,
};
use raas_types::{
    ChainEpoch, Cid, DealActivation, DealId, DealMemory, DealProposal, DealReading, EpochDelta,
    Evidence, FaultSince, ListedDeal, OnChainDeal, PaddedSize, PieceInfo, Provenance, ProviderId,
    Said, SectorHealth, SectorId, SectorNumber, SectorReading, SectorStatus, TipsetKey, Unknown,
    Verdict, VerdictKind, Witness,
};

const START: i64 = 6_210_000;
const END: i64 = 6_900_000;
const DEAL: DealId = DealId::new(100);
const PROVIDER: ProviderId = ProviderId::new(1000);

fn epoch(at: i64) -> ChainEpoch {
    ChainEpoch::new(at)
}

fn proposal() -> DealProposal {
    let cid = Cid::try_from("baga6ea4seaqdomn3tgwgrh3g532zopskstnbrd2n3sxfqbze7rxt7vqn7veigmy");
    DealProposal {
        piece: PieceInfo { cid: cid.expect("a piece CID"), size: PaddedSize::MIN },
        provider: PROVIDER,
        start: epoch(START),
        end: epoch(END),
        verified: true,
        label: String::new(),
    }
}

fn published() -> DealReading {
    DealReading::Found(OnChainDeal { proposal: proposal(), activation: None })
}

fn activated() -> DealReading {
    let activation =
        DealActivation { sector: SectorNumber::new(7), at: epoch(START - 10), slashed: None };
    DealReading::Found(OnChainDeal { proposal: proposal(), activation: Some(activation) })
}

fn not_found(next_id: u64) -> DealReading {
    DealReading::NotFound { next_id: Some(DealId::new(next_id)) }
}

fn sector(health: SectorHealth) -> SectorReading {
    let (deadline, partition) = (Some(42), Some(0));
    SectorReading::Found(SectorStatus { deadline, partition, ..SectorStatus::of(health) })
}

fn unseen() -> DealMemory {
    let listed = ListedDeal { deal: DEAL, provider: PROVIDER };
    DealMemory::first_heard(listed, Provenance::Contract, epoch(START - 1000))
}

fn seen_published() -> DealMemory {
    DealMemory { proposal: Some(proposal()), ..unseen() }
}

fn seen_active() -> DealMemory {
    let last_active = Some(epoch(START + 100));
    DealMemory { sector: Some(SectorNumber::new(7)), last_active, ..seen_published() }
}

fn evidence(deal: DealReading, at: i64) -> Evidence {
    let endpoint = "test".to_owned();
    Evidence {
        tipset: TipsetKey::default(),
        epoch: epoch(at),
        finalized: true,
        endpoint,
        said: Some(Said { deal, sector: None }),
        witness: None,
    }
}

#[test]
fn a_published_deal_is_pending_up_to_its_start_and_has_missed_it_after() {
    let at = |h| verdict(&published(), None, &unseen(), epoch(h));
    assert_eq!(at(START), Verdict::Pending { start: epoch(START) });
    assert_eq!(at(START + 1), Verdict::StartMissed);
}

#[test]
fn an_activated_deal_is_what_its_sector_is() {
    let at = |s: SectorReading| verdict(&activated(), Some(&s), &unseen(), epoch(START));
    assert_eq!(at(sector(SectorHealth::Active)), Verdict::Active { end: epoch(END) });
    assert_eq!(at(sector(SectorHealth::Unproven)), Verdict::Active { end: epoch(END) });
    assert_eq!(at(sector(SectorHealth::Dead)), Verdict::Terminated);
    assert_eq!(at(SectorReading::NotFound), Verdict::Terminated);
    let failed = SectorReading::Failed("time-out".to_owned());
    assert!(matches!(at(failed), Verdict::Unknown { why: Unknown::Sector(_) }));
    let unasked = verdict(&activated(), None, &unseen(), epoch(START));
    assert!(matches!(unasked, Verdict::Unknown { why: Unknown::Sector(_) }));
}

#[test]
fn a_fault_counts_from_the_first_missed_proof_where_the_chain_tells_it() {
    let mut status = match sector(SectorHealth::Faulty) {
        SectorReading::Found(status) => status,
        _ => unreachable!(),
    };
    let judge = |status: &SectorStatus, memory: &DealMemory| {
        let reading = SectorReading::Found(status.clone());
        match verdict(&activated(), Some(&reading), memory, epoch(START + 9000)) {
            Verdict::Faulty { since, .. } => since,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(judge(&status, &seen_active()), FaultSince::Observed(epoch(START + 100)));
    let first = DealMemory { first_faulty: Some(epoch(START + 8000)), ..seen_published() };
    assert_eq!(judge(&status, &first), FaultSince::Observed(epoch(START + 8000)));
    assert_eq!(judge(&status, &unseen()), FaultSince::Observed(epoch(START + 9000)));
    status.first_missed = Some(epoch(START + 5000));
    assert_eq!(judge(&status, &seen_active()), FaultSince::Exact(epoch(START + 5000)));
    // It was seen to be proven at START + 100: as far as null rounds let it show, and unless a proof
    // was disputed.
    status.first_missed = Some(epoch(START + 100 - 1_870));
    let exact = FaultSince::Exact(epoch(START + 100 - 1_870));
    assert_eq!(judge(&status, &seen_active()), exact);
    status.first_missed = Some(epoch(START + 100 - 1_871));
    assert_eq!(judge(&status, &seen_active()), FaultSince::Observed(epoch(START + 100)));
    // What is remembered of a later epoch than this one was seen on a chain that is no more.
    let ahead = DealMemory { last_active: Some(epoch(END - 1)), ..seen_active() };
    assert_eq!(judge(&status, &ahead), FaultSince::Exact(epoch(START + 100 - 1_871)));
}

#[test]
fn past_its_end_a_deal_has_ended_although_it_is_still_found() {
    let healthy = sector(SectorHealth::Active);
    let at = |h| verdict(&activated(), Some(&healthy), &unseen(), epoch(h));
    assert_eq!(at(END - 1), Verdict::Active { end: epoch(END) });
    assert_eq!(at(END), Verdict::Ended);
}

#[test]
fn a_deal_that_is_not_found_is_judged_by_what_is_remembered_of_it() {
    let gone = not_found(200);
    let at = |memory: &DealMemory, h| verdict(&gone, None, memory, epoch(h));
    assert_eq!(at(&seen_active(), START + 200), Verdict::Terminated);
    assert_eq!(at(&seen_active(), END), Verdict::Completed);
    assert_eq!(at(&seen_published(), START + 1), Verdict::StartMissed);
    assert_eq!(at(&seen_published(), START), Verdict::Gone);
    assert_eq!(at(&unseen(), START), Verdict::Gone);
}

#[test]
fn an_id_the_market_has_not_reached_may_be_young_and_never_existed_after_finality() {
    let heard = unseen().first_heard;
    let at = |h| verdict(&not_found(100), None, &unseen(), h);
    let ahead = Verdict::Unknown { why: Unknown::AheadOfChain };
    assert_eq!(at(heard + EpochDelta::new(899)), ahead);
    assert_eq!(at(heard + EpochDelta::new(900)), Verdict::NeverExisted);
    let seen_before = verdict(&not_found(100), None, &seen_published(), epoch(START));
    assert_eq!(seen_before, ahead);
}

#[test]
fn an_error_is_unknown_and_never_a_loss() {
    let failed = DealReading::Failed("server busy".to_owned());
    for memory in [unseen(), seen_published(), seen_active()] {
        let judged = verdict(&failed, None, &memory, epoch(END + 1));
        assert!(matches!(judged, Verdict::Unknown { why: Unknown::Deal(_) }));
    }
    let no_next_id = DealReading::NotFound { next_id: None };
    let judged = verdict(&no_next_id, None, &seen_active(), epoch(START));
    assert_eq!(judged, Verdict::Unknown { why: Unknown::NextId });
}

#[test]
fn contract_and_proposal_must_name_one_provider() {
    let mut memory = unseen();
    memory.listed.provider = ProviderId::new(1001);
    let judged = verdict(&activated(), None, &memory, epoch(START));
    assert_eq!(judged, Verdict::Unknown { why: Unknown::ProviderMismatch });
    let after = remember(&memory, &judged, evidence(activated(), START));
    assert_eq!(after.proposal, None, "another deal's terms are not remembered for this one");
}

#[test]
fn a_proposal_that_changes_its_provider_is_trouble_and_no_forgery() {
    let elsewhere = || DealProposal { provider: ProviderId::new(1001), ..proposal() };
    let changed = DealReading::Found(OnChainDeal { proposal: elsewhere(), activation: None });
    let judge = |memory: &DealMemory| verdict(&changed, None, memory, epoch(START));
    for memory in [seen_published(), seen_active()] {
        let judged = judge(&memory);
        let Verdict::Unknown { why: Unknown::Deal(why) } = &judged else { panic!("{judged:?}") };
        assert!(why.contains("not the one that was seen before"), "{why}");
        let after = remember(&memory, &judged, evidence(changed.clone(), START));
        assert_eq!((after.proposal, after.sector), (memory.proposal, memory.sector));
    }
    assert_eq!(judge(&unseen()), Verdict::Unknown { why: Unknown::ProviderMismatch });

    // It is the listing that changed: the chain is as it ever was.
    let mut relisted = seen_published();
    relisted.listed.provider = ProviderId::new(1001);
    let judged = verdict(&published(), None, &relisted, epoch(START));
    assert_eq!(judged, Verdict::Unknown { why: Unknown::ProviderMismatch });
    let OnChainDeal { activation, .. } = match activated() {
        DealReading::Found(found) => found,
        _ => unreachable!(),
    };
    let both = DealReading::Found(OnChainDeal { proposal: elsewhere(), activation });
    let judged = verdict(&both, None, &relisted, epoch(START));
    assert!(matches!(judged, Verdict::Unknown { why: Unknown::Deal(_) }), "{judged:?}");
    let after = remember(&relisted, &judged, evidence(both, START));
    assert_eq!(after.sector, None, "the sector of another deal is not remembered for this one");
}

#[test]
fn a_loss_is_confirmed_by_a_second_look_one_deadline_later_and_reset_by_recovery() {
    let fault = Verdict::Faulty { since: FaultSince::Exact(epoch(1)), end: epoch(END) };
    let look = |memory: &DealMemory, verdict: &Verdict, at| {
        remember(memory, verdict, evidence(activated(), at))
    };
    let first = look(&seen_active(), &fault, START + 1000);
    assert!(!is_confirmed(&first));
    let unknown = Verdict::Unknown { why: Unknown::NextId };
    let between = look(&first, &unknown, START + 1030);
    let early = look(&between, &fault, START + 1059);
    assert!(!is_confirmed(&early));
    let second = look(&early, &fault, START + 1060);
    assert!(is_confirmed(&second));
    assert_eq!(second.first_faulty, Some(epoch(START + 1000)));

    let dead = look(&second, &Verdict::Terminated, START + 1061);
    assert!(!is_confirmed(&dead), "a termination is confirmed anew");
    let recovered = look(&second, &Verdict::Active { end: epoch(END) }, START + 1061);
    assert_eq!((recovered.suspicion, recovered.first_faulty), (None, None));
    assert_eq!(recovered.last_active, Some(epoch(START + 1061)));
}

#[test]
fn the_proposal_and_the_sector_are_remembered_from_the_first_sight_on() {
    let active = Verdict::Active { end: epoch(END) };
    let after = remember(&unseen(), &active, evidence(activated(), START));
    assert_eq!(after.proposal, Some(proposal()));
    assert_eq!(after.sector, Some(SectorNumber::new(7)));
    let gone = remember(&after, &Verdict::Terminated, evidence(not_found(200), START + 60));
    assert_eq!((gone.proposal, gone.sector), (after.proposal, after.sector));
}

#[test]
fn a_proposal_never_changes_in_any_of_its_terms() {
    let shorter = DealProposal { end: epoch(END - 1), ..proposal() };
    let relabelled = DealProposal { label: "another way to write it".to_owned(), ..proposal() };
    let judge = |proposal| {
        let deal = DealReading::Found(OnChainDeal { proposal, activation: None });
        verdict(&deal, None, &seen_published(), epoch(START))
    };
    assert!(matches!(judge(shorter), Verdict::Unknown { why: Unknown::Deal(_) }));
    assert_eq!(judge(relabelled), Verdict::Pending { start: epoch(START) });
}

#[test]
fn two_endpoints_that_say_different_things_leave_the_replica_unknown() {
    let active = || Verdict::Active { end: epoch(END) };
    let unknown = || Verdict::Unknown { why: Unknown::NextId };
    let fault = |since| Verdict::Faulty { since, end: epoch(END) };
    let disputed = corroborate(active(), Verdict::Gone);
    let (first, second) = (VerdictKind::Active, VerdictKind::Gone);
    assert_eq!(disputed, Verdict::Unknown { why: Unknown::Disagreement { first, second } });
    assert_eq!(disputed.kind(), VerdictKind::Unknown);
    let later = Verdict::Active { end: epoch(END + 1) };
    assert_eq!(corroborate(active(), later).kind(), VerdictKind::Unknown);

    assert_eq!(corroborate(active(), active()), active());
    assert_eq!(corroborate(Verdict::Gone, unknown()), unknown(), "one word is not two");
    assert_eq!(corroborate(unknown(), Verdict::Gone), unknown());

    let mismatch = || Verdict::Unknown { why: Unknown::ProviderMismatch };
    assert_eq!(corroborate(mismatch(), mismatch()), mismatch());
    for disputed in [corroborate(mismatch(), active()), corroborate(active(), mismatch())] {
        assert!(matches!(disputed, Verdict::Unknown { why: Unknown::Disagreement { .. } }));
    }

    let (exact, observed) = (FaultSince::Exact(epoch(1)), FaultSince::Observed(epoch(9)));
    assert_eq!(corroborate(fault(exact), fault(observed)), fault(exact));
    assert_eq!(corroborate(fault(observed), fault(exact)), fault(exact), "whoever dates it");
    let ends_later = Verdict::Faulty { since: observed, end: epoch(END + 1) };
    assert_eq!(corroborate(fault(exact), ends_later).kind(), VerdictKind::Unknown);
    let dates = corroborate(fault(exact), fault(FaultSince::Exact(epoch(2))));
    assert_eq!(dates.kind(), VerdictKind::Unknown);
}

#[test]
fn what_is_disputed_is_not_remembered() {
    let disputed = corroborate(Verdict::Pending { start: epoch(START) }, Verdict::Gone);
    let after = remember(&unseen(), &disputed, evidence(published(), START));
    assert_eq!((after.proposal, after.suspicion), (None, None));
}

#[test]
fn a_proven_replica_is_read_again_when_its_deadline_has_ended_and_within_a_day() {
    let active = Verdict::Active { end: epoch(END) };
    let seen = |verdict: &Verdict, next_deadline_end: Option<i64>, at: i64| {
        let mut evidence = evidence(activated(), at);
        let status = SectorStatus {
            next_deadline_end: next_deadline_end.map(epoch),
            ..SectorStatus::of(SectorHealth::Active)
        };
        evidence.said =
            Some(Said { deal: activated(), sector: Some(SectorReading::Found(status)) });
        remember(&seen_active(), verdict, evidence)
    };
    let next = |verdict, end, at| seen(verdict, end, at).next_read;
    assert_eq!(next(&active, Some(START + 1700), START), Some(epoch(START + 1700)));
    assert_eq!(next(&active, None, START), Some(epoch(START + 2880)));
    assert_eq!(next(&active, Some(START + 9999), START), Some(epoch(START + 2880)));
    assert_eq!(next(&active, Some(START), START), Some(epoch(START + 1)));
    assert_eq!(next(&active, Some(START - 9), START), Some(epoch(START + 1)), "null rounds");
    assert_eq!(next(&active, Some(START - 10), START), Some(epoch(START + 2880)), "the past");
    assert_eq!(next(&active, Some(END + 5), END - 10), Some(epoch(END)), "not past its end");

    let memory = seen(&active, Some(START + 1700), START);
    assert!(!is_stale(&memory, epoch(START + 1699)));
    assert!(is_stale(&memory, epoch(START + 1700)));
    assert!(is_stale(&memory, epoch(START - 1)), "it was judged later, on another chain");
    let fault = Verdict::Faulty { since: FaultSince::Exact(epoch(1)), end: epoch(END) };
    assert_eq!(next(&fault, Some(START + 1700), START), Some(epoch(START + 1700)));
    assert_eq!(next(&fault, None, START), Some(epoch(START + 120)), "it may recover at any time");
    for verdict in [fault, Verdict::Gone, Verdict::Unknown { why: Unknown::NextId }] {
        let memory = seen(&verdict, Some(START + 1700), START);
        assert!(is_stale(&memory, epoch(START)), "{verdict:?} is read at every look");
    }
}

#[test]
fn two_endpoints_that_name_different_terms_disagree_though_they_judge_alike() {
    let later = DealProposal { end: epoch(END + 1), ..proposal() };
    let other = DealReading::Found(OnChainDeal { proposal: later, activation: None });
    let with = |witness: DealReading| {
        let said = Said { deal: witness, sector: None };
        let witness = Some(Witness { endpoint: "another".to_owned(), said });
        judge(&Evidence { witness, ..evidence(published(), START) }, &unseen())
    };
    assert_eq!(with(published()), Verdict::Pending { start: epoch(START) });
    assert!(matches!(with(other), Verdict::Unknown { why: Unknown::Disagreement { .. } }));
}

#[test]
fn a_look_in_vain_does_not_make_us_forget_what_a_deal_was() {
    let look = |memory: &DealMemory, verdict: &Verdict, at| {
        remember(memory, verdict, evidence(activated(), at))
    };
    let unknown = Verdict::Unknown { why: Unknown::NextId };
    let in_vain = |memory: &DealMemory| look(memory, &unknown, START + 2000);
    assert_eq!(last_known(&unseen()), None);
    assert_eq!(last_known(&in_vain(&unseen())), None);
    for (verdict, kind) in [
        (Verdict::Active { end: epoch(END) }, VerdictKind::Active),
        (Verdict::Gone, VerdictKind::Gone),
    ] {
        let known = look(&seen_active(), &verdict, START + 1000);
        assert_eq!(last_known(&known), Some(kind));
        assert_eq!(last_known(&in_vain(&in_vain(&known))), Some(kind));
    }
}

#[test]
fn a_sector_is_read_where_the_deal_is_in_one() {
    let sector = SectorId { provider: PROVIDER, number: SectorNumber::new(7) };
    assert_eq!(sector_of(&activated()), Some(sector));
    let others = [published(), not_found(200), DealReading::Failed("time-out".to_owned())];
    assert!(others.iter().all(|deal| sector_of(deal).is_none()));
}
