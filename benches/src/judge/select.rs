//! Which slices count. Nothing is dropped silently: what is void is listed, and what is suspicious
//! stays in the first estimate and is left out only in a second one, shown beside it.

use std::collections::BTreeMap;

use crate::judge::summary::Remark;
use crate::record::{Comparison, Page, Purpose, Run, Slice};
use crate::stats::Merged;

/// The generator's lateness (p99, milliseconds) above which a slice is flagged.
pub const LAG_LIMIT_MS: f64 = 1.0;
/// CPU taken by others, as a share of all cores, above which a slice is flagged.
pub const FOREIGN_LIMIT: f64 = 0.05;
/// Share of wrong or missing answers above which a slice is flagged.
pub const ERROR_LIMIT: f64 = 0.001;

/// Adjacent slices that share arrivals and addresses, complete and free of void ones.
pub(super) struct Block<'a> {
    pub(super) restart: u32,
    /// Slices of the first and of the second arm, in the order in which they ran.
    pub(super) arms: [Vec<&'a Slice>; 2],
    /// Whether one of them is flagged for anything: then latencies and goodput are suspicious.
    pub(super) flagged: bool,
    /// Whether one of them is flagged for something that also makes CPU suspicious.
    pub(super) cpu_flagged: bool,
}

/// Why a slice is under suspicion.
pub(super) struct Flag {
    /// In words.
    pub(super) why: String,
    /// Whether it casts doubt on CPU per page too, or on what is read off a clock only. A late
    /// generator and a hypervisor that took the core away make answers later; neither is charged
    /// to a server's process. Neighbours inside the machine empty its caches, which is.
    pub(super) spoils_cpu: bool,
}

/// The blocks of one contrast. A block with a void slice is left out as a whole: half a pair
/// compares nothing.
pub(super) fn blocks(
    run: &Run,
    purpose: Purpose,
    comparison: Comparison,
    page: Page,
) -> Vec<Block<'_>> {
    let mut grouped: BTreeMap<(u32, u32), Vec<&Slice>> = BTreeMap::new();
    for slice in &run.slices {
        if slice.purpose == purpose && slice.comparison == comparison && slice.page == page {
            grouped.entry((slice.restart, slice.block)).or_default().push(slice);
        }
    }
    let second_arm = comparison.arms()[1];
    grouped
        .into_iter()
        .filter(|(_, slices)| slices.iter().all(|s| void(s).is_none()))
        .map(|((restart, _), slices)| {
            let flags: Vec<Flag> = slices.iter().flat_map(|s| flags(s)).collect();
            let cpu_flagged = flags.iter().any(|flag| flag.spoils_cpu);
            let (second, first) = slices.into_iter().partition(|s| s.arm == second_arm);
            Block { restart, arms: [first, second], flagged: !flags.is_empty(), cpu_flagged }
        })
        .filter(|block| block.arms.iter().all(|slices| !slices.is_empty()))
        .collect()
}

/// Why a slice counts for nothing, if it does: because the instrument says so, because not every
/// scheduled arrival was sent (what was left out is what would have been slowest), or because
/// nothing came back.
pub(super) fn void(slice: &Slice) -> Option<String> {
    if let Some(why) = &slice.void {
        Some(why.clone())
    } else if slice.sent != slice.scheduled {
        Some(format!("{} of {} arrivals were sent", slice.sent, slice.scheduled))
    } else if slice.purpose != Purpose::Capacity && slice.completed == 0 {
        Some("no right answer came back".into())
    } else {
        None
    }
}

/// Why a slice is under suspicion, if it is. Errors flag no step of a search for the highest rate: there
/// they are part of the answer.
pub(super) fn flags(slice: &Slice) -> Vec<Flag> {
    let mut flags = Vec::new();
    let lag = lag_p99_ms(slice);
    if lag > LAG_LIMIT_MS {
        let why = format!("the generator was late: p99 {lag:.1} ms");
        flags.push(Flag { why, spoils_cpu: false });
    }
    let taken = slice.foreign_cpu + slice.steal;
    if taken > FOREIGN_LIMIT {
        let why = format!("others used {:.0} % of the CPU", taken * 100.0);
        flags.push(Flag { why, spoils_cpu: slice.foreign_cpu > FOREIGN_LIMIT });
    }
    let failed = slice.scheduled.saturating_sub(slice.completed);
    if slice.purpose != Purpose::Capacity && failed as f64 > ERROR_LIMIT * slice.scheduled as f64 {
        let why = format!("{failed} of {} answers wrong or missing", slice.scheduled);
        flags.push(Flag { why, spoils_cpu: true });
    }
    flags
}

/// Why something that was measured with others about is under suspicion, if it is: they took this share of
/// all cores, or the generator was so late (p99), of which it may be `lag_limit_ms`.
pub(super) fn suspicion(taken: f64, lag_ms: f64, lag_limit_ms: f64) -> Option<String> {
    if taken > FOREIGN_LIMIT {
        Some(format!("others used {:.1} % of the CPU", 100.0 * taken))
    } else {
        (lag_ms > lag_limit_ms).then(|| format!("the generator was {lag_ms:.2} ms late (p99)"))
    }
}

/// p99 of the generator's own lateness, milliseconds; 0 where nothing was sent.
pub(super) fn lag_p99_ms(slice: &Slice) -> f64 {
    let lag = Merged::new([vec![&slice.lag]]);
    if lag.count() == 0 { 0.0 } else { lag.overall_quantile(0.99) / 1e3 }
}

/// A remark on a slice.
pub(super) fn remark(slice: &Slice, why: String) -> Remark {
    let Slice { restart, block, comparison, page, arm, .. } = *slice;
    Remark { restart, block, comparison, page, arm, why }
}
