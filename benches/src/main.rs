//! The lab's command line.

mod figures;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{bail, ensure};
use clap::{Args, Parser, Subcommand};
use contract::dataset::{Dataset, Size};
use in_process::DatabaseArgs;
use lab::{
    count::Stored,
    databases::Engine,
    doctor,
    experiment::{self, Preset},
    experiments::c5,
    guardian, link,
    record::Run,
    relay::{self, Balancing},
    report,
    run::{self, Order},
    seed,
    site::DATASET_SEED,
    store,
    testbed::Place,
    up,
};
use tokio::signal::unix::{SignalKind, signal};

use figures::{CountArgs, FigureArgs};

/// Starts both architectures, proves that they are the same app, and measures them. Without a
/// command: `run x1`.
#[derive(Debug, Parser)]
#[command(name = "lab", bin_name = "cargo lab", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, judge, and write a report.
    Run(RunArgs),
    /// Run both architectures side by side with test data, until Ctrl-C.
    Up {
        /// `sqlite`, `postgres` (a private server), or the URL of a PostgreSQL server.
        #[arg(long, value_name = "DB", default_value = "sqlite")]
        db: Engine,
    },
    /// Count what pages take in instructions, statements and calls, and compare with the figures
    /// in force. Fails when one has grown by more than 5 %.
    Count(CountArgs),
    /// Measure what a page takes with more and more data.
    Growth {
        /// How many articles, one size after the other.
        #[arg(value_name = "N", required = true)]
        articles: Vec<u64>,
        #[command(flatten)]
        figures: FigureArgs,
    },
    /// Measure what servers take by being there: time to start, size, memory.
    Upkeep(FigureArgs),
    /// Count what the home page misses in the caches of a processor, which Valgrind imitates.
    Caches(FigureArgs),
    /// Count what a page asks of the kernel on each rung of x1-ladder, by perf or strace.
    Syscalls(FigureArgs),
    /// Measure where the time of a page goes on each rung of x1-ladder, by the spans of its servers.
    Spans(FigureArgs),
    /// Compare the lab's load generator with oha and wrk, which have to be installed.
    Generators {
        /// Keep the figures in place of the earlier ones.
        #[arg(long)]
        keep: bool,
    },
    /// Write the tables of a document about performance again, from the figures in force.
    Performance {
        /// The document.
        #[arg(value_name = "FILE", default_value = "docs/performance.md")]
        document: PathBuf,
    },
    /// Fill a database of your own with test data.
    Seed(SeedArgs),
    /// List the experiments.
    List,
    /// Say what an experiment asks, how it decides, and what would refute it.
    Explain {
        /// The experiment.
        id: String,
    },
    /// Examine this machine.
    Doctor,
    /// Compute everything in a run's report again from its raw data, and compare.
    Verify {
        /// The run's folder, or its name below target/lab.
        run: String,
    },
    /// Say what changed between two runs of an experiment, and what did not.
    Compare {
        /// The earlier run's folder, or its name below target/lab.
        a: String,
        /// The later one's.
        b: String,
    },
    /// Answer a claim that no experiment answers alone, from runs of those that do together.
    Answer {
        /// The claim: `c5`, from one run each of x5, x6 and x7.
        claim: String,
        /// The runs' folders, or their names below target/lab.
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<String>,
        /// Also put the answer between the markers of this Markdown file.
        #[arg(long, value_name = "FILE")]
        readme: Option<PathBuf>,
    },
    /// Write a run's report again from its raw data.
    Report {
        /// The run's folder, or its name below target/lab.
        run: String,
        /// Also put the run's table between the markers of this Markdown file.
        #[arg(long, value_name = "FILE")]
        readme: Option<PathBuf>,
    },
    #[command(hide = true)]
    Guardian { mark: String },
    #[command(hide = true)]
    Relay(relay::Args),
    #[command(hide = true)]
    Link(link::Args),
}

#[derive(Args, Debug)]
struct RunArgs {
    /// The experiments, by id or topic; see `list`.
    #[arg(value_name = "ID", default_value = "x1")]
    ids: Vec<String>,
    /// How much to measure.
    #[arg(long, default_value = "quick")]
    preset: Preset,
    /// `sqlite`, `postgres` (a private server), or the URL of a PostgreSQL server. Where none is
    /// named: `sqlite`, but `postgres` for experiments with several servers on one database.
    #[arg(long, value_name = "DB")]
    db: Option<Engine>,
    /// Measure the composition that runs (`docker compose up`), instead of processes of the lab's
    /// own: `latency` restarts its servers meanwhile, `scaling` adds some for a while, `jobs` makes them
    /// anew with a lab file and then without; its data stay.
    #[arg(long)]
    compose: bool,
    /// What stands in front of replicas, where an experiment has any: `relay` (the lab's own, unless
    /// another is named) or `haproxy`, which has to be installed.
    #[arg(long, value_name = "BALANCER")]
    balancer: Option<Balancing>,
    /// Repeat a run: the same visitors at the same times in the same order.
    #[arg(long)]
    seed: Option<u64>,
    /// Go on with a run that was interrupted: its folder, or its name below target/lab.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["ids", "preset", "compose", "seed", "balancer"])]
    resume: Option<String>,
}

#[derive(Args, Debug)]
struct SeedArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// How many articles.
    #[arg(long, value_name = "N", default_value_t = Size::default().articles)]
    articles: u64,
    /// How many accounts.
    #[arg(long, value_name = "N", default_value_t = Size::default().users)]
    users: u64,
    /// The same seed gives the same rows.
    #[arg(long, default_value_t = DATASET_SEED)]
    seed: u64,
    /// Leave a database that has articles as it is, instead of refusing it.
    #[arg(long)]
    if_empty: bool,
}

