//! Does the report of what the boundary takes say what the run says, in all its forms?

use std::fs;

use super::super::{render, update_readme};
use crate::{
    experiments::{ladder, x2},
    judge,
    record::Run,
};

/// Runs of what the boundary takes, by rungs and by calls.
pub(crate) fn latency_runs() -> [Run; 2] {
    [ladder::EXPERIMENT, x2::EXPERIMENT].map(|experiment| judge::run_of(experiment, 6))
}

#[test]
fn the_calculator_finds_all_that_it_counts_with() {
    let [rungs, calls] = latency_runs().map(|run| render(&run).unwrap().html);
    assert!(!rungs.contains("<form") && rungs.matches("<script").count() == 1);
    assert_eq!(calls.matches("<script").count(), 2, "data, and what counts with them");
    let (_, rest) = calls.split_once(r#"id="summary">"#).unwrap();
    let summary: serde_json::Value =
        serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    for attribute in ["data-h=\"", "data-at-once=\""] {
        let (_, rest) = calls.split_once(attribute).unwrap();
        let name = rest.split_once('"').unwrap().0;
        let figures = summary["derived"].as_array().unwrap();
        let figure = figures.iter().find(|figure| figure["name"] == name).expect(name);
        assert!(figure["found"]["high"].is_f64(), "{figure}");
    }
    assert!(calls.contains(r#"data-most-calls="12""#) && calls.contains(r#"data-most-rtt="5""#));
}

#[test]
fn the_rule_of_thumb_stands_where_it_is_looked_for() {
    let [rungs, calls] = latency_runs().map(|run| render(&run).unwrap());
    for text in [&calls.html, &calls.markdown] {
        assert!(text.contains("n calls in turn cost n × (RTT + h), and h is 0."), "{text}");
    }
    assert!(rungs.markdown.contains("| latency added by JSON | 0.0"), "{}", rungs.markdown);
    assert!(rungs.markdown.contains("0 of 48 trials over a link were void"));
    assert!(rungs.html.contains("= link of 5 ms, measured"));
    for text in [&rungs.html, &rungs.markdown] {
        // Of 40 requests that waited 2 ms altogether.
        assert!(text.contains("Waiting for a core") && text.contains("0.050"), "{text}");
        assert!(text.contains("A list of ten, 64 visitors") && text.contains("by HTTP/2"));
    }
    assert!(!rungs.html.contains("+ HTTP/2"), "it is no rung");
}

#[test]
fn a_readme_has_the_calls_between_markers_of_their_own() {
    let [_, calls] = latency_runs();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("README.md");
    fs::write(&path, "# A\n<!-- results:begin -->\nx1\n<!-- results:end -->\n").unwrap();
    let error = update_readme(&path, &calls).unwrap_err().to_string();
    assert!(error.contains("no `<!-- calls:begin -->`"), "{error}");

    let with_markers = "# A\n<!-- calls:begin -->\nold\n<!-- calls:end -->\nb\n";
    fs::write(&path, with_markers).unwrap();
    update_readme(&path, &calls).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# A\n<!-- calls:begin -->\n- **Supported:** A call takes longer"));
    assert!(!text.contains("old") && text.ends_with("<!-- calls:end -->\nb\n"), "{text}");
    assert!(text.contains("\n| 12 calls in turn | 1."), "{text}");
    assert!(text.contains("6 rounds, commit"), "{text}");
}
