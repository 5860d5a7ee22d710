//! `report.md`: what a reader on a code host sees without opening the page. The same sentences and
//! numbers as there, without the charts.

use std::fmt::Write;

use super::frame::{CheckLine, check_line, facts};
use super::page::{Line, lines, remarks};
use super::{
    HTML, LISTED, caching, composed, deploys, durability, explain, finding,
    foretold::{self, View},
    grid, latency, places, scaling, scaling_jobs, scaling_shifts, svg, terminal, ticks,
};
use crate::experiment::{self, Card};
use crate::judge::foretold::Foretold;
use crate::judge::scaled::Scaled;
use crate::judge::summary::{Metric, Summary};
use crate::record::Run;
use crate::words;

/// The whole file.
///
/// # Errors
/// When the run names an experiment that this program doesn't know.
pub(super) fn markdown(run: &Run, summary: &Summary) -> anyhow::Result<String> {
    let card = experiment::find(&run.experiment)?.card;
    let parts = [
        head(run, &card, summary),
        verdicts(summary),
        numbers(run, summary),
        trust(run, summary),
        beforehand(&card),
        circumstances(run),
        commands(run),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Ok(words::plain(parts.join("\n")))
}

fn head(run: &Run, card: &Card, summary: &Summary) -> String {
    let Run { preset, database, .. } = run;
    let when = run.started.format("%-d %B %Y, %H:%M UTC");
    let mut text =
        format!("# {}\n\n`{}` · {preset} · {database} · {when}\n\n", card.title, card.id);
    if let Some(notice) = finding::notice(run, summary) {
        // Writing to a String can't fail, here and below.
        let _ = write!(text, "> **{}** {}\n\n", notice.lead, notice.text);
    }
    for sentence in finding::sentences(run, card, summary) {
        let _ = write!(text, "{}\n\n", sentence.text());
    }
    let brackets = match &summary.scaled {
        Some(scaled) if composed::is_composed(scaled) => "the lowest and the highest trial",
        _ => "95 % intervals",
    };
    let _ = writeln!(text, "Square brackets hold {brackets}. The charts are in [{HTML}]({HTML}).");
    text
}

fn verdicts(summary: &Summary) -> String {
    let rows = summary.verdicts.iter().map(|verdict| {
        let outcome = words::capitalised(words::outcome(verdict.outcome));
        [format!("**{outcome}**"), verdict.question.clone() + ".", verdict.because.clone()]
    });
    section("Verdicts") + &table(["Verdict", "About", "Because"], 0, rows)
}

fn numbers(run: &Run, summary: &Summary) -> String {
    if run.grid.is_some() {
        if summary.figures.iter().any(|it| it.metrics.contains_key(&Metric::Statements)) {
            let rows = caching::table(summary).into_iter();
            return section("Numbers") + &table(caching::HEADS, 6, rows);
        }
        let head = ["", "CPU, servers", "CPU, PostgreSQL", "Latency p50", "Requests"];
        let numbers = section("Numbers") + &table(head, 4, grid::table(summary).into_iter());
        let why = latency::markdown(run, summary);
        let why = why.map(|why| section("What a page costs in each architecture, and why") + &why);
        return why.map_or(numbers.clone(), |why| format!("{why}\n{numbers}"));
    }
    if let Some(scaled) = &summary.scaled {
        return section("Numbers") + &searches(scaled);
    }
    if let Some(found) = &summary.interfered {
        let rows = places::rows(found).into_iter().chain(places::others(found));
        return section("Numbers") + &table(places::HEAD, 6, rows);
    }
    if let Some(found) = &summary.endured {
        let by_point = table(durability::HEAD, 6, durability::cells(found).into_iter());
        return section("Numbers")
            + &table(durability::HEAD, 6, durability::rows(found).into_iter())
            + "\n"
            + &by_point;
    }
    if let Some(found) = &summary.deployed {
        return section("Numbers") + &table(deploys::HEAD, 6, deploys::rows(found).into_iter());
    }
    if let Some(found) = &summary.ticked {
        let by_trouble = table(ticks::HEAD, 6, ticks::cells(found).into_iter());
        let rows = table(ticks::HEAD, 6, ticks::rows(found).into_iter());
        return section("Numbers") + &rows + "\n" + &by_trouble;
    }
    if !summary.families.is_empty() {
        // All that there is to say stands in the finding and in the controls.
        return String::new();
    }
    let rows = summary.contrasts.iter().flat_map(lines).map(|line| {
        let Line { page, metric, levels: [first, second], change, difference } = line;
        [format!("{page}, {metric}"), first, second, change, difference]
    });
    section("Numbers") + &table(["", "monolith", "split", "Change", "Difference"], 4, rows)
}

/// What was compared, what it was chosen from, what more units come to, what one more costs.
fn searches(scaled: &Scaled) -> String {
    if composed::is_composed(scaled) {
        let setups = table(composed::HEAD, 7, composed::setups(scaled).into_iter());
        let costs = table(composed::COSTS, 5, scaling::costs(scaled).into_iter());
        return format!("{setups}\n{costs}");
    }
    let around = ["Stopped by quotas", "Core beside", "Foreign CPU"];
    let [stopped, beside, foreign] = around;
    let head = |what| ["", what, "Goodput", stopped, beside, foreign];
    let parts = [
        table(head("The best of each"), 4, scaling::confirmed(scaled).into_iter()),
        table(head("Chosen from"), 4, scaling::tuned(scaled).into_iter()),
        table(scaling_jobs::HEAD, 0, scaling_jobs::rows(scaled).into_iter()),
        table(head("More units"), 4, scaling::climbed(scaled).into_iter()),
        table(foretold::LAWS, 4, foretold::laws(scaled).into_iter()),
        table(scaling::COSTS, 5, scaling::costs(scaled).into_iter()),
        scaled.shifted.as_ref().map_or_else(String::new, |it| {
            let rows = scaling_shifts::rows(it).into_iter();
            format!("{}\n\n{}", scaling_shifts::in_words(it), table(scaling_shifts::HEAD, 3, rows))
        }),
        scaled.foretold.as_ref().map_or_else(String::new, predictions),
    ];
    parts.join("\n")
}

/// What was predicted, what it came from, and what came of it.
fn predictions(it: &Foretold) -> String {
    let view = View::of(it);
    let what = ["What", "Setup", "Predicted", "Measured", "Straight line", "Scalability law"];
    let [a, b, c, d, e, f] = what;
    let parts = [
        format!("Predictions sealed on {}. {}\n", view.sealed, view.sound),
        table(foretold::SCORES, 6, view.scores.into_iter()),
        table(foretold::DEMANDS, 3, view.demands.into_iter()),
        table([a, b, c, d, e, f, "Stopped by quotas", "Foreign CPU"], 6, view.points.into_iter()),
    ];
    parts.join("\n")
}

fn trust(run: &Run, summary: &Summary) -> String {
    let mut text = section("Can this be trusted?");
    if let Some(sentence) = finding::controls(summary) {
        let _ = write!(text, "{}\n\n", sentence.text());
    }
    let rows = summary.certificate.checks.iter().map(check_line).map(|check| {
        let CheckLine { what, truth, found, passed, sentence } = check;
        let passed = match passed {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "open",
        };
        [what, truth, found, format!("{passed}. {sentence}")]
    });
    text += &table(["Control", "True", "Found", "Passed"], 0, rows);
    let _ = write!(text, "\n{}\n", terminal::conduct_of(run, summary));
    for how in finding::resumptions(run) {
        let _ = write!(text, "\nThe run was {how}.\n");
    }
    let searches = summary.scaled.iter().flat_map(scaling::remarks);
    let places = summary.interfered.iter().flat_map(places::remarks);
    let kills = summary.endured.iter().flat_map(durability::remarks);
    let deploys = summary.deployed.iter().flat_map(deploys::remarks);
    let ticks = summary.ticked.iter().flat_map(ticks::remarks);
    let jobs = places.chain(kills).chain(deploys).chain(ticks);
    let all = remarks(summary).into_iter().chain(searches).chain(jobs);
    for (what, those) in all {
        let _ = write!(text, "\n<details><summary>{what}: {}</summary>\n\n", those.len());
        let listed = those.iter().take(LISTED);
        listed.for_each(|remark| text += &format!("- {}\n", escaped(remark)));
        if let Some(more @ 1..) = those.len().checked_sub(LISTED) {
            let _ = writeln!(text, "- and {more} more, in the raw data");
        }
        text += "\n</details>\n";
    }
    text
}

fn beforehand(card: &Card) -> String {
    let mut text = section("What was fixed beforehand, and what this does not show");
    for (heading, body) in explain::sections(card) {
        let _ = match body.as_slice() {
            [only] => write!(text, "**{heading}.** {only}\n\n"),
            several => write!(text, "**{heading}.**\n\n- {}\n\n", several.join("\n- ")),
        };
    }
    text.trim_end().to_owned() + "\n"
}

fn circumstances(run: &Run) -> String {
    let rows = facts(run).into_iter().map(|(what, fact)| [what.to_owned(), escaped(&fact)]);
    section("Circumstances") + &table(["", ""], 0, rows)
}

fn commands(run: &Run) -> String {
    let Run { command, id, .. } = run;
    let mut text = section("The same again");
    let _ = write!(text, "```sh\n{command}\n```\n\n");
    text += "Every number here, computed again from the raw data, without any load:\n\n";
    let _ = write!(text, "```sh\ncargo lab verify {id}\n```\n");
    text
}

fn section(heading: &str) -> String {
    format!("## {heading}\n\n")
}

/// A table of which so many columns, after the first, hold numbers.
fn table<const N: usize>(
    head: [&str; N],
    numbers: usize,
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let rule = |column| if (1..=numbers).contains(&column) { "--:" } else { "---" };
    let mut text = format!("| {} |\n", head.join(" | "));
    let _ = writeln!(text, "|{}|", (0..N).map(rule).collect::<Vec<_>>().join("|"));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// Text from elsewhere, for instance the name of a machine, as text: neither HTML nor Markdown.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in svg::escape(text).chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~') {
            escaped.push('\\');
        }
        // A line break would end the table's row.
        escaped.push(if character.is_control() { ' ' } else { character });
    }
    escaped
}
