//! Can the section on ticks be read alone, and is it what the raw data say?

use std::fs;

use super::super::{HTML, markdown::markdown, terminal, verify, write};
use super::*;
use crate::{
    experiment::{self, Preset},
    judge::{summarise, ticks_of},
    report::tests::folder,
    store,
};

#[test]
fn a_report_on_ticks_verifies_until_a_tick_is_changed() {
    let mut run = ticks_of(Preset::Smoke);
    let folder = folder(&run);
    assert_eq!(write(folder.path(), &run).unwrap(), folder.path().join(HTML));
    assert!(verify(folder.path()).unwrap().contains("identical"));
    run.ticks.as_mut().unwrap().ticks[0].fired += 1;
    fs::write(folder.path().join(store::RUN), serde_json::to_string(&run).unwrap()).unwrap();
    assert!(verify(folder.path()).is_err());
}

#[test]
fn the_text_of_a_report_on_ticks() {
    let run = ticks_of(Preset::Quick);
    let summary = summarise(&run).unwrap();
    insta::assert_snapshot!("ticks_terminal", terminal(&run).unwrap());
    insta::assert_snapshot!("ticks_markdown", markdown(&run, &summary).unwrap());
}

#[test]
fn the_page_shows_each_schedule_and_needs_nothing_else() {
    let run = ticks_of(Preset::Standard);
    let summary = summarise(&run).unwrap();
    let html = html(&run, &experiment::find("x8").unwrap().card, &summary).unwrap();
    for text in [
        "A row for each tick, 8 replicas",
        "A timer in each process, 1 replica",
        "a timer in each process, 8 replicas: skew",
        r#"class="interval monolith""#,
        r#"class="band""#,
        "one replica, which nothing befalls: ticks missed, doubled or early",
    ] {
        assert!(html.contains(text), "{text}");
    }
    for foreign in ["http://", "https://", "src=", "@import", "url(", "<link", "fetch(", "NaN"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
}
