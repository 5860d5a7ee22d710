//! The report of kills: which share of them lost a job, system by system, and what became of the rest.

use askama::Template;

use super::{
    charts::Rows,
    finding::Sentence,
    frame::Frame,
    shares::{self, Line, STYLE, class},
};
use crate::{
    durability::{Keeping, Place, Subject},
    experiment::Card,
    experiments::x6::LIMIT,
    judge::{
        endured::{Endured, Row, Tally},
        summary::Summary,
    },
    record::{Arm, Comparison, Run},
    stats::Estimate,
    words,
};

#[derive(Template)]
#[template(path = "durability.html")]
struct Page<'a> {
    frame: Frame<'a>,
    controls: Option<Sentence>,
    job_ms: u32,
    lease_ms: u32,
    pause_ms: u32,
    limit: f64,
    chart: Rows,
    head: [&'static str; 7],
    rows: Vec<[String; 7]>,
    cells: Vec<[String; 7]>,
    conduct: String,
    remarks: Vec<(&'static str, Vec<String>)>,
}

/// The whole page.
///
/// # Errors
/// When it holds no kills.
pub(super) fn html(run: &Run, card: &Card, summary: &Summary) -> anyhow::Result<String> {
    let (Some(found), Some(measured)) = (&summary.endured, &run.durability) else {
        anyhow::bail!("{} has no kills", run.id);
    };
    let page = Page {
        frame: Frame::of(run, card, summary, STYLE, sentences(summary))?,
        controls: controls(summary),
        job_ms: measured.job_ms,
        lease_ms: measured.lease_ms,
        pause_ms: measured.pause_ms,
        limit: 100.0 * LIMIT,
        chart: chart(found),
        head: HEAD,
        rows: rows(found),
        cells: cells(found),
        conduct: conduct(summary),
        remarks: remarks(found),
    };
    Ok(page.render()?)
}

/// What a system is called.
fn subject(Subject { arm, keeping, place }: Subject) -> String {
    let keeps = match (arm, keeping, place) {
        (Arm::Planted, ..) => return "monolith, planted bug: ended before its effect".to_owned(),
        (_, Keeping::Queue, Place::Inside) => "queue, worker in the server",
        (_, Keeping::Queue, Place::Apart) => "queue, worker in its own process",
        (_, Keeping::Spawn, _) => "spawned after the answer",
    };
    format!("{}, {keeps}", arm.name())
}

/// Per system of either architecture: which share of kills lost a job, and of how many.
pub(super) fn sentences(summary: &Summary) -> Vec<Sentence> {
    let Some(found) = &summary.endured else { return Vec::new() };
    let of = |keeping| {
        let rows = found.rows.iter();
        let rows = rows.filter(move |row| row.subject.keeping == keeping);
        rows.filter(|row| matches!(row.subject.arm, Arm::Monolith | Arm::Split))
    };
    let mut sentences = Vec::new();
    for (keeping, lead) in [
        (Keeping::Queue, "Kills that lost an accepted job from the queue: "),
        (Keeping::Spawn, "Kills that lost one that was spawned after the answer: "),
    ] {
        let mut sentence = Sentence::new().plain(lead);
        let mut parts = 0;
        for Row { subject: it, tally, .. } in of(keeping) {
            let Some(share) = tally.share else { continue };
            let Tally { lossy, met, .. } = tally;
            let lead = if parts > 0 { "; " } else { "" };
            sentence = sentence.plain(lead).strong(format!("{lossy} of {met}"));
            let share = words::share_with_interval(share);
            let place = match (keeping, it.place) {
                (Keeping::Spawn, _) => "",
                (Keeping::Queue, Place::Inside) => " with its worker in the server",
                (Keeping::Queue, Place::Apart) => " with a worker process of its own",
            };
            sentence = sentence.plain(format!(", {share}, of the {}{place}", it.arm.name()));
            parts += 1;
        }
        if parts > 0 {
            sentences.push(sentence.plain("."));
        }
    }
    sentences
}

/// What the controls found, in one sentence.
pub(super) fn controls(summary: &Summary) -> Option<Sentence> {
    let checks = &summary.certificate.checks;
    let of = |comparison| checks.iter().find(|check| check.comparison == comparison);
    let (twin, planted) = (of(Comparison::Null)?, of(Comparison::Planted)?);
    let share = |found: Option<Estimate>| found.map(words::share_with_interval);
    let sentence = Sentence::new()
        .plain("The same instrument finds losses in ")
        .strong(share(twin.found)?)
        .plain(" of the kills of a second, identical monolith, and in ")
        .strong(share(planted.found)?)
        .plain(" where a bug was planted that ends jobs before their effect.");
    Some(sentence)
}

/// How the run went, in one sentence.
pub(super) fn conduct(summary: &Summary) -> String {
    let Some(found) = &summary.endured else { return String::new() };
    let sum = |of: fn(&Tally) -> u64| found.rows.iter().map(|row| of(&row.tally)).sum::<u64>();
    format!(
        "{} trials with {} kills, {} of which met jobs that were not done; {} jobs accepted before \
         these, {} of them at stake; {} trials void, {} with trouble after the kill.",
        words::count(found.trials as u64),
        words::count(sum(|it| it.kills)),
        words::count(sum(|it| it.met)),
        words::count(sum(|it| it.accepted)),
        words::count(sum(|it| it.at_stake)),
        found.void.len(),
        found.troubled.len()
    )
}

/// What was void, and what went wrong after kills.
pub(super) fn remarks(found: &Endured) -> Vec<(&'static str, Vec<String>)> {
    shares::remarks([
        ("Void trials, which count for nothing", &found.void),
        ("Trouble after a kill; what had no effect by then counts as lost", &found.troubled),
    ])
}

/// The head of [`rows`] and [`cells`].
pub(super) const HEAD: [&str; 7] = [
    "System",
    "Kills that met jobs",
    "With a loss",
    "Jobs at stake",
    "Lost",
    "Twice or without a cause",
    "Until all was done: median, longest",
];

/// System by system.
pub(super) fn rows(found: &Endured) -> Vec<[String; 7]> {
    found.rows.iter().map(|row| line(subject(row.subject), &row.tally)).collect()
}

/// System by system, and how its servers ended.
pub(super) fn cells(found: &Endured) -> Vec<[String; 7]> {
    let of = |row: &Row| {
        let blow = row.blow.as_deref().unwrap_or_default();
        line(format!("{}: {blow}", subject(row.subject)), &row.tally)
    };
    found.cells.iter().map(of).collect()
}

fn line(what: String, tally: &Tally) -> [String; 7] {
    let Tally { kills, met, share, at_stake, lost, twice, recovered, .. } = tally;
    let time =
        recovered.map(|[middle, longest]| format!("{middle:.1}\u{a0}s, {longest:.1}\u{a0}s"));
    [
        what,
        format!("{met} of {kills}"),
        share.map_or_else(|| "–".to_owned(), words::share_with_interval),
        words::count(*at_stake),
        words::count(*lost),
        words::count(*twice),
        time.unwrap_or_else(|| "–".to_owned()),
    ]
}

/// The share of kills with a loss, system by system.
fn chart(found: &Endured) -> Rows {
    let group = |control: bool| {
        let of = |row: &&Row| matches!(row.subject.arm, Arm::Twin | Arm::Planted) == control;
        let line = |row: &Row| {
            let Tally { lossy, met, share, .. } = row.tally;
            Some(Line {
                label: subject(row.subject),
                note: format!("{lossy} of {met} kills"),
                share: share?,
                class: class(row.subject.arm),
            })
        };
        found.rows.iter().filter(of).filter_map(line).collect()
    };
    let groups = vec![
        ("Kills that lost an accepted job, exact 95 % intervals".to_owned(), group(false)),
        ("Controls".to_owned(), group(true)),
    ];
    shares::chart(groups, LIMIT)
}

#[cfg(test)]
#[path = "durability_tests.rs"]
mod tests;
