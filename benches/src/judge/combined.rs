//! What follows from several runs together: the answer to a claim that no experiment gives alone.

use anyhow::{Context, ensure};

use super::{
    ids::question_ids,
    interfered::Asked,
    places::{Standing, standing},
    summarise,
    summary::{Outcome, Summary},
};
use crate::{experiments::c5::PARTS, record::Run, words};

/// A claim's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Combined {
    /// What it follows from.
    pub counts: Vec<Count>,
    /// What follows.
    pub outcome: Outcome,
}

/// One thing that jobs may need a process of their own for.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// What is asked for.
    pub what: &'static str,
    /// Whether it takes a process of their own; nothing where that was not decided.
    pub necessary: Option<bool>,
    /// Each of these is enough for it.
    pub sufficient: Vec<String>,
    /// Which of the given runs says so.
    pub run: usize,
}

/// A run's verdicts, by what they are called in files.
struct Verdicts<'a> {
    experiment: &'a str,
    ids: Vec<String>,
    summary: Summary,
}

impl Verdicts<'_> {
    fn outcome(&self, id: &str) -> Option<Outcome> {
        let id = format!("{}.{id}", self.experiment);
        let at = self.ids.iter().position(|known| *known == id)?;
        self.summary.verdicts.get(at)?.outcome
    }
}

/// Whether jobs need a process of their own: one run each of x5, x6 and x7, in any order.
///
/// # Errors
/// When one of them is missing, there are two of one, or one can't be judged.
pub fn c5(runs: &[&Run]) -> anyhow::Result<Combined> {
    let known = |run: &&Run| PARTS.contains(&run.experiment.as_str());
    if let Some(other) = runs.iter().find(|run| !known(run)) {
        anyhow::bail!("c5 is answered by {}, and not by {}", words::list(&PARTS), other.experiment);
    }
    let [pages, kills, deploys] = PARTS;
    let counts = vec![
        on_pages(runs, pages)?,
        on(
            runs,
            kills,
            "no job is lost when a server dies",
            [
                ("lost.inside", "a queue in the database, its jobs in the serving process"),
                ("lost.apart", "a queue in the database, its jobs in a process of their own"),
            ],
        )?,
        on(
            runs,
            deploys,
            "no deploy of the interface interrupts a job",
            [
                ("interrupted.waited-for", "a server that waits for its jobs before it goes"),
                ("interrupted.left-running", "a process of their own that the deploy leaves alone"),
            ],
        )?,
    ];
    Ok(Combined { outcome: outcome(&counts), counts })
}

fn outcome(counts: &[Count]) -> Outcome {
    let some = |which| counts.iter().any(|count| count.necessary == which);
    match (some(Some(true)), some(Some(false)), some(None)) {
        (true, true, _) => Outcome::Depends,
        (true, false, false) => Outcome::Supported,
        (false, true, false) => Outcome::Refuted,
        _ => Outcome::Inconclusive,
    }
}

/// The only run of an experiment, where it is among the given ones, and its verdicts.
fn only<'a>(runs: &[&'a Run], experiment: &str) -> anyhow::Result<(usize, Verdicts<'a>)> {
    let mut of_it = runs.iter().enumerate().filter(|(_, run)| run.experiment == experiment);
    let found = of_it.next().with_context(|| format!("c5 needs a run of {experiment} as well"))?;
    ensure!(of_it.next().is_none(), "c5 needs one run of {experiment}, and not several");
    let (at, run) = found;
    let summary = summarise(run)?;
    let ids = question_ids(run, &summary)?;
    Ok((at, Verdicts { experiment: &run.experiment, ids, summary }))
}

fn on_pages(runs: &[&Run], experiment: &str) -> anyhow::Result<Count> {
    let (run, verdicts) = only(runs, experiment)?;
    let necessary = match verdicts.outcome("necessary.late") {
        Some(Outcome::Supported) => Some(true),
        Some(Outcome::Refuted) => Some(false),
        _ => None,
    };
    let rules = verdicts.summary.interfered.iter().flat_map(|it| it.rules(Asked::Late));
    let enough = rules.filter(|rule| standing(rule) == Standing::Sufficient);
    let sufficient = match verdicts.summary.certificate.certified {
        true => enough.map(|rule| words::place(rule.place).to_owned()).collect(),
        false => Vec::new(),
    };
    Ok(Count { what: "pages stay as they are beside jobs", necessary, sufficient, run })
}

/// Two verdicts decide: whether it goes without a process of their own, and whether it goes with one.
fn on(
    runs: &[&Run],
    experiment: &str,
    what: &'static str,
    [within, apart]: [(&str, &str); 2],
) -> anyhow::Result<Count> {
    let (run, verdicts) = only(runs, experiment)?;
    let holds = |(id, _): (&str, &str)| verdicts.outcome(id);
    let necessary = match (holds(within), holds(apart)) {
        (Some(Outcome::Supported), _) => Some(false),
        (Some(Outcome::Refuted), Some(Outcome::Supported)) => Some(true),
        _ => None,
    };
    let enough = [within, apart].into_iter().filter(|it| holds(*it) == Some(Outcome::Supported));
    let sufficient = enough.map(|(_, text)| text.to_owned()).collect();
    Ok(Count { what, necessary, sufficient, run })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        experiment::Preset,
        judge::{deploys_of, durability_of, interference_of},
    };

    fn runs(preset: Preset) -> [Run; 3] {
        [deploys_of(preset), interference_of(preset), durability_of(preset)]
    }

    #[test]
    fn each_count_is_decided_by_its_own_experiment() {
        let runs = runs(Preset::Standard);
        let combined = c5(&runs.each_ref()).unwrap();
        let found: Vec<_> = combined.counts.iter().map(|it| (it.run, it.necessary)).collect();
        assert_eq!(found, [(1, Some(false)), (2, Some(false)), (0, Some(false))]);
        assert_eq!(combined.outcome, Outcome::Refuted);
        assert!(combined.counts.iter().all(|count| !count.sufficient.is_empty()));
    }

    #[test]
    fn what_was_not_decided_decides_nothing() {
        let runs = runs(Preset::Smoke);
        let combined = c5(&runs.each_ref()).unwrap();
        assert!(combined.counts.iter().all(|count| count.necessary.is_none()));
        assert_eq!(combined.outcome, Outcome::Inconclusive);
    }

    #[test]
    fn the_claim_follows_from_the_counts() {
        let count = |necessary| Count { what: "", necessary, sufficient: Vec::new(), run: 0 };
        let of = |all: [Option<bool>; 3]| outcome(&all.map(count));
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(of([yes, yes, yes]), Outcome::Supported);
        assert_eq!(of([no, no, no]), Outcome::Refuted);
        assert_eq!(of([no, None, yes]), Outcome::Depends);
        assert_eq!(of([yes, yes, None]), Outcome::Inconclusive);
        assert_eq!(of([no, None, no]), Outcome::Inconclusive);
    }

    #[test]
    fn one_run_of_each_is_needed() {
        let [deploys, places, kills] = runs(Preset::Smoke);
        let missing = c5(&[&deploys, &places]).unwrap_err().to_string();
        assert_eq!(missing, "c5 needs a run of x6 as well");
        let twice = c5(&[&deploys, &places, &kills, &kills]).unwrap_err().to_string();
        assert_eq!(twice, "c5 needs one run of x6, and not several");
        let other = Run { experiment: "x1".into(), ..kills };
        let other = c5(&[&other]).unwrap_err().to_string();
        assert_eq!(other, "c5 is answered by x5, x6 and x7, and not by x1");
    }
}
