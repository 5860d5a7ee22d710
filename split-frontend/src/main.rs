//! The pages in a server of their own. It has no database and no secret: all it knows of the app is
//! the address of the backend.
//!
//! Read it side by side with `monolith` and `split-backend`.

use std::process::ExitCode;

use axum::Router;
use boot::Cached;
use clap::Parser;
use remote::{BackendArgs, Remote};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Conduit's frontend: the pages, over a backend that runs elsewhere.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Serve pages at /
    Serve(Box<ServeArgs>),
    /// Ask a server on this host whether it is ready; exit code 0 means yes
    Healthcheck(boot::HealthcheckArgs),
}

#[derive(clap::Args)]
struct ServeArgs {
    #[command(flatten)]
    server: boot::ServerArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Serve(args) => boot::run(args.server.runtime, serve(*args)),
        Command::Healthcheck(args) => boot::once(async { boot::healthcheck(&args) }),
    }
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let settings = pages::Settings {
        secure_cookies: args.server.production,
        budget: args.server.page_budget(),
    };
    let cache = args.server.cache;
    let server = boot::Server::new("split-frontend", args.server, &[("", pages::ROUTES)])?;

    // Nobody tells a frontend what others write: what it keeps may be as old as its settings allow.
    let elsewhere = Cached::new(Remote::new(&args.backend)?, cache);

    let app = Router::new().merge(pages::router(elsewhere.clone(), settings));

    // There are no jobs here: nothing runs beside the pages, until the end.
    let nothing = server.stop().begun();
    server.serve(app, elsewhere, nothing).await
}
