//! c5: do long-running tasks belong on a service of their own? No experiment asks that by itself:
//! three runs of others do together. What follows from them is fixed here, before any of them.

use crate::experiment::Card;

/// The experiments that the answer follows from, in the order in which it tells of them.
pub const PARTS: [&str; 3] = ["x5", "x6", "x7"];

/// The card.
pub const CARD: Card = Card {
    id: "c5",
    title: "Do jobs belong on a service of their own?",
    claim: "Long-running tasks, such as scheduled jobs and intensive processing, belong on dedicated \
            services.",
    hypothesis: "A process of its own is necessary on three counts: so that pages stay as they are \
                 beside jobs, so that no job is lost when a server dies, and so that a deploy of the \
                 interface interrupts none.",
    smallest_effect: "That of each experiment: one page of 100 that is late, and the share of kills \
                      and of deploys that their cards name.",
    region: "That of each experiment.",
    decision_rule: "On pages x5 decides: a process of its own is necessary when its verdict is that \
                    jobs need one, and is not when that is refuted. On kills x6 decides: it is not \
                    necessary when a queue in the database loses nothing with jobs inside the serving \
                    process; it is when that is refuted and jobs apart lose nothing. On deploys x7 \
                    decides: it is not necessary when a serving process that waits for its jobs \
                    interrupts none; it is when that is refuted and jobs that are left running are not \
                    interrupted. Whatever else these experiments find leaves a count undecided. The \
                    claim is supported when a process of its own is necessary on all three counts, \
                    refuted when it is on none, and depends when it is on some and not on others.",
    refuted_by: "A placement in the serving process that is sufficient, on every count.",
    unfair: &[
        "What is necessary for any program is asked, not what is easiest for a team: a process of its \
         own may be the simplest of several ways that are sufficient.",
        "The monolith's queue is as good as the split's, because it is the same code. A framework that \
         brings none makes a service beside it the only place to put one.",
    ],
    not_shown: &[
        "A second machine for jobs: none of the three experiments has one. What a process of its own \
         does on the same machine, it does there as well; the core that pages don't share is what it \
         brings.",
        "Jobs that need another language, another library or another operating system.",
    ],
    slo_ms: f64::INFINITY,
};
