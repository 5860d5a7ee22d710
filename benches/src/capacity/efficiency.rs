//! What no law tells, and is taken from setups that are known: how many more pages a tier gets out of a
//! CPU-second when it has more to do, how many fewer when it shares its core with more servers, and by how
//! much what was known scatters.

use std::collections::BTreeMap;

use super::{
    BESIDE,
    network::{Machine, Setting},
};
use crate::{
    fleet::quota::Cpu,
    model::network::{self, Station},
    scaling::Step,
    stats::{Estimate, rounded, student_t},
};

/// With what probability a prediction's interval claims to hold what will be measured.
const CONFIDENCE: f64 = 0.90;

/// Degrees of freedom from which on what scatters is known well enough for an interval: with fewer, most
/// of its width would be about how little is known of the scatter.
const ENOUGH: usize = 3;

/// By tier: pages per CPU-second, and what its demand says of them.
pub(super) type Gains = BTreeMap<&'static str, Curve>;

/// By what factor measurements differ from a model, on the logarithm.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// Numbers of units, from low to high, with the mean there.
    means: Vec<(f64, f64)>,
    /// Around these means.
    spread: f64,
    /// Measurements behind it.
    n: usize,
}

/// The same where it also grows with the share of the knee, on a straight line that rises alike for every
/// number of units.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Where nothing is asked for.
    at_rest: Curve,
    slope: f64,
}

/// What each tier gets out of its CPU.
#[derive(Debug)]
pub(super) struct Efficiency {
    /// At the goodput, whichever tier was busy first.
    any: Gains,
    /// At the goodputs of those setups in which the tier itself was. A page takes more of the core beside
    /// there than behind servers that are busy first. (Probably because their quotas stop them again and
    /// again, so that pages come in bursts, of which more is done at once.)
    itself: Gains,
    /// At moderate rates,
    moderate: Gains,
    /// which were this share of the knee on average.
    share: f64,
}

/// What is busy first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knee {
    /// The tier,
    pub(super) tier: &'static str,
    /// what it does,
    pub(super) station: Station,
    /// and the rate at which it has no time left, pages a second.
    pub(super) rate: f64,
}

