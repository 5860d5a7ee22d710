//! The pictures of jobs in several places: one line for each place, over what jobs take of the core;
//! what theory says as a broken line of the same colour.

use super::svg::{Anchor, Scale, Svg, ticks};
use crate::{
    experiments::x5,
    jobs::Place,
    judge::interfered::{Cell, Interfered, Point},
    record::Arm,
    stats::Estimate,
};

/// Height of a chart, and where its axis lies, pixels.
const CHART: (f64, f64) = (320.0, 276.0);

/// From where to where the points lie, per cent: room for numbers on the left and names on the right.
const ACROSS: [f64; 2] = [13.0, 63.0];

/// What one place has at one load.
type Level = fn(&Cell) -> Option<Estimate>;

/// What theory has at one load.
type Theory = fn(&Point) -> Option<f64>;

/// The share of late pages, from zero up.
pub(super) fn late(found: &Interfered, arm: Arm) -> String {
    let level: Level = |cell| Some(cell.late?.map(|share| share * 100.0));
    let theory: Theory = |point| point.late.map(|share| share * 100.0);
    let [_, most] = ends(found, arm, level, theory);
    let top = most.max(1.0) * 1.08;
    let mut axes = Axes::new(found, arm, Scale::new([0.0, top], [CHART.1, 12.0]), false);
    for mark in ticks(0.0, top, 6) {
        axes.mark(mark, &format!("{mark} %"));
    }
    axes.limit(x5::LATE * 100.0);
    axes.lines(found, level, theory);
    axes.names(found, level, |share| format!("{share:.1} %"));
    axes.svg.finish(Some(&format!(
        "Share of late pages over the load of jobs, {}, one line for each place; the table below has \
         the numbers.",
        arm.name()
    )))
}

/// p99 of latency, on a logarithmic scale; nothing where there were too few requests for it.
pub(super) fn p99(found: &Interfered, arm: Arm) -> Option<String> {
    let level: Level = |cell| cell.p99;
    let theory: Theory = |point| point.p99_ms;
    let [least, most] = ends(found, arm, level, theory);
    if most <= 0.0 || least <= 0.0 {
        return None;
    }
    let ends = [least / 1.3, most * 1.3].map(f64::log10);
    let mut axes = Axes::new(found, arm, Scale::new(ends, [CHART.1, 12.0]), true);
    for power in -1..=4 {
        for digit in [1.0, 2.0, 5.0] {
            let mark = digit * 10f64.powi(power);
            if (ends[0]..=ends[1]).contains(&mark.log10()) {
                axes.mark(mark, &format!("{mark} ms"));
            }
        }
    }
    axes.lines(found, level, theory);
    axes.names(found, level, |ms| format!("{ms:.1} ms"));
    Some(axes.svg.finish(Some(&format!(
        "p99 of latency over the load of jobs, {}, one line for each place, on a logarithmic scale; \
         the table below has the numbers.",
        arm.name()
    ))))
}

/// The least and the most that a picture has to show.
fn ends(found: &Interfered, arm: Arm, level: Level, theory: Theory) -> [f64; 2] {
    let cells = found.cells.iter().filter(|cell| (cell.arm, cell.job) == (arm, found.headline));
    let measured = cells.filter_map(level).flat_map(|it| [it.low, it.high]);
    let points = found.curves.iter().filter(|it| it.arm == arm).flat_map(|it| &it.points);
    let all = measured.chain(points.filter_map(theory));
    all.fold([f64::MAX, 0.0], |[least, most], it| [least.min(it), most.max(it)])
}

/// The colour of a place, the same in every picture.
fn series(place: Place) -> &'static str {
    match place {
        Place::EventLoop => "series-2",
        Place::Pieces => "series-6",
        Place::Inside => "series-4",
        Place::Low => "series-3",
        Place::Weights => "series-1",
        Place::Quota => "series-5",
    }
}

/// What stands at the end of a line; the table has more words.
fn short(place: Place) -> &'static str {
    match place {
        Place::EventLoop => "event loop",
        Place::Pieces => "in pieces",
        Place::Inside => "thread",
        Place::Low => "low priority",
        Place::Weights => "own process",
        Place::Quota => "own quota",
    }
}

