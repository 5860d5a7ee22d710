//! What searches for the best way to spend a budget come to. Only trials that played no part in
//! choosing a setup say how good it is; rounds of these are what is drawn again.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    controls::confidence_of,
    foreseen, foretold, laboured, median, pays,
    scaled::{Around, Climbed, Confirmed, OfLaw, OfMix, Ratios, Remark, Replica, Scaled, Tuned},
    select, shifted,
    summary::{Certificate, Finding, Verdict},
};
use crate::{
    capacity::units,
    fleet::{
        budget::Budget,
        quota::{Cpu, Millicores},
        topology::{Role, Tier},
    },
    model::law::{Fitted, Law},
    record::{Arm, Run},
    scaling::{ARMS, Goodput, Measured, Mix, Scaling, Setup, Stage, Step, Trial, frontend_share},
    stats::{Estimate, Resamples, rounded, weighted_mean},
    words,
};

/// How late the generator (p99) may be before a search is under suspicion, as a share of the SLO. Latency
/// counts from when a request was due, so what is late by so little hardly moves what decides: whether
/// 99 of 100 are within the SLO.
pub const LAG_SHARE: f64 = 0.1;

/// Everything that was judged.
pub(super) struct Judged {
    pub(super) scaled: Scaled,
    pub(super) findings: Vec<Finding>,
    pub(super) certificate: Certificate,
    pub(super) verdicts: Vec<Verdict>,
}

/// What all parts of the judgement need.
pub(super) struct Bench<'a> {
    pub(super) run: &'a Run,
    pub(super) measured: &'a Measured,
    pub(super) slo_ms: f64,
    pub(super) resamples: u32,
    /// Of the controls' intervals.
    confidence: f64,
}

/// Judges a run.
pub(super) fn judge(
    run: &Run,
    measured: &Measured,
    design: &Scaling,
    slo_ms: f64,
    resamples: u32,
) -> Judged {
    let confidence = confidence_of(measured.mixes.len());
    let bench = Bench { run, measured, slo_ms, resamples, confidence };
    let mixes: Vec<OfMix> = measured.mixes.iter().map(|mix| bench.mix(mix)).collect();
    let certificate = pays::certificate(&mixes, confidence);
    let mut findings: Vec<Finding> =
        mixes.iter().map(|mix| pays::finding(mix, design.pays)).collect();
    let mut verdicts: Vec<Verdict> = mixes
        .iter()
        .zip(&findings)
        .map(|(mix, finding)| pays::verdict(run, mix, finding, &certificate))
        .collect();
    verdicts.insert(0, pays::as_a_whole(&verdicts, design.pays));
    let foretold = foretold::foretold(&bench);
    let of_model = foretold.iter().flat_map(|it| foreseen::verdicts(run, resamples, it));
    for (finding, verdict) in of_model {
        findings.push(finding);
        verdicts.push(verdict);
    }
    let scaled = Scaled { foretold, ..bench.scaled(mixes) };
    Judged { scaled, findings, certificate, verdicts }
}

/// A round's trials of two arms that both found a goodput.
struct Pair<'a> {
    trials: [&'a Trial; 2],
    goodputs: [f64; 2],
}

impl<'a> Bench<'a> {
    fn mix(&self, Mix { name: mix, jobs, .. }: &Mix) -> OfMix {
        let arms = || ARMS.into_iter();
        let split = self.pairs(mix, [Arm::Monolith, Arm::Split]);
        let quiet: Vec<f64> =
            split.iter().filter(|pair| self.is_quiet(pair)).map(Pair::log).collect();
        let all: Vec<f64> = split.iter().map(Pair::log).collect();
        let twins: Vec<f64> =
            self.pairs(mix, [Arm::Monolith, Arm::Twin]).iter().map(Pair::log).collect();
        let ratio = |logs: &[f64], confidence| Some(self.mean(logs, confidence)?.map(f64::exp));
        let gated = (quiet.len() < all.len()).then(|| ratio(&quiet, 0.95)).flatten();
        OfMix {
            mix: mix.clone(),
            jobs: *jobs,
            tuned: arms().flat_map(|arm| self.tuned(mix, arm)).collect(),
            confirmed: arms().filter_map(|arm| self.confirmed(mix, arm)).collect(),
            ratios: Ratios {
                split: ratio(&all, 0.95).map(tidy),
                split_gated: gated.map(tidy),
                twin: ratio(&twins, self.confidence).map(tidy),
                rounds: all.len(),
                quiet_rounds: quiet.len(),
            },
            climbed: self.climbed(mix),
            // A composition gets more of one server at a time: no law is about that.
            laws: match self.run.composition {
                None => arms().filter_map(|arm| self.law(mix, arm)).collect(),
                Some(_) => Vec::new(),
            },
        }
    }

