//! Checks of whole requests, and of what deals and sectors have in common.

use raas_types::{DealId, DealReading, EpochDelta, SectorId, SectorNumber, SectorReading};

use super::{Check, Checked, Harness};

pub(super) async fn the_network_is_named_and_stays(h: &dyn Harness) -> Checked {
    let check = Check::new("the network is named and stays", h);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let network = check.chain.network().await;
        answers.push(network.map_err(|e| check.violation(format!("network: {e}")))?);
    }
    check.ensure(!answers[0].name.is_empty(), || "the network has no name".to_owned())?;
    check.ensure(!check.chain.endpoint().is_empty(), || "the endpoint has no name".to_owned())?;
    check.equal("asked again", &answers[1], &answers[0])
}

pub(super) async fn tipsets_link_and_the_final_one_trails_the_head(h: &dyn Harness) -> Checked {
    const STEPS: usize = 5;
    let check = Check::new("tipsets link and the final one trails the head", h);
    let mut head = check.head().await?;
    let mut last_final = None;
    for _ in 0..STEPS {
        let finalized = check.chain.finalized().await;
        let finalized = finalized.map_err(|e| check.violation(format!("finalized: {e}")))?;
        check.ensure(finalized.epoch <= head.epoch, || {
            format!("final at {} is after the head at {}", finalized.epoch, head.epoch)
        })?;
        check.ensure(last_final.is_none_or(|last| last <= finalized.epoch), || {
            format!("what was final at {last_final:?} is now at {}", finalized.epoch)
        })?;
        last_final = Some(finalized.epoch);

        check.ensure(!head.key.blocks().is_empty(), || "a tipset has no block".to_owned())?;
        h.advance(EpochDelta::new(1)).await;
        let next = check.head().await?;
        // A null round leaves the head where it was; whatever follows still links to it.
        if next.key != head.key {
            check.equal("parents of the next tipset", &next.parents, &head.key)?;
            check.ensure(next.epoch > head.epoch, || "the chain goes backwards".to_owned())?;
        }
        head = next;
    }
    Ok(())
}

pub(super) async fn an_epoch_leads_to_its_tipset_or_the_one_before(h: &dyn Harness) -> Checked {
    const STEPS: i64 = 5;
    let check = Check::new("an epoch leads to its tipset or the one before", h);
    let first = check.head().await?;
    let mut heads = vec![first.clone()];
    heads.extend(check.heads_until_above(first.epoch + EpochDelta::new(STEPS)).await?);
    let last = check.head().await?.epoch;
    let mut epoch = first.epoch;
    while epoch <= last {
        let expected = heads.iter().rfind(|head| head.epoch <= epoch);
        let found = check.chain.tipset_at(epoch).await;
        let found = found.map_err(|e| check.violation(format!("tipset at {epoch}: {e}")))?;
        check.equal(&format!("the tipset at {epoch}"), &Some(&found), &expected)?;
        epoch = epoch + EpochDelta::new(1);
    }
    let beyond = check.chain.tipset_at(last + EpochDelta::DAY).await;
    check.ensure(beyond.is_err(), || format!("a tipset a day beyond the head: {beyond:?}"))
}

pub(super) async fn nothing_asked_is_nothing_answered(h: &dyn Harness) -> Checked {
    let check = Check::new("nothing asked is nothing answered", h);
    let at = check.head().await?;
    check.deals(&[], &at).await?;
    check.sectors(&[], &at).await.map(drop)
}

/// 250 items: three batches, where a hundred is what an endpoint takes.
pub(super) async fn many_items_are_answered_at_once(h: &dyn Harness) -> Checked {
    const MANY: u64 = 250;
    const EVERY: u64 = 7;
    let check = Check::new("many items are answered at once", h);
    let (deal, sector, at) = check.active_deal().await?;
    let next = check.next_id(&at).await?;
    let real = |n: u64| n.is_multiple_of(EVERY);

    let missing = |n| DealId::new(next.get() + n);
    let ids: Vec<_> = (0..MANY).map(|n| if real(n) { deal } else { missing(n) }).collect();
    let answers = check.deals(&ids, &at).await?;
    let found = check.deal(deal, &at).await?;
    for (n, answer) in (0..MANY).zip(&answers) {
        let gone = DealReading::NotFound { next_id: Some(next) };
        let expected = if real(n) { &found } else { &gone };
        check.equal(&format!("deal at position {n}"), answer, expected)?;
    }

    let missing = |n| SectorId { number: SectorNumber::new(5_000_000 + n), ..sector };
    let ids: Vec<_> = (0..MANY).map(|n| if real(n) { sector } else { missing(n) }).collect();
    let answers = check.sectors(&ids, &at).await?;
    let found = check.sector(sector, &at).await?;
    for (n, answer) in (0..MANY).zip(&answers) {
        let expected = if real(n) { &found } else { &SectorReading::NotFound };
        check.equal(&format!("sector at position {n}"), answer, expected)?;
    }
    Ok(())
}

pub(super) async fn one_failed_item_spoils_no_other(h: &dyn Harness) -> Checked {
    let check = Check::new("one failed item spoils no other", h);
    let (good_deal, good_sector, _) = check.active_deal().await?;
    let (deal, sector, at) = check.active_deal().await?;
    let missing = DealId::new(check.next_id(&at).await?.get() + 3);
    if !h.spoil(deal, sector).await {
        return Ok(());
    }
    let deals = check.chain.deals(&[good_deal, deal, missing, good_deal], &at).await;
    let sectors = check.chain.sectors(&[good_sector, sector, good_sector], &at).await;
    h.mend(deal, sector).await;

    use DealReading::{Failed, Found, NotFound};
    let good = matches!(&deals[..], [Found(_), Failed(_), NotFound { .. }, Found(_)]);
    check.ensure(good, || format!("the second of four deals fails: {deals:?}"))?;
    use SectorReading as S;
    let good = matches!(&sectors[..], [S::Found(_), S::Failed(_), S::Found(_)]);
    check.ensure(good, || format!("the second of three sectors fails: {sectors:?}"))
}

pub(super) async fn an_endpoint_that_is_down_fails_and_finds_nothing_missing(
    h: &dyn Harness,
) -> Checked {
    let check = Check::new("an endpoint that is down fails and finds nothing missing", h);
    let (deal, sector, at) = check.active_deal().await?;
    let next = check.next_id(&at).await?;
    let absent = SectorId { number: SectorNumber::new(5_000_000), ..sector };

    h.set_down(true).await;
    let head = check.chain.head().await.map(drop);
    let finalized = check.chain.finalized().await.map(drop);
    let network = check.chain.network().await.map(drop);
    let deals = check.chain.deals(&[deal, next], &at).await;
    let sectors = check.chain.sectors(&[sector, absent], &at).await;
    h.set_down(false).await;

    for (name, answer) in [("head", head), ("finalized", finalized), ("network", network)] {
        let temporary = matches!(&answer, Err(error) if error.is_temporary());
        check
            .ensure(temporary, || format!("{name}: expected a temporary error, got {answer:?}"))?;
    }
    let failed = matches!(&deals[..], [DealReading::Failed(_), DealReading::Failed(_)]);
    check.ensure(failed, || format!("deals nobody could read are {deals:?}"))?;
    let failed = matches!(&sectors[..], [SectorReading::Failed(_), SectorReading::Failed(_)]);
    check.ensure(failed, || format!("sectors nobody could read are {sectors:?}"))?;

    let found = matches!(check.deal(deal, &at).await?, DealReading::Found(_));
    check.ensure(found, || "the endpoint is back, the deal is not".to_owned())
}
