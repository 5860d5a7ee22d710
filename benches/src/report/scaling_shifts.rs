//! What became of the best division of a budget when visitors asked for something else.

use super::scaling_charts;
use crate::{
    judge::shifted::{Line, Shifted},
    words,
};

/// What became of a division when the mix shifted.
pub(super) struct Shifting {
    pub(super) text: String,
    pub(super) picture: String,
    pub(super) rows: Vec<[String; 5]>,
}

impl Shifting {
    pub(super) fn of(it: &Shifted) -> Self {
        Self { text: in_words(it), picture: scaling_charts::shift(it), rows: rows(it) }
    }
}

/// What was done.
pub(super) fn in_words(it: &Shifted) -> String {
    let Shifted { mixes: [first, second], rate, times: [shifted, reacted], .. } = it;
    let same = |line: &Line| line.divided.as_ref().is_none_or(|divided| *divided == line.setup);
    let any = it.lines.iter().any(|line| line.divided.is_some());
    let in_vain = if any && it.lines.iter().all(same) {
        format!(
            " The best division for the {second} mix turned out to be the same, so that nothing was divided \
             otherwise: by what the split as it was and the split divided anew differ, a split near its \
             limit differs from itself."
        )
    } else {
        String::new()
    };
    format!(
        "The split is divided as is best for the {first} mix. After {shifted} s visitors ask for the {second} \
         one, at the same {rate:.0} pages a second; {} s later somebody divides the CPU anew, or nobody \
         does.{in_vain}",
        reacted - shifted
    )
}

/// The head of [`rows`].
pub(super) const HEAD: [&str; 5] =
    ["After the shift", "Setup", "Not answered in time", "Stopped by quotas", "Foreign CPU"];

/// What was lost by each way to react; lowest and highest in brackets.
pub(super) fn rows(it: &Shifted) -> Vec<[String; 5]> {
    let percent = |share: f64| format!("{:.1}\u{a0}%", share * 100.0);
    let row = |line: &Line| {
        let late = line.late.map_or_else(
            || "–".to_owned(),
            |it| format!("{} [{}, {}]", percent(it.value), percent(it.low), percent(it.high)),
        );
        let setup = match &line.divided {
            Some(divided) => format!("{}, then {divided}", line.setup),
            None => line.setup.clone(),
        };
        let what = words::reaction(line.reaction).to_owned();
        [what, setup, late, percent(line.stopped), percent(line.foreign_cpu)]
    };
    it.lines.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::Reaction;

    fn line(reaction: Reaction, divided: Option<&str>) -> Line {
        Line {
            reaction,
            setup: "40 to 60".to_owned(),
            divided: divided.map(str::to_owned),
            in_time: vec![1.0; 3],
            late: None,
            rounds: 2,
            stopped: 0.0,
            foreign_cpu: 0.0,
        }
    }

    #[test]
    fn a_division_that_is_the_best_for_both_mixes_is_said_to_be() {
        let told = |divided| {
            in_words(&Shifted {
                mixes: ["render-heavy", "data-heavy"].map(str::to_owned),
                rate: 500.0,
                times: [7, 37],
                lines: vec![
                    line(Reaction::Monolith, None),
                    line(Reaction::Nobody, None),
                    line(Reaction::Divided, divided),
                ],
            })
        };
        let in_vain = "The best division for the data-heavy mix turned out to be the same";
        assert!(told(Some("40 to 60")).contains(in_vain));
        assert!(!told(Some("50 to 50")).contains(in_vain) && !told(None).contains(in_vain));
    }
}
