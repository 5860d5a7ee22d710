//! Can the section on deploys be read alone, and is it what the raw data say?

use std::fs;

use super::super::{HTML, markdown::markdown, terminal, verify, write};
use super::*;
use crate::{
    experiment::{self, Preset},
    judge::{deploys_of, summarise},
    report::tests::folder,
    store,
};

#[test]
fn a_report_on_deploys_verifies_until_a_deploy_is_changed() {
    let mut run = deploys_of(Preset::Smoke);
    let folder = folder(&run);
    assert_eq!(write(folder.path(), &run).unwrap(), folder.path().join(HTML));
    assert!(verify(folder.path()).unwrap().contains("identical"));
    run.deploys.as_mut().unwrap().trials[1].interrupted += 1;
    fs::write(folder.path().join(store::RUN), serde_json::to_string(&run).unwrap()).unwrap();
    assert!(verify(folder.path()).is_err());
}

#[test]
fn the_text_of_a_report_on_deploys() {
    let run = deploys_of(Preset::Quick);
    let summary = summarise(&run).unwrap();
    insta::assert_snapshot!("deploys_terminal", terminal(&run).unwrap());
    insta::assert_snapshot!("deploys_markdown", markdown(&run, &summary).unwrap());
}

#[test]
fn the_page_shows_each_system_and_needs_nothing_else() {
    let run = deploys_of(Preset::Standard);
    let summary = summarise(&run).unwrap();
    let html = html(&run, &experiment::find("x7").unwrap().card, &summary).unwrap();
    for text in [
        "Monolith, worker in its own process, left running",
        "Split, worker in the backend, restarted along at once",
        r#"class="interval split""#,
        r#"class="band""#,
        "all systems without a deploy, 11 trials",
        "all systems, without a deploy: deploys that interrupted jobs",
    ] {
        assert!(html.contains(text), "{text}");
    }
    for foreign in ["http://", "https://", "src=", "@import", "url(", "<link", "fetch(", "NaN"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
}