/// A chart with its axes.
struct Axes {
    svg: Svg,
    arm: Arm,
    across: Scale,
    up: Scale,
    logarithmic: bool,
}

impl Axes {
    fn new(found: &Interfered, arm: Arm, up: Scale, logarithmic: bool) -> Self {
        let (height, floor) = CHART;
        let cells = found.cells.iter();
        let mut loads: Vec<u32> = cells
            .filter(|cell| (cell.arm, cell.job) == (arm, found.headline))
            .map(|cell| cell.load)
            .collect();
        loads.sort_unstable();
        loads.dedup();
        let most = loads.last().copied().unwrap_or_default().max(1);
        let across = Scale::new([-0.04 * f64::from(most), f64::from(most)], ACROSS);
        let mut svg = Svg::new(height);
        for load in loads {
            let x = across.at(load.into());
            svg.line("grid", [x, x], [floor, floor + 5.0]);
            svg.text("tick", (x, floor + 20.0), 0.0, Anchor::Middle, &load.to_string());
        }
        let middle = f64::midpoint(ACROSS[0], ACROSS[1]);
        let name = "what jobs take of the core, %";
        svg.text("tick", (middle, floor + 40.0), 0.0, Anchor::Middle, name);
        Self { svg, arm, across, up, logarithmic }
    }

    fn y(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.max(1e-6).log10() } else { value };
        self.up.at(value).clamp(4.0, CHART.1)
    }

    fn mark(&mut self, value: f64, text: &str) {
        let y = self.y(value);
        self.svg.line("grid", ACROSS, [y, y]);
        self.svg.text("tick", (ACROSS[0], y + 4.0), -7.0, Anchor::End, text);
    }

    /// What the rule is about.
    fn limit(&mut self, value: f64) {
        let y = self.y(value);
        self.svg.line("truth", ACROSS, [y, y]);
    }

    fn lines(&mut self, found: &Interfered, level: Level, theory: Theory) {
        for curve in found.curves.iter().filter(|curve| curve.arm == self.arm) {
            let point = |it: &Point| Some((self.across.at(it.load.into()), self.y(theory(it)?)));
            let points: Vec<(f64, f64)> = curve.points.iter().filter_map(point).collect();
            if points.len() > 1 {
                self.svg.curve(&format!("curve theory {}", series(curve.place)), &points);
            }
        }
        for place in Place::ALL {
            let cells = found.row(self.arm, place, found.headline);
            let levels: Vec<(f64, Estimate)> = cells
                .filter_map(|cell| Some((self.across.at(cell.load.into()), level(cell)?)))
                .collect();
            let points: Vec<(f64, f64)> =
                levels.iter().map(|(x, it)| (*x, self.y(it.value))).collect();
            let class = series(place);
            self.svg.curve(&format!("curve {class}"), &points);
            for ((x, it), (_, y)) in levels.iter().zip(&points) {
                let ends = [self.y(it.high), self.y(it.low)];
                self.svg.line(&format!("interval thin {class}"), [*x, *x], ends);
                self.svg.dot(&format!("dot {class}"), *x, *y, 3.5);
            }
        }
    }

    /// Names and figures at the right, pushed apart where they would overlap.
    fn names(&mut self, found: &Interfered, level: Level, text: fn(f64) -> String) {
        let mut ends: Vec<(f64, Place, f64)> = Place::ALL
            .into_iter()
            .filter_map(|place| {
                let last = found.row(self.arm, place, found.headline).last()?;
                let value = level(last)?.value;
                Some((self.y(value), place, value))
            })
            .collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        // From below, so that what does not fit is moved up and not out of the picture.
        let mut free = CHART.1 + 6.0;
        for (y, place, value) in ends.into_iter().rev() {
            let y = (y + 4.0).min(free);
            let name = format!("{} {}", short(place), text(value));
            let class = format!("end {}", series(place));
            self.svg.text(&class, (ACROSS[1], y), 9.0, Anchor::Start, &name);
            free = y - 17.0;
        }
    }
}
