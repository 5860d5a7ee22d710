//! Measures a [`Scaling`]: what has to stand before, then trial by trial.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use in_process::DatabaseUrl;

use super::{
    ARMS, Measured, Scaling,
    foretelling::calls,
    trials::{Given, Played},
};
use crate::{
    affinity,
    databases::Engine,
    fleet::{
        budget::{Budget, Room, equal},
        deployment::Ground,
        quota::{Enforcement, Kind, Quotas, preflight},
    },
    intermediary::Program,
    ledger::{Known, Ledger},
    load::Generator,
    machine,
    parity::{self, Extent},
    pilot::{Found, Look},
    progress,
    record::{Arm, Layout, Machine, Parity, Pilot, Run},
    run::Order,
    site::{self, Site},
    visitors::Visitors,
};

/// What has to stand before the first trial of topologies in control groups. Groups go before the
/// guardian, who ends what is left in them.
pub(crate) struct Stand {
    pub(crate) quotas: Quotas,
    pub(crate) enforcement: Enforcement,
    pub(crate) layout: Layout,
    pub(crate) server: DatabaseUrl,
    pub(crate) site: Site,
}

/// Carries out all searches, and returns the run with the folder where it is kept.
///
/// # Errors
/// One line: what could not be had, found before anything is measured; or the database was gone for
/// good. A server or balancer that dies costs its trial and nothing else.
pub async fn measure(
    order: &Order,
    engine: &Engine,
    design: &Scaling,
    mut ledger: Ledger,
) -> anyhow::Result<(PathBuf, Run)> {
    let machine = machine::machine()?;
    fair(design)?;
    let mut stand = stand(order, engine, design.largest(), &machine).await?;
    let instrument = (Generator::start()?, Visitors::of(&stand.site.dataset)?);
    let (parity, mut found) = before(&mut stand.site, order, &instrument, ledger.found()).await?;
    // Nothing is planted here.
    found.pilot = Pilot { planted_ms: 0.0, waiting_ms: 0.0, ..found.pilot };
    let Stand { quotas, enforcement, mut layout, server, mut site } = stand;
    layout.fallbacks.extend(found.remark.clone());
    let databases = site.seeded.copies("arm", &ARMS, &mut site.guardian).await?;
    let program = Program::this((site.rig.mark.0, &site.rig.mark.1))?;
    ledger.begin(Known {
        order,
        engine,
        machine,
        layout: layout.clone(),
        site: &site,
        dataset: site::rows(&site.dataset),
        parity: parity.clone(),
        found: found.clone(),
    })?;
    let (rig, quotas) = (&site.rig, &quotas);
    let (balancing, directory) = (order.balancing, site.dir.as_path());
    let ground = Ground { rig, quotas, program: &program, balancing, directory };
    let given = Given {
        ground,
        design,
        order,
        dataset: &site.dataset,
        seeded: &site.seeded,
        guardian: &mut site.guardian,
        databases,
        server,
        beside: site.seeded.watched(),
        instrument: &instrument,
        found: &found,
        calls: calls(&parity),
        load_cores: layout.load_cores.len(),
        ledger: &ledger,
    };
    let bar = progress::bar("Measuring", design.trials());
    let measured = given.measure(&bar).await;
    bar.finish_and_clear();
    let Played { setups, trials, modelled, shifts } = measured?;
    let (mixes, budget, unit) = (design.mixes.clone(), design.budget, design.unit);
    let enforcement = Some(enforcement);
    let measured =
        Measured { mixes, budget, unit, setups, enforcement, balancing, trials, modelled, shifts };
    ledger.finish(|run| Run { scaling: Some(measured), ..run })
}

/// Programs, data, and quotas that have been tried out.
pub(crate) async fn stand(
    order: &Order,
    engine: &Engine,
    largest: Budget,
    machine: &Machine,
) -> anyhow::Result<Stand> {
    let layout = affinity::layout(&affinity::cores()?);
    let cores = u32::try_from(layout.server_cores.len())?;
    let memory_mib = u32::try_from(machine.memory_mib)?;
    possible(order, engine, largest, Room { cores, memory_mib, db_connections: None })?;
    let mut site = Site::build(engine, layout.clone()).await?;
    let server = site.seeded.server().context("no PostgreSQL server")?.clone();
    let limit = in_process::provision::connection_limit(&server).await?;
    largest.fits(Room { cores, memory_mib, db_connections: Some(limit) })?;

    let (name, mark) = (site.rig.mark.0, site.rig.mark.1.clone());
    let quotas = Quotas::open(&mark);
    site.guardian.remove_groups_at_end(&quotas)?;
    progress::say("Burning", "CPU under a quota, to see that it is kept to");
    let enforcement = preflight(&quotas, &layout.server_cores, (name, &mark)).await?;
    required(order, &enforcement)?;
    Ok(Stand { quotas, enforcement, layout, server, site })
}

/// What can be seen before minutes of building.
fn possible(order: &Order, engine: &Engine, largest: Budget, room: Room) -> anyhow::Result<()> {
    let id = order.experiment.card.id;
    ensure!(
        *engine != Engine::Sqlite,
        "{id}: several servers share one database here, which is for PostgreSQL: --db postgres"
    );
    order.balancing.check().context("--balancer")?;
    largest.fits(room)?;
    let quotas = Quotas::open(&format!("{}-look", std::process::id()));
    if let Kind::Affinity { why } = quotas.kind() {
        required(order, &Enforcement::Affinity { why })?;
    }
    Ok(())
}

/// Whether both architectures have the same budget and as many trials, on every mix.
fn fair(design: &Scaling) -> anyhow::Result<()> {
    for ways in [&design.ways, &design.ways_with_jobs] {
        let budget = equal(ways.all().map(|setup| &setup.topology))?;
        ensure!(budget == design.budget, "the setups have {budget}, and not {}", design.budget);
        let (monoliths, splits) = (ways.monoliths.len(), ways.splits.len());
        ensure!(
            monoliths == splits,
            "{monoliths} setups of the monolith against {splits} of the split: both get the same \
             number of trials"
        );
    }
    Ok(())
}

fn required(order: &Order, enforcement: &Enforcement) -> anyhow::Result<()> {
    enforcement.require().map(drop).with_context(|| order.experiment.card.id.to_owned())
}

/// Parity gate and, unless it is known what that found, pilot; on servers and data of their own.
pub(crate) async fn before(
    site: &mut Site,
    order: &Order,
    (generator, visitors): &(Generator, Visitors),
    known: Option<Found>,
) -> anyhow::Result<(Parity, Found)> {
    const BOTH: [Arm; 2] = [Arm::Monolith, Arm::Split];
    let databases = site.seeded.copies("gate", &BOTH, &mut site.guardian).await?;
    let mut fleet = site.rig.start(&databases, &BOTH, "gate").await?;
    let (monolith, split) = (fleet.system(Arm::Monolith)?, fleet.system(Arm::Split)?);
    let gate = async {
        progress::say("Comparing", "both architectures, request by request");
        let parity = parity::gate(&monolith, &split, &site.dataset, Extent::Everything).await?;
        if let Some(known) = known {
            return Ok((parity, known));
        }
        progress::say("Piloting", "what a page costs here");
        split.park()?;
        let look = Look {
            generator,
            visitors,
            beside: site.seeded.watched().into_iter().collect(),
            seconds: order.pilot_seconds(),
            seed: order.seed,
        };
        Ok((parity, look.at(&monolith).await?))
    };
    let found = fleet.unless_one_dies(gate).await?;
    fleet.stop().await?;
    Ok(found)
}
