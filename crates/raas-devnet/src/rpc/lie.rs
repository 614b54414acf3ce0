//! What a lying node makes of one deal.

use std::borrow::Cow;

use raas_types::{DealId, ProviderId, SectorNumber};

use super::{
    Node,
    mode::{Lie, RpcMode},
};
use crate::chain::{ChainView as _, Condition, MarketDeal, Miner, deadline::PERIOD};

/// The market's entry of a deal, as this node tells it.
pub(super) fn deal(node: &Node<'_>, id: DealId, at: i64) -> MarketDeal {
    let truth = node.view.deal_state_after(id, at);
    match (node.mode.lie_about(id), truth) {
        (Some(Lie::Missing), MarketDeal::Found(_)) => MarketDeal::Gone,
        (Some(Lie::Elsewhere), MarketDeal::Found(mut deal)) => {
            deal.provider = ProviderId::new(deal.provider.get() + 1);
            MarketDeal::Found(deal)
        }
        (Some(Lie::Healthy), MarketDeal::Gone) => node.view.world().deal_unremoved(id, at),
        (_, truth) => truth,
    }
}

/// A miner with its sectors, as this node tells it.
pub(super) fn miner<'a>(node: &Node<'a>, miner: &'a Miner) -> Cow<'a, Miner> {
    told_otherwise(node, miner).map_or(Cow::Borrowed(miner), Cow::Owned)
}

fn told_otherwise(node: &Node<'_>, miner: &Miner) -> Option<Miner> {
    let RpcMode::Lie { deal, as_ } = node.mode else { return None };
    let world = node.view.world();
    let number = world.sector_of(miner.id, deal)?;
    let condition = match as_ {
        Lie::Missing | Lie::Elsewhere => return None,
        Lie::Healthy => Condition::default(),
        Lie::Faulty => Condition {
            fault: Some(last_closed(miner, number, world.now())?),
            ..Condition::default()
        },
        Lie::Dead => Condition { terminated: true, ..Condition::default() },
    };
    Some(miner.with_condition(number, condition))
}

/// The last epoch of the sector's deadline that closed last.
fn last_closed(miner: &Miner, number: SectorNumber, now: i64) -> Option<i64> {
    let deadline = miner.sector(number)?.deadline;
    Some(miner.schedule.next_not_elapsed(deadline, now).last() - PERIOD)
}
