//! A stretch of load: on one arm while all others are frozen, or on two at once.

use std::collections::BTreeMap;

use crate::{
    fleet::System,
    load::{Arrival, Generator, Tally, Target},
    probe::{self, Usage, Watched},
};

/// Requests before each stretch, not counted: a thawed process has cold caches and may find that its
/// connections have been closed meanwhile.
const WARM_UP: usize = 40;

/// An arm, what it is asked for, and when.
#[derive(Debug)]
pub struct Part<'a> {
    /// Which, frozen until now.
    pub system: &'a System,
    /// What is asked for.
    pub target: Target,
    /// When.
    pub arrivals: Vec<Arrival>,
}

/// What a stretch came to, on one arm.
#[derive(Debug)]
pub struct Outcome {
    /// What the generator saw.
    pub tally: Tally,
    /// What was used meanwhile. Of two arms at once, the servers of this one; the generator and the
    /// database work for both, and nobody can tell for which.
    pub usage: Usage,
    /// Process → resident memory at the end, MiB.
    pub resident_mib: BTreeMap<String, f64>,
}

/// Thaws an arm, warms it up, loads it, freezes it.
///
/// # Errors
/// When the arm can't be reached or seen.
pub async fn solo(
    sender: &Generator,
    part: Part<'_>,
    beside: &[Watched],
) -> anyhow::Result<Outcome> {
    let Part { system, target, arrivals } = part;
    let mut watched = system.watched();
    watched.extend(beside.iter().cloned().chain([Watched::generator()]));
    system.resume()?;
    sender.warm(target.clone(), WARM_UP).await?;
    let before = probe::read(&watched)?;
    let tally = sender.open(target, arrivals).await?;
    let usage = before.until(&probe::read(&watched)?);
    let resident_mib = probe::resident(&watched)?;
    system.park()?;
    Ok(Outcome { tally, usage, resident_mib })
}

/// The two stretches of a block of two arms at once: who comes first and second, and by the schedule of
/// which seed. Each arm comes second once, since who was warmed up last takes a few percent less; and
/// each has the visitors of both schedules.
pub fn either_order<T: Copy>([one, other]: [T; 2], seed: u64) -> [[(T, u64); 2]; 2] {
    let next = seed.wrapping_add(1);
    [[(one, seed), (other, next)], [(other, seed), (one, next)]]
}

/// The same with two arms that run at once: what disturbs one disturbs the other at that very moment.
/// They wait for each other, so their latencies say little, but each is charged with its own CPU.
///
/// # Errors
/// As [`solo`].
pub async fn duet(
    sender: &Generator,
    parts: [Part<'_>; 2],
    beside: &[Watched],
) -> anyhow::Result<[Outcome; 2]> {
    let own = parts.each_ref().map(|part| part.system.watched());
    let all: Vec<_> =
        own.iter().flatten().chain(beside).cloned().chain([Watched::generator()]).collect();
    for Part { system, .. } in &parts {
        system.resume()?;
    }
    for Part { target, .. } in &parts {
        sender.warm(target.clone(), WARM_UP).await?;
    }
    let systems = parts.each_ref().map(|part| part.system);
    let before = [probe::read(&all)?, probe::read(&own[0])?, probe::read(&own[1])?];
    let [first, second] = parts.map(|part| sender.open(part.target, part.arrivals));
    let (first, second) = tokio::try_join!(first, second)?;
    let after = [probe::read(&all)?, probe::read(&own[0])?, probe::read(&own[1])?];
    let [whole, first_used, second_used] = [0, 1, 2].map(|at| before[at].until(&after[at]));
    let outcome = |tally, used: Usage, own: &[Watched]| {
        let usage = Usage { cpu_ms: used.cpu_ms, ..whole };
        anyhow::Ok(Outcome { tally, usage, resident_mib: probe::resident(own)? })
    };
    let outcomes = [outcome(first, first_used, &own[0])?, outcome(second, second_used, &own[1])?];
    systems.into_iter().try_for_each(System::park)?;
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_at_once_each_comes_second_once_and_has_both_schedules() {
        let stretches = either_order(["a", "b"], 7);
        for arm in ["a", "b"] {
            let of_arm = |stretch: &[(&str, u64); 2]| {
                let place = stretch.iter().position(|it| it.0 == arm).unwrap();
                (place, stretch[place].1)
            };
            let [first, then] = stretches.each_ref().map(of_arm);
            assert_eq!(first.0 + then.0, 1, "{arm} stands at one place twice");
            assert_eq!(first.1 + then.1, 7 + 8, "{arm} has one schedule twice");
        }
    }
}
