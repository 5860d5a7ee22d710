//! What all reports share that are about shares of trials: a chart of exact intervals, and the lists of
//! trials with something to say about them.

use super::{
    charts::{Row, Rows},
    svg::{Anchor, Scale, Svg},
};
use crate::{judge::scaled::Remark, record::Arm, stats::Estimate, words};

/// What the chart needs beside the style sheet of all reports.
pub(super) const STYLE: &str = include_str!("../../templates/shares.css");

/// Height of a row of the chart, pixels.
const ROW: f64 = 30.0;

/// What the axis of the chart marks, per cent.
const MARKS: [f64; 5] = [0.0, 25.0, 50.0, 75.0, 100.0];

/// A line of the chart.
pub(super) struct Line {
    pub(super) label: String,
    pub(super) note: String,
    pub(super) share: Estimate,
    pub(super) class: &'static str,
}

/// Shares of trials below each other; up to `limit` they are taken for nothing.
pub(super) fn chart(groups: Vec<(String, Vec<Line>)>, limit: f64) -> Rows {
    let scale = Scale::new([0.0, 1.0], [3.0, 97.0]);
    let row = |Line { label, note, share, class }| Row {
        label: words::capitalised(&label),
        note,
        svg: interval(&scale, share, class, limit),
        number: words::share_with_interval(share),
    };
    let mut axis = Svg::new(20.0);
    for mark in MARKS {
        let x = scale.at(mark / 100.0);
        axis.text("tick", (x, 14.0), 0.0, Anchor::Middle, &format!("{mark}\u{a0}%"));
    }
    let group = |(title, lines): (String, Vec<Line>)| {
        (title, lines.into_iter().map(row).collect::<Vec<Row>>())
    };
    Rows { groups: groups.into_iter().map(group).collect(), axis: axis.finish(None) }
}

/// Which colour an arm has.
pub(super) fn class(arm: Arm) -> &'static str {
    match arm {
        Arm::Monolith => "monolith",
        Arm::Split => "split",
        _ => "control",
    }
}

fn interval(scale: &Scale, share: Estimate, class: &str, limit: f64) -> String {
    let middle = ROW / 2.0;
    let mut svg = Svg::new(ROW);
    svg.rect("band", [scale.at(0.0), scale.at(limit)], 0.0, ROW);
    for mark in MARKS {
        let x = scale.at(mark / 100.0);
        svg.line("grid", [x, x], [0.0, ROW]);
    }
    let Estimate { value, low, high } = share.map(|it| scale.at(it));
    svg.line(&format!("interval {class}"), [low, high], [middle, middle]);
    svg.dot(&format!("dot {class}"), value, middle, 4.5);
    svg.finish(None)
}

/// Lists of trials, without those that are empty.
pub(super) fn remarks(lists: [(&'static str, &[Remark]); 2]) -> Vec<(&'static str, Vec<String>)> {
    let sentence = |Remark { trial, why }: &Remark| format!("{trial}: {why}");
    let lists = lists.into_iter().filter(|(_, remarks)| !remarks.is_empty());
    lists.map(|(what, remarks)| (what, remarks.iter().map(sentence).collect())).collect()
}
