//! What a transaction offers for its gas.

use raas_deal_status::Result;

use crate::endpoint::Endpoint;

/// Blocks to look back: five minutes.
const HISTORY: u64 = 10;
/// How much the base fee may grow before the transaction waits. Filecoin's base fee rises by an
/// eighth a block at most: 1.125^18 > 8, nine minutes of full blocks.
const BASE_FEE_HEADROOM: u128 = 8;
/// Lotus's message pool takes nothing cheaper (`MinGasPremium`), in attoFIL.
const MIN_PREMIUM: u128 = 100_000;

/// Fees of an EIP-1559 transaction, in attoFIL a unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fees {
    /// The most it pays.
    pub(crate) max_fee: u128,
    /// What of that is for the miner.
    pub(crate) premium: u128,
}

/// What to offer now.
pub(crate) async fn suggest(endpoint: &Endpoint) -> Result<Fees> {
    let (base, premium) = match endpoint.fee_history(HISTORY).await {
        Ok(history) => {
            let base = history.base_fee_per_gas.iter().max().copied().unwrap_or(0);
            let rewards = history.reward.unwrap_or_default();
            (base, rewards.iter().flatten().max().copied().unwrap_or(0))
        }
        // Some gateways do not tell history; the price has the premium in it.
        Err(_) => (endpoint.gas_price().await?, MIN_PREMIUM),
    };
    let cap = endpoint.settings.max_fee_per_gas;
    within(base, premium, cap).ok_or_else(|| {
        endpoint.unavailable(format!(
            "a unit of gas costs {base} attoFIL now, more than the {cap} that max_fee_per_gas allows"
        ))
    })
}

/// Fees for this base fee and premium that do not pass the cap; `None` where even the least would.
fn within(base: u128, premium: u128, cap: u128) -> Option<Fees> {
    let room = cap.checked_sub(base)?;
    if room < MIN_PREMIUM {
        return None;
    }
    let premium = premium.clamp(MIN_PREMIUM, room);
    let max_fee = base.saturating_mul(BASE_FEE_HEADROOM).saturating_add(premium).min(cap);
    Some(Fees { max_fee, premium })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_leave_room_to_grow_and_never_pass_the_cap() {
        assert_eq!(within(100, 0, 1_000_000), Some(Fees { max_fee: 100_800, premium: 100_000 }));
        let busy = within(600_000, 900_000, 1_000_000).unwrap();
        assert_eq!(busy, Fees { max_fee: 1_000_000, premium: 400_000 });
        assert_eq!(within(950_000, 900_000, 1_000_000), None);
        assert_eq!(within(u128::MAX, u128::MAX, 1_000_000), None);
        assert!(within(u128::MAX / 2, u128::MAX, u128::MAX).is_some());
    }
}
