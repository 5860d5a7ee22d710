//! The report's pictures, each from numbers that stand in the summary (the latency curves: from the
//! merged histograms of the record).

use std::collections::BTreeMap;

use super::svg::{Anchor, Scale, Svg, ticks};
use crate::judge::scaled::{Climbed, OfMix, Scaled};
use crate::judge::summary::{Effect, Metric, Summary};
use crate::judge::{Question, latencies};
use crate::record::{Arm, Comparison, Page, Run};
use crate::stats::{Estimate, Merged};
use crate::words;

/// A labelled row of a chart: the picture and the number that it shows.
pub(super) struct Row {
    pub(super) label: String,
    pub(super) note: String,
    pub(super) svg: String,
    pub(super) number: String,
}

/// Rows that share an axis.
pub(super) struct Rows {
    pub(super) groups: Vec<(String, Vec<Row>)>,
    pub(super) axis: String,
}

/// Height of a forest row, pixels.
const ROW: f64 = 30.0;

/// An interval to draw.
struct Interval {
    group: usize,
    label: &'static str,
    note: String,
    class: &'static str,
    ratio: Estimate,
    /// Ratios between which an effect is too small to matter.
    band: Option<[f64; 2]>,
    /// What is true by construction.
    truth: Option<f64>,
}

/// All ratios below each other, question first, controls after it.
pub(super) fn forest(summary: &Summary, questions: &[Question]) -> Rows {
    let intervals: Vec<Interval> = effects(summary, questions).chain(checks(summary)).collect();
    let ends = intervals.iter().flat_map(|i| {
        let band = i.band.into_iter().flatten();
        [i.ratio.low, i.ratio.high, 0.95, 1.05].into_iter().chain(band)
    });
    let [low, high] = ends.fold([1.0f64, 1.0], |[low, high], x| [low.min(x), high.max(x)]);
    let scale = Scale::new([low.ln(), high.ln()], [3.0, 97.0]);
    let mut marks = ticks((low - 1.0) * 100.0, (high - 1.0) * 100.0, 6);
    // On a logarithmic axis round numbers crowd towards the right; labels have to stay apart.
    let x = |mark: f64| scale.at((1.0 + mark / 100.0).ln());
    marks.dedup_by(|next, kept| x(*next) - x(*kept) < 13.0 && *next != 0.0);

    let mut groups = vec![
        ("Split against monolith, 95 % intervals".to_owned(), Vec::new()),
        (
            format!(
                "Controls on the home page, {} % intervals",
                (summary.certificate.confidence * 1e4).round() / 1e2
            ),
            Vec::new(),
        ),
    ];
    for interval in intervals {
        let number = words::change_with_interval(interval.ratio);
        let svg = interval.draw(&scale, &marks);
        let Interval { group, label, note, .. } = interval;
        groups[group].1.push(Row { label: words::capitalised(label), note, svg, number });
    }
    let mut axis = Svg::new(20.0);
    for mark in marks {
        let text = if mark == 0.0 { "same".into() } else { words::change(1.0 + mark / 100.0) };
        let text = text.replace(".0", "");
        axis.text("tick", (x(mark), 14.0), 0.0, Anchor::Middle, &text);
    }
    Rows { groups, axis: axis.finish(None) }
}

fn effects<'a>(
    summary: &'a Summary,
    questions: &'a [Question],
) -> impl Iterator<Item = Interval> + 'a {
    const METRICS: [Metric; 5] =
        [Metric::CpuServers, Metric::CpuTotal, Metric::P50, Metric::P99, Metric::Goodput];
    METRICS.into_iter().flat_map(move |metric| {
        let question = questions.iter().find(|q| q.metric == metric);
        let band = question.map(|q| q.limit.ratio()).map(|r| [r.min(1.0 / r), r.max(1.0 / r)]);
        summary.pages().filter_map(move |page| {
            let effect = summary.effect(Comparison::Boundary, page, metric)?;
            Some(Interval {
                group: 0,
                label: words::metric(metric),
                note: words::page(page).into(),
                class: "split",
                ratio: effect.ratio,
                band,
                truth: None,
            })
        })
    })
}

