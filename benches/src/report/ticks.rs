//! The report of ticks: how many were missed, doubled or early, by how the schedule is kept and over how
//! many replicas.

use askama::Template;

use super::{
    charts::Rows,
    finding::Sentence,
    frame::Frame,
    shares::{self, Line, STYLE},
};
use crate::{
    experiment::Card,
    experiments::x8::LIMIT,
    judge::{
        summary::Summary,
        ticked::{Row, Tally, Ticked},
    },
    record::{Arm, Comparison, Run},
    ticks::{Subject, Timer},
    words,
};

#[derive(Template)]
#[template(path = "ticks.html")]
struct Page<'a> {
    frame: Frame<'a>,
    controls: Option<Sentence>,
    every_s: u32,
    pause_s: f64,
    skew_s: f64,
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
/// When it holds no ticks.
pub(super) fn html(run: &Run, card: &Card, summary: &Summary) -> anyhow::Result<String> {
    let (Some(found), Some(measured)) = (&summary.ticked, &run.ticks) else {
        anyhow::bail!("{} has no ticks", run.id);
    };
    let page = Page {
        frame: Frame::of(run, card, summary, STYLE, sentences(summary))?,
        controls: controls(summary),
        every_s: measured.every_s,
        pause_s: f64::from(measured.pause_ms) / 1e3,
        skew_s: f64::from(measured.skew_ms) / 1e3,
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

fn replicas(count: u32) -> String {
    if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") }
}

/// What a subject is called.
fn subject(Subject { arm, timer, replicas: count }: Subject) -> String {
    let count = replicas(count);
    match (arm, timer) {
        (Arm::Planted, _) => {
            format!("planted: a row for each tick, and one of {count} has a timer")
        }
        (Arm::Twin, _) => format!("twin, a timer in each process, {count}"),
        (_, Timer::Row) => format!("a row for each tick, {count}"),
        (_, Timer::Bare) => format!("a timer in each process, {count}"),
    }
}

/// By how the schedule is kept: what went wrong, from one replica to most.
pub(super) fn sentences(summary: &Summary) -> Vec<Sentence> {
    let Some(found) = &summary.ticked else { return Vec::new() };
    let mut sentences = Vec::new();
    for (timer, lead) in [
        (Timer::Row, "Ticks that are rows, and were missed, doubled or early: "),
        (Timer::Bare, "Ticks of a timer in each process: "),
    ] {
        let rows = found.rows.iter();
        let rows =
            rows.filter(|row| row.subject.arm == Arm::Monolith && row.subject.timer == timer);
        let mut sentence = Sentence::new().plain(lead);
        let mut parts = 0;
        for Row { subject: it, tally, .. } in rows {
            let Tally { amiss, ticks, share: Some(share), .. } = tally else { continue };
            sentence = sentence
                .plain(if parts > 0 { "; " } else { "" })
                .strong(format!("{amiss} of {ticks}"))
                .plain(format!(
                    ", {}, over {}",
                    words::share_with_interval(*share),
                    replicas(it.replicas)
                ));
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
    let (calm, planted) = (of(Comparison::Boundary)?, of(Comparison::Planted)?);
    let sentence = Sentence::new()
        .plain("The same instrument finds ")
        .strong(words::share_with_interval(calm.found?))
        .plain(" of ticks wrong with one replica that nothing befalls, and ")
        .strong(words::share_with_interval(planted.found?))
        .plain(" doubled where one of two replicas has a timer of its own.");
    Some(sentence)
}

/// How the run went, in one sentence.
pub(super) fn conduct(summary: &Summary) -> String {
    let Some(found) = &summary.ticked else { return String::new() };
    let counted: u64 = found.rows.iter().map(|row| row.tally.ticks).sum();
    format!(
        "{} ticks, {} of them counted, {} void.",
        words::count(found.ticks as u64),
        words::count(counted),
        words::count(found.void.len() as u64)
    )
}

/// What was void.
pub(super) fn remarks(found: &Ticked) -> Vec<(&'static str, Vec<String>)> {
    shares::remarks([("Void ticks, which count for nothing", &found.void), ("", &[])])
}

/// The head of [`rows`] and [`cells`].
pub(super) const HEAD: [&str; 7] = [
    "Schedule",
    "Ticks",
    "Missed",
    "Doubled (at most)",
    "Early",
    "Any of these",
    "Seen after its time: median, longest",
];

/// Subject by subject.
pub(super) fn rows(found: &Ticked) -> Vec<[String; 7]> {
    found.rows.iter().map(|row| line(subject(row.subject), &row.tally)).collect()
}

/// Subject by subject, and what befell it.
pub(super) fn cells(found: &Ticked) -> Vec<[String; 7]> {
    let of = |row: &Row| {
        let trouble = row.trouble.map_or("", crate::ticks::Trouble::name);
        line(format!("{}: {trouble}", subject(row.subject)), &row.tally)
    };
    found.cells.iter().map(of).collect()
}

fn line(what: String, tally: &Tally) -> [String; 7] {
    let Tally { ticks, missed, doubled, early, share, most, after, .. } = tally;
    let after = after.map(|[middle, longest]| {
        let seconds = |s: f64| format!("{s:.2}\u{a0}s").replace('-', "−");
        format!("{}, {}", seconds(middle), seconds(longest))
    });
    let doubled = match doubled {
        0 => "0".to_owned(),
        n => format!("{} ({most}\u{a0}×)", words::count(*n)),
    };
    [
        what,
        words::count(*ticks),
        words::count(*missed),
        doubled,
        words::count(*early),
        share.map_or_else(|| "–".to_owned(), words::share_with_interval),
        after.unwrap_or_else(|| "–".to_owned()),
    ]
}

/// The share of ticks that went wrong, subject by subject.
fn chart(found: &Ticked) -> Rows {
    let group = |which: &dyn Fn(Subject) -> bool| {
        let line = |row: &Row| {
            let Tally { amiss, ticks, share, .. } = row.tally;
            Some(Line {
                label: subject(row.subject),
                note: format!("{amiss} of {ticks} ticks"),
                share: share?,
                class: shares::class(row.subject.arm),
            })
        };
        found.rows.iter().filter(|row| which(row.subject)).filter_map(line).collect()
    };
    let of = |timer| move |it: Subject| it.arm == Arm::Monolith && it.timer == timer;
    let groups = vec![
        (
            "Ticks that were missed, doubled or early, exact 95 % intervals".to_owned(),
            group(&of(Timer::Row)),
        ),
        ("A timer in each process".to_owned(), group(&of(Timer::Bare))),
        ("Controls".to_owned(), group(&|it| it.arm != Arm::Monolith)),
    ];
    shares::chart(groups, LIMIT)
}

#[cfg(test)]
#[path = "ticks_tests.rs"]
mod tests;
