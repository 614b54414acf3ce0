//! Checks of [`LotusChain::deals`](crate::LotusChain::deals).

use raas_types::{ChainEpoch, DealId, DealReading, Tipset};

use super::{Check, Checked, Harness};

/// Published, activated, terminated: each is invisible at tipsets up to its epoch, visible above,
/// and stays so when those tipsets are read again after everything has changed.
pub(super) async fn a_deal_shows_from_the_tipset_after_each_change_on(h: &dyn Harness) -> Checked {
    let check = Check::new("a deal shows from the tipset after each change on", h);
    let mut seen = vec![check.head().await?];
    let (deal, published) = h.publish().await;
    seen.extend(check.heads_until_above(published).await?);
    let mut changes = Changes { deal, published, activated: None, terminated: None };
    changes.check(&check, &seen).await?;

    let (sector, activated) = h.activate(deal).await;
    seen.extend(check.heads_until_above(activated).await?);
    changes.activated = Some(activated);
    changes.check(&check, &seen).await?;

    let terminated = h.terminate(sector).await;
    seen.extend(check.heads_until_above(terminated).await?);
    changes.terminated = Some(terminated);
    changes.check(&check, &seen).await
}

/// Below, at and above the id that comes next.
pub(super) async fn a_missing_deal_comes_with_the_next_id(h: &dyn Harness) -> Checked {
    let check = Check::new("a missing deal comes with the next id", h);
    let (gone, sector, _) = check.active_deal().await?;
    let at = check.after(h.terminate(sector).await).await?;
    let next = check.next_id(&at).await?;
    check.ensure(next > gone, || format!("deal {gone} was made, yet the next id is {next}"))?;
    for id in [gone, next, DealId::new(next.get() + 1), DealId::new(next.get() + 1_000_000)] {
        let expected = DealReading::NotFound { next_id: Some(next) };
        check.equal(&format!("deal {id}"), &check.deal(id, &at).await?, &expected)?;
    }
    Ok(())
}

/// Found, published, missing and repeated deals, mixed.
pub(super) async fn every_deal_is_answered_in_the_order_asked(h: &dyn Harness) -> Checked {
    let check = Check::new("every deal is answered in the order asked", h);
    let (active, _, _) = check.active_deal().await?;
    let (gone, doomed, _) = check.active_deal().await?;
    check.after(h.terminate(doomed).await).await?;
    let (published, epoch) = h.publish().await;
    let at = check.after(epoch).await?;
    let missing = DealId::new(check.next_id(&at).await?.get() + 5);

    let ids = [published, missing, active, gone, active, missing, published, active];
    let together = check.deals(&ids, &at).await?;
    for (position, (id, answer)) in ids.iter().zip(&together).enumerate() {
        let alone = check.deal(*id, &at).await?;
        check.equal(&format!("deal {id} at position {position}"), answer, &alone)?;
    }
    Ok(())
}

/// When things happened to a deal, hence what each tipset has to show.
struct Changes {
    deal: DealId,
    published: ChainEpoch,
    activated: Option<ChainEpoch>,
    terminated: Option<ChainEpoch>,
}

impl Changes {
    async fn check(&self, check: &Check<'_>, seen: &[Tipset]) -> Checked {
        for at in check.in_reach(seen).await? {
            let reading = check.deal(self.deal, &at).await?;
            let fits = self.fits(at.epoch, &reading);
            check.ensure(fits, || {
                let Self { deal, published, activated, terminated } = self;
                format!(
                    "deal {deal}, published at {published}, activated at {activated:?} and \
                     terminated at {terminated:?}, cannot be {reading:?} at the tipset of {}",
                    at.epoch
                )
            })?;
        }
        Ok(())
    }

    fn fits(&self, at: ChainEpoch, reading: &DealReading) -> bool {
        let happened = |epoch: Option<ChainEpoch>| epoch.is_some_and(|epoch| at > epoch);
        match reading {
            // Ids are handed out in sequence, so the next one tells whether this one was.
            DealReading::NotFound { next_id: Some(next) } if at > self.published => {
                happened(self.terminated) && *next > self.deal
            }
            DealReading::NotFound { next_id: Some(next) } => *next <= self.deal,
            DealReading::Found(found) if at > self.published && !happened(self.terminated) => {
                let shown = found.activation.as_ref().map(|activation| activation.at);
                let expected = self.activated.filter(|epoch| at > *epoch);
                shown == expected && found.proposal.end > found.proposal.start
            }
            _ => false,
        }
    }
}
