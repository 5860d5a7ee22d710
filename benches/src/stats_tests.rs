//! Are the intervals what they claim to be? Simulated experiments with a known truth tell.

use super::*;
use crate::synthetic::Noise;

/// Restart means of a simulated experiment whose truth is 0, and the means of its blocks.
fn experiment(noise: &mut Noise, restarts: usize, blocks: usize, sd: [f64; 2]) -> Vec<Vec<f64>> {
    (0..restarts)
        .map(|_| {
            let start = sd[0] * noise.normal();
            (0..blocks).map(|_| start + sd[1] * noise.normal()).collect()
        })
        .collect()
}

/// Share of 2,000 simulated experiments whose interval holds the truth.
fn coverage(restarts: usize, blocks: usize, sd: [f64; 2]) -> f64 {
    let mut noise = Noise::new(42);
    let resamples = Resamples::new(7, restarts, 400);
    let held = (0..2_000)
        .filter(|_| {
            let means: Vec<f64> = experiment(&mut noise, restarts, blocks, sd)
                .iter()
                .map(|b| b.iter().sum::<f64>() / b.len() as f64)
                .collect();
            let [mean] = resamples.intervals(0.95, |w| [weighted_mean(&means, w)]).unwrap();
            mean.contains(0.0)
        })
        .count();
    held as f64 / 2_000.0
}

#[test]
fn intervals_of_hierarchical_data_cover_the_truth_as_often_as_they_say() {
    // Noise from restarts only, from blocks only, from both; eight restarts and four.
    for (restarts, blocks, sd) in
        [(8, 2, [1.0, 0.2]), (8, 2, [0.0, 1.0]), (8, 4, [0.5, 1.0]), (4, 1, [1.0, 0.0])]
    {
        let share = coverage(restarts, blocks, sd);
        assert!(
            (0.93..=0.98).contains(&share),
            "{restarts} restarts of {blocks} blocks, sd {sd:?}: {share}"
        );
    }
}

#[test]
fn drawing_blocks_again_inside_restarts_would_make_intervals_too_wide() {
    let (restarts, blocks) = (8, 4);
    let mut noise = Noise::new(42);
    let t = student_t(0.95, restarts - 1) * (8.0f64 / 7.0).sqrt();
    let held = (0..1_000)
        .filter(|_| {
            let data = experiment(&mut noise, restarts, blocks, [0.0, 1.0]);
            let mean = data.iter().flatten().sum::<f64>() / (restarts * blocks) as f64;
            let draws: Vec<f64> = (0..100)
                .map(|_| {
                    let mut sum = 0.0;
                    for _ in 0..restarts {
                        let start = &data[below(&mut noise.rng, restarts)];
                        for _ in 0..blocks {
                            sum += start[below(&mut noise.rng, blocks)];
                        }
                    }
                    sum / (restarts * blocks) as f64
                })
                .collect();
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 100.0;
            mean.abs() <= t * variance.sqrt()
        })
        .count();
    assert!(held > 975, "held {held} of 1,000: the simpler scheme would have been as good");
}

#[test]
fn p99_intervals_cover_the_truth() {
    // Log-normal latencies of two arms with the same truth; every restart shifts both tails.
    let (restarts, requests) = (8, 1_200);
    let mut noise = Noise::new(3);
    let resamples = Resamples::new(7, restarts, 300);
    let trials = 100;
    let held = (0..trials)
        .filter(|_| {
            let pairs: Vec<[Histogram; 2]> = (0..restarts)
                .map(|_| {
                    [0, 1].map(|_| {
                        let middle = 1_000.0 * (0.05 * noise.normal()).exp();
                        noise.histogram(requests, middle, 0.5)
                    })
                })
                .collect();
            let [a, b] = [0, 1].map(|i| Merged::new(pairs.iter().map(|p| vec![&p[i]])));
            let p99s = |w: &[u32]| [(b.quantile(0.99, w) / a.quantile(0.99, w)).ln()];
            let [ratio] = resamples.intervals(0.95, p99s).unwrap();
            ratio.contains(0.0)
        })
        .count();
    let share = held as f64 / f64::from(trials);
    assert!((0.91..=0.99).contains(&share), "{share}");
}

#[test]
fn student_t_agrees_with_the_printed_tables() {
    for (confidence, freedom, printed) in [
        (0.95, 1, 12.706),
        (0.95, 2, 4.303),
        (0.95, 3, 3.182),
        (0.95, 7, 2.365),
        (0.95, 19, 2.093),
        (0.99, 8, 3.355),
        (0.90, 30, 1.697),
    ] {
        let t = student_t(confidence, freedom);
        assert!((t - printed).abs() < 0.001, "t({confidence}, {freedom}) = {t}");
    }
}

#[test]
fn quantiles_of_merged_histograms_are_those_of_all_values_together() {
    let fast = Histogram(vec![(10, 98), (20, 1), (30, 1)]);
    let slow = Histogram(vec![(10, 90), (500, 10)]);
    let merged = Merged::new([vec![&fast], vec![&slow]]);
    assert_eq!(merged.count(), 200);
    assert_eq!(merged.quantile(0.5, &[1, 1]), 10.0);
    // 188 values at 10, then 20, then 30: the 190th of 200 is 30, the 191st is 500.
    assert_eq!(merged.quantile(0.95, &[1, 1]), 30.0);
    assert_eq!(merged.quantile(0.96, &[1, 1]), 500.0);
    // A restart that was not drawn does not count; one drawn twice counts twice.
    assert_eq!(merged.quantile(0.99, &[2, 0]), 20.0);
    assert!(Merged::new([Vec::new()]).quantile(0.5, &[1]).is_nan());
}

#[test]
fn the_same_seed_gives_the_same_interval() {
    let data = [1.0, 2.0, 4.0];
    let interval =
        |seed| Resamples::new(seed, 3, 500).intervals(0.95, |w| [weighted_mean(&data, w)]);
    assert_eq!(interval(1), interval(1));
    assert_ne!(interval(1), interval(2));
    assert_eq!(Resamples::new(1, 1, 500).intervals(0.95, |_| [1.0]), None);
}

#[test]
fn the_number_of_restarts_that_decides_follows_the_width() {
    // Half the width takes about four times the restarts, a little fewer because t shrinks too.
    assert_eq!(restarts_needed(8, 0.10, 0.10), Some(8));
    let needed = restarts_needed(8, 0.10, 0.05).expect("finite");
    assert!((20..32).contains(&needed), "{needed}");
    assert_eq!(restarts_needed(8, 0.10, 0.0001), None);
}

#[test]
fn rounding_keeps_six_digits() {
    assert_eq!(rounded(1.234_567_89), 1.234_57);
    assert_eq!(rounded(0.000_123_456_789), 0.000_123_457);
    assert_eq!(rounded(0.0), 0.0);
}
