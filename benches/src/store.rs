//! Where a run is kept: a folder of its own below `target/lab`, never one that exists already.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};

use crate::{
    progress,
    record::{Run, SCHEMA, Slice},
    servers,
};

/// The run as a whole, written when it is complete.
pub const RUN: &str = "run.json";

/// The slices, one a line, written as they are measured: what an aborted run leaves.
pub const SLICES: &str = "slices.jsonl";

/// Where runs are kept.
pub fn root() -> anyhow::Result<PathBuf> {
    Ok(servers::workspace()?.join("target").join("lab"))
}

/// The runs that are published with the source, in the order of their folders' names.
///
/// # Errors
/// When one can't be read.
pub fn published() -> anyhow::Result<Vec<Run>> {
    let results = servers::workspace()?.join("docs").join("results");
    let entries = fs::read_dir(&results).with_context(|| results.display().to_string())?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join(RUN).is_file())
        .collect();
    folders.sort();
    folders.iter().map(|folder| read(folder)).collect()
}

/// Where profiles go: beside the runs, which are all that [`root`] holds.
pub fn profiles() -> anyhow::Result<PathBuf> {
    Ok(root()?.with_file_name("profiles"))
}

/// The folder of a run in progress.
#[derive(Debug)]
pub struct Folder {
    /// The run's id, which is the folder's name.
    pub id: String,
    /// The folder.
    pub path: PathBuf,
    slices: File,
    /// How many slices are in [`SLICES`].
    written: u64,
    finished: bool,
}

impl Drop for Folder {
    /// However a run was aborted: what it measured is not lost, and somebody should know.
    fn drop(&mut self) {
        if self.written == 0 && !self.finished {
            // Best effort: an empty folder does no harm.
            let _ = fs::remove_dir_all(&self.path);
        } else if !self.finished {
            let kept = self.path.join(SLICES);
            progress::say("Kept", &format!("{} slices in {}", self.written, kept.display()));
        }
    }
}

impl Folder {
    /// Makes the folder of a run that starts now.
    pub fn create(root: &Path, started: DateTime<Utc>, seed: u64) -> anyhow::Result<Self> {
        fs::create_dir_all(root).with_context(|| root.display().to_string())?;
        let stem = format!("{}-{seed}", started.format("%Y%m%dT%H%M%SZ"));
        for attempt in 1.. {
            let id = if attempt == 1 { stem.clone() } else { format!("{stem}-{attempt}") };
            let path = root.join(&id);
            match fs::create_dir(&path) {
                Ok(()) => {
                    let slices = File::create_new(path.join(SLICES))?;
                    return Ok(Self { id, path, slices, written: 0, finished: false });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            }
        }
        bail!("no free name below {}", root.display())
    }

    /// Appends a slice.
    pub fn append(&mut self, slice: &Slice) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(slice)?;
        line.push(b'\n');
        self.written += 1;
        self.slices.write_all(&line).with_context(|| self.path.join(SLICES).display().to_string())
    }

    /// Writes the whole run: complete, or not at all.
    pub fn finish(&mut self, run: &Run) -> anyhow::Result<()> {
        let unfinished = self.path.join(format!("{RUN}.unfinished"));
        let mut file = File::create(&unfinished)?;
        serde_json::to_writer(&mut file, run)?;
        file.sync_all()?;
        fs::rename(&unfinished, self.path.join(RUN))?;
        self.finished = true;
        Ok(())
    }
}

/// The folder that `run` names: a path, or an id below `root`.
pub fn find(root: &Path, run: &str) -> anyhow::Result<PathBuf> {
    let candidates = [PathBuf::from(run), root.join(run)];
    let found = candidates.into_iter().find(|path| path.join(RUN).is_file());
    found.with_context(|| format!("{run}: no complete run there, nor in {}", root.display()))
}

/// Reads the run in a folder.
///
/// # Errors
/// When there is none, or one of another [`SCHEMA`].
pub fn read(folder: &Path) -> anyhow::Result<Run> {
    let path = folder.join(RUN);
    let shown = path.display();
    let bytes = fs::read(&path).with_context(|| shown.to_string())?;
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).with_context(|| shown.to_string())?;
    if value["schema"] != SCHEMA {
        bail!("{shown}: written as schema {}, this lab reads {SCHEMA}", value["schema"]);
    }
    serde_json::from_value(value).with_context(|| shown.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_in_the_same_second_does_not_touch_the_first() {
        let root = tempfile::tempdir().unwrap();
        let now = Utc::now();
        let first = Folder::create(root.path(), now, 7).unwrap();
        let second = Folder::create(root.path(), now, 7).unwrap();
        assert_ne!(first.path, second.path);
        assert!(first.id.ends_with("Z-7") && second.id.ends_with("Z-7-2"));
    }

    #[test]
    fn a_run_that_measured_nothing_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path(), Utc::now(), 1).unwrap();
        let path = folder.path.clone();
        assert!(path.exists());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn an_aborted_run_is_not_taken_for_a_complete_one() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path(), Utc::now(), 1).unwrap();
        let error = find(root.path(), &folder.id).unwrap_err().to_string();
        assert!(error.contains("no complete run"), "{error}");
    }

    #[test]
    fn another_schema_is_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(RUN), r#"{"schema": 999}"#).unwrap();
        let error = read(root.path()).unwrap_err().to_string();
        assert!(error.contains("schema 999"), "{error}");
    }
}
