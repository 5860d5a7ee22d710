//! From the record of a run to what people and programs read: one self-contained HTML page, the same
//! in Markdown, the verdicts as JSON, a table for the terminal, a table for the README, two runs side by side. Nothing here
//! measures, and nothing here computes a number of its own: [`crate::judge`] does.
//!
//! The same record always gives the same bytes, so a report can be verified.

mod caching;
mod charts;
mod combined;
mod compare;
mod composed;
mod curves;
mod deploys;
mod durability;
mod explain;
mod families;
mod finding;
mod foretold;
mod frame;
mod grid;
mod latency;
mod markdown;
mod page;
mod performance;
mod places;
mod places_charts;
mod readme;
mod rungs;
mod scaling;
mod scaling_charts;
mod scaling_jobs;
mod scaling_shifts;
mod shares;
mod spans;
mod svg;
mod syscalls;
mod terminal;
mod ticks;
mod verdicts;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub use combined::{answer, update_answer};
pub use compare::compare;
pub use explain::explain;
pub use performance::{
    caches_table, generators_table, growth_table, performance_tables, update_performance,
    upkeep_table,
};
pub use readme::{readme_block, readme_table, update_readme};
pub use spans::spans;
pub use syscalls::{syscalls_by_rung, syscalls_table};
pub use terminal::terminal;
pub use verify::verify;

use crate::judge;
use crate::record::Run;

/// The page, in a run's folder.
pub const HTML: &str = "report.html";

/// All estimates, in a run's folder.
pub const SUMMARY: &str = "summary.json";

/// The page for code hosts, in a run's folder.
pub const MARKDOWN: &str = "report.md";

/// The answers for programs, in a run's folder. `docs/verdicts.schema.json` describes them.
pub const VERDICTS: &str = "verdicts.json";

/// So many remarks of one kind are listed; a certificate has ten thousand.
const LISTED: usize = 500;

/// The files of a report, not yet written.
struct Rendered {
    summary: String,
    verdicts: String,
    markdown: String,
    html: String,
}

/// Writes a report's files into a run's folder, and returns where the page is.
///
/// # Errors
/// When the run can't be judged (see [`judge::summarise`]) or the folder can't be written to.
pub fn write(folder: &Path, run: &Run) -> anyhow::Result<PathBuf> {
    let Rendered { summary, verdicts, markdown, html } = render(run)?;
    let put = |name, text| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string()).map(|()| path)
    };
    put(SUMMARY, summary)?;
    put(VERDICTS, verdicts)?;
    put(MARKDOWN, markdown)?;
    put(HTML, html)
}

fn render(run: &Run) -> anyhow::Result<Rendered> {
    let summary = judge::summarise(run)?;
    Ok(Rendered {
        verdicts: verdicts::json(run, &summary)?,
        markdown: markdown::markdown(run, &summary)?,
        html: page::html(run, &summary)?,
        summary: serde_json::to_string_pretty(&summary)? + "\n",
    })
}

#[cfg(test)]
mod published_tests;
#[cfg(test)]
mod tests;
