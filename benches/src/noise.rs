//! How two arms are best put beside each other on this machine, right now: in turns, or both at once.
//! Found before measuring, on two identical monoliths: whichever errs less about them.

use std::fmt;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::{
    experiment::Preset,
    fleet::System,
    load::{Generator, poisson},
    probe::GENERATOR,
    progress,
    record::Page,
    stats::rounded,
    stretch::{Outcome, Part, duet, either_order, solo},
    visitors::Visitors,
};

/// Length of a slice, seconds: as in most experiments.
const SLICE: f64 = 0.1;

/// How much two identical monoliths differed in CPU per page: the logarithm of their ratio, block by
/// block. As they are used, so are they compared: to run at once is granted half the time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Where they took turns (ABBA).
    pub turns: Vec<f64>,
    /// Where both ran at once.
    pub duets: Vec<f64>,
}

impl Noise {
    /// Whether the mean of many blocks errs less where both run at once than where they take turns.
    pub fn favours_duets(&self) -> bool {
        error(&self.duets) < error(&self.turns)
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [turns, duets] = [&self.turns, &self.duets].map(|values| 100.0 * error(values));
        let chosen = if self.favours_duets() { "from both at once" } else { "in turns" };
        write!(
            f,
            "CPU {chosen}: of identical monoliths the mean errs by {turns:.1}\u{a0}% in turns and by \
             {duets:.1}\u{a0}% at once (blocks of either: {})",
            self.turns.len()
        )
    }
}

/// How many blocks of either kind.
fn blocks(preset: Preset) -> u64 {
    match preset {
        Preset::Smoke => 1,
        // Who is in a hurry has no time for it: arms take turns.
        Preset::Quick => 0,
        Preset::Standard | Preset::Full => 40,
    }
}

impl Noise {
    /// Whether a run of this size has the time to find out.
    pub fn is_asked(preset: Preset) -> bool {
        blocks(preset) > 0
    }
}

/// What it is found with.
#[derive(Debug)]
pub struct Trial<'a> {
    /// Sends requests.
    pub sender: &'a Generator,
    /// What is asked for.
    pub visitors: &'a Visitors,
    /// Two monoliths, freshly started.
    pub twins: [&'a System; 2],
    /// Home pages a second in turns.
    pub rate: f64,
    /// Seed of arrivals.
    pub seed: u64,
}

impl Trial<'_> {
    /// Blocks of either kind, one after the other.
    ///
    /// # Errors
    /// When a monolith can't be reached or seen.
    pub async fn of(&self, preset: Preset) -> anyhow::Result<Noise> {
        progress::say("Certifying", "how much identical monoliths differ, in turns and at once");
        self.twins.iter().try_for_each(|twin| twin.park())?;
        for twin in self.twins {
            twin.resume()?;
            self.sender.crowd(self.visitors.to(Page::Home, twin.front)).await?;
            twin.park()?;
        }
        let mut noise = Noise::default();
        for block in 0..blocks(preset) {
            let seed = self.seed.wrapping_add(2 * block);
            noise.turns.push(self.turns(seed).await?);
            noise.duets.push(self.duets(seed).await?);
        }
        progress::say("", &noise.to_string());
        Ok(noise)
    }

    fn part(&self, twin: usize, rate: f64, seconds: f64, seed: u64) -> Part<'_> {
        let system = self.twins[twin];
        let target = self.visitors.to(Page::Home, system.front);
        let arrivals = poisson(rate, seconds, seed, target.paths.len());
        Part { system, target, arrivals }
    }

    /// One ABBA block.
    async fn turns(&self, seed: u64) -> anyhow::Result<f64> {
        let mut sums = [Sum::default(); 2];
        for twin in [0, 1, 1, 0] {
            let part = self.part(twin, self.rate, SLICE, seed);
            sums[twin].add(&solo(self.sender, part, &[]).await?);
        }
        log_ratio(sums)
    }

    /// Half as many visitors a second for each, and once more with the twins exchanged.
    async fn duets(&self, seed: u64) -> anyhow::Result<f64> {
        let mut sums = [Sum::default(); 2];
        for stretch in either_order([0, 1], seed) {
            let parts = stretch.map(|(twin, seed)| self.part(twin, self.rate / 2.0, SLICE, seed));
            let outcomes = duet(self.sender, parts, &[]).await?;
            for ((twin, _), outcome) in stretch.into_iter().zip(&outcomes) {
                sums[twin].add(outcome);
            }
        }
        log_ratio(sums)
    }
}

/// CPU of an arm's servers, and its pages.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    cpu_ms: f64,
    pages: u64,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        let servers = outcome.usage.cpu_ms.iter().filter(|(name, _)| *name != GENERATOR);
        self.cpu_ms += servers.map(|(_, ms)| ms).sum::<f64>();
        self.pages += outcome.tally.completed;
    }
}

fn log_ratio([first, second]: [Sum; 2]) -> anyhow::Result<f64> {
    let per_page = |sum: Sum| sum.cpu_ms / sum.pages as f64;
    let ratio = (per_page(second) / per_page(first)).ln();
    ensure!(ratio.is_finite(), "a monolith gives no right answer, or its CPU can't be read");
    Ok(rounded(ratio))
}

/// By how much the mean of blocks like these errs, where the truth is zero: what they lean to one side by
/// stays, of what they scatter by only a part is left. (So a little scatter around the wrong place does not
/// pass for precision.)
fn error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean * mean + squares / (n * (n - 1.0).max(1.0))).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_has_twins_differ_less_is_chosen() {
        let noise = Noise { turns: vec![0.02, -0.02], duets: vec![0.01, -0.01] };
        assert!(noise.favours_duets());
        assert_eq!(
            noise.to_string().replace('\u{a0}', " "),
            "CPU from both at once: of identical monoliths the mean errs by 2.0 % in turns and by 1.0 % \
             at once (blocks of either: 2)"
        );
        // One that leans to one side is no better for being steady: of many blocks it leaves all of it,
        // and a tenth of a scatter three times as large.
        let leaning = Noise { turns: [0.1, -0.1].repeat(50), duets: vec![0.035; 100] };
        assert!(!leaning.favours_duets());
    }
}
