//! What goes on beside a step, and whether the step can be believed.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant, SystemTime},
};

use super::trial::Tier;
use crate::fleet::quota::Use;

/// By how much two clocks may differ before one of them is wrong: as a share, and at least so many
/// milliseconds.
const CLOCKS: (f64, f64) = (0.05, 5.0);

/// By how much the machine's time of day may go wrong during a step.
const JUMP: Duration = Duration::from_millis(100);

/// For how long, since the machine was started, something has waited for a core; `None` where the
/// kernel does not say. The first line is `some avg10=… avg60=… avg300=… total=MICROSECONDS`
/// (Documentation/accounting/psi.rst).
pub(super) fn waited() -> Option<Duration> {
    parse_waited(&fs::read_to_string("/proc/pressure/cpu").ok()?)
}

fn parse_waited(text: &str) -> Option<Duration> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = line.split(' ').find_map(|field| field.strip_prefix("total="))?;
    Some(Duration::from_micros(total.parse().ok()?))
}

/// A moment on two clocks: the one that only goes forward, and the time of day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Instant,
    of_day: SystemTime,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), of_day: SystemTime::now() }
    }

    /// Why the time of day can't be believed, if it can't.
    pub(super) fn jump(self, later: Self) -> Option<String> {
        let passed = later.at.saturating_duration_since(self.at);
        let of_day = later.of_day.duration_since(self.of_day);
        // Backwards is an error, and how far stands in it.
        let off = of_day.map_or_else(|back| back.duration() + passed, |it| it.abs_diff(passed));
        (off > JUMP).then(|| format!("the clock jumped by {off:.1?}"))
    }
}

/// What the groups of each role used and suffered.
pub(super) fn tiers(
    before: &BTreeMap<&'static str, Use>,
    after: &BTreeMap<&'static str, Use>,
) -> BTreeMap<String, Tier> {
    let tier = |(role, after): (&&'static str, &Use)| {
        let used = after.since(before.get(role).copied().unwrap_or_default());
        let tier = Tier {
            cpu_ms: used.cpu.as_secs_f64() * 1e3,
            throttled: used.throttled_periods as f64 / used.periods.max(1) as f64,
            stopped_ms: used.throttled.as_secs_f64() * 1e3,
        };
        ((*role).to_owned(), tier)
    };
    after.iter().map(tier).collect()
}

/// The utilisation law, U = XD: what a tier was busy is its throughput times what each request took.
/// The left side is the control groups' clock, the right one the sum of the processes' own. They are
/// kept apart by the kernel, so where they differ something was not seen: a process that is in no
/// group, or one that nobody watches.
pub(super) fn contradiction(
    tiers: &BTreeMap<String, Tier>,
    cpu_ms: &BTreeMap<String, f64>,
) -> Option<String> {
    let (share, least) = CLOCKS;
    tiers.iter().find_map(|(role, tier)| {
        let processes = cpu_ms.get(role).copied().unwrap_or_default();
        let groups = tier.cpu_ms;
        let apart = (groups - processes).abs() > (share * groups.max(processes)).max(least);
        apart.then(|| {
            format!(
                "two accounts of the CPU of {role} differ: {groups:.1} ms by its control groups, \
                 {processes:.1} ms by its processes"
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_read_from_the_kernels_total() {
        let text = "some avg10=1.00 avg60=2.00 avg300=3.00 total=4500\nfull avg10=0 total=7\n";
        assert_eq!(parse_waited(text), Some(Duration::from_micros(4500)));
        assert_eq!(parse_waited("nothing of the kind"), None);
    }

    #[test]
    fn a_clock_that_is_set_meanwhile_is_noticed() {
        let then = Moment::now();
        let at = then.at + Duration::from_secs(2);
        let of_day = |seconds| then.of_day + Duration::from_secs(seconds);
        assert_eq!(then.jump(Moment { at, of_day: of_day(2) }), None);
        let why = then.jump(Moment { at, of_day: of_day(3602) }).unwrap();
        assert_eq!(why, "the clock jumped by 3600.0s");
        let back = then.of_day - Duration::from_secs(8);
        assert_eq!(then.jump(Moment { at, of_day: back }).unwrap(), "the clock jumped by 10.0s");
    }

    #[test]
    fn what_was_used_before_a_step_is_not_counted_in_it() {
        let used = |ms, periods, throttled_periods| Use {
            cpu: Duration::from_millis(ms),
            periods,
            throttled_periods,
            throttled: Duration::from_millis(2 * throttled_periods),
            ..Use::default()
        };
        let (before, after) = (used(100, 50, 10), used(350, 150, 35));
        let tiers = tiers(&[("monolith", before)].into(), &[("monolith", after)].into());
        let Tier { cpu_ms, throttled, stopped_ms } = tiers["monolith"];
        assert_eq!((cpu_ms, throttled, stopped_ms), (250.0, 0.25, 50.0));
    }

    #[test]
    fn cpu_that_only_one_of_two_clocks_has_seen_is_a_contradiction() {
        let tier = |cpu_ms| Tier { cpu_ms, throttled: 0.0, stopped_ms: 0.0 };
        let tiers = [("split-backend".to_owned(), tier(100.0))].into();
        let processes = |ms| [("split-backend".to_owned(), ms), ("generator".to_owned(), 900.0)];
        assert_eq!(contradiction(&tiers, &processes(96.0).into()), None);
        let why = contradiction(&tiers, &processes(60.0).into()).unwrap();
        assert!(why.contains("split-backend differ: 100.0 ms") && why.contains("60.0 ms"), "{why}");
        // Clocks are read one after the other, so a few milliseconds prove nothing.
        let idle = [("split-backend".to_owned(), tier(4.0))].into();
        assert_eq!(contradiction(&idle, &processes(0.5).into()), None);
    }
}
