//! The JSON API in a server of its own, over a database in the same process. No pages.
//!
//! Read it side by side with `monolith` and `split-frontend`.

use std::process::ExitCode;

use api::{Cors, CorsArgs};
use axum::Router;
use clap::Parser;
use conduit::wire;
use in_process::{DatabaseArgs, IdentityArgs, InProcess};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Conduit's backend: the JSON API, for a frontend that runs elsewhere.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Serve the JSON API at /api
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
    let server = boot::Server::new("split-backend", args.server)?;
    let cors = Cors::new(&args.cors)?;

    let options = in_process::Options { production, ..Default::default() };
    let here = InProcess::connect(&args.database, &args.identity, options).await?;

    let app = Router::new().nest_service(wire::API, cors.around(api::router(here.clone())));

    server.serve(app, here.clone()).await?;
    here.close().await;
    Ok(())
}
