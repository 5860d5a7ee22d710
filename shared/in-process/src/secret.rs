//! The secret that signs tokens: kept in a file, made on the first start outside production.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use crate::start_error::StartError;

/// The least a secret may have, in bytes: as many as the signature has.
const MIN_BYTES: usize = 32;

/// More than any secret needs. It bounds what is read when the setting names the wrong file.
const MAX_BYTES: u64 = 4 * 1024;

/// The key that signs tokens. It has no `Debug`, so that it can't be logged by accident.
#[derive(Clone)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// Reads the secret from a file. Where there is none, one is made, unless `production` is set: there
    /// a missing file is a mistake in the configuration, and a secret made on the spot would hide
    /// it and sign everybody out at the next start.
    pub(crate) fn load(file: &Path, production: bool) -> Result<Self, StartError> {
        match Self::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if production {
                    return Err(StartError::SecretMissing(file.into()));
                }
                make(file)
                    .and_then(|()| Self::read(file))
                    .map_err(|error| StartError::SecretFile(file.into(), error))?
            }
            other => other.map_err(|error| StartError::SecretFile(file.into(), error))?,
        }
        .long_enough(file)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    fn read(file: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(file)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(Self(bytes.trim_ascii().to_vec()))
    }

    fn long_enough(self, file: &Path) -> Result<Self, StartError> {
        if self.0.len() < MIN_BYTES {
            return Err(StartError::SecretTooShort(file.into(), MIN_BYTES));
        }
        Ok(self)
    }
}

/// Makes a secret file that only its owner can read. When two servers start at the same moment,
/// both go on with the same secret: the file appears whole or not at all, and the first one wins.
fn make(file: &Path) -> io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", random_hex::<8>()?));
    let draft = file.with_file_name(name);

    let secret = random_hex::<MIN_BYTES>()?;
    // A hard link, because unlike a rename it refuses to replace a file that is there already.
    let linked = owner_only(&draft)
        .and_then(|mut draft| writeln!(draft, "{secret}"))
        .map(|()| fs::hard_link(&draft, file));
    fs::remove_file(&draft).ok();
    match linked? {
        Ok(()) => tracing::info!("made a secret for tokens: {}", file.display()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// `BYTES` random bytes, written with two digits each.
fn random_hex<const BYTES: usize>() -> io::Result<String> {
    let mut random = [0; BYTES];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn owner_only(file: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

#[cfg(test)]
impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token-secret");
        let first = Secret::load(&file, false).ok().unwrap();
        let again = Secret::load(&file, true).ok().unwrap();
        assert_eq!(first.expose(), again.expose());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn two_secrets_differ() {
        let folder = tempfile::tempdir().unwrap();
        let one = Secret::load(&folder.path().join("one"), false).ok().unwrap();
        let two = Secret::load(&folder.path().join("two"), false).ok().unwrap();
        assert_ne!(one.expose(), two.expose());
    }

    #[test]
    fn servers_that_start_at_once_agree_on_one_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token-secret");
        let start = || Secret::load(&file, false).ok().unwrap().expose().to_owned();
        let secrets: Vec<_> = std::thread::scope(|threads| {
            let starts: Vec<_> = (0..8).map(|_| threads.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
        // The losing side of the race, for certain:
        make(&file).unwrap();
        assert_eq!(start(), secrets[0]);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_setting() {
        let folder = tempfile::tempdir().unwrap();
        let text = |file: &Path, production| {
            Secret::load(file, production).err().expect("an error").to_string()
        };
        let missing = text(&folder.path().join("none"), true);
        assert!(missing.starts_with("--token-secret-file: "), "{missing}");
        assert!(missing.contains("production"), "{missing}");

        let unreadable = text(folder.path(), false);
        assert!(unreadable.starts_with("--token-secret-file: can't "), "{unreadable}");

        let short = folder.path().join("short");
        fs::write(&short, "hunter2\n").unwrap();
        let short = text(&short, false);
        assert!(short.contains("at least 32"), "{short}");
        assert!(!short.contains("hunter2"), "{short}");
    }
}
