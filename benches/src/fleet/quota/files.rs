//! The files of a control group: one value or a few `name value` lines in each.

use std::{
    fmt::Display,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Makes a group, unless it is there.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// Writes a value in one go, into a file that the kernel has made: it takes no other.
pub(super) fn write(directory: &Path, file: &str, value: impl Display) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(directory.join(file))?;
    file.write_all(value.to_string().as_bytes())
}

/// A file's one number.
pub(super) fn number(directory: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok()
}

/// The value in the line that begins with `name`; 0 where the kernel has no such line.
pub(super) fn field(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let value = lines.find_map(|(key, value)| (key == name).then(|| value.trim().parse().ok()));
    value.flatten().unwrap_or_default()
}
