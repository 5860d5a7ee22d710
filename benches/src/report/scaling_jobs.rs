//! What searches on mixes with jobs came to. A division among frontend, backend and worker has three
//! shares, and no place on a line: every setup has a row of its own instead, with its goodput beside that of
//! the best monolith.

use super::{
    charts::{Row, Rows},
    scaling,
    scaling_charts::divisions,
    svg::{Anchor, Scale, Svg, ticks},
};
use crate::{
    judge::{
        scaled::{Around, OfMix, Scaled, Tuned},
        summary::Metric,
    },
    record::Arm,
    scaling::Jobs,
    stats::Estimate,
    words,
};

/// Height of a row, pixels.
const ROW: f64 = 28.0;

/// Where the axis begins and ends, per cent.
const ACROSS: [f64; 2] = [1.0, 97.0];

/// What each setup of a mix serves.
pub(super) enum Divisions {
    /// Over the frontend's share.
    Curve(String),
    /// One below the other, and the jobs that visitors bring.
    Rows(Rows, String),
}

impl Divisions {
    /// As fits the mix.
    pub(super) fn of(mix: &OfMix) -> Self {
        match mix.jobs {
            None => Self::Curve(divisions(mix)),
            Some(jobs) => Self::Rows(setups(mix), told(jobs)),
        }
    }
}

/// What visitors bring along, in words.
fn told(Jobs { each, visits }: Jobs) -> String {
    format!("a job of {} for every {visits} visits", words::job(each))
}

/// All setups below each other: the best of each, and what they were chosen from.
fn setups(mix: &OfMix) -> Rows {
    let of = |arm| mix.confirmed.iter().find(move |it| it.arm == arm);
    let plane = of(Arm::Monolith).and_then(|it| it.goodput);
    let tuned = mix.tuned.iter().filter_map(|it| it.goodput);
    let all = tuned.chain(mix.confirmed.iter().filter_map(|it| it.goodput));
    let top = all.map(|it| it.high).fold(1.0, f64::max) * 1.05;
    let axis = Axis { scale: Scale::new([0.0, top], ACROSS), marks: ticks(0.0, top, 5), plane };
    let best = [Arm::Monolith, Arm::Split].into_iter().filter_map(of).map(|it| Row {
        label: words::capitalised(&it.setup),
        note: it.arm.name().to_owned(),
        svg: axis.row(it.arm, it.goodput, 4.5),
        number: scaling::goodput(it.goodput, it.trials),
    });
    let one = |it: &Tuned| Row {
        label: words::capitalised(&it.setup),
        note: if it.chosen { "chosen".to_owned() } else { String::new() },
        svg: axis.row(it.arm, it.goodput, if it.chosen { 4.5 } else { 3.5 }),
        number: scaling::goodput(it.goodput, it.trials),
    };
    let those = |arm| mix.tuned.iter().filter(move |it| it.arm == arm).map(one).collect();
    Rows {
        groups: vec![
            ("The best of each, in trials of its own".to_owned(), best.collect()),
            ("Monoliths, tuning trials".to_owned(), those(Arm::Monolith)),
            ("Splits, tuning trials".to_owned(), those(Arm::Split)),
        ],
        axis: axis.marks(),
    }
}

/// What all rows have in common.
struct Axis {
    scale: Scale,
    marks: Vec<f64>,
    /// The best monolith.
    plane: Option<Estimate>,
}

impl Axis {
    fn row(&self, arm: Arm, goodput: Option<Estimate>, radius: f64) -> String {
        let at = |rate: f64| self.scale.at(rate);
        let (mut svg, middle) = (Svg::new(ROW), ROW / 2.0);
        for mark in self.marks.iter().map(|mark| at(*mark)) {
            svg.line("grid", [mark, mark], [0.0, ROW]);
        }
        if let Some(Estimate { value, low, high }) = self.plane {
            svg.rect("plane monolith", [at(low), at(high).max(at(low) + 0.2)], 0.0, ROW);
            svg.line("level monolith", [at(value); 2], [0.0, ROW]);
        }
        if let Some(Estimate { value, low, high }) = goodput {
            let name = arm.name();
            let ends = [at(low), at(high)];
            svg.line(&format!("interval thin {name}"), ends, [middle, middle]);
            svg.dot(&format!("dot {name}"), at(value), middle, radius);
        }
        svg.finish(None)
    }

