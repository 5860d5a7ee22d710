//! Are changes found where there are any, and only there?

use super::*;
use crate::experiment::Preset;
use crate::synthetic::{Noise, Truth};

/// The judgement with few draws, which is faster.
fn compare(before: &Truth, after: &Truth) -> Changes {
    changes_with([&before.run(), &after.run()], 200).unwrap()
}

#[test]
fn two_runs_of_the_same_truth_are_told_alike() {
    let changes = compare(&Truth::default(), &Truth { seed: 2, ..Truth::default() });
    assert!(!changes.effects.iter().any(Change::differs), "{:#?}", changes.effects);
    assert!(!changes.levels.iter().any(Change::differs), "{:#?}", changes.levels);
    assert!(changes.verdicts.iter().all(|v| v.outcomes[0] == v.outcomes[1]));
    assert_eq!(changes.circumstances, [("seed".to_owned(), ["1".to_owned(), "2".to_owned()])]);
    assert!(changes.alike.iter().any(|name| name == "machine"), "{:?}", changes.alike);
    // Seven effects, and two levels on each of two pages.
    assert_eq!((changes.effects.len(), changes.levels.len()), (7, 4));
    assert!((changes.confidence - (1.0 - 0.05 / 11.0)).abs() < 1e-6);
}

#[test]
fn a_change_is_found_in_its_size_and_where_it_is() {
    let dearer = Truth { seed: 2, split: [1.40, 1.25, 0.77], ..Truth::default() };
    let changes = compare(&Truth::default(), &dearer);
    for effect in &changes.effects {
        let cpu = effect.name.contains("CPU");
        assert_eq!(effect.differs(), cpu, "{effect:?}");
        assert!(!cpu || effect.change.contains(1.40 / 1.30), "{effect:?}");
    }
    for level in &changes.levels {
        assert_eq!(level.differs(), level.name == "split", "{level:?}");
    }
}

#[test]
fn a_faster_machine_changes_levels_and_no_ratio() {
    let faster = Truth { seed: 2, cpu_ms: 0.20, ..Truth::default() };
    let changes = compare(&Truth::default(), &faster);
    assert!(changes.levels.iter().all(|level| level.change.contains(0.5)), "{:#?}", changes.levels);
    assert!(!changes.effects.iter().any(Change::differs), "{:#?}", changes.effects);
}

#[test]
fn verdicts_flip_and_estimates_that_one_run_lacks_are_named() {
    let free = Truth { split: [1.01, 1.0, 1.0], rate: 400.0, ..Truth::default() };
    let changes = compare(&Truth::default(), &free);
    let outcomes: Vec<_> = changes.verdicts.iter().map(|v| v.outcomes).collect();
    assert_eq!(outcomes[0], [Some(Outcome::Supported), Some(Outcome::Refuted)]);
    assert_eq!(outcomes[1], [Some(Outcome::Supported), Some(Outcome::Inconclusive)]);
    let only_in_a = |page: &str| (format!("{page}, latency p99"), false);
    assert_eq!(changes.one_sided, ["home page", "article page"].map(only_in_a));
    assert!(changes.circumstances.iter().any(|(name, _)| name == "home page rate"));
}

#[test]
fn different_experiments_are_not_compared() {
    let run = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
    let other = Run { experiment: "floor".into(), id: "other".into(), ..run.clone() };
    let error = changes([&run, &other]).unwrap_err().to_string();
    assert!(error.contains("other one of floor: there is nothing to compare"), "{error}");
    assert!(!error.contains('\n'));
    let older = Run { schema: 0, ..run.clone() };
    assert!(changes([&run, &older]).unwrap_err().to_string().contains("schema 0"));
}

/// 2,000 times two runs without any difference between them: how often does the interval of the
/// change hold "none"? Also where one run is small and noisy, and the other large and quiet.
#[test]
fn the_interval_of_a_change_holds_the_truth_as_often_as_it_says() {
    for [(few, loud), (many, quiet)] in [[(24, 0.02), (24, 0.02)], [(8, 0.05), (60, 0.02)]] {
        let mut noise = Noise::new(11);
        let mut run = |restarts: usize, sd: f64| {
            let means: Vec<f64> = (0..restarts).map(|_| sd * noise.normal()).collect();
            let n = restarts as f64;
            let mean = means.iter().sum::<f64>() / n;
            let variance = means.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let half = student_t(0.95, restarts - 1) * (variance / n).sqrt();
            let estimate = Estimate { value: mean, low: mean - half, high: mean + half };
            Known::of(estimate.map(f64::exp), restarts, 0.95).unwrap()
        };
        let held = (0..2_000)
            .filter(|_| change([run(few, loud), run(many, quiet)], 0.95).contains(1.0))
            .count();
        let share = held as f64 / 2_000.0;
        assert!((0.935..=0.965).contains(&share), "{few} and {many} restarts: {share}");
    }
}