fn checks(summary: &Summary) -> impl Iterator<Item = Interval> + '_ {
    summary.certificate.checks.iter().filter_map(|check| {
        let planted = check.comparison == Comparison::Planted;
        Some(Interval {
            group: 1,
            label: words::metric(check.metric),
            note: if planted {
                format!("planted: {}", words::change(check.truth))
            } else {
                "identical twins".into()
            },
            class: "control",
            ratio: check.found?,
            band: None,
            truth: Some(check.truth),
        })
    })
}

impl Interval {
    fn draw(&self, scale: &Scale, marks: &[f64]) -> String {
        let at = |ratio: f64| scale.at(ratio.ln());
        let middle = ROW / 2.0;
        let mut svg = Svg::new(ROW);
        if let Some(band) = self.band {
            svg.rect("band", band.map(at), 0.0, ROW);
        }
        for mark in marks {
            let x = at(1.0 + mark / 100.0);
            let class = if *mark == 0.0 { "same" } else { "grid" };
            svg.line(class, [x, x], [0.0, ROW]);
        }
        if let Some(truth) = self.truth {
            let x = at(truth);
            svg.line("truth", [x, x], [middle - 9.0, middle + 9.0]);
        }
        let Estimate { value, low, high } = self.ratio;
        let class = self.class;
        svg.line(&format!("interval {class}"), [at(low), at(high)], [middle, middle]);
        svg.dot(&format!("dot {class}"), at(value), middle, 4.5);
        svg.finish(None)
    }
}

/// How wide a part has to be for its name to stand below it, and for its figure too, per cent: also
/// on a telephone no two may overlap.
const NAME: f64 = 17.0;
const NAMED: f64 = 34.0;

/// One bar, in a group of those that belong together.
struct Bar {
    group: String,
    label: String,
    parts: Vec<(String, f64)>,
    total: Estimate,
}

/// What a page costs, process by process.
pub(super) fn cost(summary: &Summary) -> Rows {
    let bars = summary.pages().filter_map(|page| {
        let reading = &summary.contrast(Comparison::Boundary, page)?.all;
        // With a database of its own the bar is both, and PostgreSQL a part of it.
        let metric =
            [Metric::CpuTotal, Metric::CpuServers].into_iter().find_map(|m| reading.effect(m))?;
        Some([0, 1].map(|arm| Bar {
            group: words::capitalised(words::page(page)),
            label: words::capitalised(Comparison::Boundary.arms()[arm].name()),
            parts: in_order(&reading.processes[arm]),
            total: metric.levels[arm],
        }))
    });
    bar_rows(bars.flatten().collect(), Metric::CpuServers, words::level_with_interval)
}

/// What the cells of a grid cost, process by process.
pub(super) fn cells(summary: &Summary) -> Rows {
    let bars = summary.figures.iter().filter_map(|figures| {
        let metric = [Metric::CpuTotal, Metric::CpuServers];
        let total = metric.into_iter().find_map(|metric| figures.metrics.get(&metric))?;
        Some(Bar {
            group: "CPU per request".to_owned(),
            label: words::capitalised(&figures.cell),
            parts: in_order(&figures.processes),
            total: *total,
        })
    });
    bar_rows(bars.collect(), Metric::CpuServers, words::level_with_interval)
}

/// What the containers of a composition serve, setup by setup; ends of lines are the lowest and the
/// highest trial.
pub(super) fn setups(scaled: &Scaled) -> Rows {
    let of_mix = |mix: &OfMix| {
        let group = format!("{} mix", words::capitalised(&mix.mix));
        let bar = |it: &Climbed| {
            let total = it.goodput?;
            let parts = vec![(it.arm.name().to_owned(), total.value)];
            Some(Bar { group: group.clone(), label: words::capitalised(&it.setup), parts, total })
        };
        mix.climbed.iter().filter_map(bar).collect::<Vec<_>>()
    };
    // A single trial has no range.
    let number = |metric, it: Estimate| match it.low < it.high {
        true => words::level_with_interval(metric, it),
        false => words::level(metric, it.value),
    };
    bar_rows(scaled.mixes.iter().flat_map(of_mix).collect(), Metric::Goodput, number)
}

