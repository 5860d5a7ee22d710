//! What is said before it is tried: random mixes at moderate rates, from which demands are found; the
//! predictions, sealed in the run's folder; and the trials that they are about.

use std::fs;

use anyhow::Context;
use http::Uri;
use indicatif::ProgressBar;
use rand_chacha::rand_core::Rng;

use super::{
    Foretelling, Mix, Setup, Stage, Step,
    trials::{Next, Trials},
};
use crate::{
    capacity::{self, CLASSES, Facts, Sample, Sealed, Setting},
    load::poisson,
    progress,
    record::{Arm, Page, Parity},
    stats::{below, rounded},
};

/// The sealed predictions, in a run's folder.
pub const PREDICTIONS: &str = "predictions.json";

/// Between which shares of the goodput the rates of random mixes lie.
const MODERATE: (f64, f64) = (0.2, 0.7);

/// The share of what a setup's CPU would be worth in a monolith's pages that it will surely do.
const GUESS: f64 = 0.5;

/// Of so many pages of a random mix one to all but one are home pages.
const PAGES: usize = 10;

/// Calls from frontend to backend for each kind of page, as the parity gate counted them.
pub(crate) fn calls(parity: &Parity) -> [f64; CLASSES] {
    [Page::Home, Page::Article]
        .map(|page| parity.per_page.get(&page).map_or(0.0, |cost| cost.backend_calls as f64))
}

/// What is to be predicted.
struct Wanted<'a> {
    mix: &'a Mix,
    units: u32,
    setups: Vec<(Arm, Setup)>,
}

