//! Where the time of a page goes, as a table; what each rung adds, in words; and what the spans that say
//! so add themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::rungs::{Rung, added};
use crate::{
    count::{Part, Quartiles, Spans},
    experiments::ladder,
    words,
};

/// A rung's change in one part that is not told, microseconds.
const SMALL: f64 = 2.0;

/// All of it: the parts, the rungs, the price of spans; where it was measured.
pub fn spans(rows: &[Spans]) -> String {
    let Some(Spans { cpu, commit, .. }) = rows.first() else { return String::new() };
    let [parts, rungs, price] = [parts(rows), by_rung(rows), price(rows)];
    let commit = words::commit(commit);
    format!("{parts}\n{rungs}\n{price}\nMeasured on {cpu}, commit {commit}.\n")
}

/// One line per kind of page, one column per part.
fn parts(rows: &[Spans]) -> String {
    let parts: BTreeSet<Part> = rows.iter().flat_map(|row| row.parts.keys()).copied().collect();
    let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
    let mut text = format!(
        "| what, µs | page | {} |\n|---|--:|{}\n",
        names.join(" | "),
        "--:|".repeat(names.len())
    );
    for row in rows {
        let of = |part| row.parts.get(part).map_or_else(String::new, |it| shown(*it));
        let cells: Vec<String> = parts.iter().map(of).collect();
        // Writing to a String can't fail.
        let _ = writeln!(text, "| {} | {} | {} |", row.what, shown(row.page), cells.join(" | "));
    }
    text
}

/// A median with its quartiles.
fn shown(Quartiles([low, median, high]): Quartiles) -> String {
    format!("{median:.1} [{low:.1}, {high:.1}]")
}

/// A paragraph: what each rung adds to the one before it. Nothing where there are no rungs.
fn by_rung(rows: &[Spans]) -> String {
    let medians = |row: &Spans| -> BTreeMap<&'static str, f64> {
        row.parts.iter().map(|(part, time)| (part.name(), time.median())).collect()
    };
    let rung = |rung: String| -> Option<Rung<'_>> {
        let row = rows.iter().find(|row| row.what == rung)?;
        Some((rung, medians(row)))
    };
    let rungs: Vec<Rung<'_>> =
        ladder::next_door().into_iter().filter_map(|(name, ..)| rung(name)).collect();
    let (Some((first, parts)), Some(row)) = (rungs.first(), rows.first()) else {
        return String::new();
    };
    format!(
        "The parts of a page by {first} take {:.1} µs, the sum of their medians. Against the rung before \
         it: {}. By the spans of {} pages, one after the other.\n",
        parts.values().sum::<f64>(),
        added(&rungs, SMALL),
        words::count(row.pages),
    )
}

/// One line per kind of page: what spans add to it.
fn price(rows: &[Spans]) -> String {
    let mut text = String::from(
        "| what, µs | spans | page without spans | page with spans | added |\n\
         |---|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let Spans { what, page, untraced, spans, .. } = row;
        let [without, with] = [untraced, page].map(|time| shown(*time));
        let added = words::change(page.median() / untraced.median());
        // Writing to a String can't fail.
        let _ = writeln!(text, "| {what} | {spans:.1} | {without} | {with} | {added} |");
    }
    text
}

impl Part {
    /// As in the table.
    fn name(self) -> &'static str {
        match self {
            Self::Visitor => "to the visitor",
            Self::Entry => "entry",
            Self::There => "way there",
            Self::Handler => "handler",
            Self::Statements => "SQL",
            Self::Encode => "encode",
            Self::Back => "way back",
            Self::Decode => "decode",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(what: &str, page: f64, parts: &[(Part, f64)]) -> Spans {
        let around = |median: f64| Quartiles([median - 1.0, median, median + 2.0]);
        Spans {
            database: "sqlite".into(),
            what: what.into(),
            parts: parts.iter().map(|(part, median)| (*part, around(*median))).collect(),
            page: around(page),
            untraced: around(page * 0.8),
            spans: parts.len() as f64,
            pages: 1_000,
            cpu: "a processor".into(),
            commit: "0123456789abcdef".into(),
        }
    }

    #[test]
    fn parts_rungs_and_price_are_told() {
        use Part::{Back, Decode, Encode, Entry, Handler, Statements, There, Visitor};
        let near = [(Visitor, 20.0), (Entry, 40.0), (Statements, 90.0)];
        let json = [&near[..], &[(Encode, 11.0), (Decode, 9.5)]].concat();
        let hop = [(There, 30.0), (Handler, 25.0), (Back, 21.0)];
        let rows = [
            row("function call", 150.0, &near),
            row("JSON", 170.5, &json),
            row("TCP", 246.5, &[&json[..], &hop].concat()),
            row("home page, monolith", 190.0, &near),
        ];
        insta::assert_snapshot!("spans", words::plain(spans(&rows)));
        assert_eq!(by_rung(&rows[3..]), "");
    }
}