impl Efficiency {
    /// From steps at the goodput, and at moderate rates.
    pub(super) fn of<'a>(
        machine: &Machine<'_>,
        busy: impl Iterator<Item = (Setting<'a>, &'a Step)> + Clone,
        moderate: impl Iterator<Item = (Setting<'a>, &'a Step)> + Clone,
    ) -> Option<Self> {
        let is_busiest =
            |setting, step: &Step, tier: &str| machine.busiest(setting, step) == Some(tier);
        let mut all = Self {
            any: machine.gains(busy.clone(), |_, _, _| true)?,
            itself: machine.gains(busy, is_busiest)?,
            moderate: machine.gains(moderate.clone(), |_, _, _| true)?,
            share: 0.0,
        };
        if !all.any.keys().eq(all.moderate.keys()) {
            return None;
        }
        all.itself.retain(|_, curve| curve.freedom() >= ENOUGH);
        let mut shares = Vec::new();
        for (setting, step) in moderate {
            let knee = all.knee(&machine.stations(setting)?, setting.units)?;
            shares.push(step.rate / knee.rate);
        }
        all.share = shares.iter().sum::<f64>() / shares.len() as f64;
        Some(all)
    }

    /// What is busy first as the rate grows, by what all goodputs say; and when, by what is known of where
    /// that tier was.
    pub(super) fn knee(&self, stations: &[(&'static str, Station)], units: u32) -> Option<Knee> {
        let seen = |(tier, it): &(&str, Station)| {
            Some(Station { demand: it.demand / self.any.get(tier)?.at(units).exp(), ..*it })
        };
        let seen: Option<Vec<Station>> = stations.iter().map(seen).collect();
        let (tier, station) = stations[network::bottleneck(&seen?)?];
        let rate = station.limit() * self.at_knee(tier)?.at(units).exp();
        Some(Knee { tier, station, rate })
    }

    /// What a tier gets out of its CPU where it is busy first.
    pub(super) fn at_knee(&self, tier: &str) -> Option<&Curve> {
        self.itself.get(tier).or_else(|| self.any.get(tier))
    }

    /// Pages per CPU-second of a tier at this share of the knee, as a multiple of what its demand says: on
    /// a straight line, on the logarithm, through moderate rates and the knee.
    pub(super) fn gain(&self, tier: &str, knee: &Knee, units: u32, share: f64) -> f64 {
        let busy = if tier == knee.tier { self.at_knee(tier) } else { self.any.get(tier) };
        let [moderate, busy] =
            [self.moderate.get(tier), busy].map(|seen| seen.map_or(0.0, |seen| seen.at(units)));
        let on = (share - self.share) / (1.0 - self.share);
        (moderate + (busy - moderate) * on).exp()
    }
}

/// Pages for each CPU-second of a tier, at this rate: with what it uses anyway.
pub(super) fn per_cpu(station: Station, cores: f64, rate: f64) -> f64 {
    rate / (rate * station.demand + (cores - station.capacity))
}

/// Pages for each CPU-second that a tier was given in a step.
pub fn measured_per_cpu(step: &Step, tier: &str) -> Option<f64> {
    let ms = if tier == BESIDE { step.cpu_of(false) } else { step.tiers.get(tier)?.cpu_ms };
    (ms > 0.0).then(|| step.completed as f64 / (ms / 1e3))
}

impl Machine<'_> {
    /// What tiers got out of their CPU in those of these steps that count for them; nothing of tiers of
    /// which no two steps have the same number of units.
    fn gains<'a>(
        &self,
        steps: impl Iterator<Item = (Setting<'a>, &'a Step)>,
        counts: impl Fn(Setting<'a>, &'a Step, &str) -> bool,
    ) -> Option<Gains> {
        let mut logs: BTreeMap<&'static str, Vec<(u32, f64)>> = BTreeMap::new();
        for (setting, step) in steps {
            for (tier, station) in self.stations(setting)? {
                if counts(setting, step, tier) {
                    let theory = per_cpu(station, self.cores(setting, tier), step.rate);
                    let log = (measured_per_cpu(step, tier)? / theory).ln();
                    logs.entry(tier).or_default().push((setting.units, log));
                }
            }
        }
        Some(logs.into_iter().filter_map(|(tier, logs)| Some((tier, Curve::of(&logs)?))).collect())
    }

    /// The tier that had the least of its CPU left in a step.
    fn busiest(&self, setting: Setting<'_>, step: &Step) -> Option<&'static str> {
        let stations = self.stations(setting)?;
        let used = |tier: &str| {
            let seconds = step.completed as f64 / measured_per_cpu(step, tier)?;
            Some(seconds / step.elapsed / self.cores(setting, tier))
        };
        let used: Option<Vec<f64>> = stations.iter().map(|(tier, _)| used(tier)).collect();
        let most = used?.into_iter().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        Some(stations[most?.0].0)
    }

    /// CPU of a tier, cores, before what it uses anyway.
    pub(super) fn cores(&self, setting: Setting<'_>, tier: &str) -> f64 {
        let of = setting.setup.topology.tiers.iter().find(|it| it.role.name() == tier);
        of.map_or(self.load_cores as f64, |tier| match tier.cpu {
            Cpu::Quota(each) => each.cores() * f64::from(tier.replicas),
            Cpu::Weight(_) => f64::NAN,
        })
    }
}

impl Curve {
    /// Of measurements, each with its number of units. `None` where no two have the same number: then
    /// nothing says how much they scatter.
    pub(super) fn of(logs: &[(u32, f64)]) -> Option<Self> {
        let mut at: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (units, log) in logs {
            at.entry(*units).or_default().push(*log);
        }
        let freedom = logs.len().checked_sub(at.len()).filter(|left| *left > 0)?;
        let mut squares = 0.0;
        let means = at.iter().map(|(units, logs)| {
            let mean = logs.iter().sum::<f64>() / logs.len() as f64;
            squares += logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>();
            (f64::from(*units), mean)
        });
        let means = means.collect();
        Some(Self { means, spread: (squares / freedom as f64).sqrt(), n: logs.len() })
    }

    /// At so many units: between two known numbers on a straight line, beyond all of them as at the
    /// nearest.
    pub(super) fn at(&self, units: u32) -> f64 {
        let x = f64::from(units);
        let after = self.means.partition_point(|(at, _)| *at < x);
        match (after.checked_sub(1).map(|before| self.means[before]), self.means.get(after)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
            (Some((_, y)), None) | (None, Some(&(_, y))) => y,
            (None, None) => 0.0,
        }
    }

