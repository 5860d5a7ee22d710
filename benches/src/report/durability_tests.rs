//! Can the section on kills be read alone, and is it what the raw data say?

use std::fs;

use super::super::{HTML, markdown::markdown, terminal, verify, write};
use super::*;
use crate::{
    experiment::{self, Preset},
    judge::{durability_of, summarise},
    report::tests::folder,
    store,
};

#[test]
fn a_report_on_kills_verifies_until_a_kill_is_changed() {
    let mut run = durability_of(Preset::Smoke);
    let folder = folder(&run);
    assert_eq!(write(folder.path(), &run).unwrap(), folder.path().join(HTML));
    assert!(verify(folder.path()).unwrap().contains("identical"));
    run.durability.as_mut().unwrap().trials[1].lost += 1;
    fs::write(folder.path().join(store::RUN), serde_json::to_string(&run).unwrap()).unwrap();
    assert!(verify(folder.path()).is_err());
}

#[test]
fn the_text_of_a_report_on_kills() {
    let run = durability_of(Preset::Quick);
    let summary = summarise(&run).unwrap();
    insta::assert_snapshot!("durability_terminal", terminal(&run).unwrap());
    insta::assert_snapshot!("durability_markdown", markdown(&run, &summary).unwrap());
}

#[test]
fn the_page_shows_each_system_and_needs_nothing_else() {
    let run = durability_of(Preset::Standard);
    let summary = summarise(&run).unwrap();
    let html = html(&run, &experiment::find("x6").unwrap().card, &summary).unwrap();
    for text in [
        "Split, spawned after the answer",
        "split, queue, worker in its own process: renew before",
        r#"class="interval split""#,
        r#"class="band""#,
        "Kills that lost an accepted job, exact 95 % intervals",
        "monolith with a planted bug: kills with a loss",
    ] {
        assert!(html.contains(text), "{text}");
    }
    for foreign in ["http://", "https://", "src=", "@import", "url(", "<link", "fetch(", "NaN"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
}
