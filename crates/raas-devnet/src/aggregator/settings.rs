//! What can be set about the aggregator: its nature, its pace, and what of it is out of order.

use raas_types::EpochDelta;
use serde::{Deserialize, Serialize};

/// The longest wait between an order and its deal's publication, in epochs: thirty days. Beyond it
/// an order is lost rather than late.
const MAX_DELAY: i64 = 30 * EpochDelta::DAY.get();

/// The market's bounds on a deal's duration, in epochs.
const SHORTEST: i64 = EpochDelta::MIN_DEAL_DURATION.get();
const LONGEST: i64 = EpochDelta::MAX_DEAL_DURATION.get();

/// What a repeated order for a CID does; Lighthouse leaves it undocumented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RepeatPin {
    /// It is answered with success and makes nothing.
    Ignored,
    /// It makes one more deal.
    #[default]
    NewDeal,
}

/// Which providers get the deals of one CID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Placement {
    /// Providers that do not hold it yet, in turn.
    #[default]
    Spread,
    /// The first that holds it already: each further deal is a duplicate on the same provider.
    Same,
}

/// A part of the aggregator that can be out of order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Switch {
    #[default]
    On,
    /// It answers 503.
    Off,
}

/// How the aggregator behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Settings {
    pub(crate) repeat_pin: RepeatPin,
    pub(crate) placement: Placement,
    /// Epochs from an order to its deal's publication.
    pub(crate) delay_epochs: i64,
    /// Epochs from start to end of each deal.
    pub(crate) duration_epochs: i64,
    pub(crate) api: Switch,
    pub(crate) gateway: Switch,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            repeat_pin: RepeatPin::default(),
            placement: Placement::default(),
            // Lighthouse names six hours on its testnet: 6 * 120.
            delay_epochs: EpochDelta::HOUR.times(6).get(),
            duration_epochs: EpochDelta::MIN_DEAL_DURATION.get(),
            api: Switch::On,
            gateway: Switch::On,
        }
    }
}

/// Changes to [`Settings`]: what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AggregatorPatch {
    pub(crate) repeat_pin: Option<RepeatPin>,
    pub(crate) placement: Option<Placement>,
    pub(crate) delay_epochs: Option<i64>,
    pub(crate) duration_epochs: Option<i64>,
    pub(crate) api: Option<Switch>,
    pub(crate) gateway: Option<Switch>,
}

/// A setting is outside what makes sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("delay_epochs is {0}: write a number of epochs from 0 to {MAX_DELAY}")]
    Delay(i64),
    #[error("duration_epochs is {0}: the market takes deals of {SHORTEST} to {LONGEST} epochs")]
    Duration(i64),
}

impl Settings {
    /// These settings with the patch applied, or the first thing wrong with the patch.
    pub(crate) fn patched(&self, patch: AggregatorPatch) -> Result<Self, SettingsError> {
        match patch {
            AggregatorPatch { delay_epochs: Some(delay), .. }
                if !(0..=MAX_DELAY).contains(&delay) =>
            {
                Err(SettingsError::Delay(delay))
            }
            AggregatorPatch { duration_epochs: Some(duration), .. }
                if !(SHORTEST..=LONGEST).contains(&duration) =>
            {
                Err(SettingsError::Duration(duration))
            }
            patch => Ok(Self {
                repeat_pin: patch.repeat_pin.unwrap_or(self.repeat_pin),
                placement: patch.placement.unwrap_or(self.placement),
                delay_epochs: patch.delay_epochs.unwrap_or(self.delay_epochs),
                duration_epochs: patch.duration_epochs.unwrap_or(self.duration_epochs),
                api: patch.api.unwrap_or(self.api),
                gateway: patch.gateway.unwrap_or(self.gateway),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(json: &str) -> AggregatorPatch {
        serde_json::from_str(json).expect("a well-formed patch")
    }

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let before = Settings::default();
        let after = before
            .patched(patch(r#"{"repeat_pin":"ignored","delay_epochs":3,"gateway":"off"}"#))
            .expect("valid");
        let expected = Settings {
            repeat_pin: RepeatPin::Ignored,
            delay_epochs: 3,
            gateway: Switch::Off,
            ..before
        };
        assert_eq!(after, expected);
    }

    #[test]
    fn a_patch_out_of_bounds_is_refused_with_the_bounds() {
        let settings = Settings::default();
        for (json, says) in [
            (r#"{"delay_epochs":-1}"#, "from 0 to 86400"),
            (r#"{"delay_epochs":86401}"#, "from 0 to 86400"),
            (r#"{"duration_epochs":518399}"#, "518400 to 3680640"),
        ] {
            let error = settings.patched(patch(json)).expect_err(json);
            assert!(error.to_string().contains(says), "{error}");
        }
        assert!(serde_json::from_str::<AggregatorPatch>(r#"{"repeat_pin":"maybe"}"#).is_err());
        assert!(serde_json::from_str::<AggregatorPatch>(r#"{"delay":1}"#).is_err());
    }
}
