//! Rules about the source itself, of the kind that nobody remembers on a Friday afternoon.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The longest file, its tests not counted.
const MAX_LINES: usize = 400;

/// The longest `main.rs`: the three shall be readable side by side on one screen.
const MAX_MAIN_LINES: usize = 90;

/// One file of the project.
struct Source {
    /// From the root of the repository.
    path: String,
    text: String,
}

impl Source {
    /// Whether the file holds nothing but tests.
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("_tests.rs")
    }

    /// Everything above the tests, which stand at the end of a file.
    fn product_lines(&self) -> impl Iterator<Item = &str> {
        let lines = if self.is_test() { "" } else { self.text.as_str() };
        lines.lines().take_while(|line| !line.contains("#[cfg(test)]"))
    }

    /// The same without comments.
    fn product_code(&self) -> impl Iterator<Item = &str> {
        self.product_lines().filter(|line| !line.trim_start().starts_with("//"))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut folders: Vec<PathBuf> =
        ["shared", "monolith", "split-frontend", "split-backend", "benches"]
            .map(|folder| root.join(folder))
            .into();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                // What Cargo makes is nobody's source.
                if !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file in UTF-8");
                let path = path.strip_prefix(&root).expect("a path below the root");
                let path = path.to_str().expect("a path in UTF-8").replace('\\', "/");
                sources.push(Source { path, text });
            }
        }
    }
    assert!(sources.len() > 50, "the project was found");
    sources
}

/// Fails with all offences at once.
fn none(rule: &str, offences: impl IntoIterator<Item = String>) {
    let mut offences: Vec<_> = offences.into_iter().collect();
    offences.sort();
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

#[test]
fn files_are_short_enough_to_be_read() {
    let lengths = sources().into_iter().map(|file| (file.product_lines().count(), file.path));
    let long = lengths.filter(|(lines, _)| *lines > MAX_LINES);
    none("at most 400 lines without tests", long.map(|(lines, path)| format!("{path}: {lines}")));
}

#[test]
fn mains_fit_on_one_screen() {
    for binary in ["monolith", "split-frontend", "split-backend"] {
        let path = root().join(binary).join("src/main.rs");
        let lines = fs::read_to_string(path).expect("a main.rs").lines().count();
        assert!(lines <= MAX_MAIN_LINES, "{binary}: {lines} lines");
    }
}

#[test]
fn every_file_says_why_it_exists() {
    let silent = sources().into_iter().filter(|file| !file.path.ends_with("_tests.rs"));
    let silent = silent.filter(|file| !file.text.starts_with("//!"));
    none("the first line is `//! …`", silent.map(|file| file.path));
}

#[test]
fn nothing_is_left_half_done() {
    // Spelt so that this file is not its own first offence.
    let left_over = [concat!("to", "do!("), concat!("unimplemented", "!("), concat!("db", "g!(")];
    let offences = sources().into_iter().filter_map(|file| {
        let line = file.text.lines().position(|line| left_over.iter().any(|it| line.contains(it)));
        line.map(|line| format!("{}:{}", file.path, line + 1))
    });
    none("nothing left half done", offences);
}

/// Whether a line looks like a piece of SQL.
fn is_sql(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let follows = |first: &str, then: &str| {
        line.split_once(first).is_some_and(|(_, rest)| rest.contains(then))
    };
    ["insert into ", "delete from ", "create table ", "create index ", "alter table "]
        .iter()
        .any(|begin| line.contains(begin))
        || follows("select ", " from ")
        || follows("\"select ", "")
        || follows("update ", " set ")
}

#[test]
fn only_in_process_speaks_sql() {
    // The floor is the app's page without the app: it has the same statements, and a test of its own
    // compares them. The comparison with other queues looks into their tables.
    let may = ["shared/in-process/", "benches/floor.rs", "benches/peers/"];
    let elsewhere = sources().into_iter().filter(|f| !may.iter().any(|m| f.path.starts_with(m)));
    let offences = elsewhere.flat_map(|file| {
        let lines: Vec<_> = file.product_code().filter(|line| is_sql(line)).collect();
        lines.into_iter().map(|line| format!("{}: {}", file.path, line.trim())).collect::<Vec<_>>()
    });
    none("SQL stands in shared/in-process only", offences);
}

#[test]
fn sql_is_recognised() {
    assert!(is_sql("select id from article"));
    assert!(is_sql("    sqlx::query(\"SELECT 1\")"));
    assert!(is_sql("insert into article (id)"));
    assert!(is_sql("update account set bio = $1"));
    assert!(!is_sql("let selected = choose(from);"));
    assert!(!is_sql("tokio::select! {"));
}

/// Whether a line spells a path of the API.
fn is_api_path(line: &str) -> bool {
    ["\"/api", "\"/user\"", "\"/users", "\"/articles", "\"/profiles", "\"/tags", "\"/exports/{"]
        .iter()
        .any(|path| line.contains(path))
}

#[test]
fn only_wire_knows_the_paths_of_the_api() {
    // `contract` asks from outside, like the public test suites, and has to spell them.
    let knows = ["shared/conduit/src/wire", "shared/contract/"];
    let others =
        sources().into_iter().filter(|file| !knows.iter().any(|p| file.path.starts_with(p)));
    let offences = others.flat_map(|file| {
        let lines: Vec<_> = file.product_code().filter(|line| is_api_path(line)).collect();
        lines.into_iter().map(|line| format!("{}: {}", file.path, line.trim())).collect::<Vec<_>>()
    });
    none("paths of the API stand in conduit::wire only", offences);
}

#[test]
fn every_setting_from_the_environment_is_explained() {
    let example = fs::read_to_string(root().join(".env.example")).expect(".env.example");
    let explained = |name: &str| {
        example.lines().any(|line| {
            line.trim_start_matches(['#', ' '])
                .strip_prefix(name)
                .is_some_and(|r| r.starts_with('='))
        })
    };
    let mut names = Vec::new();
    for file in sources() {
        for line in file.product_code() {
            if let Some((_, rest)) = line.split_once("env = \"") {
                names.extend(rest.split('"').next().map(str::to_owned));
            }
            // The short form would take its name from the field, where nobody finds it by searching.
            let short =
                line.contains("#[arg(") && (line.contains(", env)") || line.contains(", env,"));
            assert!(!short, "{}: spell the variable's name: {}", file.path, line.trim());
        }
    }
    assert!(names.len() > 5, "the settings were found: {names:?}");
    let missing = names.into_iter().filter(|name| !explained(name));
    none("every variable stands in .env.example", missing);
}
