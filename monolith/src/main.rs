//! One full-stack server: pages and JSON API over a database in the same process.
//!
//! Read it side by side with `split-frontend` and `split-backend`: what differs is which front
//! doors are mounted, and what stands behind them.

use std::process::ExitCode;

use api::{Cors, CorsArgs};
use axum::Router;
use clap::Parser;
use conduit::wire;
use in_process::{AppArgs, DatabaseArgs, InProcess, Placement, PlacementArgs};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUTES: boot::Routes = &[("", pages::ROUTES), (wire::API, api::ROUTES)];

/// Conduit as one server: pages and JSON API in one process.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Serve pages at / and the JSON API at /api
    Serve(Box<ServeArgs>),
    /// Run jobs, and nothing else
    Work(Box<Settings>),
    /// Bring the database's schema up to date
    Migrate(DatabaseArgs),
    /// Ask a server on this host whether it is ready; exit code 0 means yes
    Healthcheck(boot::HealthcheckArgs),
}

#[derive(clap::Args)]
struct ServeArgs {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    placement: PlacementArgs,
    #[command(flatten)]
    cors: CorsArgs,
}

#[derive(clap::Args)]
struct Settings {
    #[command(flatten)]
    server: boot::ServerArgs,
    #[command(flatten)]
    app: AppArgs,
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Serve(args) => boot::run(args.settings.server.runtime, serve(*args)),
        Command::Work(args) => boot::run(args.server.runtime, work(*args)),
        Command::Migrate(args) => boot::once(async { Ok(in_process::migrate(&args).await?) }),
        Command::Healthcheck(args) => boot::once(async { boot::healthcheck(&args) }),
    }
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let cors = Cors::new(&args.cors)?;
    let jobs = args.placement.jobs.unwrap_or(Placement::Inside);
    start("monolith", args.settings, jobs, |here, args| doors(here, args, cors)).await
}

async fn work(settings: Settings) -> anyhow::Result<()> {
    start("monolith-work", settings, Placement::Inside, |_, _| Ok(Router::new())).await
}

async fn start(
    role: &'static str,
    Settings { server: args, app }: Settings,
    placement: Placement,
    doors: impl FnOnce(&InProcess, &boot::ServerArgs) -> anyhow::Result<Router>,
) -> anyhow::Result<()> {
    let server = boot::Server::new(role, args.clone(), ROUTES)?;
    let here = InProcess::start(&app, placement, args.production, server.lab_jobs()?).await?;
    let jobs = here.clone().run_jobs(placement, server.stop().begun(), args.grace());
    server.serve(doors(&here, &args)?, here.clone(), jobs).await?;
    here.close().await;
    Ok(())
}

fn doors(here: &InProcess, args: &boot::ServerArgs, cors: Cors) -> anyhow::Result<Router> {
    let settings = pages::Settings { secure_cookies: args.production, budget: args.page_budget() };
    let port = boot::Cached::following(here.clone(), args.cache, |it| here.on_change(it))?;
    Ok(cors.around(api::router(port.clone())).merge(pages::router(port, settings)))
}
