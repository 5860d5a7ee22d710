//! The report of searches for the best way to spend a budget: goodput over the divisions of the CPU,
//! goodput over the CPU, and what one more replica costs.

use std::collections::BTreeMap;

use askama::Template;

use super::{
    composed,
    finding::Sentence,
    foretold::{self, View},
    frame::Frame,
    scaling_charts::ladder,
    scaling_jobs::{self, Divisions},
    scaling_shifts::{self, Shifting},
};
use crate::{
    experiment::Card,
    judge::{
        CEILING, FOREIGN_LIMIT, LAG_SHARE,
        scaled::{Around, Confirmed, OfMix, Remark, Replica, Scaled},
        summary::{Conduct, Metric, Summary},
    },
    record::{Arm, Run},
    servers::WORK,
    stats::Estimate,
    words,
};

/// What these pictures need beside the style sheet of all reports, which is part of those that are
/// published already.
const STYLE: &str = include_str!("../../templates/scaling.css");

#[derive(Template)]
#[template(path = "scaling.html")]
struct Page<'a> {
    frame: Frame<'a>,
    controls: Option<Sentence>,
    budget: String,
    slo_ms: f64,
    panels: Vec<Panel>,
    with_jobs: Vec<[String; 5]>,
    head_with_jobs: [&'static str; 5],
    confirmed: Vec<[String; 6]>,
    tuned: Vec<[String; 6]>,
    climbed: Vec<[String; 6]>,
    laws: Vec<[String; 5]>,
    head_of_laws: [&'static str; 5],
    shift: Option<Shifting>,
    foretold: Option<View>,
    head_of_shifts: [&'static str; 5],
    head_of_scores: [&'static str; 7],
    head_of_demands: [&'static str; 4],
    processes: Vec<[String; 4]>,
    costs: Vec<[String; 6]>,
    head: [&'static str; 6],
    conduct: String,
    gated: Vec<[String; 4]>,
    limits: [String; 3],
    remarks: Vec<(&'static str, Vec<String>)>,
    balancing: &'static str,
}

/// The pictures of one mix.
struct Panel {
    mix: String,
    divisions: Divisions,
    ladder: Option<String>,
}

/// The whole page.
///
/// # Errors
/// When it holds no searches.
pub(super) fn html(run: &Run, card: &Card, summary: &Summary) -> anyhow::Result<String> {
    let (Some(scaled), Some(measured)) = (&summary.scaled, &run.scaling) else {
        anyhow::bail!("{} has no searches", run.id);
    };
    if run.composition.is_some() {
        return composed::html(run, card, summary);
    }
    let percent = |share: f64| format!("{}\u{a0}%", (share * 100.0).round());
    let page = Page {
        frame: Frame::of(run, card, summary, STYLE, sentences(card, summary))?,
        controls: controls(summary),
        budget: measured.budget.to_string(),
        slo_ms: card.slo_ms,
        panels: scaled.mixes.iter().map(panel).collect(),
        with_jobs: scaling_jobs::rows(scaled),
        head_with_jobs: scaling_jobs::HEAD,
        confirmed: confirmed(scaled),
        tuned: tuned(scaled),
        climbed: climbed(scaled),
        laws: foretold::laws(scaled),
        head_of_laws: foretold::LAWS,
        shift: scaled.shifted.as_ref().map(Shifting::of),
        foretold: scaled.foretold.as_ref().map(View::of),
        head_of_shifts: scaling_shifts::HEAD,
        head_of_scores: foretold::SCORES,
        head_of_demands: foretold::DEMANDS,
        processes: processes(scaled),
        costs: costs(scaled),
        head: COSTS,
        conduct: conduct(summary),
        gated: scaled.mixes.iter().filter_map(gated).collect(),
        limits: [
            percent(FOREIGN_LIMIT),
            words::milliseconds(LAG_SHARE * card.slo_ms),
            percent(CEILING),
        ],
        remarks: remarks(scaled),
        balancing: measured.balancing.described(),
    };
    Ok(page.render()?)
}

/// One sentence for each mix, one for what a replica costs, and one for what was predicted.
pub(super) fn sentences(card: &Card, summary: &Summary) -> Vec<Sentence> {
    let Some(scaled) = &summary.scaled else { return Vec::new() };
    if composed::is_composed(scaled) {
        let mixes = scaled.mixes.iter().filter_map(|mix| composed::sentence(card, mix));
        return mixes.chain(composed::of_replicas(scaled)).collect();
    }
    let mixes = scaled.mixes.iter().filter_map(|mix| of_mix(card, mix));
    let predictions = scaled.foretold.as_ref().and_then(foretold::sentence);
    mixes.chain(of_replicas(scaled)).chain(predictions).collect()
}

fn of_mix(card: &Card, mix: &OfMix) -> Option<Sentence> {
    let best = |arm| mix.confirmed.iter().find(|of| of.arm == arm);
    let served = |of: &Confirmed| {
        let rate = of.goodput.map(|goodput| words::count(goodput.value.round() as u64));
        Some(format!("{} requests a second as {}", rate?, of.setup))
    };
    let (split, monolith) = (served(best(Arm::Split)?)?, served(best(Arm::Monolith)?)?);
    let jobs = mix.jobs.map_or("", |_| ", with all jobs done in time");
    let sentence = Sentence::new().plain(format!(
        "On the {} mix the split serves at best {split}, the monolith {monolith}, 99 of 100 of them \
         within {} ms{jobs} (",
        mix.mix, card.slo_ms
    ));
    Some(sentence.estimate(mix.ratios.split?).plain(")."))
}

/// Of the replica of each role that is nearest to a unit.
fn of_replicas(scaled: &Scaled) -> Option<Sentence> {
    let off = |replica: &Replica| (replica.cpu - scaled.unit).abs();
    let mut nearest: BTreeMap<&str, &Replica> = BTreeMap::new();
    for replica in &scaled.replicas {
        let known = nearest.entry(&replica.role).or_insert(replica);
        if off(replica) < off(known) {
            *known = replica;
        }
    }
    let cost = |replica: &&Replica| {
        let connections = match replica.db_connections {
            0 => "no database connection".to_owned(),
            n => format!("up to {n} database connections"),
        };
        let mib = replica.working_mib.unwrap_or(replica.started_mib);
        let ready = words::milliseconds(replica.first_ok_ms);
        let Replica { role, cpu, .. } = replica;
        let role = if role == WORK { "worker" } else { role };
        format!("a {role} of {cpu} CPU {mib:.0} MiB, {connections} and {ready} until it answers")
    };
    let costs: Vec<String> = nearest.values().map(cost).collect();
    let sentence = Sentence::new().plain(format!("One more replica costs: {}.", costs.join("; ")));
    (!costs.is_empty()).then_some(sentence)
}

/// What a search for the best of two identical monoliths found.
pub(super) fn controls(summary: &Summary) -> Option<Sentence> {
    let mixes = &summary.scaled.as_ref()?.mixes;
    let mut sentence = Sentence::new()
        .plain("The same search, made for two identical monoliths, finds a difference of ");
    for (number, mix) in mixes.iter().enumerate() {
        let lead = if number > 0 { ", and of " } else { "" };
        let on = format!(" on the {} mix", mix.mix);
        sentence = sentence.plain(lead).estimate(mix.ratios.twin?).plain(on);
    }
    (!mixes.is_empty()).then(|| sentence.plain("."))
}

/// How the run went, in one sentence.
pub(super) fn conduct(summary: &Summary) -> String {
    let Conduct { slices, requests, errors, worst_lag_ms, .. } = &summary.conduct;
    let Some(scaled) = &summary.scaled else { return String::new() };
    format!(
        "{} requests in {slices} steps of {} trials, {errors} of them not answered rightly; {} trials \
         and {} steps void, {} trials flagged, {} without a goodput; the generator was at most \
         {worst_lag_ms:.2} ms late (p99 of the worst step).",
        words::count(*requests),
        scaled.trials,
        scaled.void_trials.len(),
        scaled.void_steps.len(),
        scaled.flagged.len(),
        scaled.unsettled.len()
    )
}

/// What was void, suspicious, or without result, and why.
pub(super) fn remarks(scaled: &Scaled) -> Vec<(&'static str, Vec<String>)> {
    let list = |remarks: &[Remark]| -> Vec<String> {
        remarks.iter().map(|Remark { trial, why }| format!("{trial}: {why}")).collect()
    };
    let all = [
        ("Void trials, which count for nothing", list(&scaled.void_trials)),
        ("Void steps, which were tried again", list(&scaled.void_steps)),
        ("Flagged trials, which count under suspicion", list(&scaled.flagged)),
        ("Trials that found no goodput", list(&scaled.unsettled)),
    ];
    all.into_iter().filter(|(_, remarks)| !remarks.is_empty()).collect()
}

/// Mix and arm, setup, goodput, throttling, the other core, others.
pub(super) fn row(
    what: String,
    setup: &str,
    goodput: Option<Estimate>,
    trials: usize,
    around: &Around,
) -> [String; 6] {
    let percent = |share: f64| format!("{:.1}\u{a0}%", share * 100.0);
    let stopped: Vec<String> = around.throttled.values().map(|share| percent(*share)).collect();
    [
        what,
        setup.to_owned(),
        self::goodput(goodput, trials),
        stopped.join(", "),
        percent(around.beside),
        percent(around.foreign_cpu),
    ]
}

/// A goodput of so many trials.
pub(super) fn goodput(goodput: Option<Estimate>, trials: usize) -> String {
    match goodput {
        Some(goodput) if trials == 1 => words::level(Metric::Goodput, goodput.value),
        Some(goodput) => words::level_with_interval(Metric::Goodput, goodput),
        None => "none found".to_owned(),
    }
}

/// The best setup of each arm, in trials of its own; intervals are of 95 %.
pub(super) fn confirmed(scaled: &Scaled) -> Vec<[String; 6]> {
    let of_mix = |mix: &OfMix| -> Vec<[String; 6]> {
        let one = |it: &Confirmed| {
            let what = format!("{}, {}", mix.mix, it.arm.name());
            row(what, &it.setup, it.goodput, it.trials, &it.around)
        };
        mix.confirmed.iter().map(one).collect()
    };
    scaled.mixes.iter().flat_map(of_mix).collect()
}

/// What they were chosen from; lowest and highest in brackets.
pub(super) fn tuned(scaled: &Scaled) -> Vec<[String; 6]> {
    let of_mix = |mix: &OfMix| -> Vec<[String; 6]> {
        let one = |it: &crate::judge::scaled::Tuned| {
            let chosen = if it.chosen { ", chosen" } else { "" };
            let what = format!("{}, {}{chosen}", mix.mix, it.arm.name());
            row(what, &it.setup, it.goodput, it.trials, &it.around)
        };
        mix.tuned.iter().map(one).collect()
    };
    scaled.mixes.iter().flat_map(of_mix).collect()
}

/// More and more units of the budget; lowest and highest in brackets.
pub(super) fn climbed(scaled: &Scaled) -> Vec<[String; 6]> {
    let of_mix = |mix: &OfMix| -> Vec<[String; 6]> {
        let one = |it: &crate::judge::scaled::Climbed| {
            let what = format!("{}, {}, {} CPU", mix.mix, it.arm.name(), it.cpu);
            row(what, &it.setup, it.goodput, it.trials, &it.around)
        };
        mix.climbed.iter().map(one).collect()
    };
    scaled.mixes.iter().flat_map(of_mix).collect()
}

/// Mix and arm, process, CPU per request at the goodput, and that as a share of what its tier and
/// all others of the arm take.
fn processes(scaled: &Scaled) -> Vec<[String; 4]> {
    let mut rows = Vec::new();
    for mix in &scaled.mixes {
        for of in &mix.confirmed {
            let Around { processes, throttled, .. } = &of.around;
            let servers: f64 = throttled.keys().filter_map(|role| processes.get(role)).sum();
            for (name, ms) in processes {
                let share = match throttled.contains_key(name) {
                    true => format!("{:.0}\u{a0}%", 100.0 * ms / servers),
                    false => "beside".to_owned(),
                };
                let what = format!("{}, {}", mix.mix, of.arm.name());
                rows.push([what, name.clone(), words::milliseconds(*ms), share]);
            }
        }
    }
    rows
}

/// The head of [`costs`].
pub(super) const COSTS: [&str; 6] = [
    "One more",
    "CPU",
    "Memory at the start",
    "Memory under load",
    "Database connections",
    "First right answer after",
];

/// What one more replica costs.
pub(super) fn costs(scaled: &Scaled) -> Vec<[String; 6]> {
    let mib = |mib: f64| format!("{mib:.1}\u{a0}MiB");
    let row = |replica: &Replica| {
        [
            replica.role.clone(),
            format!("{:.3}", replica.cpu),
            mib(replica.started_mib),
            replica.working_mib.map_or_else(|| "–".to_owned(), mib),
            replica.db_connections.to_string(),
            words::milliseconds(replica.first_ok_ms),
        ]
    };
    scaled.replicas.iter().map(row).collect()
}

fn gated(mix: &OfMix) -> Option<[String; 4]> {
    let ratios = mix.ratios;
    let shown = |found: Option<Estimate>| {
        found.map_or_else(|| "too little is left".to_owned(), words::change_with_interval)
    };
    (ratios.quiet_rounds < ratios.rounds).then(|| {
        [
            format!("{}: split against monolith", words::capitalised(&mix.mix)),
            shown(ratios.split),
            shown(ratios.split_gated),
            format!("{} of {}", ratios.quiet_rounds, ratios.rounds),
        ]
    })
}

fn panel(mix: &OfMix) -> Panel {
    Panel {
        mix: words::capitalised(&mix.mix),
        divisions: Divisions::of(mix),
        ladder: (!mix.climbed.is_empty()).then(|| ladder(mix)),
    }
}
