//! Storage providers: who runs them and where, when they are out, and when they leave for good. All of
//! it is drawn when the world begins, so that nothing that a keeper does changes their fate.

use raas_types::{ChainEpoch, EpochDelta, ProviderFacts, ProviderId};

use crate::{options::Trouble, rng::Dice, weather::Weather};

/// A time span: from the first epoch of it to the first after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) from: ChainEpoch,
    pub(crate) to: ChainEpoch,
}

impl Span {
    pub(crate) fn contains(self, at: ChainEpoch) -> bool {
        self.from <= at && at < self.to
    }
}

/// One provider.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) id: ProviderId,
    organisation: u64,
    country: u64,
    /// When it neither proves nor serves: in order, none touching another.
    pub(crate) outages: Vec<Span>,
    /// When it leaves, and what it stores is lost.
    pub(crate) gone: Option<ChainEpoch>,
    /// Whether it terminates its sectors as it leaves; else they go faulty, and are terminated by the
    /// network.
    pub(crate) orderly: bool,
}

impl Provider {
    /// Whether it stores and serves at this epoch.
    pub(crate) fn serves(&self, at: ChainEpoch) -> bool {
        self.keeps(at) && !self.outages.iter().any(|outage| outage.contains(at))
    }

    /// Whether what it stores is still there.
    pub(crate) fn keeps(&self, at: ChainEpoch) -> bool {
        self.gone.is_none_or(|gone| at < gone)
    }

    /// What an operator could know of it.
    pub(crate) fn facts(&self) -> ProviderFacts {
        ProviderFacts {
            owner: Some(format!("owner-{}", self.organisation)),
            organisation: Some(format!("organisation-{}", self.organisation)),
            country: Some(
                ["DE", "SG", "US", "BR", "KR", "ZA"][self.country as usize % 6].to_owned(),
            ),
            yearly_loss_ppm: None,
        }
    }
}

/// The providers of a world, with all that befalls them until `end`.
pub(crate) fn draw(
    seed: u64,
    weather: &Weather,
    start: ChainEpoch,
    end: ChainEpoch,
) -> Vec<Provider> {
    let mut dice = Dice::new(seed, "providers", 0);
    let count = dice.between(12, 36) as u64;
    let organisations = count * 2 / 3;
    let mut providers: Vec<_> = (0..count)
        .map(|number| {
            let organisation = dice.below(organisations);
            // An organisation is in one country.
            let country = crate::rng::mix(organisation) % 6;
            let id = ProviderId::new(1_000 + number);
            let mut one = Dice::new(seed, "provider", number);
            let (outages, gone) = fate(&mut one, weather, start, end);
            let orderly = one.percent(30);
            Provider { id, organisation, country, outages, gone, orderly }
        })
        .collect();
    if weather.has(Trouble::Disasters) {
        disasters(seed, weather, start, end, &mut providers);
    }
    for provider in &mut providers {
        provider.outages = merged(std::mem::take(&mut provider.outages));
    }
    providers
}

fn fate(
    dice: &mut Dice,
    weather: &Weather,
    start: ChainEpoch,
    end: ChainEpoch,
) -> (Vec<Span>, Option<ChainEpoch>) {
    let mut outages = Vec::new();
    let mut at = start + dice.wait(weather.outage_every);
    while at < end {
        // Most outages are short, some are near the 42 days after which sectors are terminated.
        let longest = dice.pick(&[1, 1, 2, 4, 12, 50]).unwrap_or(1);
        let lasts = dice.span(EpochDelta::HOUR.times(4), EpochDelta::days(longest));
        outages.push(Span { from: at, to: at + lasts });
        at = at + lasts + dice.wait(weather.outage_every);
    }
    if !weather.has(Trouble::Faults) {
        outages.clear();
    }
    let dies = start + dice.wait(weather.life);
    (outages, (weather.has(Trouble::Deaths) && dies < end).then_some(dies))
}

/// A disaster strikes an organisation or a country: all are out together, and some never come back.
fn disasters(
    seed: u64,
    weather: &Weather,
    start: ChainEpoch,
    end: ChainEpoch,
    providers: &mut [Provider],
) {
    let mut dice = Dice::new(seed, "disasters", 0);
    let mut at = start + dice.wait(weather.disaster_every);
    while at < end {
        let country = dice.percent(30);
        let where_ = if country { dice.below(6) } else { dice.below(providers.len() as u64) };
        let lasts = dice.span(EpochDelta::HOUR.times(8), EpochDelta::days(10));
        let struck = |p: &&mut Provider| if country { p.country } else { p.organisation } == where_;
        for provider in providers.iter_mut().filter(struck) {
            provider.outages.push(Span { from: at, to: at + lasts });
            if dice.percent(10) && weather.has(Trouble::Deaths) {
                provider.gone = Some(provider.gone.map_or(at, |gone| gone.min(at)));
            }
        }
        at = at + dice.wait(weather.disaster_every);
    }
}

/// The same time, with spans that touch made one.
pub(crate) fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Troubles;

    #[test]
    fn spans_that_touch_are_one() {
        let span = |from, to| Span { from: ChainEpoch::new(from), to: ChainEpoch::new(to) };
        assert_eq!(merged(vec![span(5, 7), span(1, 3), span(3, 4)]), [span(1, 4), span(5, 7)]);
    }

    #[test]
    fn the_same_seed_gives_the_same_providers_whatever_befalls_them() {
        let (start, end) = (ChainEpoch::new(0), ChainEpoch::new(1_000_000));
        let of = |without: &str| {
            let weather = Weather::of(3, &without.parse::<Troubles>().expect("troubles"));
            draw(3, &weather, start, end)
        };
        let (all, none) = (of(""), of("all"));
        let homes = |providers: &[Provider]| {
            providers.iter().map(|p| (p.id, p.organisation, p.country)).collect::<Vec<_>>()
        };
        assert_eq!(homes(&all), homes(&none));
        assert!(none.iter().all(|p| p.outages.is_empty() && p.gone.is_none()));
    }
}
