//! The commands that count, and keep what they have counted among the figures in force.

use clap::Args;
use lab::{
    count::{self, Figure, Stored, Tried},
    databases::Engine,
    report,
};

/// What all of these commands have to know.
#[derive(Args, Debug)]
pub(crate) struct FigureArgs {
    /// `sqlite`, or `postgres` (a private server, not counted itself).
    #[arg(long, value_name = "DB", default_value = "sqlite")]
    db: Engine,
    /// Keep the figures in place of the earlier ones of that database.
    #[arg(long)]
    keep: bool,
}

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

impl FigureArgs {
    /// Puts rows in their place, instead of the earlier ones of that database, if they are to be kept.
    fn keep<Row>(
        &self,
        rows: Vec<Row>,
        place: impl FnOnce(&mut Stored) -> &mut Vec<Row>,
        database: impl Fn(&Row) -> &str,
    ) -> anyhow::Result<()> {
        if !self.keep {
            return Ok(());
        }
        let mut stored = Stored::read()?;
        let kept = place(&mut stored);
        kept.retain(|row| database(row) != self.db.kind());
        kept.extend(rows);
        stored.write()
    }
}

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

pub(crate) async fn growth(args: FigureArgs, sizes: &[u64]) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for articles in sizes {
        rows.extend(count::growth(&args.db, *articles).await?);
    }
    print!("{}", report::growth_table(&rows));
    args.keep(rows, |stored| &mut stored.growth, |row| &row.database)
}

pub(crate) async fn upkeep(args: FigureArgs) -> anyhow::Result<()> {
    let rows = count::upkeep(&args.db).await?;
    print!("{}", report::upkeep_table(&rows));
    args.keep(rows, |stored| &mut stored.upkeep, |row| &row.database)
}

pub(crate) async fn caches(args: FigureArgs) -> anyhow::Result<()> {
    let rows = count::caches(&args.db).await?;
    print!("{}", report::caches_table(&rows));
    args.keep(rows, |stored| &mut stored.caches, |row| &row.database)
}

pub(crate) async fn syscalls(args: FigureArgs) -> anyhow::Result<()> {
    let rows = count::syscalls(&args.db).await?;
    print!("{}\n{}", report::syscalls_table(&rows), report::syscalls_by_rung(&rows));
    args.keep(rows, |stored| &mut stored.syscalls, |row| &row.database)
}

pub(crate) async fn spans(args: FigureArgs) -> anyhow::Result<()> {
    let rows = count::spans(&args.db).await?;
    print!("{}", report::spans(&rows));
    args.keep(rows, |stored| &mut stored.spans, |row| &row.database)
}

pub(crate) async fn generators(keep: bool) -> anyhow::Result<()> {
    let rows = count::generators().await?;
    print!("{}", report::generators_table(&rows));
    if keep {
        Stored { generators: rows, ..Stored::read()? }.write()?;
    }
    Ok(())
}
