//! What each rung of a ladder adds to the one before it, in words.

use std::collections::BTreeMap;

/// A rung: what it is called, and how much of which kind it has.
pub(super) type Rung<'a> = (String, BTreeMap<&'a str, f64>);

/// What each rung but the first adds. Changes in one kind that are smaller than `small` are not told.
pub(super) fn added(rungs: &[Rung<'_>], small: f64) -> String {
    let added = rungs.windows(2).map(|pair| {
        let [before, after] = [&pair[0], &pair[1]];
        format!("**{}** {}", after.0, change(&before.1, &after.1, small))
    });
    added.collect::<Vec<_>>().join("; ")
}

/// By how much two rungs differ: all together, then by kind, the largest difference first.
fn change(before: &BTreeMap<&str, f64>, after: &BTreeMap<&str, f64>, small: f64) -> String {
    let of = |rung: &BTreeMap<&str, f64>, kind: &str| rung.get(kind).copied().unwrap_or_default();
    let mut kinds: Vec<&str> = before.keys().chain(after.keys()).copied().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut changes: Vec<(&str, f64)> =
        kinds.into_iter().map(|kind| (kind, of(after, kind) - of(before, kind))).collect();
    let all: f64 = changes.iter().map(|(_, change)| change).sum();
    changes.retain(|(_, change)| change.abs() >= small);
    changes.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let signed = |change: f64| format!("{change:+.1}").replace('-', "\u{2212}");
    let told: Vec<String> =
        changes.iter().map(|(kind, change)| format!("{} {kind}", signed(*change))).collect();
    match told.as_slice() {
        [] => format!("{}, of no kind in particular", signed(all)),
        told => format!("{} ({})", signed(all), told.join(", ")),
    }
}
