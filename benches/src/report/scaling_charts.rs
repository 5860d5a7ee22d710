//! The pictures of searches for the best way to spend a budget.

use super::svg::{Anchor, Scale, Svg, ticks};
use crate::{
    judge::{
        scaled::{Climbed, Confirmed, OfMix, Tuned},
        shifted::Shifted,
        summary::Metric,
    },
    record::Arm,
    scaling::Reaction,
    stats::Estimate,
    words,
};

/// Height of a chart, and where its axis lies, pixels.
const CHART: (f64, f64) = (280.0, 236.0);

/// From where to where the points lie, per cent: room for numbers on the left and names on the
/// right.
const ACROSS: [f64; 2] = [13.0, 78.0];

/// How far points at the ends of a scale stay away from the edges, as a share of it.
const MARGIN: f64 = 0.08;

/// Goodput over the frontend's share of the CPU; the best monolith as a band across all of them.
pub(super) fn divisions(mix: &OfMix) -> String {
    let of = |arm| mix.confirmed.iter().find(move |it| it.arm == arm);
    let shares: Vec<(&Tuned, f64, Estimate)> =
        mix.tuned.iter().filter_map(|it| Some((it, it.frontend? * 100.0, it.goodput?))).collect();
    let confirmed = |arm| of(arm).and_then(|it: &Confirmed| it.goodput);
    let levels = shares.iter().map(|(_, _, goodput)| *goodput);
    let all = levels.chain([Arm::Monolith, Arm::Split].into_iter().filter_map(confirmed));
    let top = all.map(|it| it.high).fold(0.0, f64::max) * 1.1;
    let xs: Vec<f64> = shares.iter().map(|(_, share, _)| *share).collect();
    let axes = Axes::draw(&xs, top, "frontend's share of the CPU");
    let Axes { mut svg, across, up } = axes;
    for x in &xs {
        svg.text(
            "tick",
            (across.at(*x), CHART.1 + 20.0),
            0.0,
            Anchor::Middle,
            &format!("{x:.0} %"),
        );
    }
    let mut ends = Vec::new();
    if let Some(monolith) = confirmed(Arm::Monolith) {
        let (low, high) = (up.at(monolith.high), up.at(monolith.low));
        svg.rect("plane monolith", ACROSS, low, (high - low).max(2.0));
        let y = up.at(monolith.value);
        svg.line("level monolith", ACROSS, [y, y]);
        ends.push((y, "monolith", monolith.value));
    }
    let curve: Vec<(f64, f64)> =
        shares.iter().map(|(_, x, goodput)| (across.at(*x), up.at(goodput.value))).collect();
    svg.curve("curve split", &curve);
    for (tuned, share, goodput) in &shares {
        let x = across.at(*share);
        svg.line("interval thin split", [x, x], [up.at(goodput.high), up.at(goodput.low)]);
        svg.dot("dot split", x, up.at(goodput.value), if tuned.chosen { 5.0 } else { 3.5 });
    }
    if let (Some(split), Some(share)) =
        (confirmed(Arm::Split), of(Arm::Split).and_then(|it| it.frontend))
    {
        // Beside the point of the tuning trials, which it has nothing to do with.
        let x = across.at(share * 100.0) + 1.2;
        svg.line("whisker", [x, x], [up.at(split.high), up.at(split.low)]);
        for y in [split.high, split.low].map(|rate| up.at(rate)) {
            svg.line("whisker", [x - 0.6, x + 0.6], [y, y]);
        }
        svg.dot("dot whole", x, up.at(split.value), 3.0);
        ends.push((up.at(split.value), "split", split.value));
    }
    names(&mut svg, ends);
    svg.finish(Some(&format!(
        "Goodput over the frontend's share of the CPU, {} mix, with the best monolith as a line \
         across; the tables below have the numbers.",
        mix.mix
    )))
}

/// Goodput over the CPU that all servers have together.
pub(super) fn ladder(mix: &OfMix) -> String {
    let steps: Vec<(&Climbed, Estimate)> =
        mix.climbed.iter().filter_map(|it| Some((it, it.goodput?))).collect();
    let top = steps.iter().map(|(_, goodput)| goodput.high).fold(0.0, f64::max) * 1.1;
    let mut xs: Vec<f64> = steps.iter().map(|(it, _)| it.cpu).collect();
    xs.dedup();
    let Axes { mut svg, across, up } = Axes::draw(&xs, top, "CPU of all servers");
    for x in &xs {
        svg.text("tick", (across.at(*x), CHART.1 + 20.0), 0.0, Anchor::Middle, &x.to_string());
    }
    let mut ends = Vec::new();
    for arm in [Arm::Monolith, Arm::Split] {
        let of_arm: Vec<_> = steps.iter().filter(|(it, _)| it.arm == arm).collect();
        let curve: Vec<(f64, f64)> =
            of_arm.iter().map(|(it, rate)| (across.at(it.cpu), up.at(rate.value))).collect();
        svg.curve(&format!("curve {}", arm.name()), &curve);
        for ((x, y), (_, rate)) in curve.iter().zip(&of_arm) {
            let class = format!("interval thin {}", arm.name());
            svg.line(&class, [*x, *x], [up.at(rate.high), up.at(rate.low)]);
            svg.dot(&format!("dot {}", arm.name()), *x, *y, 3.5);
        }
        ends.extend(of_arm.last().map(|(_, rate)| (up.at(rate.value), arm.name(), rate.value)));
    }
    names(&mut svg, ends);
    svg.finish(Some(&format!(
        "Goodput over the CPU of all servers, {} mix; the tables below have the numbers.",
        mix.mix
    )))
}

