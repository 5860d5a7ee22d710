//! What every experiment has to say before it runs, and the list of all experiments.

use std::fmt;
use std::str::FromStr;

use crate::databases::Engine;
use crate::deploys::Deploys;
use crate::durability::Durability;
use crate::experiments::{c2, certificate, floor, ladder, size, x1, x2, x3, x5, x6, x7, x8};
use crate::grid::Grid;
use crate::jobs::Interference;
use crate::judge::Question;
use crate::plan::Plan;
use crate::scaling::Scaling;
use crate::ticks::Ticks;

/// What is asked and how the answer will be found, fixed before anything is measured. The report
/// prints it beside the result.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    /// Short name for the command line.
    pub id: &'static str,
    /// The question, as a heading.
    pub title: &'static str,
    /// What somebody claims.
    pub claim: &'static str,
    /// The claim in a form that numbers can contradict.
    pub hypothesis: &'static str,
    /// Smallest effect of interest: anything smaller wouldn't change a decision.
    pub smallest_effect: &'static str,
    /// Where the verdict holds, and nowhere else.
    pub region: &'static str,
    /// How the verdict follows from the intervals.
    pub decision_rule: &'static str,
    /// What would overturn the claim.
    pub refuted_by: &'static str,
    /// What is unfair about the comparison, one sentence each.
    pub unfair: &'static [&'static str],
    /// What the result does not show, one sentence each.
    pub not_shown: &'static [&'static str],
    /// p99 of latency that the goodput has to keep, milliseconds; infinite where none is searched.
    pub slo_ms: f64,
}

/// A card with what belongs to it: plain data, and a plan that depends on nothing but its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Experiment {
    /// What is asked.
    pub card: Card,
    /// What is measured.
    pub design: Design,
}

/// How an experiment goes about it.
#[derive(Clone, Copy, Debug)]
pub enum Design {
    /// Two arms against each other under open load.
    Contrast {
        /// What to measure, from the amount wanted and a seed.
        plan: fn(Preset, u64) -> Plan,
        /// What the verdicts answer, the headline first.
        questions: &'static [Question],
    },
    /// The controls again and again, to see how often they alarm and how often they find.
    Families {
        /// What to measure, from the amount wanted and a seed.
        plan: fn(Preset, u64) -> Plan,
        /// So many restarts make one comparison.
        restarts: usize,
    },
    /// Many cells beside each other, from the amount wanted and the kind of database.
    Grid(fn(Preset, &str) -> Grid),
    /// The same, where each cell has servers of its own, which share one PostgreSQL database.
    Replicas(fn(Preset, &str) -> Grid),
    /// Searches for the best way to spend a budget, from the amount wanted.
    Scaling(fn(Preset) -> anyhow::Result<Scaling>),
    /// Jobs in several places, and pages beside them, from the amount wanted.
    Interference(fn(Preset) -> Interference),
    /// Servers that are killed while they accept jobs, from the amount wanted.
    Durability(fn(Preset) -> Durability),
    /// Deploys while jobs run, from the amount wanted.
    Deploys(fn(Preset) -> Deploys),
    /// Ticks of a schedule over several replicas, from the amount wanted.
    Ticks(fn(Preset) -> Ticks),
}

impl Design {
    /// The database that is taken where none is named.
    pub fn engine(self) -> Engine {
        match self {
            // Several servers share one database.
            Self::Scaling(_) | Self::Replicas(_) | Self::Interference(_) | Self::Ticks(_) => {
                Engine::PrivatePostgres
            }
            _ => Engine::Sqlite,
        }
    }

    /// Whether what is to be measured stands in a plan of restarts.
    pub fn has_plan(self) -> bool {
        matches!(self, Self::Contrast { .. } | Self::Families { .. })
    }

    /// Whether there are replicas, in front of which a balancer stands.
    pub fn has_replicas(self) -> bool {
        matches!(self, Self::Scaling(_) | Self::Replicas(_))
    }
}

/// Every experiment, in the order of `lab list`.
pub fn registry() -> Vec<Experiment> {
    vec![
        x1::EXPERIMENT,
        ladder::EXPERIMENT,
        x2::EXPERIMENT,
        x3::EXPERIMENT,
        c2::EXPERIMENT,
        x5::EXPERIMENT,
        x6::EXPERIMENT,
        x7::EXPERIMENT,
        x8::EXPERIMENT,
        floor::EXPERIMENT,
        size::EXPERIMENT,
        certificate::EXPERIMENT,
    ]
}

/// What the best known ones are about, for whoever does not remember ids.
const TOPICS: [(&str, &str); 3] = [("x1", "latency"), ("c2", "scaling"), ("x5", "jobs")];

impl Card {
    /// How the experiment may be asked for: its id, and its topic in brackets where it has one.
    pub fn names(&self) -> String {
        match TOPICS.iter().find(|(id, _)| *id == self.id) {
            Some((id, topic)) => format!("{id} ({topic})"),
            None => self.id.to_owned(),
        }
    }
}

/// The experiment of that id, or of that topic.
///
/// # Errors
/// When there is none; the message names those that there are.
pub fn find(name: &str) -> anyhow::Result<Experiment> {
    let topic = TOPICS.iter().find(|(_, topic)| *topic == name);
    let id = topic.map_or(name, |(id, _)| *id);
    registry().into_iter().find(|e| e.card.id == id).ok_or_else(|| {
        let known: Vec<_> = registry().iter().map(|e| e.card.names()).collect();
        anyhow::anyhow!("there is no experiment `{name}`; there is: {}", known.join(", "))
    })
}

/// How much to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// Seconds: shows that everything works, gives no verdict.
    Smoke,
    /// About four minutes: enough for a verdict on cost.
    Quick,
    /// About half an hour: narrow intervals, goodput on both pages.
    Standard,
    /// Hours: for publication.
    Full,
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        })
    }
}

impl FromStr for Preset {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        [Self::Smoke, Self::Quick, Self::Standard, Self::Full]
            .into_iter()
            .find(|preset| preset.to_string() == text)
            .ok_or_else(|| anyhow::anyhow!("there is no preset `{text}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn no_two_experiments_share_an_id() {
        let mut ids: Vec<_> = registry().iter().map(|e| e.card.id).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }

    #[test]
    fn every_card_says_what_would_refute_it_and_what_is_unfair_about_it() {
        for Experiment { card, .. } in registry() {
            for text in [card.claim, card.hypothesis, card.region, card.refuted_by] {
                assert!(text.ends_with('.'), "{}: {text:?} is no sentence", card.id);
            }
            assert!(!card.unfair.is_empty() && !card.not_shown.is_empty(), "{}", card.id);
        }
    }

    #[test]
    fn presets_are_read_back_as_they_are_written() {
        for preset in Preset::value_variants() {
            assert_eq!(preset.to_string().parse::<Preset>().unwrap(), *preset);
            let clap_name = preset.to_possible_value().unwrap();
            assert_eq!(clap_name.get_name(), preset.to_string());
        }
        assert!("huge".parse::<Preset>().is_err());
    }

    #[test]
    fn a_topic_stands_for_an_experiment_that_there_is() {
        for (id, topic) in TOPICS {
            assert_eq!(find(topic).unwrap().card.id, id);
            assert!(registry().iter().all(|e| e.card.id != topic), "{topic} is an id, too");
        }
    }

    #[test]
    fn an_unknown_id_is_answered_with_the_known_ones() {
        let error = find("x99").map(|e| e.card.id).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no experiment `x99`; there is: x1 (latency), x1-ladder, x2, x3, c2 (scaling), \
             x5 (jobs), x6, x7, x8, floor, size, certificate"
        );
    }
}