/// Exit code after Ctrl-C, by the shell's convention: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    // Bare `cargo lab` is `cargo lab run` with all its defaults.
    let command = Cli::parse().command.or_else(|| Cli::parse_from(["lab", "run"]).command);
    match command.map_or(Ok(ExitCode::SUCCESS), start) {
        Ok(code) => code,
        Err(error) => {
            // In one line: what was being done, then what went wrong.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> anyhow::Result<ExitCode> {
    // Other processes of the lab: each lives as long as its stdin is open.
    let role = match &command {
        Command::Guardian { mark } => Some(guardian::stand(mark)),
        Command::Relay(args) => Some(relay::run(args)),
        Command::Link(args) => Some(link::run(*args)),
        _ => None,
    };
    if let Some(ended) = role {
        return ended.map(|()| ExitCode::SUCCESS);
    }
    // One thread: whatever else the lab does must not take CPU from the generator's thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // What is dropped here ends its processes, so all of them have ended when this returns.
        tokio::select! {
            done = carry_out(command) => done.map(|()| ExitCode::SUCCESS),
            _ = interrupt.recv() => Ok(ExitCode::from(INTERRUPTED)),
            _ = terminate.recv() => Ok(ExitCode::from(INTERRUPTED)),
        }
    })
}

async fn carry_out(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => run_all(args).await,
        Command::Up { db } => up::up(&db).await,
        Command::Count(args) => figures::count(args).await,
        Command::Growth { articles, figures } => figures::growth(figures, &articles).await,
        Command::Upkeep(args) => figures::upkeep(args).await,
        Command::Caches(args) => figures::caches(args).await,
        Command::Syscalls(args) => figures::syscalls(args).await,
        Command::Spans(args) => figures::spans(args).await,
        Command::Generators { keep } => figures::generators(keep).await,
        Command::Performance { document } => {
            report::update_performance(&document, &Stored::read()?, &store::published()?)
        }
        Command::Seed(args) => fill(args).await,
        Command::List => {
            for experiment in experiment::registry() {
                println!("{:<13} {}", experiment.card.names(), experiment.card.title);
            }
            Ok(())
        }
        Command::Explain { id } => {
            let card = match id == c5::CARD.id {
                true => c5::CARD,
                false => experiment::find(&id)?.card,
            };
            print!("{}", report::explain(&card));
            Ok(())
        }
        Command::Doctor => doctor::examine().await,
        Command::Verify { run } => {
            println!("{}", report::verify(&store::find(&store::root()?, &run)?)?);
            Ok(())
        }
        Command::Compare { a, b } => {
            let root = store::root()?;
            let read = |run: &str| store::read(&store::find(&root, run)?);
            print!("{}", report::compare([&read(&a)?, &read(&b)?])?);
            Ok(())
        }
        Command::Answer { claim, runs, readme } => answer(&claim, runs, readme.as_deref()),
        Command::Report { run, readme } => {
            let folder = store::find(&store::root()?, &run)?;
            let run = store::read(&folder)?;
            if let Some(readme) = readme {
                report::update_readme(&readme, &run)?;
            }
            println!("{}", report::write(&folder, &run)?.display());
            Ok(())
        }
        Command::Guardian { .. } | Command::Relay(_) | Command::Link(_) => {
            unreachable!("other processes of the lab never get here")
        }
    }
}

fn answer(claim: &str, runs: Vec<String>, readme: Option<&Path>) -> anyhow::Result<()> {
    let known = c5::CARD.id;
    ensure!(claim == known, "there is no such claim `{claim}`; there is: {known}");
    let root = store::root()?;
    let read = |name: String| {
        let run = store::read(&store::find(&root, &name)?)?;
        anyhow::Ok((name, run))
    };
    let runs = runs.into_iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(readme) = readme {
        report::update_answer(readme, &runs)?;
    }
    print!("{}", report::answer(&runs)?);
    Ok(())
}

async fn run_all(args: RunArgs) -> anyhow::Result<()> {
    if let Some(interrupted) = args.resume {
        let (folder, run) = run::resume(&interrupted, args.db).await?;
        return show(&folder, &run);
    }
    let experiments: anyhow::Result<Vec<_>> =
        args.ids.iter().map(|id| experiment::find(id)).collect();
    let seed = args.seed.unwrap_or_else(seed_from_clock);
    if args.compose && args.db.is_some() {
        bail!("--compose: a composition has its own database; leave out --db");
    }
    for experiment in experiments? {
        let design = experiment.design;
        if args.balancer.is_some() && !design.has_replicas() {
            bail!("--balancer: {} has no replicas to balance between", experiment.card.id);
        }
        let place = match args.compose {
            true => Place::Composition,
            false => Place::Processes(args.db.clone().unwrap_or_else(|| design.engine())),
        };
        let balancing = args.balancer.unwrap_or_default();
        let order = Order { experiment, preset: args.preset, place, seed, balancing };
        let (folder, run) = run::run(&order).await?;
        show(&folder, &run)?;
    }
    Ok(())
}

fn show(folder: &Path, run: &Run) -> anyhow::Result<()> {
    let html = report::write(folder, run)?;
    print!("{}", report::terminal(run)?);
    println!("report: {}", html.display());
    Ok(())
}

/// Any number will do, if only it is written down; a short one is easier to type again.
fn seed_from_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_micros())
}

async fn fill(args: SeedArgs) -> anyhow::Result<()> {
    let SeedArgs { database, articles, users, seed, if_empty } = args;
    if users == 0 && articles > 0 {
        bail!("--users: articles need at least one account to write them");
    }
    let size = Size { articles, users, ..Size::default() };
    seed::fill(&database, &Dataset::new(size, seed), if_empty).await
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
