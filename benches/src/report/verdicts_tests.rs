//! Is the published schema what the types give, does it take what the lab writes, and does it refuse
//! what the lab would never write?

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::*;
use crate::experiment::Preset;
use crate::judge;
use crate::report::latency::tests::latency_runs;
use crate::report::published_tests::PUBLISHED;
use crate::report::tests::{FEW, certificate_run, composed, grid_run, scaling_run};
use crate::synthetic::Truth;

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verdicts.schema.json")
}

fn generated() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<Verdicts>();
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&fs::read_to_string(published()).unwrap()).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::draft202012::new(&schema).unwrap()
}

fn document(run: &Run) -> Value {
    serde_json::from_str(&json(run, &judge::summarise_with(run, FEW).unwrap()).unwrap()).unwrap()
}

fn assert_valid(document: &Value) {
    let errors: Vec<_> = validator().iter_errors(document).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}

#[test]
fn the_published_schema_is_what_the_types_give() {
    // As values: in which order a program keeps an object's members depends on what else is built.
    let [published, generated] = [fs::read_to_string(published()).unwrap(), generated()]
        .map(|text| serde_json::from_str::<Value>(&text).unwrap());
    let again = "run `cargo test -p lab --lib -- --ignored publish_the_schema`";
    assert_eq!(published, generated, "{again}");
}

#[test]
#[ignore = "writes docs/verdicts.schema.json"]
fn publish_the_schema() {
    fs::write(published(), generated()).unwrap();
}

#[test]
fn every_kind_of_run_keeps_to_the_schema() {
    let mut resumed = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
    let at = resumed.started;
    resumed.resumed.push(crate::record::Resumption { at, restart: 1, dropped: Vec::new() });
    let runs = [
        Truth::default().run(),
        Truth { postgres: true, busy: 0.05, ..Truth::default() }.run(),
        Truth { twin: 1.08, ..Truth::default() }.run(),
        // Too few requests for a p99.
        Truth { rate: 300.0, ..Truth::default() }.run(),
        composed(Preset::Quick),
        resumed,
        grid_run(),
        scaling_run(),
        judge::foretold_scaling(0.02),
        judge::durability_of(Preset::Quick),
        judge::composed_interference(Preset::Quick),
        certificate_run(),
    ];
    for run in runs.iter().chain(&latency_runs()) {
        assert_valid(&document(run));
    }
}

#[test]
fn every_committed_file_keeps_to_the_schema() {
    for (folder, _) in PUBLISHED.iter() {
        let text = fs::read_to_string(folder.join(crate::report::VERDICTS)).unwrap();
        assert_valid(&serde_json::from_str(&text).unwrap());
    }
}

#[test]
fn a_broken_file_is_refused() {
    let validator = validator();
    let whole = document(&Truth::default().run());
    assert!(validator.is_valid(&whole));
    let broken = [
        ("/schema", json!(SCHEMA + 1)),
        ("/seed", json!("1")),
        ("/verdicts/0/outcome", json!("probably")),
        ("/verdicts/0/limit", json!({ "about": 1.05 })),
        ("/verdicts/0/evidence/0/ratio", json!(1.3)),
        ("/certificate/certified", json!(null)),
        ("/certificate/controls/0/arms", json!(["monolith"])),
    ];
    for (place, value) in broken {
        let mut document = whole.clone();
        *document.pointer_mut(place).unwrap_or_else(|| panic!("{place} is there")) = value;
        assert!(!validator.is_valid(&document), "{place}");
    }
    for name in whole.as_object().unwrap().keys() {
        let mut document = whole.clone();
        document.as_object_mut().unwrap().remove(name);
        assert!(!validator.is_valid(&document), "without {name}");
    }
}

#[test]
fn the_answers_are_those_of_the_judgement() {
    let run = Truth { rate: 400.0, ..Truth::default() }.run();
    let (document, summary) = (document(&run), judge::summarise_with(&run, FEW).unwrap());
    let [cpu, p99, goodput] = document["verdicts"].as_array().unwrap().as_slice() else {
        panic!("{document:#}")
    };
    assert_eq!((&cpu["id"], &cpu["outcome"]), (&json!("x1.cpu-servers"), &json!("supported")));
    let effect =
        summary.effect(Comparison::Boundary, crate::record::Page::Home, Metric::CpuServers);
    assert_eq!(cpu["evidence"][0]["ratio"], json!(effect.unwrap().ratio));
    assert_eq!(cpu["evidence"][0]["requests"], json!([7_680, 7_680]));
    assert_eq!(p99["outcome"], "inconclusive");
    assert_eq!(p99["evidence"][0]["missing"], "1820 more requests per arm");
    assert_eq!(goodput["limit"], json!({ "less": { "ratio": 0.95 } }));
    assert_eq!(goodput["evidence"].as_array().unwrap().len(), 1, "of the home page only");
}

#[test]
fn no_two_questions_share_an_id() {
    let runs = [Truth::default().run(), grid_run(), scaling_run(), certificate_run()];
    let runs = runs.into_iter().chain([judge::foretold_scaling(0.02)]);
    for run in runs.chain(latency_runs()) {
        let summary = judge::summarise_with(&run, FEW).unwrap();
        let told = document(&run)["verdicts"].as_array().unwrap().len();
        assert_eq!(told, summary.verdicts.len(), "none is left out");
        let mut ids = question_ids(&run, &summary).unwrap();
        assert_eq!(ids.len(), summary.verdicts.len());
        assert!(ids.iter().all(|id| !id.contains([' ', ','])), "{ids:?}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), summary.verdicts.len(), "{ids:?}");
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let run = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
    let json = || super::json(&run, &judge::summarise_with(&run, FEW).unwrap()).unwrap();
    assert_eq!(json(), json());
    insta::assert_snapshot!("verdicts", json());
}