/// The processes in the order in which a request meets them.
fn in_order(processes: &BTreeMap<String, f64>) -> Vec<(String, f64)> {
    let place = |name: &str| match name {
        "monolith" | "floor" | "split-frontend" | "floor-frontend" => 0,
        "split-backend" | "floor-backend" => 1,
        _ => 2,
    };
    let ours = processes.iter().filter(|(name, _)| *name != "generator");
    let mut parts: Vec<_> = ours.map(|(name, ms)| (name.clone(), *ms)).collect();
    parts.sort_by_key(|(name, _)| place(name));
    parts
}

/// How many pages each arm serves within the SLO.
pub(super) fn goodput(summary: &Summary) -> Rows {
    let bars = summary.pages().filter_map(|page| {
        let effect = summary.effect(Comparison::Boundary, page, Metric::Goodput)?;
        Some(Comparison::Boundary.arms().map(|arm| {
            let total = effect.levels[usize::from(arm == Arm::Split)];
            Bar {
                group: words::capitalised(words::page(page)),
                label: words::capitalised(arm.name()),
                parts: vec![(arm.name().into(), total.value)],
                total,
            }
        }))
    });
    bar_rows(bars.flatten().collect(), Metric::Goodput, words::level_with_interval)
}

fn bar_rows(bars: Vec<Bar>, metric: Metric, number: fn(Metric, Estimate) -> String) -> Rows {
    let longest = bars.iter().map(|bar| bar.total.high).fold(f64::MIN_POSITIVE, f64::max);
    let scale = Scale::new([0.0, longest], [0.0, 98.0]);
    let mut groups: Vec<(String, Vec<Row>)> = Vec::new();
    for bar in bars {
        if groups.last().is_none_or(|(last, _)| *last != bar.group) {
            groups.push((bar.group.clone(), Vec::new()));
        }
        let with_database = bar.parts.iter().any(|(name, _)| name == "postgres");
        let row = Row {
            label: bar.label.clone(),
            note: if with_database { "with PostgreSQL".into() } else { String::new() },
            svg: bar.draw(&scale, metric),
            number: number(metric, bar.total),
        };
        if let Some((_, rows)) = groups.last_mut() {
            rows.push(row);
        }
    }
    Rows { groups, axis: String::new() }
}

impl Bar {
    fn draw(&self, scale: &Scale, metric: Metric) -> String {
        let several = self.parts.len() > 1;
        let mut svg = Svg::new(if several { 42.0 } else { 26.0 });
        let mut sum = 0.0;
        for (name, value) in &self.parts {
            let x = [scale.at(sum), scale.at(sum + value)];
            svg.rect(&format!("part {name}"), x, 4.0, 18.0);
            let width = x[1] - x[0];
            if several && width > NAME {
                let short = name.trim_start_matches("split-").trim_start_matches("floor-");
                let text = match width {
                    NAMED.. => format!("{short} {}", words::level(metric, *value)),
                    _ => short.to_owned(),
                };
                svg.text("part-label", (x[0], 37.0), 0.0, Anchor::Start, &text);
            }
            sum += value;
        }
        let ends = [self.total.low, self.total.high].map(|x| scale.at(x));
        svg.line("whisker", ends, [13.0, 13.0]);
        for x in ends {
            svg.line("whisker", [x, x], [9.0, 17.0]);
        }
        svg.finish(None)
    }
}

/// Height of the latency chart, and where its axis lies, pixels.
const LATENCY: (f64, f64) = (250.0, 206.0);

/// From where to where the latency curves run, per cent: room for the numbers on the left and the
/// names on the right.
const ACROSS: [f64; 2] = [11.0, 80.0];

