//! The report of the certificate: every comparison's interval, family by family.

use askama::Template;

use super::{
    finding::Sentence,
    frame::Frame,
    svg::{Anchor, Scale, Svg, ticks},
    terminal,
};
use crate::{
    experiment::Card,
    judge::summary::{Family, Summary},
    noise::Noise,
    record::{Comparison, Run},
    words,
};

#[derive(Template)]
#[template(path = "families.html")]
struct Page<'a> {
    frame: Frame<'a>,
    at_once: bool,
    panels: Vec<Panel>,
    conduct: String,
}

/// The picture of one family.
struct Panel {
    title: String,
    count: String,
    svg: String,
}

/// The whole page.
pub(super) fn html(run: &Run, card: &Card, summary: &Summary) -> anyhow::Result<String> {
    let page = Page {
        frame: Frame::of(run, card, summary, "", sentences(summary))?,
        at_once: run.pilot.noise.as_ref().is_some_and(Noise::favours_duets),
        panels: summary.families.iter().map(panel).collect(),
        conduct: terminal::conduct(&summary.conduct),
    };
    Ok(page.render()?)
}

/// One sentence for each family.
pub(super) fn sentences(summary: &Summary) -> Vec<Sentence> {
    let sentence = |family: &Family| Sentence::of(&family.claim(), &family.in_words());
    summary.families.iter().map(sentence).collect()
}

/// Height of a comparison's line, and of the axis, pixels.
const LINE: f64 = 7.0;
const AXIS: f64 = 24.0;

fn panel(family: &Family) -> Panel {
    let title = format!(
        "{}: {}",
        words::capitalised(words::comparison(family.comparison)),
        words::metric(family.metric)
    );
    Panel { title, count: family.in_words(), svg: intervals(family) }
}

/// The intervals in the order of their values.
fn intervals(family: &Family) -> String {
    let mut ratios: Vec<_> = family.intervals.iter().map(|effect| effect.ratio).collect();
    ratios.sort_by(|a, b| a.value.total_cmp(&b.value));
    let ends = ratios.iter().flat_map(|ratio| [ratio.low, ratio.high, family.truth, 0.97, 1.03]);
    let [low, high] = ends.fold([1.0f64, 1.0], |[low, high], x| [low.min(x), high.max(x)]);
    let scale = Scale::new([low, high], [4.0, 96.0]);
    let floor = LINE * ratios.len().max(1) as f64 + 4.0;
    let mut svg = Svg::new(floor + AXIS);
    for mark in ticks((low - 1.0) * 100.0, (high - 1.0) * 100.0, 5) {
        let x = scale.at(1.0 + mark / 100.0);
        svg.line(if mark == 0.0 { "same" } else { "grid" }, [x, x], [0.0, floor]);
        let text = if mark == 0.0 { "same".into() } else { words::change(1.0 + mark / 100.0) };
        svg.text("tick", (x, floor + 16.0), 0.0, Anchor::Middle, &text.replace(".0", ""));
    }
    if family.comparison != Comparison::Null {
        let x = scale.at(family.truth);
        svg.line("truth", [x, x], [0.0, floor]);
    }
    for (number, ratio) in ratios.iter().enumerate() {
        let y = LINE * (number as f64 + 0.5) + 2.0;
        let alarm = family.comparison == Comparison::Null && !ratio.contains(1.0);
        let class = if alarm { "split" } else { "control" };
        let across = [ratio.low, ratio.high].map(|x| scale.at(x));
        svg.line(&format!("interval thin {class}"), across, [y, y]);
        svg.dot(&format!("dot {class}"), scale.at(ratio.value), y, 2.5);
    }
    let middle = ratios.get(ratios.len() / 2).map_or(1.0, |ratio| ratio.value);
    let middle = words::plain(words::change(middle));
    svg.finish(Some(&format!("{}; the middle one found {middle}.", family.in_words())))
}