impl Trials<'_> {
    /// All of it. Where too little is known nothing is predicted, and the trials are run all the same.
    pub(super) async fn foretell(&mut self, bar: &ProgressBar) -> anyhow::Result<()> {
        let design = self.given.design;
        let Foretelling { mixes: unknown, rounds, .. } = &design.foretelling;
        let Some(first) = design.mixes_of_pages().next() else { return Ok(()) };
        for units in design.known_units().0 {
            for arm in [Arm::Monolith, Arm::Split] {
                let Some(best) = self.best(first, arm) else { continue };
                let setup = self.ladder(*units, &best)?;
                bar.set_message(format!("random mixes, {}, {}", arm.name(), setup.name()));
                self.sample(arm, &setup).await?;
                bar.inc(1);
            }
        }
        let known = design.mixes_of_pages().map(|mix| (mix, mix, design.known_units().1));
        let unknown = unknown.iter().map(|mix| (mix, first, &design.units[..]));
        let mut wanted = Vec::new();
        for (mix, tuned_for, units) in known.chain(unknown) {
            for units in units {
                let mut setups = Vec::new();
                for arm in [Arm::Monolith, Arm::Split] {
                    let Some(best) = self.best(tuned_for, arm) else { continue };
                    setups.push((arm, self.ladder(*units, &best)?));
                }
                wanted.push(Wanted { mix, units: *units, setups });
            }
        }
        self.seal(&wanted).await?;
        for Wanted { mix, setups, .. } in &wanted {
            self.rounds(Stage::HeldOut, 0..*rounds, mix, setups, bar).await?;
        }
        Ok(())
    }

    /// The rates at which the time of a page was predicted for a trial.
    pub(super) fn foretold_rates(&self, next: &Next<'_>) -> Vec<f64> {
        let sealed = self.modelled.sealed.as_ref().filter(|_| next.stage == Stage::HeldOut);
        let cells = sealed.into_iter().flat_map(|sealed| &sealed.predictions.cells);
        let of_trial = cells.filter(|cell| {
            let same = cell.arm == next.arm && cell.setup == next.setup.name();
            same && cell.mix == *next.mix
        });
        of_trial.take(1).flat_map(|cell| &cell.loads).map(|load| load.rate).collect()
    }

    /// Predicts and seals.
    async fn seal(&mut self, wanted: &[Wanted<'_>]) -> anyhow::Result<()> {
        let sealed = async { self.sealed(wanted) };
        self.modelled.sealed = self.given.ledger.part("predictions", sealed).await?;
        Ok(())
    }

    fn sealed(&self, wanted: &[Wanted<'_>]) -> anyhow::Result<Option<Sealed>> {
        let settings: Vec<Setting<'_>> = wanted
            .iter()
            .flat_map(|Wanted { mix, units, setups }| {
                setups.iter().map(|(arm, setup)| Setting { arm: *arm, setup, units: *units, mix })
            })
            .collect();
        let facts = Facts {
            samples: &self.modelled.samples,
            setups: &self.setups,
            trials: &self.done,
            mixes: &self.given.design.mixes,
            unit: self.given.design.unit,
            slo_ms: self.slo_ms,
            load_cores: self.given.load_cores,
            calls: self.given.calls,
            seed: self.given.order.seed,
        };
        let Some(predictions) = capacity::predict(facts, &settings) else {
            progress::say("Predicting", "nothing: too little is known");
            return Ok(None);
        };
        let (sealed, text) = Sealed::now(predictions, self.done.len())?;
        let path = self.given.ledger.path().join(PREDICTIONS);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        let cells = sealed.predictions.cells.len();
        progress::say("Sealed", &format!("predictions for {cells} cells, {}", sealed.sha256));
        Ok(Some(sealed))
    }

    /// Moderate rates of random mixes on one setup. A deployment that dies costs its samples.
    async fn sample(&mut self, arm: Arm, setup: &Setup) -> anyhow::Result<()> {
        let goodput = self.lowest_known(arm, setup);
        let drawn: Vec<(Mix, f64, u64)> = (0..self.given.design.foretelling.samples)
            .map(|_| {
                let home = 1 + below(&mut self.rng, PAGES - 1);
                let article = PAGES - home;
                let mix = Mix { name: format!("{home}:{article}"), home, article, jobs: None };
                let (least, most) = MODERATE;
                let share = least + (most - least) * below(&mut self.rng, 1_000) as f64 / 1e3;
                (mix, rounded(goodput * share), self.rng.next_u64())
            })
            .collect();
        let name = format!("samples, {}, {}", arm.name(), setup.name());
        let sampled = self.sampled(arm, setup, &drawn);
        let samples = self.given.ledger.part(&name, sampled).await?;
        self.modelled.samples.extend(samples);
        Ok(())
    }

    async fn sampled(
        &self,
        arm: Arm,
        setup: &Setup,
        drawn: &[(Mix, f64, u64)],
    ) -> anyhow::Result<Vec<Sample>> {
        let name = format!("samples-{}", self.modelled.samples.len());
        let started = self.start(arm, setup, None, &name).await;
        let Ok(mut deployment) = started else { return Ok(Vec::new()) };
        let seconds = self.given.design.foretelling.seconds;
        let plans: Vec<_> = drawn
            .iter()
            .map(|(mix, rate, seed)| (mix, *rate, self.steps(&deployment, mix, seconds, *seed)))
            .collect();
        let mut taken = Vec::new();
        let work = async {
            for (number, (mix, rate, steps)) in plans.iter().enumerate() {
                if number == 0 {
                    steps.at.warm_up().await?;
                }
                let mut played = Vec::new();
                steps.play(&[*rate], seconds, &mut played).await?;
                taken.extend(played.into_iter().map(|step| Sample {
                    arm,
                    setup: setup.name().to_owned(),
                    mix: (*mix).clone(),
                    asked: asked(&step, &steps.at.target.paths),
                    step,
                }));
            }
            anyhow::Ok(())
        };
        // Whatever went wrong, what was taken until then is sound.
        let _ = deployment.unless_one_dies(work).await;
        let _ = deployment.stop().await;
        Ok(taken)
    }

    /// The lowest goodput that this setup has come to on any mix; where there is none, what a cautious
    /// guess would be.
    fn lowest_known(&self, arm: Arm, setup: &Setup) -> f64 {
        let of_setup =
            self.last.iter().filter(|((_, of, name), _)| *of == arm && name == setup.name());
        let lowest = of_setup.map(|(_, goodput)| *goodput).min_by(f64::total_cmp);
        let guess = || {
            let mixes = self.given.design.mixes_of_pages();
            mixes.map(|mix| GUESS * self.worth(setup, mix)).fold(f64::INFINITY, f64::min)
        };
        lowest.unwrap_or_else(guess)
    }
}

/// How many of a step's visitors asked for a home page, and for an article: its arrivals follow from
/// its seed.
fn asked(step: &Step, paths: &[Uri]) -> [u64; CLASSES] {
    let arrivals = poisson(step.rate, step.seconds, step.seed, paths.len());
    let homes = arrivals.iter().filter(|it| paths[it.address].path() == "/").count() as u64;
    [homes, arrivals.len() as u64 - homes]
}
