//! Can the section on jobs be read alone, and is it what the raw data say?

use std::fs;

use super::super::{HTML, markdown::markdown, terminal::terminal, update_readme, verify, write};
use super::*;
use crate::{
    experiment::{self, Preset},
    judge::{composed_interference, interference_of, summarise_with},
    report::tests::FEW,
    store,
};

/// Judged with few draws, which is enough to be shown.
fn judged() -> (Run, Summary) {
    let run = interference_of(Preset::Standard);
    let summary = summarise_with(&run, FEW).unwrap();
    (run, summary)
}

#[test]
fn a_report_on_jobs_verifies_until_a_slice_is_changed() {
    let mut run = interference_of(Preset::Smoke);
    let folder = tempfile::tempdir().unwrap();
    let store = |run: &Run| {
        fs::write(folder.path().join(store::RUN), serde_json::to_string(run).unwrap()).unwrap();
    };
    store(&run);
    assert_eq!(write(folder.path(), &run).unwrap(), folder.path().join(HTML));
    assert!(verify(folder.path()).unwrap().contains("identical"));
    let trials = &mut run.interference.as_mut().unwrap().trials;
    trials.iter_mut().flat_map(|trial| &mut trial.slices).for_each(|it| it.pages.scheduled += 40);
    store(&run);
    assert!(verify(folder.path()).is_err());
}

#[test]
fn the_page_has_a_line_for_each_place_and_what_theory_says_of_it() {
    let (run, summary) = judged();
    let html = html(&run, &experiment::find("x5").unwrap().card, &summary).unwrap();
    for text in [
        "<strong>Monolith: pages over 50&nbsp;ms</strong>",
        "<strong>Split: latency that one page of 100 exceeds</strong>",
        "low priority 0.0 %",
        r#"class="curve theory series-2""#,
        "split, jobs in a process of their own, by quota, 40 %",
        "Other jobs: shorter and longer ones",
        "3,000 ms of CPU time at 20 %",
    ] {
        assert!(html.contains(text), "{text}");
    }
    for foreign in ["http://", "https://", "src=", "@import", "url(", "<link", "fetch(", "NaN"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
}

#[test]
fn a_composition_has_its_own_words_and_no_verdict() {
    let run = composed_interference(Preset::Standard);
    let summary = summarise_with(&run, FEW).unwrap();
    let page = html(&run, &experiment::find("x5").unwrap().card, &summary).unwrap();
    for text in [
        "visitors a second at the published ports",
        "have a container of their own",
        "with a lab file",
    ] {
        assert!(page.contains(text), "{text}");
    }
    for text in ["in all for each architecture", "what theory says", "in control groups:"] {
        assert!(!page.contains(text), "{text}");
    }
    let texts =
        [page, markdown(&run, &summary).unwrap(), terminal(&run).unwrap()].map(words::plain);
    for text in texts {
        // However its lines are broken.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["A composition, as it ran", "take 40 % of a core, so many of the split"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("NaN") && !text.contains("low-priority"), "{text}");
    }
}

#[test]
fn a_readme_has_its_table_between_its_own_markers() {
    let folder = tempfile::tempdir().unwrap();
    let readme = folder.path().join("README.md");
    fs::write(&readme, "a\n<!-- jobs:begin -->\nold\n<!-- jobs:end -->\nb\n").unwrap();
    update_readme(&readme, &interference_of(Preset::Smoke)).unwrap();
    let text = fs::read_to_string(&readme).unwrap();
    assert!(text.starts_with("a\n<!-- jobs:begin -->\n- **No verdict:** Jobs need"), "{text}");
    assert!(text.contains("2 rounds, commit") && !text.contains("old"), "{text}");
    let (run, summary) = judged();
    let text = words::plain(super::readme(&run, &summary).unwrap());
    assert!(text.contains("- **Refuted:** Jobs need a process"), "{text}");
    assert!(text.contains("| jobs of 300 ms, 40 % of a core | pages over 50 ms | p50 | p99 |"));
    assert!(
        text.contains("| monolith, jobs on a low-priority thread of the server | 0.00 % [0.00, ")
    );
}
