//! The part of a report that is about predictions: what each tier does for a page, what was said to
//! come of that, and what came.

use super::{
    finding::Sentence,
    svg::{Anchor, Scale, Svg, ticks},
};
use crate::{
    capacity::Demand,
    judge::{
        foretold::{Foretold, Point, Score, What},
        scaled::{OfLaw, Scaled},
    },
    record::Arm,
    stats::Estimate,
    words,
};

/// Height of a picture, and where its axis lies, pixels.
const CHART: (f64, f64) = (300.0, 250.0);

/// From where to where points lie, per cent.
const ACROSS: [f64; 2] = [13.0, 97.0];

/// By what share a prediction may be off before a line says so.
const OFF: f64 = 0.10;

/// Everything that the page shows.
pub(super) struct View {
    /// When, and the hash.
    pub(super) sealed: String,
    /// Whether all is as it was sealed.
    pub(super) sound: String,
    /// What was predicted, and the picture.
    pub(super) pictures: Vec<(&'static str, String)>,
    /// By what factor predictions were off.
    pub(super) scores: Vec<[String; 7]>,
    /// Demands.
    pub(super) demands: Vec<[String; 4]>,
    /// Every prediction.
    pub(super) points: Vec<[String; 8]>,
    /// How badly samples tell pages apart.
    pub(super) condition: String,
}

/// The head of [`View::scores`].
pub(super) const SCORES: [&str; 7] = [
    "Predicted",
    "Off by",
    "If all were right",
    "Straight line",
    "Scalability law",
    "90 % intervals that hold",
    "Should be wider by",
];

/// The head of [`View::demands`].
pub(super) const DEMANDS: [&str; 4] = ["CPU of", "Home page", "Article", "When nothing comes"];

/// The head of [`laws`].
pub(super) const LAWS: [&str; 5] =
    ["Mix and arm", "One unit", "Contention σ", "Coherency κ", "Most at"];

impl View {
    /// What there is to show.
    pub(super) fn of(it: &Foretold) -> Self {
        let kinds = [What::Goodput, What::PerCpu, What::Latency];
        let picture = |what| Some((title(what), scatter(what, &it.points)?));
        Self {
            sealed: format!("{}, SHA-256 {}", it.at.format("%-d %B %Y, %H:%M:%S UTC"), it.sha256),
            sound: sound(it),
            pictures: kinds.into_iter().filter_map(picture).collect(),
            scores: it.scores.iter().map(score).collect(),
            demands: it.demands.iter().map(demand).collect(),
            points: it.points.iter().map(row).collect(),
            condition: format!("{:.1}", it.condition),
        }
    }
}

/// Whether they can be relied on as such: their seal, and the machine.
fn sound(it: &Foretold) -> String {
    let [whole, again, in_time] = it.sound;
    let say = |true_that, yes: &'static str, no: &'static str| if true_that { yes } else { no };
    let parts = [
        say(whole, "the hash is that of the predictions in the record", "THE HASH DIFFERS"),
        say(again, "the raw data give the same again", "THE RAW DATA GIVE OTHERS"),
        say(in_time, "nothing that they are about was measured before", "THEY WERE MADE TOO LATE"),
    ];
    let seal = words::capitalised(&words::list(&parts)) + ".";
    match it.pace {
        Some(pace) => format!("{seal} The machine's pace: {pace}."),
        None => seal,
    }
}

/// How well it was predicted, in a sentence.
pub(super) fn sentence(it: &Foretold) -> Option<Sentence> {
    let of = |what| it.scores.iter().find(|score| score.what == what);
    let percent = |it: Estimate| format!("{:.1}\u{a0}%", (it.value - 1.0) * 100.0);
    let knee = of(What::PerCpu)?;
    let [linear, law] = knee.rivals;
    let mean = of(What::Latency)?;
    let floor = |score: &Score| {
        let floor = score.floor.map(|floor| (floor - 1.0) * 100.0);
        floor.map_or_else(String::new, |floor| {
            format!("; right predictions would be off by {floor:.1}\u{a0}%")
        })
    };
    let pace = match it.pace {
        Some(pace) if !pace.kept() => {
            " The machine changed its pace meanwhile: this decides nothing."
        }
        _ => "",
    };
    Some(Sentence::new().plain(format!(
        "What {} setups and mixes come to was predicted before they were tried: pages per CPU-second off \
         by {} on average (a straight line: {}, the scalability law alone: {}{}), the mean time of a page \
         by {}{}.{pace}",
        knee.points,
        percent(knee.off?),
        percent(linear?),
        percent(law?),
        floor(knee),
        percent(mean.off?),
        floor(mean)
    )))
}

/// What one of them is called, as a heading.
fn title(what: What) -> &'static str {
    match what {
        What::Goodput => "Goodput, pages a second",
        What::PerCpu => "Pages per CPU-second of the tier that is busy first, at the goodput",
        What::Latency => "Mean time of a page below 80 % of the knee, milliseconds",
    }
}

