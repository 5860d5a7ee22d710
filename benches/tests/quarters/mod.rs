//! Where servers of a test live: the debug builds, and a database.

use std::path::{Path, PathBuf};

use contract::databases::TestDatabase;
use lab::{affinity, databases::Database, lanes::Quarters, record::Layout};

/// The debug build, beside the lab's own. Cargo builds it with the workspace, not with this package.
pub(crate) fn binary(program: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name(program);
    if path.is_file() {
        return Some(path);
    }
    let required = std::env::var_os("CONDUIT_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "{program} is not built");
    println!("ignored: needs the program {program} (cargo build --package {program})");
    None
}

/// On all cores, on this database, with lab files and logs in this directory.
pub(crate) fn quarters(database: &TestDatabase, directory: &Path) -> Quarters {
    let cores = affinity::cores().unwrap();
    let args = &database.args;
    Quarters {
        database: Database { data_dir: args.data_dir.clone(), url: args.database_url.clone() },
        token_secret: args.data_dir.join(in_process::SECRET_FILE),
        directory: directory.to_owned(),
        mark: ("CONDUIT_LAB_TEST", "lanes".to_owned()),
        layout: Layout { server_cores: cores.clone(), load_cores: cores, fallbacks: Vec::new() },
    }
}