    fn marks(&self) -> String {
        let mut svg = Svg::new(20.0);
        for mark in &self.marks {
            let text = words::level(Metric::Goodput, *mark);
            svg.text("tick", (self.scale.at(*mark), 14.0), 0.0, Anchor::Middle, &text);
        }
        svg.finish(None)
    }
}

/// The head of [`rows`].
pub(super) const HEAD: [&str; 5] =
    ["With jobs", "Setup", "Jobs, of the servers’ CPU", "A job waits", "What gave way first"];

/// What became of jobs, setup by setup: of the best ones in trials of their own, then of all that they
/// were chosen from.
pub(super) fn rows(scaled: &Scaled) -> Vec<[String; 5]> {
    let of_mix = |mix: &OfMix| -> Vec<[String; 5]> {
        let best = mix.confirmed.iter().map(|it| ("best", it.arm, &it.setup, &it.around));
        let tuned = mix.tuned.iter().map(|it| ("tuning", it.arm, &it.setup, &it.around));
        let row = |(stage, arm, setup, around): (&str, Arm, &String, &Around)| {
            let jobs = around.jobs?;
            let what = format!("{}, {}, {stage}", mix.mix, arm.name());
            let gave_way = format!(
                "pages in {} of {}, jobs in {}",
                jobs.pages_late, jobs.trials, jobs.jobs_late
            );
            let share = format!("{:.0}\u{a0}%", jobs.share * 100.0);
            Some([what, setup.clone(), share, words::milliseconds(jobs.wait_ms), gave_way])
        };
        best.chain(tuned).filter_map(row).collect()
    };
    scaled.mixes.iter().flat_map(of_mix).collect()
}

#[cfg(test)]
mod tests {
    use super::super::markdown::markdown;
    use super::*;
    use crate::{
        experiment,
        judge::{sound_scaling, summarise_with},
    };

    fn scaled() -> Scaled {
        summarise_with(&sound_scaling(), 100).unwrap().scaled.unwrap()
    }

    #[test]
    fn every_setup_has_a_row_beside_the_best_monolith() {
        let scaled = scaled();
        let mix = scaled.mixes.iter().find(|mix| mix.jobs.is_some()).unwrap();
        let Rows { groups, axis } = setups(mix);
        let sizes: Vec<usize> = groups.iter().map(|(_, rows)| rows.len()).collect();
        assert_eq!(sizes, [2, 3, 3]);
        for row in groups.iter().flat_map(|(_, rows)| rows) {
            assert!(
                row.svg.contains("plane monolith") && row.svg.contains("dot "),
                "{}",
                row.label
            );
        }
        let chosen =
            groups[1..].iter().flat_map(|(_, rows)| rows).filter(|row| row.note == "chosen");
        assert_eq!(chosen.count(), 2);
        assert!(axis.contains("/s"), "{axis}");
    }

    #[test]
    fn the_page_and_the_text_have_them_beside_the_mixes_of_pages() {
        let run = sound_scaling();
        let summary = summarise_with(&run, 100).unwrap();
        let card = experiment::find("c2").unwrap().card;
        let html = scaling::html(&run, &card, &summary).unwrap();
        let drawn = ["every setup that was tried, with a job of 20 ms", "curve split"];
        for drawn in drawn.into_iter().chain(["a worker of 0.12 CPU", "all jobs done in time"]) {
            assert!(html.contains(drawn), "{drawn}");
        }
        let text = markdown(&run, &summary).unwrap();
        for text in [html, text] {
            assert!(text.contains("pages in 0 of 5, jobs in 5"), "{text}");
        }
    }

    #[test]
    fn it_is_told_what_jobs_are_of_the_work_and_what_gave_way() {
        let scaled = scaled();
        let rows = rows(&scaled);
        assert_eq!(rows.len(), 3 + 9, "three arms at their best, and what they were chosen from");
        assert!(rows[0][4].starts_with("pages in 0 of 5, jobs in 5"), "{:?}", rows[0]);
        let jobs = scaled.mixes.iter().find_map(|mix| mix.jobs).unwrap();
        assert_eq!(words::plain(told(jobs)), "a job of 20 ms of CPU time for every 120 visits");
    }
}
