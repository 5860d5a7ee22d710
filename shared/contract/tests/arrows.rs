//! The forbidden arrows: which package must never link which, not even by a detour.
//!
//! They are what makes the architectures comparable (the monolith can't secretly call itself over
//! HTTP) and the split a real one (the frontend can't secretly look into the database). A review may
//! miss such a dependency; Cargo's own resolver does not.

use std::process::Command;

/// Package → what may not be in its tree. A name also stands for its family: `sqlx` for `sqlx-core`.
const FORBIDDEN: [(&str, &[&str]); 9] = [
    ("conduit", &["axum", "sqlx", "reqwest", "tokio", "askama"]),
    ("in-process", &["axum", "reqwest", "askama", "pages", "api", "remote"]),
    ("remote", &["sqlx", "axum", "askama", "pages", "api", "in-process"]),
    ("api", &["sqlx", "reqwest", "askama", "pages", "in-process", "remote"]),
    ("pages", &["sqlx", "reqwest", "api", "in-process", "remote"]),
    // The exporter of traces has reqwest.
    ("boot", &["sqlx", "askama", "pages", "api", "in-process", "remote"]),
    ("monolith", &["remote", "contract"]),
    ("split-frontend", &["sqlx", "argon2", "jsonwebtoken", "in-process", "api", "contract"]),
    ("split-backend", &["remote", "pages", "askama", "contract"]),
];

/// The packages in a tree, as `cargo tree --prefix none` prints it, that must not be there.
fn found(tree: &str, forbidden: &[&str]) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let is_one_of = |name: &str, family: &str| {
        name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    // The first line is the package itself.
    let bad = names.skip(1).filter(|name| forbidden.iter().any(|family| is_one_of(name, family)));
    let mut bad: Vec<_> = bad.map(str::to_owned).collect();
    bad.sort();
    bad.dedup();
    bad
}

fn tree(package: &str) -> String {
    let cargo = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--package", package, "--edges", "normal", "--prefix", "none"])
        .args(["--offline", "--locked"])
        .output()
        .expect("cargo, which runs this test");
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    String::from_utf8(cargo.stdout).expect("UTF-8")
}

#[test]
fn no_package_links_what_it_must_not() {
    for (package, forbidden) in FORBIDDEN {
        let tree = tree(package);
        assert!(tree.starts_with(&format!("{package} v")), "{tree}");
        let found = found(&tree, forbidden);
        assert!(found.is_empty(), "{package} must not link {}", found.join(", "));
    }
}

/// The rule would also hold for packages that link nothing.
#[test]
fn every_package_links_what_it_is_made_of() {
    for (package, parts) in [
        ("monolith", ["in-process", "sqlx", "pages", "api"].as_slice()),
        ("split-frontend", &["remote", "hyper", "pages"]),
        ("split-backend", &["in-process", "sqlx", "api"]),
    ] {
        let tree = tree(package);
        for part in parts {
            assert!(!found(&tree, &[part]).is_empty(), "{package} links {part}");
        }
    }
}

#[test]
fn a_forbidden_package_is_found_also_behind_another() {
    let tree = "\
split-frontend v0.1.0 (/somewhere/split-frontend)
remote v0.1.0 (/somewhere/shared/remote)
apiary v1.0.0
in-process v0.1.0 (/somewhere/shared/in-process)
sqlx-core v0.9.0
sqlx-core v0.9.0 (*)
";
    assert_eq!(found(tree, &["sqlx", "in-process", "api"]), ["in-process", "sqlx-core"]);
    assert!(found(tree, &["api"]).is_empty(), "`apiary` is another family");
    assert!(found(tree, &["split-frontend"]).is_empty(), "a package may be itself");
}
