//! Where the systems under test run: as processes that the lab starts itself, or as a composition
//! that runs already. Whoever measures asks here for servers, and need not know which.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use contract::dataset::Dataset;

use crate::{
    affinity,
    circumstances::Circumstances,
    composition::{self, Composition},
    databases::{Databases, Engine, POSTGRES, SERVER},
    fleet::Fleet,
    machine,
    parity::Extent,
    probe::Watched,
    progress,
    record::{self, Arm, Build, Layout, Machine, Pilot},
    servers::Fingerprints,
    site::{self, Site},
};

/// How [`Place::Composition`] is asked for.
const COMPOSE: &str = "--compose";

/// Where to measure.
#[derive(Clone, Debug)]
pub enum Place {
    /// On processes of the lab's own, with a database of this kind.
    Processes(Engine),
    /// On the composition that runs.
    Composition,
}

impl Place {
    /// As it stands in the command that repeats a run.
    pub fn flag(&self) -> String {
        match self {
            Self::Processes(engine) => format!("--db {}", engine.flag()),
            Self::Composition => COMPOSE.to_owned(),
        }
    }

    /// The place that a flag from [`Self::flag`] names. `engine` is what was named again.
    ///
    /// # Errors
    /// One line: another database, or one whose address is needed.
    pub fn again(flag: &str, engine: Option<Engine>) -> anyhow::Result<Self> {
        let Some(engine) = engine else {
            return Ok(match flag.strip_prefix("--db ") {
                None if flag == COMPOSE => Self::Composition,
                Some(SERVER) => bail!(
                    "the run was on a PostgreSQL server of its own, whose address is kept nowhere: name \
                     it again with --db URL"
                ),
                Some(kind) => Self::Processes(kind.parse()?),
                None => bail!("nobody knows what `{flag}` is"),
            });
        };
        let place = Self::Processes(engine);
        ensure!(place.flag() == flag, "the run was begun with {flag}, not {}", place.flag());
        Ok(place)
    }
}

/// Arms that can be started, with their data.
pub enum Testbed {
    /// Processes of the lab's own.
    Processes(Box<Processes>),
    /// A composition.
    Composition(Box<Composition>),
}

/// Everything for processes of the lab's own.
pub struct Processes {
    site: Site,
    engine: Engine,
    /// The copies of the data that are measured on, once they have been made.
    databases: Option<Databases>,
}

impl Testbed {
    /// Makes ready what is needed, and shares out the cores.
    ///
    /// # Errors
    /// One line that says what could not be had.
    pub async fn prepare(place: &Place) -> anyhow::Result<Self> {
        Ok(match place {
            Place::Processes(engine) => {
                let layout = affinity::layout(&affinity::cores()?);
                let site = Site::build(engine, layout).await?;
                let engine = engine.clone();
                Self::Processes(Box::new(Processes { site, engine, databases: None }))
            }
            Place::Composition => {
                progress::say("Looking", "for a running composition");
                site::raise_file_limit()?;
                Self::Composition(Box::new(Composition::find().await?))
            }
        })
    }

