//! The report of deploys: which share of them interrupted a job, system by system, what that cost, and how
//! long it took.

use askama::Template;

use super::{
    charts::Rows,
    finding::Sentence,
    frame::Frame,
    shares::{self, Line, STYLE, class},
};
use crate::{
    deploys::{Release, Subject},
    durability::Place,
    experiment::Card,
    experiments::x7::LIMIT,
    judge::{
        deployed::{Deployed, Row, Tally},
        summary::Summary,
    },
    record::{Arm, Comparison, Run},
    stats::Estimate,
    words,
};

#[derive(Template)]
#[template(path = "deploys.html")]
struct Page<'a> {
    frame: Frame<'a>,
    controls: Option<Sentence>,
    lengths_s: [f64; 2],
    computes: f64,
    limit: f64,
    chart: Rows,
    head: [&'static str; 7],
    rows: Vec<[String; 7]>,
    conduct: String,
    remarks: Vec<(&'static str, Vec<String>)>,
}

/// The whole page.
///
/// # Errors
/// When it holds no deploys.
pub(super) fn html(run: &Run, card: &Card, summary: &Summary) -> anyhow::Result<String> {
    let (Some(found), Some(measured)) = (&summary.deployed, &run.deploys) else {
        anyhow::bail!("{} has no deploys", run.id);
    };
    let page = Page {
        frame: Frame::of(run, card, summary, STYLE, sentences(summary))?,
        controls: controls(summary),
        lengths_s: measured.lengths_ms.map(|ms| f64::from(ms) / 1e3),
        computes: 100.0 * measured.computes,
        limit: 100.0 * LIMIT,
        chart: chart(found),
        head: HEAD,
        rows: rows(found),
        conduct: conduct(summary),
        remarks: remarks(found),
    };
    Ok(page.render()?)
}

/// What a system is called, and what its deploy does to jobs.
fn subject(it: Subject) -> String {
    let Subject { arm, place, release, grace_s } = it;
    if arm == Arm::Planted {
        return "monolith, planted: says that its worker is left running".to_owned();
    }
    let place = match (arm, place) {
        (_, Place::Apart) => "worker in its own process",
        (Arm::Split, Place::Inside) => "worker in the backend",
        (_, Place::Inside) => "worker in the server",
    };
    let fate = match (it.restarts_jobs(), release, grace_s) {
        (false, ..) => "left running".to_owned(),
        (true, Release::Interface, 0) => "restarted at once".to_owned(),
        (true, Release::Everything, 0) => "restarted along at once".to_owned(),
        (true, Release::Interface, s) => format!("restarted, with {s}\u{a0}s to drain"),
        (true, Release::Everything, s) => format!("restarted along, with {s}\u{a0}s to drain"),
    };
    format!("{}, {place}, {fate}", arm.name())
}

fn is_control(row: &Row) -> bool {
    matches!(row.subject.arm, Arm::Twin | Arm::Planted)
}

/// Which share of deploys interrupted a job, and what the jobs took then, by what became of their
/// process.
pub(super) fn sentences(summary: &Summary) -> Vec<Sentence> {
    let Some(found) = &summary.deployed else { return Vec::new() };
    let mut sentences = Vec::new();
    for (restarted, lead) in [
        (
            true,
            "Deploys of the interface that interrupted jobs where their process was restarted at once: ",
        ),
        (false, "Where it was left running: "),
    ] {
        // With time to drain they are a matter of their own.
        let which = |it: Subject| it.restarts_jobs() == restarted && it.grace_s == 0;
        let rows = found.rows.iter().filter(|row| !is_control(row) && which(row.subject));
        let mut sentence = Sentence::new().plain(lead);
        let mut parts = 0;
        for Row { subject: it, tally } in rows {
            let Tally { interrupting, met, share: Some(share), .. } = tally else { continue };
            let place = match (it.arm, it.place) {
                (_, Place::Apart) => "with a worker of its own",
                (Arm::Split, Place::Inside) => "with its worker in the backend",
                (_, Place::Inside) => "with its worker in the server",
            };
            sentence = sentence
                .plain(if parts > 0 { "; " } else { "" })
                .strong(format!("{interrupting} of {met}"))
                .plain(format!(
                    ", {}, of the {} {place}",
                    words::share_with_interval(*share),
                    it.arm.name()
                ));
            parts += 1;
        }
        if parts > 0 {
            sentences.push(sentence.plain("."));
        }
    }
    sentences.extend(again(found));
    sentences
}

/// What interruptions cost, where they cost most.
fn again(found: &Deployed) -> Option<Sentence> {
    let rows = || found.rows.iter().filter(|row| !is_control(row));
    let most = rows().filter(|row| row.subject.restarts_jobs());
    let cpu = |row: &Row| row.tally.cpu.map_or(0.0, |cpu| cpu.value);
    let most = most.max_by(|a, b| cpu(a).total_cmp(&cpu(b)))?;
    let least = found.undisturbed.cpu?;
    let sentence = Sentence::new()
        .plain("Where a deploy cost most, the jobs took ")
        .strong(times(most.tally.cpu?))
        .plain(format!(
            " the CPU that they are made of ({}); where nothing was deployed, {}.",
            subject(most.subject),
            times(least)
        ));
    Some(sentence)
}

/// A multiple with its interval.
fn times(ratio: Estimate) -> String {
    let Estimate { value, low, high } = ratio;
    format!("{value:.2}\u{a0}×\u{a0}[{low:.2},\u{a0}{high:.2}]")
}

/// What the controls found, in one sentence.
pub(super) fn controls(summary: &Summary) -> Option<Sentence> {
    let checks = &summary.certificate.checks;
    let of = |comparison| checks.iter().find(|check| check.comparison == comparison);
    let (twin, planted) = (of(Comparison::Null)?, of(Comparison::Planted)?);
    let sentence = Sentence::new()
        .plain("The same instrument finds interruptions in ")
        .strong(words::share_with_interval(twin.found?))
        .plain(" of the deploys of a second, identical monolith, and in ")
        .strong(words::share_with_interval(planted.found?))
        .plain(" where a worker was restarted that was said to be left running.");
    Some(sentence)
}

/// How the run went, in one sentence.
pub(super) fn conduct(summary: &Summary) -> String {
    let Some(found) = &summary.deployed else { return String::new() };
    let sum = |of: fn(&Tally) -> u64| found.rows.iter().map(|row| of(&row.tally)).sum::<u64>();
    format!(
        "{} trials with {} deploys, {} of which met running jobs; {} jobs in these, {} of them running \
         at the beginning of a deploy; {} trials void, {} with trouble after it.",
        words::count(found.trials as u64),
        words::count(sum(|it| it.deploys)),
        words::count(sum(|it| it.met)),
        words::count(sum(|it| it.jobs)),
        words::count(sum(|it| it.running)),
        found.void.len(),
        found.troubled.len()
    )
}

/// What was void, and what went wrong after deploys.
pub(super) fn remarks(found: &Deployed) -> Vec<(&'static str, Vec<String>)> {
    shares::remarks([
        ("Void trials, which count for nothing", &found.void),
        ("Trouble after a deploy; what had no effect by then counts as lost", &found.troubled),
    ])
}

/// The head of [`rows`].
pub(super) const HEAD: [&str; 7] = [
    "System, and what became of the process that ran jobs",
    "Deploys that met jobs",
    "Interrupted any",
    "Jobs interrupted, of those that ran",
    "CPU, of what jobs are made of",
    "Drained: median, longest",
    "Lost, twice",
];

/// Subject by subject, and all of them without a deploy.
pub(super) fn rows(found: &Deployed) -> Vec<[String; 7]> {
    let rows = found.rows.iter().map(|row| line(subject(row.subject), &row.tally));
    let Tally { deploys, jobs, interrupted, lost, twice, cpu, .. } = &found.undisturbed;
    let undisturbed = [
        format!("all systems without a deploy, {deploys} trials"),
        "–".to_owned(),
        "–".to_owned(),
        format!("{} of {}", words::count(*interrupted), words::count(*jobs)),
        cpu.map_or_else(|| "–".to_owned(), times),
        "–".to_owned(),
        format!("{}, {}", words::count(*lost), words::count(*twice)),
    ];
    rows.chain([undisturbed]).collect()
}

fn line(what: String, tally: &Tally) -> [String; 7] {
    let Tally { deploys, met, share, running, interrupted, lost, twice, cpu, drained, .. } = tally;
    let time = drained.map(|[middle, longest]| format!("{middle:.2}\u{a0}s, {longest:.2}\u{a0}s"));
    let [interrupted, running] = [interrupted, running].map(|jobs| words::count(*jobs));
    [
        what,
        format!("{met} of {deploys}"),
        share.map_or_else(|| "–".to_owned(), words::share_with_interval),
        format!("{interrupted} of {running}"),
        cpu.map_or_else(|| "–".to_owned(), times),
        time.unwrap_or_else(|| "–".to_owned()),
        format!("{}, {}", words::count(*lost), words::count(*twice)),
    ]
}

/// The share of deploys that interrupted jobs, by what became of their process.
fn chart(found: &Deployed) -> Rows {
    let group = |which: &dyn Fn(&Row) -> bool| {
        let line = |row: &Row| {
            let Tally { interrupting, met, share, .. } = row.tally;
            Some(Line {
                label: subject(row.subject),
                note: format!("{interrupting} of {met} deploys"),
                share: share?,
                class: class(row.subject.arm),
            })
        };
        found.rows.iter().filter(|row| which(row)).filter_map(line).collect()
    };
    let restarted = |row: &Row| !is_control(row) && row.subject.restarts_jobs();
    let left = |row: &Row| !is_control(row) && !row.subject.restarts_jobs();
    let title = "Deploys that interrupted jobs, exact 95 % intervals: ";
    let groups = vec![
        (format!("{title}their process is restarted"), group(&restarted)),
        ("It is left running".to_owned(), group(&left)),
        ("Controls".to_owned(), group(&is_control)),
    ];
    shares::chart(groups, LIMIT)
}

#[cfg(test)]
#[path = "deploys_tests.rs"]
mod tests;
