//! The answer that follows from several runs, for the terminal and for the README.

use std::{fmt::Write, path::Path};

use super::{
    readme,
    terminal::{columns, finished, plain},
};
use crate::{
    experiments::c5::CARD,
    judge::{
        combined::{Combined, Count, c5},
        summary::Outcome,
    },
    record::Run,
    words,
};

/// Answers c5 from runs, each under the name by which somebody else finds it again.
///
/// # Errors
/// When they are not one run each of the experiments that answer it, or one can't be judged.
pub fn answer(runs: &[(String, Run)]) -> anyhow::Result<String> {
    Ok(in_terminal(&combine(runs)?, runs))
}

fn in_terminal(combined: &Combined, runs: &[(String, Run)]) -> String {
    let mut table = columns(HEAD, 0);
    for row in rows(combined, runs) {
        table.add_row(row);
    }
    let mut verdict = plain();
    verdict.add_row([verdict_on(combined).join(": ")]);
    finished([format!("{}  {}", CARD.id, CARD.title), table.to_string(), verdict.to_string()])
}

/// Puts the answer between the markers of a README.
///
/// # Errors
/// As [`answer`], and when the file can't be read or written, or has no markers.
pub fn update_answer(path: &Path, runs: &[(String, Run)]) -> anyhow::Result<()> {
    readme::update(path, CARD.id, &block(&combine(runs)?, runs))
}

/// What stands in the README.
fn block(combined: &Combined, runs: &[(String, Run)]) -> String {
    let head = HEAD.join(" | ");
    let [outcome, because] = verdict_on(combined);
    let mut text = format!("- **{outcome}:** {because}\n\n| {head} |\n|---|---|---|---|\n");
    for row in rows(combined, runs) {
        // Writing to a String can't fail.
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    let names: Vec<&str> = runs.iter().map(|(name, _)| name.as_str()).collect();
    let _ = writeln!(text, "\n`cargo lab answer {} {}`", CARD.id, names.join(" "));
    words::plain(text)
}

const HEAD: [&str; 4] =
    ["so that", "jobs need a process of their own", "what is sufficient", "found by"];

fn combine(runs: &[(String, Run)]) -> anyhow::Result<Combined> {
    c5(&runs.iter().map(|(_, run)| run).collect::<Vec<_>>())
}

fn rows(combined: &Combined, runs: &[(String, Run)]) -> Vec<[String; 4]> {
    let row = |count: &Count| {
        let necessary = match count.necessary {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not decided",
        };
        let sufficient = match count.sufficient.as_slice() {
            [] => "nothing that was tried, as far as is known".to_owned(),
            each => each.join("; or "),
        };
        let found_by = runs.get(count.run).map_or_else(String::new, |(_, run)| {
            format!("{} on {}, {}", run.experiment, run.database, run.preset)
        });
        [count.what.to_owned(), necessary.to_owned(), sufficient, found_by]
    };
    combined.counts.iter().map(row).collect()
}

/// What it is called, and why.
fn verdict_on(combined: &Combined) -> [String; 2] {
    let named = |which: Option<bool>| -> Vec<&str> {
        let those = combined.counts.iter().filter(|count| count.necessary == which);
        those.map(|count| count.what).collect()
    };
    let part = |head: &str, which| {
        let named = named(which);
        (!named.is_empty()).then(|| format!("{head} {}", words::list(&named)))
    };
    let because = match combined.outcome {
        Outcome::Refuted => {
            vec![Some("on no count is a process of their own necessary".to_owned())]
        }
        Outcome::Supported => {
            vec![Some("on every count a process of their own is necessary".to_owned())]
        }
        _ => vec![
            part("a process of their own is necessary so that", Some(true)),
            part("it is not so that", Some(false)),
            part("not decided is whether it is so that", None),
        ],
    };
    let because = words::sentences(because.into_iter().flatten());
    [
        words::capitalised(words::outcome(Some(combined.outcome))),
        format!("{} {because}", CARD.claim),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        experiment::Preset,
        experiments::c5::PARTS,
        judge::{deploys_of, durability_of, interference_of},
        report::published_tests::newest,
    };

    #[test]
    fn the_answer_names_what_is_necessary_and_what_is_sufficient() {
        let runs = [
            ("a", interference_of(Preset::Standard)),
            ("b", durability_of(Preset::Standard)),
            ("c", deploys_of(Preset::Standard)),
        ];
        let runs = runs.map(|(name, run)| (name.to_owned(), run));
        let combined = combine(&runs).unwrap();
        insta::assert_snapshot!("combined", in_terminal(&combined, &runs));
        insta::assert_snapshot!("combined_readme", block(&combined, &runs));
    }

    /// Where the README has an answer, it is that of the newest committed runs.
    #[test]
    fn the_readme_shows_the_answer_of_the_committed_runs() {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
        let readme = fs::read_to_string(readme).unwrap();
        let begin = format!("<!-- {}:begin -->", CARD.id);
        let Some((_, rest)) = readme.split_once(&begin) else { return };
        let (shown, _) = rest.split_once(&format!("<!-- {}:end -->", CARD.id)).unwrap();
        let runs = PARTS.map(|id| {
            let (folder, run) = newest(id);
            let name = folder.file_name().unwrap().to_string_lossy();
            (format!("docs/results/{name}"), run.clone())
        });
        assert_eq!(shown.trim(), block(&combine(&runs).unwrap(), &runs).trim());
    }
}
