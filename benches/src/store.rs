//! Where a run is kept: a folder of its own below `target/lab`, never one that exists already.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    journal::{Begun, Entry},
    progress,
    record::{Run, SCHEMA, Slice},
    servers,
};

/// The run as a whole, written when it is complete.
pub const RUN: &str = "run.json";

/// The same by `gzip`, as which a long run is published: the raw data of a full certificate are 100 MB.
pub const COMPRESSED: &str = "run.json.gz";

/// The slices, one a line, written as they are measured: what an aborted run leaves.
pub const SLICES: &str = "slices.jsonl";

/// What was known before the first slice.
pub const BEGUN: &str = "begun.json";

/// What became of the slices, one [`Entry`] a line.
pub const JOURNAL: &str = "journal.jsonl";

/// Where runs are kept.
pub fn root() -> anyhow::Result<PathBuf> {
    Ok(servers::workspace()?.join("target").join("lab"))
}

/// The runs that are published with the source, with their folders, in the order of these.
///
/// # Errors
/// When one can't be read.
pub fn published() -> anyhow::Result<Vec<(PathBuf, Run)>> {
    let results = servers::workspace()?.join("docs").join("results");
    let entries = fs::read_dir(&results).with_context(|| results.display().to_string())?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| whole(folder).is_some())
        .collect();
    folders.sort();
    folders.into_iter().map(|folder| read(&folder).map(|run| (folder, run))).collect()
}

/// Where profiles go: beside the runs, which are all that [`root`] holds.
pub fn profiles() -> anyhow::Result<PathBuf> {
    Ok(root()?.with_file_name("profiles"))
}

/// The folder of a run in progress. Nobody else writes to it meanwhile.
#[derive(Debug)]
pub struct Folder {
    /// The run's id, which is the folder's name.
    pub id: String,
    /// The folder.
    pub path: PathBuf,
    /// Locked as long as it is open, which is at most until this process ends.
    slices: File,
    journal: File,
    /// How many slices are in [`SLICES`], or parts in [`JOURNAL`].
    written: usize,
    /// How many were when it was opened.
    found: usize,
    finished: bool,
}

impl Drop for Folder {
    /// However a run was aborted: what it measured is not lost, and somebody should know.
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if self.written == 0 {
            // Best effort: an empty folder does no harm.
            let _ = fs::remove_dir_all(&self.path);
        } else if self.written > self.found {
            progress::say("Kept", &format!("what was measured, in {}", self.path.display()));
            progress::say("", &format!("it goes on with `cargo lab run --resume {}`", self.id));
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
                    slices.try_lock()?;
                    let journal = File::create_new(path.join(JOURNAL))?;
                    let (written, found) = (0, 0);
                    return Ok(Self { id, path, slices, journal, written, found, finished: false });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            }
        }
        bail!("no free name below {}", root.display())
    }

    /// Opens the folder of an interrupted run again, with all that stands in it. A line at a file's end
    /// that was not written to its end is cut off.
    ///
    /// # Errors
    /// One line: the run is complete or goes on right now, measured nothing, or is from another version.
    pub fn reopen(root: &Path, run: &str) -> anyhow::Result<(Self, Begun, Vec<Slice>, Vec<Entry>)> {
        let candidates = [PathBuf::from(run), root.join(run)];
        let path = candidates.into_iter().find(|path| path.join(SLICES).is_file());
        let path = path.with_context(|| format!("no run there, nor in {}", root.display()))?;
        ensure!(!path.join(RUN).exists(), "the run is complete");
        let id = path.canonicalize()?.file_name().context("a folder without a name")?.to_owned();
        let id = id.into_string().ok().context("the folder's name is not in UTF-8")?;
        let mut slices = to_append(&path.join(SLICES))?;
        ensure!(
            slices.try_lock().is_ok(),
            "the run has not been interrupted: somebody measures it"
        );
        ensure!(path.join(BEGUN).is_file(), "the run was interrupted before its first slice");
        let begun: Begun = of_this_schema(&path.join(BEGUN))?;
        let mut journal = to_append(&path.join(JOURNAL))?;
        let measured: Vec<Slice> = lines(&mut slices).with_context(|| SLICES)?;
        let entries: Vec<Entry> = lines(&mut journal).with_context(|| JOURNAL)?;
        let parts = entries.iter().filter(|entry| matches!(entry, Entry::Part { .. })).count();
        let (written, found) = (measured.len() + parts, measured.len() + parts);
        let folder = Self { id, path, slices, journal, written, found, finished: false };
        Ok((folder, begun, measured, entries))
    }

    /// Writes down what is known before the first slice.
    pub fn begin(&self, begun: &Begun) -> anyhow::Result<()> {
        self.put(BEGUN, begun)
    }

    /// Appends a slice.
    pub fn append(&mut self, slice: &Slice) -> anyhow::Result<()> {
        self.written += 1;
        append(&mut self.slices, slice)
            .with_context(|| self.path.join(SLICES).display().to_string())
    }

    /// Appends to the journal.
    pub fn enter(&mut self, entry: &Entry) -> anyhow::Result<()> {
        self.written += usize::from(matches!(entry, Entry::Part { .. }));
        append(&mut self.journal, entry)
            .with_context(|| self.path.join(JOURNAL).display().to_string())
    }

    /// How many slices stand in the file.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Writes the whole run: complete, or not at all.
    pub fn finish(&mut self, run: &Run) -> anyhow::Result<()> {
        self.put(RUN, run)?;
        self.finished = true;
        Ok(())
    }

    /// Writes a file: complete, or not at all.
    fn put(&self, name: &str, content: &impl Serialize) -> anyhow::Result<()> {
        let unfinished = self.path.join(format!("{name}.unfinished"));
        let mut file = File::create(&unfinished)?;
        serde_json::to_writer(&mut file, content)?;
        file.sync_all()?;
        Ok(fs::rename(&unfinished, self.path.join(name))?)
    }
}