/// Latency at every percentile, both arms, one page. The horizontal axis stretches the slow end: it
/// is linear in the logarithm of the share that is slower.
pub(super) fn latency(run: &Run, summary: &Summary, page: Page) -> String {
    let (height, floor) = LATENCY;
    let arms = Comparison::Boundary.arms();
    let curves: Vec<(Arm, Vec<(f64, f64)>)> =
        arms.iter().zip(latencies(run, page)).map(|(arm, l)| (*arm, curve(&l))).collect();
    let top = curves.iter().flat_map(|(_, c)| c).map(|(_, ms)| *ms).fold(0.0, f64::max) * 1.08;
    let across = Scale::new([0.0, 2.0], ACROSS);
    let up = Scale::new([0.0, top.max(f64::MIN_POSITIVE)], [floor, 14.0]);

    let mut svg = Svg::new(height);
    for mark in ticks(0.0, top, 5) {
        let y = up.at(mark);
        svg.line(if mark == 0.0 { "same" } else { "grid" }, ACROSS, [y, y]);
        let text = if mark == 0.0 { String::new() } else { format!("{mark} ms") };
        svg.text("tick", (ACROSS[0], y + 4.0), -7.0, Anchor::End, &text);
    }
    for (text, q) in [("half", 0.5), ("9 of 10", 0.9), ("99 of 100", 0.99)] {
        let x = across.at(slower(q));
        svg.line("grid", [x, x], [floor, floor + 5.0]);
        svg.text("tick", (x, floor + 20.0), 0.0, Anchor::Middle, text);
    }
    let axis = "share of requests answered by then";
    let middle = f64::midpoint(ACROSS[0], ACROSS[1]);
    svg.text("tick", (middle, floor + 40.0), 0.0, Anchor::Middle, axis);
    let mut ends: Vec<(f64, f64, Arm, Option<f64>)> = Vec::new();
    for (arm, curve) in &curves {
        let points: Vec<_> = curve.iter().map(|(x, ms)| (across.at(*x), up.at(*ms))).collect();
        svg.curve(&format!("curve {}", arm.name()), &points);
        if let (Some((x, y)), Some((share, ms))) = (points.last(), curve.last()) {
            // Short of p99 the last value has no name, and goes unsaid.
            ends.push((*x, *y, *arm, (*share >= slower(0.99)).then_some(*ms)));
        }
    }
    label_ends(&mut svg, ends);
    svg.finish(Some(&describe(summary, page)))
}

/// Names and values at the curves' ends, pushed apart where they would overlap.
fn label_ends(svg: &mut Svg, mut ends: Vec<(f64, f64, Arm, Option<f64>)>) {
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free = 0.0;
    for (x, y, arm, ms) in ends {
        svg.dot(&format!("dot {}", arm.name()), x, y, 3.5);
        let y = (y - 2.0).max(free);
        let class = format!("end {}", arm.name());
        svg.text(&class, (x, y), 9.0, Anchor::Start, arm.name());
        if let Some(ms) = ms {
            svg.text(&class, (x, y + 15.0), 9.0, Anchor::Start, &words::milliseconds(ms));
        }
        free = y + 34.0;
    }
}

/// (how much slower, milliseconds), as far as the data carry: up to p99, or to where 95 requests
/// are still slower.
fn curve(latencies: &Merged) -> Vec<(f64, f64)> {
    let n = latencies.count() as f64;
    let last = slower(0.99).min(slower(1.0 - 95.0 / n));
    if n < 200.0 {
        return Vec::new();
    }
    (0..=80)
        .map(|i| last * f64::from(i) / 80.0)
        .map(|x| (x, latencies.overall_quantile(1.0 - 10f64.powf(-x)) / 1e3))
        .collect()
}

/// Minus the decimal logarithm of the share that is slower than the quantile `q`.
fn slower(q: f64) -> f64 {
    -(1.0 - q).log10()
}

fn describe(summary: &Summary, page: Page) -> String {
    let sentence = |metric: Metric| {
        let Effect { levels, .. } = summary.effect(Comparison::Boundary, page, metric)?;
        let [first, second] = levels.map(|l| words::milliseconds(l.value));
        Some(format!("{}: monolith {first}, split {second}", words::metric(metric)))
    };
    let sentences: Vec<_> = [Metric::P50, Metric::P99].into_iter().filter_map(sentence).collect();
    format!("Latency by percentile, {}. {}.", words::page(page), sentences.join("; "))
}
