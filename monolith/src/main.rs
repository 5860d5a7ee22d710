//! One full-stack server: pages and JSON API over a database in the same process.
//!
//! Read it side by side with `split-frontend` and `split-backend`: what differs is which front
//! doors are mounted, and what stands behind them.

use std::process::ExitCode;

use api::{Cors, CorsArgs};
use axum::Router;
use clap::Parser;
use conduit::wire;
use in_process::{DatabaseArgs, IdentityArgs, InProcess};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Conduit as one server: pages and JSON API in one process.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Serve pages at / and the JSON API at /api
    Serve(Box<ServeArgs>),
    /// Bring the database's schema up to date
    Migrate(DatabaseArgs),
    /// Ask a server on this host whether it is ready; exit code 0 means yes
    Healthcheck(boot::HealthcheckArgs),
}

#[derive(clap::Args)]
struct ServeArgs {
    #[command(flatten)]
    server: boot::ServerArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    cors: CorsArgs,
}

fn main() -> ExitCode {
    let command = Command::parse();
    boot::run(async {
        match command {
            Command::Serve(args) => serve(*args).await,
            Command::Migrate(args) => Ok(in_process::migrate(&args).await?),
            Command::Healthcheck(args) => boot::healthcheck(&args),
        }
    })
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let production = args.server.production;
    let server = boot::Server::new("monolith", args.server)?;
    let cors = Cors::new(&args.cors)?;

    let options = in_process::Options { production, ..Default::default() };
    let here = InProcess::connect(&args.database, &args.identity, options).await?;

    let settings = pages::Settings { secure_cookies: production, ..Default::default() };
    let app = Router::new()
        .nest_service(wire::API, cors.around(api::router(here.clone())))
        .merge(pages::router(here.clone(), settings));

    server.serve(app, here.clone()).await?;
    here.close().await;
    Ok(())
}
