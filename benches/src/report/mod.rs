//! From the record of a run to what people read: one self-contained HTML page, a table for the
//! terminal, a table for the README. Nothing here measures, and nothing here computes a number of its
//! own: [`crate::judge`] does.
//!
//! The same record always gives the same bytes, so a report can be verified.

mod charts;
mod explain;
mod families;
mod finding;
mod grid;
mod page;
mod performance;
mod readme;
mod svg;
mod terminal;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub use explain::explain;
pub use performance::{growth_table, performance_tables, update_performance};
pub use readme::{readme_block, readme_table, update_readme};
pub use terminal::terminal;
pub use verify::verify;

use crate::judge;
use crate::record::Run;

/// The page, in a run's folder.
pub const HTML: &str = "report.html";

/// All estimates, in a run's folder.
pub const SUMMARY: &str = "summary.json";

/// Both files of a report, not yet written.
struct Rendered {
    summary: String,
    html: String,
}

/// Writes [`HTML`] and [`SUMMARY`] into a run's folder, and returns where the page is.
///
/// # Errors
/// When the run can't be judged (see [`judge::summarise`]) or the folder can't be written to.
pub fn write(folder: &Path, run: &Run) -> anyhow::Result<PathBuf> {
    let Rendered { summary, html } = render(run)?;
    let put = |name, text| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string()).map(|()| path)
    };
    put(SUMMARY, summary)?;
    put(HTML, html)
}

fn render(run: &Run) -> anyhow::Result<Rendered> {
    let summary = judge::summarise(run)?;
    let html = page::html(run, &summary)?;
    let summary = serde_json::to_string_pretty(&summary)? + "\n";
    Ok(Rendered { summary, html })
}

#[cfg(test)]
mod tests;
