//! Our queue beside those of others: the same number of jobs with nothing to do, the same database
//! with the same settings, one run, round by round in turn. It prints what it measured, and nothing
//! else.
//!
//! Read in this order: `queue` (what a queue has to do here), `ours`, `apalis_sqlite`, `graphile`, `rounds`
//! (the order in which they do it) with `cpu`, `report`.

mod apalis_sqlite;
mod cpu;
mod graphile;
mod ours;
mod queue;
mod report;
mod rounds;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use contract::postgres::PrivateServer;

use crate::{apalis_sqlite::Apalis, graphile::Graphile, ours::Ours, rounds::Plan};

/// The servers' allocator, for all alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compares our queue with others.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    plan: Plan,
    /// Only on this database.
    #[arg(long, value_parser = ["sqlite", "postgres"])]
    db: Option<String>,
    /// Also write everything that was measured to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also put the table into this document, between its markers.
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let wanted = |db: &str| args.db.as_deref().is_none_or(|only| only == db);
    ours::count_jobs()?;
    let mut comparisons = Vec::new();
    if wanted("sqlite") {
        let folder = tempfile::tempdir()?;
        let ours = Ours::on_sqlite(folder.path()).await?;
        let peer = Apalis::new(folder.path(), &args.plan).await?;
        comparisons.push(rounds::compare("sqlite", None, ours, peer, &args.plan).await?);
    }
    if wanted("postgres") {
        let started = tokio::task::spawn_blocking(PrivateServer::start_durable).await??;
        let server = started.context("PostgreSQL is not installed (or: --db sqlite)")?;
        let folder = tempfile::tempdir()?;
        let ours = Ours::on_postgres(&server, folder.path()).await?;
        let peer = Graphile::new(&server, &args.plan).await?;
        comparisons.push(rounds::compare("postgres", server.pid(), ours, peer, &args.plan).await?);
    }
    report::print(&comparisons, &args.plan);
    if let Some(file) = &args.json {
        let json = serde_json::to_vec_pretty(&report::document(&comparisons, &args.plan))?;
        fs::write(file, json).with_context(|| format!("writing {}", file.display()))?;
    }
    if let Some(file) = &args.readme {
        let text =
            fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let text = report::into_document(&text, &comparisons, &args.plan)
            .with_context(|| file.display().to_string())?;
        fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