fn to_append(path: &Path) -> anyhow::Result<File> {
    let opened = OpenOptions::new().read(true).append(true).open(path);
    opened.with_context(|| path.display().to_string())
}

fn append(file: &mut File, content: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(content)?;
    line.push(b'\n');
    Ok(file.write_all(&line)?)
}

/// What stands in a file, line by line; whatever follows the last line break is removed from it.
fn lines<T: DeserializeOwned>(file: &mut File) -> anyhow::Result<Vec<T>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    if whole < bytes.len() {
        file.set_len(whole as u64)?;
    }
    let lines = bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate();
    lines
        .map(|(i, line)| serde_json::from_slice(line).with_context(|| format!("line {}", i + 1)))
        .collect()
}

/// The folder that `run` names: a path, or an id below `root`.
pub fn find(root: &Path, run: &str) -> anyhow::Result<PathBuf> {
    let candidates = [PathBuf::from(run), root.join(run)];
    if let Some(found) = candidates.iter().find(|path| whole(path).is_some()) {
        return Ok(found.clone());
    }
    if candidates.iter().any(|path| path.join(BEGUN).is_file()) {
        bail!("{run}: no complete run; `cargo lab run --resume {run}` goes on with it");
    }
    bail!("{run}: no complete run there, nor in {}", root.display())
}

/// Reads the run in a folder.
///
/// # Errors
/// When there is none, or one of another [`SCHEMA`].
pub fn read(folder: &Path) -> anyhow::Result<Run> {
    of_this_schema(&whole(folder).unwrap_or_else(|| folder.join(RUN)))
}

/// The file in which a folder holds a complete run, if it does.
fn whole(folder: &Path) -> Option<PathBuf> {
    [RUN, COMPRESSED].map(|name| folder.join(name)).into_iter().find(|path| path.is_file())
}

/// All that tells whether a file can be read.
#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    schema: serde_json::Value,
}

/// Reads a file of [`SCHEMA`], compressed or not.
fn of_this_schema<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let read = || -> anyhow::Result<T> {
        let mut bytes = fs::read(path)?;
        if path.extension().is_some_and(|extension| extension == "gz") {
            let compressed = bytes;
            bytes = Vec::new();
            GzDecoder::new(&compressed[..]).read_to_end(&mut bytes)?;
        }
        let Version { schema } = serde_json::from_slice(&bytes)?;
        ensure!(schema == SCHEMA, "written as schema {schema}, this lab reads {SCHEMA}");
        Ok(serde_json::from_slice(&bytes)?)
    };
    read().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::{experiment::Preset, synthetic::Truth};

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
        assert!(error.contains("no complete run there"), "{error}");
        fs::write(folder.path.join(BEGUN), "{}").unwrap();
        let error = find(root.path(), &folder.id).unwrap_err().to_string();
        assert!(error.contains(&format!("--resume {}`", folder.id)), "{error}");
    }

    #[test]
    fn another_schema_is_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(RUN), r#"{"schema": 999}"#).unwrap();
        let error = format!("{:#}", read(root.path()).unwrap_err());
        assert!(error.contains("schema 999"), "{error}");
    }

    #[test]
    fn a_compressed_run_is_a_run() {
        let run = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("long");
        fs::create_dir(&folder).unwrap();
        find(root.path(), "long").unwrap_err();
        let file = File::create(folder.join(COMPRESSED)).unwrap();
        let mut compressed = GzEncoder::new(file, Compression::fast());
        serde_json::to_writer(&mut compressed, &run).unwrap();
        compressed.finish().unwrap();
        assert_eq!(read(&find(root.path(), "long").unwrap()).unwrap(), run);
    }
}
