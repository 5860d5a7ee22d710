//! Does what is published under `docs/results` verify, and do the README and the document about
//! performance show the newest of it?

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;

use super::*;
use crate::count::Stored;
use crate::store;

/// The runs that are published, with their folders. Read once for all tests, because they are large.
pub(super) static PUBLISHED: LazyLock<Vec<(PathBuf, Run)>> =
    LazyLock::new(|| store::published().unwrap());

/// The newest of an experiment.
pub(super) fn newest(experiment: &str) -> &'static (PathBuf, Run) {
    let of_it = PUBLISHED.iter().filter(|(_, run)| run.experiment == experiment);
    of_it.max_by_key(|(_, run)| run.started).expect(experiment)
}

#[test]
fn committed_results_verify_and_the_readme_shows_the_latest() {
    for (folder, _) in PUBLISHED.iter() {
        verify(folder).unwrap();
    }
    let (_, latest) = newest("x1");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let table = readme_table(latest).unwrap();
    assert_eq!(
        readme_block(&readme).unwrap(),
        table.trim_matches('\n'),
        "run `cargo lab report RUN --readme README.md` with that of {}",
        latest.started
    );
}

#[test]
fn the_document_about_performance_shows_the_figures_in_force() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
    let document = fs::read_to_string(document).unwrap();
    let tables = performance_tables(&Stored::read().unwrap(), &PUBLISHED).unwrap();
    let shown = readme_block(&document).unwrap();
    assert_eq!(shown, tables.trim_matches('\n'), "run `cargo lab performance`");
}

#[test]
fn two_runs_of_an_experiment_never_decide_a_question_differently() {
    let mut decided = BTreeMap::<_, Vec<_>>::new();
    for (folder, _) in PUBLISHED.iter() {
        let json = fs::read_to_string(folder.join("verdicts.json")).unwrap();
        let written: Value = serde_json::from_str(&json).unwrap();
        for verdict in written["verdicts"].as_array().unwrap() {
            let outcome = verdict["outcome"].as_str();
            if let Some(outcome @ ("supported" | "refuted")) = outcome {
                let question = [&written["experiment"], &written["database"], &verdict["id"]];
                let question = question.map(|it| it.as_str().unwrap().to_owned());
                decided.entry(question).or_default().push((folder, outcome.to_owned()));
            }
        }
    }
    assert!(decided.values().any(|answers| answers.len() > 1), "nothing was asked twice");
    for (question, answers) in decided {
        let differ = answers.iter().any(|(_, outcome)| *outcome != answers[0].1);
        assert!(!differ, "{question:?}: {answers:?}");
    }
}
