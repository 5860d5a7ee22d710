//! What a division of the CPU is worth when visitors ask for something else than what it was made for.

use serde::{Deserialize, Serialize};

use super::scaling::{Bench, range};
use crate::{
    scaling::{Reaction, Shift},
    stats::{Estimate, rounded},
};

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shifted {
    /// The mix that the division was best for, and the one that came.
    pub mixes: [String; 2],
    /// Pages a second, the same for all.
    pub rate: f64,
    /// When the mix shifted, and when somebody divided anew; seconds from the beginning.
    pub times: [u32; 2],
    /// What became of it, by what was done.
    pub lines: Vec<Line>,
}

/// What became of one way to react.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What was done.
    pub reaction: Reaction,
    /// The setup at first, and what it was divided like later.
    pub setup: String,
    /// The same after the reaction, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divided: Option<String>,
    /// Second by second, the share of the requests that were answered within the SLO; means over
    /// rounds.
    pub in_time: Vec<f64>,
    /// The regret: the share of all requests after the shift that were not; mean, lowest and highest
    /// of the rounds.
    pub late: Option<Estimate>,
    /// Rounds behind it.
    pub rounds: usize,
    /// The share of the periods in which a quota stopped the tier that was stopped most often.
    pub stopped: f64,
    /// CPU that others used meanwhile, as a share of all cores.
    pub foreign_cpu: f64,
}

/// What a run's shifts came to; `None` where there are none.
pub(super) fn shifted(bench: &Bench<'_>) -> Option<Shifted> {
    let shifts = &bench.measured.shifts;
    let Shift { mixes, rate, shifted, reacted, .. } = shifts.first()?;
    Some(Shifted {
        mixes: mixes.clone(),
        rate: rounded(*rate),
        times: [*shifted, *reacted],
        lines: Reaction::ALL.into_iter().filter_map(|reaction| line(shifts, reaction)).collect(),
    })
}

fn line(shifts: &[Shift], reaction: Reaction) -> Option<Line> {
    let counted = |shift: &&Shift| shift.reaction == reaction && shift.void.is_none();
    let those: Vec<&Shift> = shifts.iter().filter(counted).collect();
    let first = those.first()?;
    let n = those.len() as f64;
    let share = |[asked, in_time]: [u64; 2]| in_time as f64 / asked.max(1) as f64;
    let length = those.iter().map(|shift| shift.seconds.len()).min()?;
    let at = |second: usize| those.iter().map(|it| share(it.seconds[second])).sum::<f64>() / n;
    let late: Vec<f64> = those.iter().map(|shift| late(shift)).collect();
    let stopped =
        |shift: &&Shift| shift.tiers.values().map(|tier| tier.throttled).fold(0.0, f64::max);
    Some(Line {
        reaction,
        setup: first.setup.clone(),
        divided: first.divided.clone(),
        in_time: (0..length).map(|second| rounded(at(second))).collect(),
        late: range(&late),
        rounds: those.len(),
        stopped: rounded(those.iter().map(stopped).sum::<f64>() / n),
        foreign_cpu: rounded(those.iter().map(|shift| shift.foreign_cpu).sum::<f64>() / n),
    })
}

/// The share of the requests after the shift that were not answered in time.
fn late(shift: &Shift) -> f64 {
    let after = shift.seconds.iter().skip(shift.shifted as usize);
    let [asked, in_time] = after.fold([0, 0], |[a, b], [c, d]| [a + c, b + d]);
    1.0 - in_time as f64 / asked.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{sound_scaling, summarise_with};

    fn shift(round: u32, reaction: Reaction, seconds: Vec<[u64; 2]>) -> Shift {
        Shift {
            round,
            reaction,
            setup: "frontend 1 × 0.200 CPU, backend 1 × 0.200 CPU".to_owned(),
            divided: None,
            mixes: ["render-heavy", "data-heavy"].map(str::to_owned),
            rate: 100.0,
            shifted: 1,
            reacted: 2,
            seconds,
            tiers: Default::default(),
            foreign_cpu: 0.01,
            lag_p99_ms: 0.1,
            void: None,
        }
    }

    #[test]
    fn only_what_came_after_the_shift_is_regretted() {
        let mut run = sound_scaling();
        let bad = |round, ok| shift(round, Reaction::Nobody, vec![[100, 10], [100, ok], [100, 50]]);
        let mut void = bad(2, 0);
        void.void = Some("the clock jumped".to_owned());
        run.scaling.as_mut().unwrap().shifts =
            vec![bad(0, 70), shift(0, Reaction::Monolith, vec![[100, 100]; 3]), bad(1, 90), void];
        let shifted = summarise_with(&run, 50).unwrap().scaled.unwrap().shifted.unwrap();
        let [monolith, nobody] = &shifted.lines[..] else { panic!("{shifted:?}") };
        assert_eq!(monolith.late.unwrap().value, 0.0);
        let late = nobody.late.unwrap();
        assert_eq!((late.low, late.value, late.high, nobody.rounds), (0.3, 0.35, 0.4, 2));
        assert_eq!(nobody.in_time, [0.1, 0.8, 0.5]);
    }
}
