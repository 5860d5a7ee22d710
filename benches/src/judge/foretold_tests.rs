//! Predictions made of a world that is known, and held against it.

use super::super::{foreseen, scaling::tests::foretold_scaling, summarise_with};
use super::*;
use crate::judge::summary::{Outcome, Summary};

fn judged(run: &Run) -> Summary {
    summarise_with(run, 300).unwrap()
}

fn foretold(run: &Run) -> Foretold {
    judged(run).scaled.unwrap().foretold.unwrap()
}

/// The answers that are about predictions.
fn outcomes(run: &Run) -> Vec<Option<Outcome>> {
    let summary = judged(run);
    let mixes = summary.scaled.unwrap().mixes.len();
    summary.verdicts.iter().skip(1 + mixes).map(|verdict| verdict.outcome).collect()
}

#[test]
fn what_follows_from_demands_is_predicted() {
    let run = foretold_scaling(0.01);
    let foretold = foretold(&run);
    assert_eq!(foretold.sound, [true; 3]);
    // Two arms on three mixes, at four units: the knee twice, and two loads.
    assert_eq!(foretold.points.len(), 2 * 3 * 4);
    assert_eq!(outcomes(&run)[0], Some(Outcome::Supported), "{:?}", foretold.scores);
    assert_eq!(outcomes(&run)[3], Some(Outcome::Supported), "{:?}", foretold.scores);
    let held = foretold.points.iter().filter(|point| point.holds()).count();
    assert!(held >= 20 && outcomes(&run)[4] != Some(Outcome::Refuted), "{:?}", foretold.scores);
    let goodput = &foretold.scores[0];
    let [linear, law] = goodput.rivals.map(|rival| rival.unwrap().value);
    let off = goodput.off.unwrap().value;
    assert!(off < linear && off < law, "{goodput:?}");
    assert!(foretold.demands.iter().any(|it| it.process == "postgres"));
}

#[test]
fn what_is_not_so_is_not_supported_and_says_how_much_wider_intervals_should_be() {
    let mut run = foretold_scaling(0.01);
    let measured = run.scaling.as_mut().unwrap();
    for trial in measured.trials.iter_mut().filter(|it| it.stage == Stage::HeldOut) {
        for step in &mut trial.steps {
            step.tiers.values_mut().for_each(|tier| tier.cpu_ms *= 1.4);
        }
    }
    assert_eq!(outcomes(&run)[0], Some(Outcome::Refuted));
    let score = &foretold(&run).scores[1];
    assert!(score.covered == 0 && score.widen > 2.0, "{score:?}");
    assert_ne!(
        outcomes(&run)[4],
        Some(Outcome::Supported),
        "a quarter of the intervals don't hold"
    );
}

#[test]
fn how_far_off_right_predictions_would_be_is_what_measurements_differ_by() {
    assert_eq!(scatter(&[2.0, 8.0]), Some(4.0_f64.ln() / 2.0));
    assert_eq!(scatter(&[2.0, 8.0, 8.0, 2.0]), Some(0.0));
    assert_eq!((scatter(&[]), scatter(&[1.0]), scatter(&[1.0, 2.0, 3.0])), (None, None, None));
    let run = foretold_scaling(0.01);
    let mut points = foretold(&run).points;
    assert_eq!(score(&run, 100, What::PerCpu, &points).floor, None, "measured once");
    points.iter_mut().for_each(|point| point.scatter = Some(0.1));
    let floor = score(&run, 100, What::PerCpu, &points).floor.unwrap();
    assert!((floor - 0.1_f64.exp()).abs() < 1e-5, "{floor}");
}

#[test]
fn predictions_that_were_touched_give_no_verdict() {
    let broken = |touch: fn(&mut Run)| {
        let mut run = foretold_scaling(0.01);
        touch(&mut run);
        (foretold(&run).sound, outcomes(&run))
    };
    let none = vec![None; 5];
    let (sound, outcomes) = broken(|run| {
        let sealed = run.scaling.as_mut().unwrap().modelled.sealed.as_mut().unwrap();
        sealed.predictions.cells[0].goodput.model.value *= 1.01;
    });
    assert_eq!((sound, &outcomes), ([false, false, true], &none));
    let (sound, outcomes) = broken(|run| {
        run.scaling.as_mut().unwrap().modelled.samples[0].asked[0] += 100;
    });
    assert_eq!((sound, &outcomes), ([true, false, true], &none));
    let (sound, outcomes) = broken(|run| run.scaling.as_mut().unwrap().trials.reverse());
    assert_eq!((sound[2], &outcomes), (false, &none));
}

#[test]
fn an_answer_that_hangs_on_disturbed_trials_is_none() {
    let mut run = foretold_scaling(0.01);
    let measured = run.scaling.as_mut().unwrap();
    let held_out = measured.trials.iter_mut().filter(|it| it.stage == Stage::HeldOut);
    for trial in held_out.take(5) {
        trial.steps.iter_mut().for_each(|step| step.foreign_cpu = 0.3);
    }
    assert_eq!(outcomes(&run)[0], Some(Outcome::Inconclusive));
    assert!(foretold(&run).points.iter().any(|point| point.flagged && point.foreign_cpu > 0.2));
}

#[test]
fn what_measurements_differ_by_is_not_held_against_predictions() {
    let run = foretold_scaling(0.01);
    let mut foretold = foretold(&run);
    // All means are a third higher than what was said, and are known to a tenth or to two fifths.
    for point in &mut foretold.points {
        point.predicted = point.predicted.map(|it| it / 1.3);
    }
    let outcomes = |floor: f64, foretold: &mut Foretold| {
        foretold.scores.iter_mut().for_each(|score| score.floor = Some(floor));
        let verdicts = foreseen::verdicts(&run, 300, foretold);
        [0, 3].map(|which: usize| verdicts[which].1.outcome)
    };
    assert_eq!(outcomes(1.1, &mut foretold), [Some(Outcome::Refuted); 2]);
    assert_eq!(outcomes(1.4, &mut foretold), [Some(Outcome::Inconclusive); 2]);
    // It can only have added to what is small enough in spite of it.
    foretold.points = self::foretold(&run).points;
    assert_eq!(outcomes(1.4, &mut foretold), [Some(Outcome::Supported); 2]);
}

#[test]
fn a_share_of_intervals_decides_only_where_as_many_could_not_hold_by_chance() {
    let run = foretold_scaling(0.01);
    let mut foretold = foretold(&run);
    let n = foretold.points.len();
    let mut outcome = |held: usize| {
        for (i, point) in foretold.points.iter_mut().enumerate() {
            let by = if i < held { 1.0 } else { 2.0 };
            point.predicted = Estimate { value: by, low: by * 0.9, high: by * 1.1 }
                .map(|it| it * point.measured.value);
        }
        let verdicts = foreseen::verdicts(&run, 100, &foretold);
        (verdicts[4].1.outcome, verdicts[4].1.because.clone())
    };
    assert_eq!(n, 24);
    assert_eq!(outcome(24).0, Some(Outcome::Supported));
    assert_eq!(outcome(12).0, Some(Outcome::Refuted));
    for held in [18, 21] {
        let (outcome, because) = outcome(held);
        assert_eq!(outcome, Some(Outcome::Inconclusive), "{because}");
        assert!(because.starts_with(&format!("{held} of 24 do, in per cent [")), "{because}");
    }
}
