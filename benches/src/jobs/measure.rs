//! Measures an [`Interference`]: what has to stand before, then trial by trial.

use std::path::PathBuf;

use anyhow::Context;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    BUDGET, Interference, Measured,
    schedule::schedule,
    trials::{ARMS, Trials},
};
use crate::{
    databases::Engine,
    fleet::deployment::Ground,
    intermediary::Program,
    ledger::{Known, Ledger},
    load::Generator,
    machine,
    pilot::Found,
    progress,
    record::{Page, Pilot, Run},
    run::Order,
    scaling::measure::{Stand, before, stand},
    site,
    visitors::Visitors,
};

/// Visitors, as a share of those that the pilot takes to be moderate. In the split a page takes about
/// twice the CPU, and beside it the heaviest load of jobs has to find its time.
pub(super) const RATE: f64 = 0.5;

/// How long the planted arm lets each visitor wait, milliseconds.
const PLANTED_MS: f64 = 2.0;

/// Carries out all trials, and returns the run with the folder where it is kept.
///
/// # Errors
/// One line: what could not be had, found before anything is measured; or trial after trial came to
/// nothing. A server that dies or hangs costs its trial and nothing else.
pub async fn measure(
    order: &Order,
    engine: &Engine,
    design: &Interference,
    mut ledger: Ledger,
) -> anyhow::Result<(PathBuf, Run)> {
    let machine = machine::machine()?;
    let stand = stand(order, engine, BUDGET, &machine).await?;
    let Stand { quotas, enforcement, mut layout, server, mut site } = stand;
    let instrument = (Generator::start()?, Visitors::of(&site.dataset)?);
    let (parity, found) = before(&mut site, order, &instrument, ledger.found()).await?;
    let pilot = Pilot { planted_ms: 0.0, waiting_ms: PLANTED_MS, ..found.pilot.clone() };
    let found = Found { pilot, ..found };
    layout.fallbacks.extend(found.remark.clone());
    let rate = found.rates.get(&Page::Home).copied().context("the pilot has no rate")? * RATE;
    let databases = site.seeded.copies("arm", &ARMS, &mut site.guardian).await?;
    let program = Program::this((site.rig.mark.0, &site.rig.mark.1))?;
    let dataset = site::rows(&site.dataset);
    ledger.begin(Known { order, engine, machine, layout, site: &site, dataset, parity, found })?;
    let trials = Trials {
        ground: Ground {
            rig: &site.rig,
            quotas: &quotas,
            program: &program,
            balancing: order.balancing,
            directory: &site.dir,
        },
        design,
        dataset: &site.dataset,
        seeded: &site.seeded,
        guardian: &mut site.guardian,
        databases,
        server,
        generator: &instrument.0,
        visitors: &instrument.1,
        slo_ms: order.experiment.card.slo_ms,
        rate: rate.round(),
        planted_ms: PLANTED_MS,
        ledger: &ledger,
        done: Vec::new(),
    };
    let rate = trials.rate;
    let planned = schedule(design, &mut ChaCha8Rng::seed_from_u64(order.seed));
    let bar = progress::bar("Measuring", design.trials());
    let trials = trials.all(planned, &bar).await;
    bar.finish_and_clear();
    let (budget, enforcement) = (Some(BUDGET), Some(enforcement));
    let measured = Measured { budget, enforcement, rate, planted_ms: PLANTED_MS, trials: trials? };
    ledger.finish(|run| Run { interference: Some(measured), ..run })
}