fn short(what: What) -> &'static str {
    match what {
        What::Goodput => "goodput",
        What::PerCpu => "pages per CPU-second",
        What::Latency => "mean time",
    }
}

fn figure(what: What, value: f64) -> String {
    match what {
        What::Latency => words::milliseconds(value),
        _ => words::count(value.round() as u64),
    }
}

fn with_interval(what: What, it: Estimate) -> String {
    let Estimate { value, low, high } = it;
    let [low, high] = [low, high].map(|end| figure(what, end));
    format!("{} [{low}, {high}]", figure(what, value))
}

fn factor(found: Option<Estimate>) -> String {
    let of = |it: Estimate| format!("{:.3}\u{a0}× [{:.3}, {:.3}]", it.value, it.low, it.high);
    found.map_or_else(|| "–".to_owned(), of)
}

fn score(it: &Score) -> [String; 7] {
    let [linear, law] = it.rivals.map(factor);
    [
        words::capitalised(short(it.what)),
        factor(it.off),
        it.floor.map_or_else(|| "–".to_owned(), |floor| format!("{floor:.3}\u{a0}×")),
        linear,
        law,
        format!("{} of {}", it.covered, it.points),
        format!("{:.2}\u{a0}×", it.widen),
    ]
}

fn demand(it: &Demand) -> [String; 4] {
    let ms = |it: Estimate| {
        let Estimate { value, low, high } = it;
        format!("{value:.3}\u{a0}ms [{low:.3}, {high:.3}]")
    };
    let [home, article] = it.pages.map(ms);
    let idle = format!("{:.2}\u{a0}ms a second", it.idle.value);
    [format!("{}, {}", it.arm.name(), it.process), home, article, idle]
}

fn row(it: &Point) -> [String; 8] {
    let percent = |share: f64| format!("{:.1}\u{a0}%", share * 100.0);
    let at = it.load.map_or_else(String::new, |share| format!(" at {:.0} %", share * 100.0));
    let [linear, law] = match it.rivals {
        Some(rivals) => rivals.map(|value| figure(it.what, value)),
        None => ["–", "–"].map(str::to_owned),
    };
    let missed = if it.holds() { "" } else { ", missed" };
    [
        format!("{}, {}: {}{at}{missed}", it.mix, it.arm.name(), short(it.what)),
        format!("{}; first busy: {}", it.setup, it.binds),
        with_interval(it.what, it.predicted),
        figure(it.what, it.measured.value),
        linear,
        law,
        percent(it.stopped),
        percent(it.foreign_cpu),
    ]
}

/// The scalability laws, mix by mix.
pub(super) fn laws(scaled: &Scaled) -> Vec<[String; 5]> {
    let row = |mix: &str, law: &OfLaw| {
        let share = |it: Estimate| format!("{:.3} [{:.3}, {:.3}]", it.value, it.low, it.high);
        let peak = law
            .peak
            .map_or_else(|| "no peak in sight".to_owned(), |units| format!("{units:.1} units"));
        [
            format!("{mix}, {}", law.arm.name()),
            with_interval(What::Goodput, law.gamma),
            share(law.sigma),
            share(law.kappa),
            peak,
        ]
    };
    let of_mix = |mix: &crate::judge::scaled::OfMix| -> Vec<[String; 5]> {
        mix.laws.iter().map(|law| row(&mix.mix, law)).collect()
    };
    scaled.mixes.iter().flat_map(of_mix).collect()
}