    /// The mean of one number a round, with its interval.
    fn mean(&self, values: &[f64], confidence: f64) -> Option<Estimate> {
        let resamples = Resamples::new(self.run.seed, values.len(), self.resamples);
        let [mean] = resamples.intervals(confidence, |weights| [weighted_mean(values, weights)])?;
        Some(mean)
    }

    /// The confirming rounds in which both arms found a goodput.
    fn pairs(&self, mix: &str, arms: [Arm; 2]) -> Vec<Pair<'a>> {
        let [first, second] = arms.map(|arm| {
            let trials = self.measured.trials(Stage::Confirming, mix, arm);
            let found = trials.filter_map(|trial| {
                let goodput = trial.goodput(self.slo_ms).found()?;
                Some((trial.round, (trial, goodput)))
            });
            found.collect::<BTreeMap<_, _>>()
        });
        let both = first.iter().filter_map(|(round, a)| Some((a, second.get(round)?)));
        both.map(|(a, b)| Pair { trials: [a.0, b.0], goodputs: [a.1, b.1] }).collect()
    }

    fn tuned(&self, mix: &str, arm: Arm) -> Vec<Tuned> {
        let best = self.measured.best(mix, arm, self.slo_ms).map(Setup::name);
        let tuned = |setup: &Setup| {
            let trials = self.measured.trials(Stage::Tuning, mix, arm);
            let trials: Vec<&Trial> = trials.filter(|it| it.setup == setup.name()).collect();
            (!trials.is_empty()).then(|| {
                let found = self.found(&trials);
                Tuned {
                    arm,
                    setup: setup.name().to_owned(),
                    frontend: frontend_share(&setup.topology),
                    goodput: range(&found),
                    trials: found.len(),
                    chosen: best == Some(setup.name()),
                    around: self.around(&trials),
                }
            })
        };
        self.measured.setups.iter().filter_map(tuned).collect()
    }

    fn confirmed(&self, mix: &str, arm: Arm) -> Option<Confirmed> {
        let trials: Vec<&Trial> = self.measured.trials(Stage::Confirming, mix, arm).collect();
        let setup = self.measured.setup(&trials.first()?.setup)?;
        let found = self.found(&trials);
        let logs: Vec<f64> = found.iter().map(|goodput| goodput.ln()).collect();
        Some(Confirmed {
            arm,
            setup: setup.name().to_owned(),
            frontend: frontend_share(&setup.topology),
            goodput: self.mean(&logs, 0.95).map(|mean| tidy(mean.map(f64::exp))),
            trials: found.len(),
            around: self.around(&trials),
        })
    }

    fn climbed(&self, mix: &str) -> Vec<Climbed> {
        let mut steps: BTreeMap<(u32, Arm, &str), Vec<&Trial>> = BTreeMap::new();
        for arm in ARMS {
            for trial in self.ladder(mix, arm) {
                let Some(setup) = self.measured.setup(&trial.setup) else { continue };
                let Millicores(cpu) = Budget::of(&setup.topology).cpu;
                steps.entry((cpu, arm, setup.name())).or_default().push(trial);
            }
        }
        let climbed = |((cpu, arm, setup), trials): ((u32, Arm, &str), Vec<&Trial>)| {
            let found = self.found(&trials);
            Climbed {
                cpu: Millicores(cpu).cores(),
                arm,
                setup: setup.to_owned(),
                goodput: range(&found),
                trials: found.len(),
                around: self.around(&trials),
            }
        };
        steps.into_iter().map(climbed).collect()
    }

    /// Trials of more and more units, whether they were predicted or not.
    fn ladder(&self, mix: &str, arm: Arm) -> impl Iterator<Item = &'a Trial> {
        let known = self.measured.trials(Stage::Climbing, mix, arm);
        known.chain(self.measured.trials(Stage::HeldOut, mix, arm))
    }

    /// The scalability law of an arm on a mix.
    fn law(&self, mix: &str, arm: Arm) -> Option<OfLaw> {
        let point = |trial: &Trial| {
            let setup = self.measured.setup(&trial.setup)?;
            let units = units(setup, self.measured.unit);
            Some((f64::from(units), trial.goodput(self.slo_ms).found()?))
        };
        let points: Vec<_> = self.ladder(mix, arm).filter_map(point).collect();
        let Fitted { gamma, sigma, kappa } = Fitted::to(&points, self.run.seed, self.resamples)?;
        let law = Law { gamma: gamma.value, sigma: sigma.value, kappa: kappa.value };
        Some(OfLaw {
            arm,
            gamma: tidy(gamma),
            sigma: tidy(sigma),
            kappa: tidy(kappa),
            // Where none of the cost is certain there may be no peak at all.
            peak: law.peak().filter(|_| kappa.low > 0.0).map(rounded),
            points: points.len(),
        })
    }

    /// Why a trial that counts is under suspicion, if it is.
    pub(super) fn doubt(&self, trial: &Trial) -> Option<String> {
        suspicion(&trial.counted().collect::<Vec<_>>(), LAG_SHARE * self.slo_ms)
    }

    fn is_quiet(&self, pair: &Pair<'_>) -> bool {
        pair.trials.iter().all(|trial| self.doubt(trial).is_none())
    }

    fn found(&self, trials: &[&Trial]) -> Vec<f64> {
        trials.iter().filter_map(|trial| trial.goodput(self.slo_ms).found()).collect()
    }

    /// What went on at the goodput, on average over trials.
    fn around(&self, trials: &[&Trial]) -> Around {
        let steps: Vec<&Step> =
            trials.iter().filter_map(|trial| trial.at_goodput(self.slo_ms)).collect();
        if steps.is_empty() {
            return Around::default();
        }
        let n = steps.len() as f64;
        let mean =
            |of: &dyn Fn(&Step) -> f64| rounded(steps.iter().map(|it| of(it)).sum::<f64>() / n);
        let cores = self.run.layout.load_cores.len().max(1) as f64;
        let processes = steps.iter().flat_map(|step| step.cpu_ms.keys()).collect::<BTreeSet<_>>();
        let roles = steps.iter().flat_map(|step| step.tiers.keys()).collect::<BTreeSet<_>>();
        let per_request = |name: &String| {
            let of = |step: &Step| {
                step.cpu_ms.get(name).copied().unwrap_or_default() / step.completed.max(1) as f64
            };
            (name.clone(), mean(&of))
        };
        let throttled = |role: &String| {
            let of = |step: &Step| step.tiers.get(role).map_or(0.0, |tier| tier.throttled);
            (role.clone(), mean(&of))
        };
        let pressures = steps.iter().all(|step| step.pressure.is_some());
        Around {
            processes: processes.into_iter().map(per_request).collect(),
            throttled: roles.into_iter().map(throttled).collect(),
            beside: mean(&|step| step.cpu_of(false) / (step.elapsed * 1e3 * cores)),
            foreign_cpu: mean(&|step| step.foreign_cpu),
            steal: mean(&|step| step.steal),
            pressure: pressures.then(|| mean(&|step| step.pressure.unwrap_or_default())),
            jobs: laboured::of_jobs(self.measured, trials, self.slo_ms),
        }
    }

    fn scaled(&self, mixes: Vec<OfMix>) -> Scaled {
        let trials = &self.measured.trials;
        let remark = |trial: &Trial, why: String| Remark { trial: name(trial), why };
        let of_steps = |trial: &Trial| -> Vec<Remark> {
            let steps = trial.steps.iter();
            steps.filter_map(|step| Some(remark(trial, step.void.clone()?))).collect()
        };
        let counted = || trials.iter().filter(|trial| trial.void.is_none());
        let unsettled = |trial: &Trial| {
            let why = match trial.goodput(self.slo_ms) {
                Goodput::Found(_) => return None,
                Goodput::Above(rate) => format!("all rates up to {rate:.0} a second kept the SLO"),
                Goodput::Below(rate) => format!("no rate down to {rate:.0} a second kept the SLO"),
                Goodput::Nothing => "no step counts".to_owned(),
            };
            Some(remark(trial, why))
        };
        Scaled {
            mixes,
            unit: self.measured.unit.cpu.cores(),
            replicas: self.replicas(),
            void_trials: trials
                .iter()
                .filter_map(|trial| Some(remark(trial, trial.void.clone()?)))
                .collect(),
            void_steps: trials.iter().flat_map(of_steps).collect(),
            flagged: counted().filter_map(|it| Some(remark(it, self.doubt(it)?))).collect(),
            unsettled: counted().filter_map(unsettled).collect(),
            trials: trials.len(),
            foretold: None,
            shifted: shifted::shifted(self),
        }
    }

    /// Of trials outside the search: there setups are those that somebody would run. Where there are
    /// jobs, of workers only: servers are to be those that do nothing else.
    fn replicas(&self) -> Vec<Replica> {
        type Seen<'a> = (Vec<&'a crate::scaling::Server>, Vec<f64>);
        let mut seen: BTreeMap<(u32, &str, u32), Seen> = BTreeMap::new();
        let trials = self.measured.trials.iter();
        for trial in trials.filter(|it| it.stage != Stage::Tuning && it.void.is_none()) {
            let Some(setup) = self.measured.setup(&trial.setup) else { continue };
            let with_jobs =
                self.measured.mixes.iter().any(|it| it.name == trial.mix && it.jobs.is_some());
            for Tier { role, replicas, cpu, db_connections, .. } in &setup.topology.tiers {
                let Cpu::Quota(Millicores(cpu)) = cpu else { continue };
                if with_jobs && *role != Role::Work {
                    continue;
                }
                let (starts, working) =
                    seen.entry((*cpu, role.name(), *db_connections)).or_default();
                starts.extend(trial.servers.iter().filter(|server| server.role == role.name()));
                let at = trial.at_goodput(self.slo_ms);
                let mib = at.and_then(|step| step.resident_mib.get(role.name()));
                working.extend(mib.map(|mib| mib / f64::from(*replicas)));
            }
        }
        let replica = |((cpu, role, db_connections), (starts, working)): (_, Seen)| {
            let of = |value: fn(&crate::scaling::Server) -> f64| {
                median(starts.iter().map(|server| value(server)).collect()).unwrap_or_default()
            };
            Replica {
                role: str::to_owned(role),
                cpu: Millicores(cpu).cores(),
                db_connections,
                first_ok_ms: of(|server| server.first_ok_ms),
                started_mib: of(|server| server.resident_mib),
                working_mib: median(working),
                starts: starts.len(),
            }
        };
        let started = seen.into_iter().filter(|(_, (starts, _))| !starts.is_empty());
        let mut replicas: Vec<Replica> = started.map(replica).collect();
        replicas.sort_by(|a, b| a.role.cmp(&b.role).then(a.cpu.total_cmp(&b.cpu)));
        replicas
    }
}