    /// Measurements beyond those that the means take.
    fn freedom(&self) -> usize {
        self.n - self.means.len()
    }

    /// What the next measurement will be where a model says `theory`: the textbook's prediction interval
    /// for one more of `n` (Davison & Hinkley 1997, §6.3.3), where as many are behind each mean.
    pub(super) fn around(&self, units: u32, theory: f64) -> Estimate {
        let more = (1.0 + self.means.len() as f64 / self.n as f64).sqrt();
        let half = student_t(CONFIDENCE, self.freedom()) * self.spread * more;
        let middle = theory.ln() + self.at(units);
        let of = |log: f64| rounded(log.exp());
        Estimate { value: of(middle), low: of(middle - half), high: of(middle + half) }
    }
}

impl Line {
    /// Of measurements, each with its number of units and share of the knee. Its intervals leave out that
    /// the slope, too, is known by so much only.
    pub(super) fn of(logs: &[(u32, f64, f64)]) -> Option<Self> {
        // Within each number of units, so that these may differ by as much as they like.
        let (mut products, mut squares) = (0.0, 0.0);
        for (units, share, log) in logs {
            let alike = || logs.iter().filter(|it| it.0 == *units);
            let n = alike().count() as f64;
            let apart = share - alike().map(|it| it.1).sum::<f64>() / n;
            products += apart * log;
            squares += apart * apart;
        }
        let slope = if squares > 0.0 { products / squares } else { 0.0 };
        let level: Vec<_> =
            logs.iter().map(|(units, share, log)| (*units, log - slope * share)).collect();
        Some(Self { at_rest: Curve::of(&level)?, slope })
    }

    /// As [`Curve::around`], at this share of the knee.
    pub(super) fn around(&self, units: u32, share: f64, theory: f64) -> Estimate {
        self.at_rest.around(units, theory * (self.slope * share).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_known_units_is_a_straight_line_and_beyond_them_what_is_nearest() {
        let logs = [(4, 0.5), (1, 0.1), (1, 0.3), (4, 0.7), (2, -0.1), (2, 0.1)];
        let curve = Curve::of(&logs).unwrap();
        let at = |units| curve.at(units);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(at(1), 0.2) && close(at(2), 0.0) && close(at(4), 0.6), "{curve:?}");
        assert!(close(at(3), 0.3) && close(at(9), 0.6), "{curve:?}");
        // Each is 0.1 from its mean, and six say so of three means.
        assert!(close(curve.spread, (6.0 * 0.01 / 3.0_f64).sqrt()), "{curve:?}");
        let around = curve.around(3, 10.0);
        assert!(around.low < around.value && around.value < around.high, "{around:?}");
        assert!((around.value - 10.0 * 0.3_f64.exp()).abs() < 1e-3, "{around:?}");
    }

    #[test]
    fn what_grows_with_the_share_of_the_knee_is_a_line_of_one_slope_for_all_numbers_of_units() {
        // 0.1 + 0.5 × share for one unit, 0.7 + 0.5 × share for four, and each off by 0.02 or not at all.
        let logs = [
            (1, 0.2, 0.22),
            (1, 0.4, 0.28),
            (1, 0.6, 0.42),
            (4, 0.2, 0.80),
            (4, 0.4, 0.90),
            (4, 0.6, 1.00),
        ];
        let line = Line::of(&logs).unwrap();
        assert!((line.slope - 0.5).abs() < 1e-9, "{line:?}");
        let at = |units, share| line.around(units, share, 2.0).value;
        assert!((at(4, 0.7) - 2.0 * 1.05_f64.exp()).abs() < 1e-2, "{line:?}");
        // Units that were not tried are between those that were.
        assert!(at(1, 0.7) < at(3, 0.7) && at(3, 0.7) < at(4, 0.7));
        // Rates that are all the same say nothing of a slope.
        let flat = Line::of(&[(1, 0.4, 0.1), (1, 0.4, 0.3)]).unwrap();
        assert_eq!(flat.slope, 0.0);
    }

    #[test]
    fn one_measurement_of_each_number_of_units_says_nothing_of_their_scatter() {
        assert!(Curve::of(&[(1, 0.1), (2, 0.2)]).is_none() && Curve::of(&[]).is_none());
    }
}