/// The share of the requests that are answered in time, second by second, while the mix shifts.
pub(super) fn shift(shifted: &Shifted) -> String {
    let longest = shifted.lines.iter().map(|line| line.in_time.len()).max().unwrap_or_default();
    let (height, floor) = CHART;
    let across = Scale::new([0.0, longest.max(1) as f64], ACROSS);
    let up = Scale::new([0.0, 1.0], [floor, 30.0]);
    let mut svg = Svg::new(height);
    for mark in ticks(0.0, 1.0, 5) {
        svg.line(if mark == 0.0 { "same" } else { "grid" }, ACROSS, [up.at(mark); 2]);
        let text = format!("{:.0} %", mark * 100.0);
        svg.text("tick", (ACROSS[0], up.at(mark) + 4.0), -7.0, Anchor::End, &text);
    }
    for mark in ticks(0.0, longest as f64, 8) {
        svg.text("tick", (across.at(mark), floor + 20.0), 0.0, Anchor::Middle, &mark.to_string());
    }
    let middle = f64::midpoint(ACROSS[0], ACROSS[1]);
    svg.text("tick", (middle, floor + 40.0), 0.0, Anchor::Middle, "seconds");
    for (at, what, y) in
        [(shifted.times[0], "mix shifts", 10.0), (shifted.times[1], "divided anew", 24.0)]
    {
        let x = across.at(f64::from(at));
        svg.line("truth", [x, x], [y + 4.0, floor]);
        svg.text("tick", (x, y), 3.0, Anchor::Start, what);
    }
    let mut ends = Vec::new();
    for line in &shifted.lines {
        let class = match line.reaction {
            Reaction::Monolith => "series-1",
            Reaction::Nobody => "series-2",
            Reaction::Divided => "series-3",
        };
        // In the middle of each second.
        let points = (0..)
            .zip(&line.in_time)
            .map(|(second, share)| (across.at(f64::from(second) + 0.5), up.at(*share)));
        let points: Vec<(f64, f64)> = points.collect();
        svg.curve(&format!("curve {class}"), &points);
        let y = points.last().map_or(floor, |(_, y)| *y);
        ends.push((y, class, words::reaction(line.reaction)));
    }
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = 0.0;
    for (y, class, name) in ends {
        let y = (y + 4.0).max(free);
        svg.text(&format!("end {class}"), (ACROSS[1], y), 9.0, Anchor::Start, name);
        free = y + 17.0;
    }
    svg.finish(Some(
        "The share of the requests that were answered in time, second by second, while the mix shifts; \
         the table below has the sums.",
    ))
}

/// A chart with its axes, of goodputs from zero on.
struct Axes {
    svg: Svg,
    across: Scale,
    up: Scale,
}

impl Axes {
    fn draw(xs: &[f64], top: f64, name: &str) -> Self {
        let (height, floor) = CHART;
        let ends = xs.iter().fold([f64::MAX, f64::MIN], |[a, b], x| [a.min(*x), b.max(*x)]);
        let [first, last] = if xs.is_empty() { [0.0, 1.0] } else { ends };
        // A single point stands in the middle.
        let room = if last > first { (last - first) * MARGIN } else { first.abs().max(1.0) };
        let across = Scale::new([first - room, last + room], ACROSS);
        let top = top.max(1.0);
        let up = Scale::new([0.0, top], [floor, 12.0]);
        let mut svg = Svg::new(height);
        for mark in ticks(0.0, top, 5) {
            let y = up.at(mark);
            svg.line(if mark == 0.0 { "same" } else { "grid" }, ACROSS, [y, y]);
            let text = words::level(Metric::Goodput, mark);
            svg.text("tick", (ACROSS[0], y + 4.0), -7.0, Anchor::End, &text);
        }
        for x in xs.iter().map(|x| across.at(*x)) {
            svg.line("grid", [x, x], [floor, floor + 5.0]);
        }
        let middle = f64::midpoint(ACROSS[0], ACROSS[1]);
        svg.text("tick", (middle, floor + 40.0), 0.0, Anchor::Middle, name);
        Self { svg, across, up }
    }
}

/// Names and figures at the right, pushed apart where they would overlap.
fn names(svg: &mut Svg, mut ends: Vec<(f64, &'static str, f64)>) {
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = 0.0;
    for (y, name, rate) in ends {
        let y = (y - 2.0).max(free);
        let class = format!("end {name}");
        svg.text(&class, (ACROSS[1], y), 9.0, Anchor::Start, name);
        let rate = words::level(Metric::Goodput, rate);
        svg.text(&class, (ACROSS[1], y + 15.0), 9.0, Anchor::Start, &rate);
        free = y + 34.0;
    }
}