impl Pair<'_> {
    fn log(&self) -> f64 {
        (self.goodputs[1] / self.goodputs[0]).ln()
    }
}

/// Why steps that count are under suspicion, if they are, with so much for the generator to be late. A
/// step may be too short to tell what others used: the machine's busy time is counted in steps of 10 ms.
pub(super) fn suspicion(steps: &[&Step], lag_limit_ms: f64) -> Option<String> {
    let elapsed: f64 = steps.iter().map(|step| step.elapsed).sum();
    let foreign: f64 = steps.iter().map(|step| step.foreign_cpu * step.elapsed).sum();
    let lag = steps.iter().map(|step| step.lag_p99_ms).fold(0.0, f64::max);
    select::suspicion(foreign / elapsed, lag, lag_limit_ms)
}

fn name(trial: &Trial) -> String {
    let Trial { stage, round, mix, arm, setup, .. } = trial;
    format!("{}, {mix}, round {round}, {} {setup}", words::stage(*stage), arm.name())
}

/// Mean, lowest and highest.
pub(super) fn range(found: &[f64]) -> Option<Estimate> {
    let low = found.iter().copied().min_by(f64::total_cmp)?;
    let high = found.iter().copied().max_by(f64::total_cmp)?;
    Some(tidy(Estimate { value: found.iter().sum::<f64>() / found.len() as f64, low, high }))
}

fn tidy(estimate: Estimate) -> Estimate {
    estimate.map(rounded)
}

#[cfg(test)]
#[path = "scaling_tests.rs"]
pub(super) mod tests;
