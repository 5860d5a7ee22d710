//! The report of a composition whose servers got more and more containers: what each setup serves, what a
//! page costs in it, and what one more container takes.

use askama::Template;

use super::{
    charts::{self, Rows},
    finding::Sentence,
    frame::Frame,
    scaling,
};
use crate::{
    databases::POSTGRES,
    experiment::Card,
    judge::{
        scaled::{Around, Climbed, OfMix, Replica, Scaled},
        summary::Summary,
    },
    record::Run,
    words,
};

#[derive(Template)]
#[template(path = "composed.html")]
struct Page<'a> {
    frame: Frame<'a>,
    slo_ms: f64,
    chart: Rows,
    head: [&'static str; 8],
    setups: Vec<[String; 8]>,
    processes: Vec<[String; 3]>,
    head_of_costs: [&'static str; 6],
    costs: Vec<[String; 6]>,
    controls: Option<Sentence>,
    conduct: String,
    remarks: Vec<(&'static str, Vec<String>)>,
}

/// The whole page.
///
/// # Errors
/// When it holds no searches.
pub(super) fn html(run: &Run, card: &Card, summary: &Summary) -> anyhow::Result<String> {
    let Some(scaled) = &summary.scaled else { anyhow::bail!("{} has no searches", run.id) };
    let page = Page {
        frame: Frame::of(run, card, summary, "", scaling::sentences(card, summary))?,
        slo_ms: card.slo_ms,
        chart: charts::setups(scaled),
        head: HEAD,
        setups: setups(scaled),
        processes: processes(scaled),
        head_of_costs: COSTS,
        costs: scaling::costs(scaled),
        controls: scaling::controls(summary),
        conduct: scaling::conduct(summary),
        remarks: scaling::remarks(scaled),
    };
    Ok(page.render()?)
}

/// Whether these are the figures of a composition: there, nothing is chosen and confirmed.
pub(super) fn is_composed(scaled: &Scaled) -> bool {
    scaled.mixes.iter().all(|mix| mix.tuned.is_empty() && !mix.climbed.is_empty())
}

/// What a mix comes to, setup by setup, in one sentence.
pub(super) fn sentence(card: &Card, mix: &OfMix) -> Option<Sentence> {
    let mut sentence = Sentence::new().plain(format!(
        "On the {} mix, with 99 of 100 requests answered within {} ms, ",
        mix.mix, card.slo_ms
    ));
    let served = mix.climbed.iter().filter_map(|it| Some((it, it.goodput?.value)));
    let served: Vec<(&Climbed, f64)> = served.collect();
    for (number, (it, goodput)) in served.iter().enumerate() {
        let lead = match number {
            0 => format!("{} can serve ", it.setup),
            1 => format!(" a second; {} ", it.setup),
            _ => format!("; {} ", it.setup),
        };
        sentence = sentence.plain(lead).strong(words::count(goodput.round() as u64));
    }
    (!served.is_empty()).then(|| sentence.plain("."))
}

/// The head of [`setups`].
pub(super) const HEAD: [&str; 8] = [
    "",
    "Containers",
    "Goodput",
    "CPU of servers",
    "CPU of PostgreSQL",
    "Stopped by limits",
    "Beside",
    "Foreign CPU",
];

/// What each setup comes to; lowest and highest in brackets.
pub(super) fn setups(scaled: &Scaled) -> Vec<[String; 8]> {
    let row = |mix: &OfMix, it: &Climbed| {
        let what = format!("{}, {}", mix.mix, it.arm.name());
        let [what, setup, goodput, stopped, beside, foreign] =
            scaling::row(what, &it.setup, it.goodput, it.trials, &it.around);
        let Around { processes, throttled, .. } = &it.around;
        let servers: Option<f64> = throttled.keys().map(|role| processes.get(role)).sum();
        let ms = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), words::milliseconds);
        let database = processes.get(POSTGRES).copied();
        let servers = servers.filter(|_| !throttled.is_empty());
        [what, setup, goodput, ms(servers), ms(database), stopped, beside, foreign]
    };
    let of_mix = |mix: &OfMix| mix.climbed.iter().map(|it| row(mix, it)).collect::<Vec<_>>();
    scaled.mixes.iter().flat_map(of_mix).collect()
}

/// Setup, process, CPU per request at the goodput.
fn processes(scaled: &Scaled) -> Vec<[String; 3]> {
    let climbed = scaled.mixes.iter().flat_map(|mix| mix.climbed.iter().map(move |it| (mix, it)));
    let of_setup = |(mix, it): (&OfMix, &Climbed)| {
        let what = format!("{}, {}", mix.mix, it.setup);
        let row =
            |(name, ms): (&String, &f64)| [what.clone(), name.clone(), words::milliseconds(*ms)];
        it.around.processes.iter().map(row).collect::<Vec<_>>()
    };
    climbed.flat_map(of_setup).collect()
}

/// The head of [`scaling::costs`] here.
pub(super) const COSTS: [&str; 6] = [
    "One more",
    "CPU, at most",
    "Memory at the start",
    "Memory under load",
    "Database connections, at most",
    "Healthy after",
];

/// What one more container of each server takes, in one sentence.
pub(super) fn of_replicas(scaled: &Scaled) -> Option<Sentence> {
    let cost = |replica: &Replica| {
        let Replica { role, first_ok_ms, started_mib, working_mib, .. } = replica;
        let mib = working_mib.unwrap_or(*started_mib);
        format!("a {role} {mib:.0} MiB, and is healthy after {:.1} s", first_ok_ms / 1e3)
    };
    let costs: Vec<String> = scaled.replicas.iter().map(cost).collect();
    let sentence =
        Sentence::new().plain(format!("One more container takes: {}.", costs.join("; ")));
    (!costs.is_empty()).then_some(sentence)
}

/// What the terminal shows of it.
pub(super) fn in_short(scaled: &Scaled) -> Vec<[String; 6]> {
    let short = setups(scaled).into_iter().map(|row| {
        let [what, setup, goodput, servers, _, _, beside, foreign] = row;
        [what, setup, goodput, servers, beside, foreign]
    });
    short.collect()
}

#[cfg(test)]
#[path = "composed_tests.rs"]
mod tests;
