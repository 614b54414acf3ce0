//! Checks of [`LotusChain::sectors`](crate::LotusChain::sectors).

use raas_types::{
    SectorHealth, SectorId, SectorNumber, SectorReading, SectorStatus, SectorWay, Tipset,
};

use super::{Check, Checked, Harness};

/// Deadlines of a proving period (builtin-actors `runtime/src/runtime/policy.rs`).
const DEADLINES: u64 = 48;

/// New, proven, faulty, recovered, dead.
pub(super) async fn health_follows_the_proofs(h: &dyn Harness) -> Checked {
    let check = Check::new("health follows the proofs", h);
    let (deal, sector, unproven_at) = check.active_deal().await?;
    let status = check.status(sector, &unproven_at, SectorHealth::Unproven).await?;
    check.equal("a new sector's first missed epoch", &status.first_missed, &None)?;

    let proven_at = check.after(h.prove(sector).await).await?;
    check.status(sector, &proven_at, SectorHealth::Active).await?;

    let (missed, carried) = h.miss_proof(sector).await;
    let faulty_at = check.after(carried).await?;
    let status = check.status(sector, &faulty_at, SectorHealth::Faulty).await?;
    let told = status.first_missed.unwrap_or(missed);
    check.equal("the end of the first deadline missed", &told, &missed)?;
    check.ensure(deal_is_found(&check.deal(deal, &faulty_at).await?), || {
        "the market knows nothing of faults, yet the deal of a faulty sector is gone".to_owned()
    })?;

    let recovered_at = check.after(h.recover(sector).await).await?;
    let status = check.status(sector, &recovered_at, SectorHealth::Active).await?;
    check.equal("a recovered sector's first missed epoch", &status.first_missed, &None)?;

    let dead_at = check.after(h.terminate(sector).await).await?;
    let reading = check.sector(sector, &dead_at).await?;
    check.ensure(is_dead(&reading), || format!("a terminated sector is {reading:?}"))?;

    // Read once more at the old tipsets, now that all of it is over.
    for (at, health) in [
        (unproven_at, SectorHealth::Unproven),
        (faulty_at, SectorHealth::Faulty),
        (recovered_at, SectorHealth::Active),
    ] {
        for at in check.in_reach(&[at]).await? {
            check.status(sector, &at, health).await?;
        }
    }
    Ok(())
}

/// A sector is not found at tipsets up to its activation, and not dead up to its termination.
pub(super) async fn a_sector_shows_from_the_tipset_after_each_change_on(
    h: &dyn Harness,
) -> Checked {
    let check = Check::new("a sector shows from the tipset after each change on", h);
    let (deal, published) = h.publish().await;
    let mut seen = vec![check.after(published).await?];
    let (sector, activated) = h.activate(deal).await;
    seen.extend(check.heads_until_above(activated).await?);
    let terminated = h.terminate(sector).await;
    seen.extend(check.heads_until_above(terminated).await?);
    for at in check.in_reach(&seen).await? {
        let reading = check.sector(sector, &at).await?;
        let fits = if at.epoch <= activated {
            reading == SectorReading::NotFound
        } else if at.epoch <= terminated {
            matches!(&reading, SectorReading::Found(status) if status.health != SectorHealth::Dead)
        } else {
            is_dead(&reading)
        };
        check.ensure(fits, || {
            format!(
                "sector {sector}, activated at {activated} and terminated at {terminated}, \
                 cannot be {reading:?} at the tipset of {}",
                at.epoch
            )
        })?;
    }
    Ok(())
}

/// Live, dead, missing and repeated sectors, mixed.
pub(super) async fn every_sector_is_answered_in_the_order_asked(h: &dyn Harness) -> Checked {
    let check = Check::new("every sector is answered in the order asked", h);
    let (_, live, _) = check.active_deal().await?;
    let (_, dead, _) = check.active_deal().await?;
    let at = check.after(h.terminate(dead).await).await?;
    let missing = SectorId { provider: live.provider, number: SectorNumber::new(7_777_777) };
    check.equal(
        "a missing sector",
        &check.sector(missing, &at).await?,
        &SectorReading::NotFound,
    )?;

    let ids = [missing, live, dead, live, missing, dead, live];
    let together = check.sectors(&ids, &at).await?;
    for (position, (id, answer)) in ids.iter().zip(&together).enumerate() {
        let alone = check.sector(*id, &at).await?;
        check.equal(&format!("sector {id} at position {position}"), answer, &alone)?;
    }
    Ok(())
}

impl Check<'_> {
    async fn status(
        &self,
        sector: SectorId,
        at: &Tipset,
        health: SectorHealth,
    ) -> Checked<SectorStatus> {
        let reading = self.sector(sector, at).await?;
        let SectorReading::Found(status) = reading else {
            return Err(self.violation(format!("expected a {health:?} sector, got {reading:?}")));
        };
        if !cannot_be_told_apart(&status, health) {
            self.equal("health", &status.health, &health)?;
        }
        self.ensure(status.deadline.is_none_or(|deadline| deadline < DEADLINES), || {
            format!("no provider has a deadline {:?}", status.deadline)
        })?;
        Ok(status)
    }
}

/// A provider's actor calls a sector active that is not faulty, new ones too.
fn cannot_be_told_apart(status: &SectorStatus, health: SectorHealth) -> bool {
    status.way == SectorWay::Location
        && (status.health, health) == (SectorHealth::Active, SectorHealth::Unproven)
}

fn deal_is_found(reading: &raas_types::DealReading) -> bool {
    matches!(reading, raas_types::DealReading::Found(_))
}

/// Terminated sectors stay in their partition until it is compacted, then nobody knows them.
fn is_dead(reading: &SectorReading) -> bool {
    match reading {
        SectorReading::Found(status) => status.health == SectorHealth::Dead,
        SectorReading::NotFound => true,
        SectorReading::Failed(_) => false,
    }
}
