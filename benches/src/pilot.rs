//! A short look before measuring: what does a page cost here? From that follow the rates, so that
//! a run loads a slow machine as much as a fast one. Nothing of it enters an estimate.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};

use crate::{
    fleet::System,
    load::{Generator, poisson},
    probe,
    record::{Page, Pilot},
    visitors::Visitors,
};

/// Share of the servers' core that the monolith uses at the steady rate. Low enough that the
/// split, whatever its tax, is not near saturation; high enough for narrow intervals.
pub const UTILISATION: f64 = 0.30;

/// Bounds of the steady rate, arrivals per second: below, a slice holds too few requests; above,
/// the generator would begin to need its core for itself.
const RATES: (f64, f64) = (20.0, 2_000.0);

/// Size of the planted effect, as a share of the home page's CPU.
const PLANTED: f64 = 0.05;

/// Requests of the first, rough measurement, after as many to warm up.
const ROUGH: usize = 150;

/// The steady rate for a page that costs the monolith `cpu_ms`: the same for every arm.
pub fn steady_rate(cpu_ms: f64) -> f64 {
    (UTILISATION * 1e3 / cpu_ms).clamp(RATES.0, RATES.1)
}

/// What one monolith pays per page: roughly first, then for `seconds` at the rate that follows.
pub async fn pilot(
    generator: &Generator,
    monolith: &System,
    visitors: &Visitors,
    seconds: f64,
    seed: u64,
) -> anyhow::Result<Pilot> {
    let mut cpu_ms = BTreeMap::new();
    let watched = monolith.watched();
    for page in [Page::Home, Page::Article] {
        let target = visitors.to(page, monolith.front);
        generator.warm(target.clone(), ROUGH).await?;

        let before = probe::read(&watched)?;
        let rough = generator.warm(target.clone(), ROUGH).await?;
        let used: f64 = before.until(&probe::read(&watched)?).cpu_ms.values().sum();
        ensure!(rough.completed > 0, "the monolith does not answer: {:?}", rough.errors);
        let rate = steady_rate(used / rough.completed as f64);

        let arrivals = poisson(rate, seconds, seed, target.paths.len());
        let before = probe::read(&watched)?;
        let steady = generator.open(target, arrivals).await?;
        let used: f64 = before.until(&probe::read(&watched)?).cpu_ms.values().sum();
        ensure!(steady.completed > 0, "the monolith does not answer: {:?}", steady.errors);
        cpu_ms.insert(page, used / steady.completed as f64);
    }
    let home = cpu_ms.get(&Page::Home).context("no home page was measured")?;
    let planted_ms = PLANTED * home;
    Ok(Pilot { cpu_ms, planted_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_costs_a_millisecond_is_asked_for_300_times_a_second() {
        assert!((steady_rate(1.0) - 300.0).abs() < 1e-9);
        assert!((steady_rate(1e-6) - RATES.1).abs() < 1e-9);
        assert!((steady_rate(1e6) - RATES.0).abs() < 1e-9);
    }
}
