//! x7: what does a deploy of the interface do to jobs that run meanwhile?
//!
//! It is the cleanest argument for a backend of its own: a page is changed, and the jobs need not notice.
//! But what spares them is that their process goes on. A monolith with a worker of its own can have that,
//! and a split in which everything is one release has not.

use crate::{
    deploys::{Deploys, Release, Subject},
    durability::Place,
    experiment::{Card, Design, Experiment, Preset},
    record::Arm,
};

/// The experiment.
pub const EXPERIMENT: Experiment = Experiment { card: CARD, design: Design::Deploys(deploys) };

/// The share of deploys that interrupt a job that matters: one of ten.
pub const LIMIT: f64 = 0.1;

const CARD: Card = Card {
    id: "x7",
    title: "What a deploy of the interface does to running jobs",
    claim: "Long-running tasks belong on a dedicated service.",
    hypothesis: "A deploy of the interface interrupts jobs where it restarts the process that runs them, \
                 and none where that is left running. Which architecture it is makes no difference: a \
                 monolith whose jobs have a process of their own can leave it running as well, and a \
                 split whose servers are replaced together can not.",
    smallest_effect: "One job that is interrupted although its process was to be left running. Of nothing \
                      found no more can be said than how rare it is: less than one deploy of ten, at 95 % \
                      confidence.",
    region: "Jobs of 0.1 s to 30 s (quick: to 2 s; smoke: to 1 s), of each length as many as of one twice \
             as long, which compute in one hundredth of their time and wait in the rest, keep no \
             checkpoint, and are begun again from the start when they were interrupted; 16 of them come \
             in while the longest could run. One server of each kind; the new one is started and asked \
             for a page before the old one gets SIGTERM.",
    decision_rule: "A deploy counts when a job ran at its beginning, and once, however many jobs it \
                    interrupts: those share their fate. It interrupts jobs where their process is \
                    restarted at once (without a time to drain) when the exact (Clopper–Pearson) 95 % \
                    interval of the share of deploys that interrupt one lies above 10 % in both \
                    architectures. It interrupts none where their process is left running when not one \
                    was, and the upper end of that interval is at most 10 %, in both; a single one \
                    refutes it. The same holds where the process that is restarted may take longer to \
                    drain than the longest job runs. What decides is the restart, and not the \
                    architecture, when the first two hold in both; it is refuted when one of them fails \
                    in one. There is no verdict when a job is interrupted where nothing is deployed, when \
                    two identical monoliths differ (Fisher's exact test), or when a worker that is \
                    restarted although its system says otherwise is not noticed.",
    refuted_by: "A job that is interrupted although its process was left running, or jobs that outlive \
                 the restart of their process without being waited for.",
    unfair: &[
        "The program that is deployed is the same as before. A monolith's worker is left running as if \
         it had not changed, although a new release of its one program changes the worker too: whoever \
         leaves it running has two releases at work, as the split has.",
        "That jobs begin again from the start makes interruptions dear. One that keeps checkpoints, as \
         the export of this app does, loses what it did since the last.",
        "All systems go on beside each other on one core, so that jobs take a little longer than they \
         would.",
    ],
    not_shown: &[
        "What a deploy costs visitors: none come, but for one who looks at the new page.",
        "Deploys of what the jobs themselves do: those restart their process in every architecture.",
        "Several workers, of which one goes on while the other drains, and deploys that come sooner than \
         the longest job ends.",
        "Jobs whose interruption can be seen from outside.",
    ],
    slo_ms: f64::INFINITY,
};

/// What is done.
fn deploys(preset: Preset) -> Deploys {
    // The longest job; a time to drain that is too short for it, and one that is long enough.
    let (deploys, longest_ms, short_s, long_s) = match preset {
        Preset::Smoke => (2, 1_000, 0, 5),
        Preset::Quick => (34, 2_000, 1, 10),
        Preset::Standard => (36, 30_000, 5, 40),
        Preset::Full => (50, 30_000, 5, 40),
    };
    let subject = |arm, place, release, grace_s| Subject { arm, place, release, grace_s };
    let interface = |arm, place| subject(arm, place, Release::Interface, 0);
    let everything = |arm, place| subject(arm, place, Release::Everything, 0);
    let mut subjects = vec![
        interface(Arm::Monolith, Place::Inside),
        interface(Arm::Monolith, Place::Apart),
        interface(Arm::Split, Place::Inside),
        interface(Arm::Twin, Place::Inside),
        interface(Arm::Planted, Place::Apart),
    ];
    if preset != Preset::Smoke {
        subjects.extend([
            subject(Arm::Monolith, Place::Inside, Release::Interface, short_s),
            subject(Arm::Monolith, Place::Inside, Release::Interface, long_s),
            everything(Arm::Monolith, Place::Apart),
            interface(Arm::Split, Place::Apart),
            everything(Arm::Split, Place::Inside),
            subject(Arm::Split, Place::Inside, Release::Everything, long_s),
        ]);
    }
    Deploys { subjects, deploys, longest_ms }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::binomial::cases_for;

    #[test]
    fn every_preset_has_every_control_and_a_worker_that_a_monolith_leaves_running() {
        for preset in Preset::value_variants() {
            let Deploys { subjects, deploys, .. } = deploys(*preset);
            for arm in [Arm::Monolith, Arm::Split, Arm::Twin, Arm::Planted] {
                assert!(subjects.iter().any(|it| it.arm == arm), "{preset}: {}", arm.name());
            }
            let left = |it: &&Subject| it.arm == Arm::Monolith && !it.restarts_jobs();
            assert!(deploys > 0 && subjects.iter().any(|it| left(&it)), "{preset}");
            let twin = subjects.iter().find(|it| it.arm == Arm::Twin).unwrap();
            assert!(subjects.contains(&Subject { arm: Arm::Monolith, ..*twin }), "{preset}");
        }
    }

    #[test]
    fn all_but_smoke_can_decide_and_have_either_fate_in_either_architecture() {
        for preset in [Preset::Quick, Preset::Standard, Preset::Full] {
            let Deploys { subjects, deploys, longest_ms } = deploys(preset);
            for arm in [Arm::Monolith, Arm::Split] {
                for (fate, which) in [
                    (
                        "restarted",
                        (|it: &Subject, _| it.restarts_jobs() && it.grace_s == 0) as Which,
                    ),
                    ("left", |it, _| !it.restarts_jobs()),
                    ("waited for", |it, ms| it.restarts_jobs() && it.grace_s * 1_000 > ms),
                ] {
                    let those = subjects.iter().filter(|it| it.arm == arm && which(it, longest_ms));
                    let count = those.count() as u64 * u64::from(deploys);
                    // Some may meet no job.
                    assert!(count * 9 / 10 >= cases_for(LIMIT), "{preset}: {} {fate}", arm.name());
                }
            }
        }
        assert_eq!(deploys(Preset::Full).deploys, 50);
    }

    type Which = fn(&Subject, u32) -> bool;
}
