use super::super::{markdown::markdown, terminal::terminal};
use crate::{
    experiment,
    judge::{sound_scaling, summarise_with},
    record::{Composition, Run},
    scaling::Stage,
};

use super::*;

/// What a composition leaves behind: trials of a ladder, and nothing that was chosen.
fn run() -> Run {
    let mut run = sound_scaling();
    run.composition = Some(Composition { engine: "26.1".to_owned(), containers: Vec::new() });
    if let Some(measured) = &mut run.scaling {
        measured.mixes.retain(|mix| mix.jobs.is_none());
        measured.trials.retain(|trial| trial.stage == Stage::Climbing);
    }
    run
}

#[test]
fn there_are_figures_and_no_verdict() {
    let run = run();
    let summary = summarise_with(&run, 100).unwrap();
    assert!(summary.verdicts.iter().all(|verdict| verdict.outcome.is_none()));
    let scaled = summary.scaled.as_ref().unwrap();
    assert!(is_composed(scaled) && scaled.mixes.iter().all(|mix| mix.laws.is_empty()));
    let card = experiment::find("scaling").unwrap().card;
    let page = html(&run, &card, &summary).unwrap();
    let texts = [page, markdown(&run, &summary).unwrap(), terminal(&run).unwrap()];
    for text in texts {
        assert!(text.contains("A composition, as it ran"), "{text}");
        for setup in &run.scaling.as_ref().unwrap().setups {
            let measured = scaled.mixes[0].climbed.iter().any(|it| it.setup == setup.name());
            let shown = crate::words::plain(&text).contains(setup.name());
            assert_eq!(shown, measured, "{}", setup.name());
        }
        assert!(!text.contains("NaN"));
    }
}

#[test]
fn a_search_on_the_labs_own_servers_is_none_of_a_composition() {
    let summary = summarise_with(&sound_scaling(), 100).unwrap();
    assert!(!is_composed(summary.scaled.as_ref().unwrap()));
}

#[test]
fn a_server_that_was_never_added_costs_nothing_that_is_known() {
    let mut run = run();
    for trial in run.scaling.iter_mut().flat_map(|measured| &mut measured.trials) {
        trial.servers.retain(|server| server.role != "monolith");
    }
    let summary = summarise_with(&run, 100).unwrap();
    let scaled = summary.scaled.unwrap();
    assert!(scaled.replicas.iter().all(|replica| replica.role != "monolith"));
    assert!(!scaled.replicas.is_empty());
}
