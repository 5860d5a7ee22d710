//! A machine that becomes slower in the middle of a run.

use super::*;
use crate::{
    judge::{
        foreseen, foretold_scaling, summarise_with,
        summary::{Outcome, Summary},
    },
    record::Run,
};

/// What predictions were made of, with a generator that takes less for a request the more there are, and
/// so many times as much in each part of the run.
fn measured(run: &Run, known: f64, predicted: f64) -> Measured {
    let mut measured = run.scaling.clone().unwrap();
    let took = |step: &mut Step, pace: f64| {
        let each = pace * 2.0 / step.rate.sqrt();
        step.cpu_ms.insert(GENERATOR.to_owned(), each * step.completed as f64);
    };
    measured.modelled.samples.iter_mut().for_each(|it| took(&mut it.step, 1.0));
    for trial in &mut measured.trials {
        let pace = if trial.stage == Stage::HeldOut { predicted } else { known };
        trial.steps.iter_mut().chain(&mut trial.loads).for_each(|step| took(step, pace));
    }
    measured
}

#[test]
fn the_generator_tells_in_which_parts_of_a_run_the_machine_was_slower() {
    let run = foretold_scaling(0.01);
    let pace = |known, predicted| Pace::of(&measured(&run, known, predicted), 50.0).unwrap();
    let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-3;
    let found = pace(1.42, 1.25);
    assert!(close(found.known, 1.42) && close(found.predicted, 1.25), "{found:?}");
    assert!(pace(1.0, 1.0).kept() && pace(1.05, 0.97).kept());
    // Two halves of the limit in opposite directions are more than it.
    assert!(!found.kept() && !pace(1.06, 0.94).kept() && !pace(1.0, 0.8).kept());
    assert_eq!(Pace::of(run.scaling.as_ref().unwrap(), 50.0), None, "nobody watched the generator");
}

#[test]
fn predictions_about_a_machine_that_changed_its_pace_are_not_decided() {
    let run = foretold_scaling(0.01);
    let Summary { scaled, .. } = summarise_with(&run, 100).unwrap();
    let mut foretold = scaled.unwrap().foretold.unwrap();
    let mut outcomes = |pace| {
        foretold.pace = pace;
        let verdicts = foreseen::verdicts(&run, 100, &foretold);
        verdicts.into_iter().map(|(_, verdict)| verdict).collect::<Vec<_>>()
    };
    let steady = outcomes(Some(Pace { known: 1.02, predicted: 1.05 }));
    assert_eq!(steady, outcomes(None));
    assert!(steady.iter().any(|it| it.outcome == Some(Outcome::Supported)));
    for verdict in outcomes(Some(Pace { known: 1.42, predicted: 1.25 })) {
        assert_eq!(verdict.outcome, Some(Outcome::Inconclusive), "{verdict:?}");
        assert!(verdict.because.contains("1.42\u{a0}×"), "{verdict:?}");
    }
}
