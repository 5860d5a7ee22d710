//! Lines over an axis: what something comes to, depending on how much there is of something else.

use super::svg::{Anchor, Scale, Svg, ticks};
use crate::{stats::Estimate, words};

/// Height of the chart, and where its axis lies, pixels.
const HEIGHT: (f64, f64) = (300.0, 256.0);

/// From where to where the lines run, per cent: room for the numbers on the left and the names on the
/// right.
const ACROSS: [f64; 2] = [11.0, 80.0];

/// Height of a name at a line's end, pixels.
const NAME: f64 = 16.0;

/// A line with its intervals.
pub(super) struct Curve {
    /// What it is called, at its end.
    pub(super) name: String,
    /// The class that colours it.
    pub(super) class: String,
    /// Where it goes.
    pub(super) points: Vec<(f64, Estimate)>,
}

/// A picture of several curves.
pub(super) struct Curves<'a> {
    /// The lines.
    pub(super) curves: Vec<Curve>,
    /// A line without intervals beside them: what a theory says.
    pub(super) theory: Vec<(f64, f64)>,
    /// Whether both axes stretch ratios alike; otherwise both begin at 0.
    pub(super) ratios: bool,
    /// What goes up is counted in.
    pub(super) unit: &'a str,
    /// What the horizontal axis counts.
    pub(super) across: &'a str,
    /// What somebody is told who can't see it.
    pub(super) description: &'a str,
}

/// Both axes.
struct Axes {
    across: Scale,
    up: Scale,
    ratios: bool,
}

impl Axes {
    fn x(&self, x: f64) -> f64 {
        self.across.at(if self.ratios { x.log10() } else { x })
    }

    fn y(&self, y: f64) -> f64 {
        // An interval may go below what there is room for, or below what there can be.
        self.up.at(if self.ratios { y.max(1e-3).ln() } else { y.max(0.0) })
    }
}

impl Curves<'_> {
    /// The picture.
    pub(super) fn draw(&self) -> String {
        let (height, floor) = HEIGHT;
        let xs = self.positions();
        let (axes, marks) = self.axes(&xs);
        let mut svg = Svg::new(height);
        for mark in marks {
            let y = axes.y(mark);
            svg.line("grid", ACROSS, [y, y]);
            svg.text(
                "tick",
                (ACROSS[0], y + 4.0),
                -7.0,
                Anchor::End,
                &format!("{mark} {}", self.unit),
            );
        }
        for x in xs {
            let at = axes.x(x);
            svg.line("grid", [at, at], [floor, floor + 5.0]);
            let number = words::count(x as u64);
            svg.text("tick", (at, floor + 20.0), 0.0, Anchor::Middle, &number);
        }
        let middle = f64::midpoint(ACROSS[0], ACROSS[1]);
        svg.text("tick", (middle, floor + 40.0), 0.0, Anchor::Middle, self.across);
        let mut ends = Vec::new();
        for Curve { name, class, points } in &self.curves {
            let place = |(x, level): &(f64, Estimate)| (axes.x(*x), axes.y(level.value));
            let line: Vec<_> = points.iter().map(place).collect();
            svg.curve(&format!("curve {class}"), &line);
            for ((x, y), (_, level)) in line.iter().zip(points) {
                let bar = [level.low, level.high].map(|ms| axes.y(ms));
                svg.line(&format!("interval {class}"), [*x, *x], bar);
                svg.dot(&format!("dot {class}"), *x, *y, 3.5);
            }
            ends.extend(line.last().map(|(x, y)| (*x, *y, name, class)));
        }
        if !self.theory.is_empty() {
            let place = |(x, ms): &(f64, f64)| (axes.x(*x), axes.y(*ms));
            svg.curve("curve theory", &self.theory.iter().map(place).collect::<Vec<_>>());
        }
        // Names at the lines' ends, pushed apart where they would overlap.
        ends.sort_by(|a, b| a.1.total_cmp(&b.1));
        let above = |number: usize| NAME * (ends.len() - 1 - number) as f64;
        let mut free = 0.0;
        for (number, (x, y, name, class)) in ends.iter().enumerate() {
            let mut y = (y + 4.0).max(free);
            if !self.ratios {
                // Here lines may lie on the axis; no name may be pushed below it.
                y = y.min(floor - above(number));
            }
            svg.text(&format!("end {class}"), (*x, y), 9.0, Anchor::Start, name);
            free = y + NAME;
        }
        svg.finish(Some(self.description))
    }

    /// Where there are points, each once.
    fn positions(&self) -> Vec<f64> {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        let mut xs: Vec<f64> = points.map(|(x, _)| *x).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        xs
    }

    fn axes(&self, xs: &[f64]) -> (Axes, Vec<f64>) {
        let first = xs.first().copied().unwrap_or(1.0);
        let last = xs.last().copied().unwrap_or(1.0).max(first * 1.01);
        let intervals = || self.curves.iter().flat_map(|c| &c.points).map(|(_, level)| level);
        let high = intervals().map(|level| level.high).fold(f64::MIN_POSITIVE, f64::max);
        let (_, floor) = HEIGHT;
        if self.ratios {
            let low = intervals().map(|level| level.low.max(1e-3)).fold(f64::MAX, f64::min);
            let (low, high) = (low / 1.3, high * 1.3);
            let across = Scale::new([first.log10(), last.log10()], ACROSS);
            let up = Scale::new([low.ln(), high.ln()], [floor, 14.0]);
            return (Axes { across, up, ratios: true }, marks(low, high));
        }
        let theory = self.theory.iter().map(|(_, ms)| *ms).fold(0.0, f64::max);
        let high = high.max(theory) * 1.05;
        let across = Scale::new([0.0, last], ACROSS);
        let up = Scale::new([0.0, high], [floor, 14.0]);
        let round = |x: f64| (x * 1e6).round() / 1e6;
        (Axes { across, up, ratios: false }, ticks(0.0, high, 6).into_iter().map(round).collect())
    }
}

/// 1, 2 and 5 times powers of ten between two positive numbers.
fn marks(low: f64, high: f64) -> Vec<f64> {
    let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let all = powers.flat_map(|power| {
        // Dividing keeps 0.2 what it is.
        [1.0, 2.0, 5.0].map(|factor| match power {
            0.. => factor * 10f64.powi(power),
            _ => factor / 10f64.powi(-power),
        })
    });
    all.filter(|mark| (low..=high).contains(mark)).collect()
}