/// Predicted on the way across, measured upwards: whatever lies on the line was right. `None` where
/// nothing was predicted.
fn scatter(what: What, points: &[Point]) -> Option<String> {
    let those: Vec<&Point> = points.iter().filter(|point| point.what == what).collect();
    let of = |it: &&Point| {
        let rivals = it.rivals.unwrap_or([it.predicted.value; 2]);
        [it.predicted.value, it.measured.value, rivals[0], rivals[1]]
    };
    let values: Vec<f64> = those.iter().flat_map(of).collect();
    let high = values.iter().copied().max_by(f64::total_cmp)? * 1.08;
    let low = values.iter().copied().min_by(f64::total_cmp)? * 0.92;
    let across = Scale::new([low, high], ACROSS);
    let up = Scale::new([low, high], [CHART.1, 10.0]);
    let mut svg = Svg::new(CHART.0);
    for mark in ticks(low, high, 5) {
        let text = figure(what, mark);
        svg.line("grid", ACROSS, [up.at(mark); 2]);
        svg.text("tick", (ACROSS[0], up.at(mark) + 4.0), -7.0, Anchor::End, &text);
        svg.line("grid", [across.at(mark); 2], [CHART.1, CHART.1 + 5.0]);
        svg.text("tick", (across.at(mark), CHART.1 + 20.0), 0.0, Anchor::Middle, &text);
    }
    let middle = f64::midpoint(ACROSS[0], ACROSS[1]);
    svg.text("tick", (middle, CHART.1 + 42.0), 0.0, Anchor::Middle, "predicted; upwards: measured");
    let line = |svg: &mut Svg, class: &str, factor: f64| {
        // From edge to edge of the picture, and not beyond.
        let [first, last] = [low.max(low / factor), high.min(high / factor)];
        let ends = [first, last].map(|x| (across.at(x), up.at(x * factor)));
        svg.curve(class, &ends);
    };
    line(&mut svg, "ideal", 1.0);
    line(&mut svg, "tolerance", 1.0 + OFF);
    line(&mut svg, "tolerance", 1.0 / (1.0 + OFF));
    for point in &those {
        let y = up.at(point.measured.value);
        for (name, rival) in ["linear", "law"].iter().zip(point.rivals.into_iter().flatten()) {
            svg.dot(&format!("rival {name}"), across.at(rival), y, 2.5);
        }
    }
    for point in &those {
        let (arm, y) = (point.arm.name(), up.at(point.measured.value));
        let clamp = |x: f64| across.at(x.clamp(low, high));
        let Estimate { value, low, high } = point.predicted;
        svg.line(&format!("interval thin {arm}"), [clamp(low), clamp(high)], [y, y]);
        svg.dot(&format!("dot {arm}"), across.at(value), y, 4.0);
    }
    let arms = [Arm::Monolith, Arm::Split].map(Arm::name).join(" and ");
    Some(svg.finish(Some(&format!(
        "{}: predicted against measured, {arms}; the table below has the numbers.",
        title(what)
    ))))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::sentence;
    use crate::{
        judge::{self, pace::Pace},
        report::{
            MARKDOWN,
            tests::{folder, html},
            verify, write,
        },
    };

    #[test]
    fn predictions_are_drawn_and_verify() {
        let run = judge::foretold_scaling(0.02);
        let folder = folder(&run);
        write(folder.path(), &run).unwrap();
        assert!(verify(folder.path()).unwrap().contains("identical"));
        let html = html(&run);
        for drawn in ["ideal", "rival linear", "rival law", "Every prediction", "no peak in sight"]
        {
            assert!(html.contains(drawn), "{drawn}");
        }
        let sha256 = &run.scaling.as_ref().unwrap().modelled.sealed.as_ref().unwrap().sha256;
        let markdown = fs::read_to_string(folder.path().join(MARKDOWN)).unwrap();
        assert!(html.contains(sha256) && markdown.contains(sha256));
        assert!(markdown.contains("the raw data give the same again"), "{markdown}");
    }

    #[test]
    fn the_first_screen_says_when_the_machine_changed_its_pace() {
        let summary = judge::summarise_with(&judge::foretold_scaling(0.02), 100).unwrap();
        let mut foretold = summary.scaled.unwrap().foretold.unwrap();
        let mut said = |known| {
            foretold.pace = Some(Pace { known, predicted: 1.0 });
            sentence(&foretold).unwrap().text()
        };
        assert!(said(1.4).ends_with("meanwhile: this decides nothing."), "{}", said(1.4));
        assert!(!said(1.02).contains("pace"), "{}", said(1.02));
    }
}