    /// The arms that can be had.
    pub fn arms(&self) -> &'static [Arm] {
        match self {
            Self::Processes(_) => {
                &[Arm::Monolith, Arm::Split, Arm::Twin, Arm::Planted, Arm::Waiting]
            }
            Self::Composition(_) => &composition::ARMS,
        }
    }

    /// What the databases were filled with.
    pub fn dataset(&self) -> &Dataset {
        match self {
            Self::Processes(processes) => &processes.site.dataset,
            Self::Composition(composition) => &composition.dataset,
        }
    }

    /// How much the parity gate may compare here.
    pub fn extent(&self) -> Extent {
        match self {
            Self::Processes(_) => Extent::Everything,
            Self::Composition(_) => Extent::Reading,
        }
    }

    /// Both architectures for the parity gate and the pilot. Processes get data of their own: the
    /// gate writes, which must not be in the data that is measured on.
    ///
    /// # Errors
    /// One line that names what did not come up.
    pub async fn gate(&mut self) -> anyhow::Result<Fleet> {
        const BOTH: [Arm; 2] = [Arm::Monolith, Arm::Split];
        match self {
            Self::Processes(processes) => {
                let site = &mut processes.site;
                let databases = site.seeded.copies("gate", &BOTH, &mut site.guardian).await?;
                site.rig.start(&databases, &BOTH, "gate").await
            }
            Self::Composition(composition) => composition.as_it_runs().await,
        }
    }

    /// Decides what is planted in the arms of the controls, and gives `arms` their data. From here on it stays: pages
    /// only read.
    ///
    /// # Errors
    /// The file system's and the database's.
    pub async fn equip(&mut self, arms: &[Arm], pilot: &Pilot) -> anyhow::Result<()> {
        let Self::Processes(processes) = self else { return Ok(()) };
        let site = &mut processes.site;
        site.plant(pilot.planted_ms, pilot.waiting_ms)?;
        processes.databases = Some(site.seeded.copies("arm", arms, &mut site.guardian).await?);
        Ok(())
    }

    /// Freshly started servers of `arms`. `name` is part of the names of their logs.
    ///
    /// # Errors
    /// One line that names what did not come up.
    pub async fn start(&self, arms: &[Arm], name: &str) -> anyhow::Result<Fleet> {
        match self {
            Self::Processes(processes) => match &processes.databases {
                Some(databases) => processes.site.rig.start(databases, arms, name).await,
                None => anyhow::bail!("the arms have no data yet"),
            },
            Self::Composition(composition) => composition.restarted().await,
        }
    }

    /// What works beside the servers, as far as it can be seen. To be asked after each start.
    pub fn beside(&self) -> Vec<Watched> {
        match self {
            Self::Processes(processes) => processes.site.seeded.watched().into_iter().collect(),
            Self::Composition(composition) => composition.beside(),
        }
    }

    /// Who runs where, and what could not be had.
    ///
    /// # Errors
    /// When the system does not tell the cores.
    pub fn layout(&self) -> anyhow::Result<Layout> {
        match self {
            Self::Processes(processes) => {
                let mut layout = processes.site.rig.layout.clone();
                layout.fallbacks.extend(processes.unwatched());
                Ok(layout)
            }
            Self::Composition(composition) => {
                let cores = affinity::cores()?;
                let fallbacks = composition.remarks();
                Ok(Layout { server_cores: cores.clone(), load_cores: cores, fallbacks })
            }
        }
    }

    /// What the servers were built from. What is in an image only its id tells.
    ///
    /// # Errors
    /// When a program is gone.
    pub fn build(&self) -> anyhow::Result<Build> {
        match self {
            Self::Processes(processes) => machine::build(&processes.site.rig.binaries),
            Self::Composition(_) => Ok(Build {
                commit: "unknown".to_owned(),
                rustc: "unknown".to_owned(),
                binary_bytes: BTreeMap::new(),
            }),
        }
    }

    /// The containers, where it is a composition.
    ///
    /// # Errors
    /// Docker's.
    pub async fn composition(&self) -> anyhow::Result<Option<record::Composition>> {
        match self {
            Self::Processes(_) => Ok(None),
            Self::Composition(composition) => composition.record().await.map(Some),
        }
    }

    /// The contents of the programs. What is in an image its id tells.
    ///
    /// # Errors
    /// When a program is gone.
    pub fn fingerprints(&self) -> anyhow::Result<Fingerprints> {
        match self {
            Self::Processes(processes) => processes.site.rig.binaries.fingerprints(),
            Self::Composition(_) => Ok(Fingerprints::new()),
        }
    }

    /// Everything that bears on a result here, on this machine.
    ///
    /// # Errors
    /// As those that it asks.
    pub async fn circumstances(&self, machine: Machine) -> anyhow::Result<Circumstances> {
        Ok(Circumstances {
            machine,
            build: self.build()?,
            layout: self.layout()?,
            database: self.database().to_owned(),
            dataset: self.rows(),
            composition: self.composition().await?,
        })
    }

    /// The kind of database.
    pub fn database(&self) -> &'static str {
        match self {
            Self::Processes(processes) => processes.engine.kind(),
            Self::Composition(_) => POSTGRES,
        }
    }

    /// How many rows of what there are, and the seed they were made from.
    pub fn rows(&self) -> BTreeMap<String, u64> {
        site::rows(self.dataset())
    }
}

impl Processes {
    /// What can't be measured on a database that the lab did not start.
    fn unwatched(&self) -> Option<String> {
        let unwatched = self.engine != Engine::Sqlite && self.site.seeded.watched().is_none();
        unwatched.then(|| {
            "PostgreSQL is not the lab's own: its CPU is not measured, it has whatever cores it \
             has, and it counts as foreign where it runs on this machine"
                .to_owned()
        })
    }
}
