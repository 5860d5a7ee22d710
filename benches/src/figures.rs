//! Commands that measure figures to be kept in force: those of `docs/performance.md`.

use clap::Args;
use lab::{
    count::{self, Figure, Stored, Tried},
    databases::Engine,
    report,
};

/// What `count` is told.
#[derive(Args, Debug)]
pub(crate) struct CountArgs {
    /// `sqlite`, or `postgres` (a private server, not counted itself).
    #[arg(long, value_name = "DB", default_value = "sqlite")]
    db: Engine,
    /// What was changed: what is counted now is in force from now on.
    #[arg(long, value_name = "CHANGE", requires = "why", conflicts_with = "rejected")]
    kept: Option<String>,
    /// What was tried in vain: the figures in force stay.
    #[arg(long, value_name = "CHANGE", requires = "why")]
    rejected: Option<String>,
    /// Why, in a sentence.
    #[arg(long, value_name = "REASON")]
    why: Option<String>,
    /// What else was measured of it, such as `size of the monolith=19.2..17.5 MB`; several times if
    /// need be.
    #[arg(long, value_name = "WHAT=BEFORE..AFTER UNIT", requires = "why")]
    figure: Vec<Figure>,
}

/// `count`: what pages take, against the figures in force.
pub(crate) async fn count(args: CountArgs) -> anyhow::Result<()> {
    let CountArgs { db, kept, rejected, why, figure: figures } = args;
    if !count::is_installed() {
        let missing = "valgrind is not installed";
        let required = std::env::var_os("CONDUIT_REQUIRE_ALL").is_some_and(|value| value == "1");
        anyhow::ensure!(!required, "{missing}");
        println!("ignored: needs valgrind");
        return Ok(());
    }
    let counts = count::count(&db).await?;
    print!("{}", counts.table());
    let tried = match (kept, rejected) {
        (Some(what), _) => Some((what, true)),
        (None, Some(what)) => Some((what, false)),
        (None, None) => None,
    };
    match tried {
        Some((what, kept)) => {
            let tried = Tried { what, kept, why: why.unwrap_or_default(), figures };
            Stored::read()?.tried(tried, db.kind(), counts).write()
        }
        None => Stored::read()?.check(db.kind(), &counts),
    }
}

/// `growth`: what a page takes with more and more data.
pub(crate) async fn grow(db: &Engine, sizes: &[u64], keep: bool) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for articles in sizes {
        rows.extend(count::growth(db, *articles).await?);
    }
    print!("{}", report::growth_table(&rows));
    if keep {
        let mut stored = Stored::read()?;
        stored.growth.retain(|row| row.database != db.kind());
        stored.growth.extend(rows);
        stored.write()?;
    }
    Ok(())
}

/// `upkeep`: what servers take by being there.
pub(crate) async fn keep_up(db: &Engine, keep: bool) -> anyhow::Result<()> {
    let rows = count::upkeep(db).await?;
    print!("{}", report::upkeep_table(&rows));
    if keep {
        let mut stored = Stored::read()?;
        stored.upkeep.retain(|row| row.database != db.kind());
        stored.upkeep.extend(rows);
        stored.write()?;
    }
    Ok(())
}

/// `syscalls`: what a page asks of the kernel.
pub(crate) async fn call_the_kernel(db: &Engine, keep: bool) -> anyhow::Result<()> {
    let rows = count::syscalls(db).await?;
    print!("{}\n{}", report::syscalls_table(&rows), report::syscalls_by_rung(&rows));
    if keep {
        let mut stored = Stored::read()?;
        stored.syscalls.retain(|row| row.database != db.kind());
        stored.syscalls.extend(rows);
        stored.write()?;
    }
    Ok(())
}

/// `generators`: the lab's load generator beside others.
pub(crate) async fn compare_generators(keep: bool) -> anyhow::Result<()> {
    let rows = count::generators().await?;
    print!("{}", report::generators_table(&rows));
    if keep {
        Stored { generators: rows, ..Stored::read()? }.write()?;
    }
    Ok(())
}
