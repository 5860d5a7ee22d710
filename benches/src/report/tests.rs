//! Does a report say what the run says, is it one file that needs nothing else, and does `verify`
//! notice when somebody changed it?

use std::fs;
use std::path::Path;

use super::latency::tests::latency_runs;
use super::*;
use crate::experiment::Preset;
use crate::experiments::certificate;
use crate::judge::summary::Metric;
use crate::record::{Arm, Comparison, Composition, Container, Page, Resumption};
use crate::store;
use crate::synthetic::Truth;

/// Draws where many would only take time.
pub(super) const FEW: u32 = 300;

/// A run of each of the other designs.
pub(super) fn grid_run() -> Run {
    judge::sound_grid()
}

pub(super) fn scaling_run() -> Run {
    judge::sound_scaling()
}

pub(super) fn certificate_run() -> Run {
    let truth = Truth { preset: Preset::Quick, ..Truth::default() };
    truth.run_of(&certificate::plan(truth.preset, truth.seed), "certificate")
}

/// A folder as the instrument leaves it.
pub(super) fn folder(run: &Run) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(store::RUN), serde_json::to_string(run).unwrap()).unwrap();
    folder
}

pub(super) fn html(run: &Run) -> String {
    render(run).unwrap().html
}

#[test]
fn a_report_verifies_until_a_number_is_changed() {
    let run = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
    let folder = folder(&run);
    let page = write(folder.path(), &run).unwrap();
    assert_eq!(page, folder.path().join(HTML));
    let said = verify(folder.path()).unwrap();
    assert!(said.contains("identical"), "{said}");

    let summary = folder.path().join(SUMMARY);
    let honest = fs::read_to_string(&summary).unwrap();
    let mut forged: serde_json::Value = serde_json::from_str(&honest).unwrap();
    forged["contrasts"][0]["all"]["metrics"]["cpu-servers"]["effect"]["ratio"]["value"] =
        0.9.into();
    fs::write(&summary, forged.to_string()).unwrap();
    let error = verify(folder.path()).unwrap_err().to_string();
    let place = "contrasts[0].all.metrics.cpu-servers.effect.ratio.value is 0.9";
    assert!(error.contains(place), "{error}");

    fs::write(&summary, honest).unwrap();
    for (name, what) in [(VERDICTS, "sqlite"), (MARKDOWN, "monolith")] {
        let path = folder.path().join(name);
        let honest = fs::read_to_string(&path).unwrap();
        fs::write(&path, honest.replacen(what, "elsewhere", 1)).unwrap();
        let error = verify(folder.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("elsewhere"), "{error}");
        fs::write(&path, honest).unwrap();
    }
    fs::write(&page, fs::read_to_string(&page).unwrap().replacen("4.2", "4.1", 1)).unwrap();
    let error = verify(folder.path()).unwrap_err().to_string();
    assert!(error.contains("report.html: line"), "{error}");
}

#[test]
fn changed_raw_data_do_not_verify() {
    let run = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
    let folder = folder(&run);
    write(folder.path(), &run).unwrap();
    let mut forged = run;
    forged.slices.iter_mut().filter(|s| s.arm == Arm::Split).for_each(|slice| {
        slice.cpu_ms.values_mut().for_each(|ms| *ms *= 0.99);
    });
    fs::write(folder.path().join(store::RUN), serde_json::to_string(&forged).unwrap()).unwrap();
    assert!(verify(folder.path()).is_err());
}

#[test]
fn a_report_needs_nothing_from_elsewhere() {
    let short = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
    for run in [vec![short], latency_runs().into()].concat() {
        let html = html(&run);
        for foreign in ["http://", "https://", "src=", "@import", "url(", "<link", "fetch("] {
            assert!(!html.contains(foreign), "{}: {foreign}", run.experiment);
        }
    }
}

#[test]
fn whatever_the_machine_is_called_it_stays_text() {
    let mut run = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
    run.slices[0].void = Some("</script><script>alert(1)</script>".into());
    run.machine.cpu = "<img onerror=alert(1)>".into();
    let html = html(&run);
    assert!(!html.contains("<script>alert") && !html.contains("<img"));
    assert!(html.contains("&#60;img onerror") || html.contains("&lt;img onerror"));
    // The page has one script element, and that holds data.
    assert_eq!(html.matches("<script").count(), 1);
    assert_eq!(html.matches("</script>").count(), 1);
}

#[test]
fn the_embedded_numbers_are_the_summary() {
    let run = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
    let html = html(&run);
    let (_, rest) = html.split_once(r#"<script type="application/json" id="summary">"#).unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    let embedded: judge::summary::Summary = serde_json::from_str(json).unwrap();
    assert_eq!(embedded, judge::summarise(&run).unwrap());
}

#[test]
fn a_run_that_is_not_certified_says_so_loudly() {
    let run = Truth { twin: 1.08, ..Truth::default() }.run();
    assert!(html(&run).contains("not certified"));
    assert!(terminal(&run).unwrap().contains("NOT CERTIFIED"));
    assert!(!html(&Truth::default().run()).contains("not certified"));
}

#[test]
fn nothing_void_or_flagged_is_left_out() {
    let mut run = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
    run.slices[1].void = Some("the connection broke".into());
    run.slices[9].foreign_cpu = 0.3;
    let html = html(&run);
    assert!(html.contains("the connection broke"));
    assert!(html.contains("others used 30 % of the CPU"));
}

#[test]
fn of_very_many_remarks_the_first_are_listed_and_the_others_counted() {
    let mut run = Truth::default().run();
    let slices = run.slices.len();
    run.slices.iter_mut().for_each(|slice| slice.foreign_cpu = 0.3);
    let Rendered { html, markdown, .. } = render(&run).unwrap();
    for (text, item) in [(html, "<li>restart "), (markdown, "\n- restart ")] {
        assert!(text.contains(&format!("which count under suspicion: {slices}<")));
        assert!(text.contains(&format!("and {} more, in the raw data", slices - LISTED)));
        assert_eq!(text.matches(item).count(), LISTED);
    }
}

/// The same figures as if from a composition, which has two arms.
pub(super) fn composed(preset: Preset) -> Run {
    let mut run = Truth { preset, postgres: true, ..Truth::default() }.run();
    run.slices.retain(|slice| matches!(slice.comparison, Comparison::Boundary));
    run.starts.clear();
    let container = |service: &str, cpus, memory_mib| Container {
        service: service.into(),
        image: format!("conduit-{service}"),
        image_id: "sha256:5f0c".into(),
        image_bytes: 93_400_000,
        cpus,
        cores: None,
        memory_mib,
    };
    run.composition = Some(Composition {
        engine: "28.1".into(),
        containers: vec![
            container("monolith", Some(0.5), Some(256)),
            container("split-backend", None, None),
        ],
    });
    run
}

#[test]
fn a_composition_is_named_with_its_images_and_limits_and_gets_no_verdict() {
    let run = composed(Preset::Quick);
    let summary = judge::summarise(&run).unwrap();
    assert!(summary.verdicts.iter().all(|verdict| verdict.outcome.is_none()));
    assert!(summary.effect(Comparison::Boundary, Page::Home, Metric::CpuServers).is_some());
    let html = html(&run);
    assert!(html.contains("A composition, as it ran") && !html.contains("A control failed"));
    assert!(html.contains(
        "conduit-monolith of 93\u{a0}MB (sha256:5f0c), at most 0.5 cores and at most 256 MiB"
    ));
    assert!(html.contains("conduit-split-backend of 93\u{a0}MB (sha256:5f0c), no limit"));
    let folder = folder(&run);
    write(folder.path(), &run).unwrap();
    verify(folder.path()).unwrap();
}

#[test]
fn cpu_that_could_not_be_read_is_not_taken_for_none() {
    let mut run = composed(Preset::Quick);
    for slice in &mut run.slices {
        slice.cpu_ms.retain(|process, _| process == "postgres" || process == "generator");
    }
    let summary = judge::summarise(&run).unwrap();
    for contrast in &summary.contrasts {
        assert!(contrast.all.metrics.keys().all(|metric| !metric.is_cpu()), "{contrast:?}");
        assert!(contrast.all.effect(Metric::P50).is_some());
    }
    let html = html(&run);
    assert!(html.contains("The CPU of the servers could not be read"));
    assert!(!html.contains("NaN"));
    assert!(!terminal(&run).unwrap().contains("home page, CPU per page"));
}

#[test]
fn the_terminal_table_keeps_its_width() {
    let text = terminal(&Truth::default().run()).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    insta::assert_snapshot!("terminal", text);
}

#[test]
fn the_report_reads_on_a_code_host() {
    let mut run = Truth { busy: 0.02, ..Truth::default() }.run();
    run.machine.os = "a_b|c\n*d*".into();
    let summary = judge::summarise_with(&run, FEW).unwrap();
    let markdown = markdown::markdown(&run, &summary).unwrap();
    insta::assert_snapshot!("markdown", markdown);
    // A bar within a cell would begin another one.
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    let lines: Vec<&str> = markdown.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| line.starts_with('|'))) {
        assert_eq!(columns(pair[0]), columns(pair[1]), "{pair:#?}");
    }
}

#[test]
fn every_design_reads_on_a_code_host() {
    for (run, table) in [
        (grid_run(), "| by hand, over bare hops | "),
        (scaling_run(), "| render-heavy, split | frontend 1 × 0.200 CPU, backend 1 × 0.200 CPU | "),
        (certificate_run(), ""),
    ] {
        let summary = judge::summarise_with(&run, FEW).unwrap();
        let markdown = markdown::markdown(&run, &summary).unwrap();
        assert!(markdown.contains(table), "{markdown}");
        assert!(!markdown.contains("monolith | split"), "{markdown}");
        for verdict in &summary.verdicts {
            assert!(markdown.contains(&crate::words::plain(&verdict.question)), "{markdown}");
        }
    }
}

#[test]
fn searches_are_drawn_and_verify() {
    let run = scaling_run();
    let folder = folder(&run);
    write(folder.path(), &run).unwrap();
    assert!(verify(folder.path()).unwrap().contains("identical"));
    let html = html(&run);
    // The best monolith as a plane across the divisions, and the split's best beside its tuning.
    for drawn in ["plane monolith", "dot whole", "curve split", "frontend&#39;s share"] {
        assert!(html.contains(drawn), "{drawn}");
    }
    assert!(html.contains("up to 12 database connections"), "what one more costs");
    let terminal = terminal(&run).unwrap();
    assert!(terminal.lines().all(|line| line.chars().count() <= 100), "{terminal}");
    assert!(terminal.contains("REFUTED") && terminal.contains("core beside"), "{terminal}");
}

#[test]
fn every_design_is_compared() {
    for run in [vec![grid_run(), scaling_run(), certificate_run()], latency_runs().into()].concat()
    {
        let changes = judge::changes::changes_with([&run, &run], FEW).unwrap();
        let text = compare::compared([&run, &run], &changes).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("= same") && !text.contains("≠ FLIPPED"), "{text}");
        assert_eq!(changes.effects.is_empty(), run.experiment == "certificate", "{text}");
    }
}

#[test]
fn an_interruption_is_told_everywhere() {
    let mut run = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
    let at = "2026-01-02T09:00:00Z".parse().unwrap();
    let dropped = run.slices[..3].to_vec();
    run.resumed = vec![Resumption { at, restart: 1, dropped }];
    let told = "resumed on 2 January 2026, 09:00 UTC with restart 1, measured anew; its 3 slices";
    let Rendered { markdown, html, verdicts, .. } = render(&run).unwrap();
    assert!(markdown.contains(told), "{markdown}");
    assert!(html.contains(told));
    assert!(verdicts.contains("2026-01-02T09:00:00Z"));
    let terminal = terminal(&run).unwrap();
    assert!(terminal.contains("Interrupted, and resumed on 2 January"), "{terminal}");
    assert!(terminal.lines().all(|line| line.chars().count() <= 100), "{terminal}");
}

#[test]
fn two_runs_are_compared_within_the_width() {
    let before = Truth::default().run();
    let truth = Truth { seed: 2, split: [1.40, 1.25, 1.0], postgres: true, ..Truth::default() };
    let mut after = truth.run();
    after.id = "2026-02-03-040506-x1-quick".into();
    after.build.commit = "89abcdef0123456789abcdef0123456789abcdef".into();
    let compare = |runs| {
        let changes = judge::changes::changes_with(runs, FEW).unwrap();
        compare::compared(runs, &changes).unwrap()
    };
    let text = compare([&before, &after]);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    insta::assert_snapshot!("compare", text);
    let same = compare([&before, &before]);
    assert!(same.contains("0 of 3 verdicts, 0 of 7 effects and 0 of 4 levels"), "{same}");
    assert!(!same.contains("what differs around them"), "{same}");
}

#[test]
fn the_readme_table_is_markdown() {
    insta::assert_snapshot!("readme", readme_table(&Truth::default().run()).unwrap());
}

#[test]
fn a_card_explains_itself() {
    insta::assert_snapshot!("explain", explain(&crate::experiment::find("x1").unwrap().card));
}

/// A change here changes what other programs and older runs look like: raise `SCHEMA`.
#[test]
fn the_record_keeps_its_form() {
    let mut run = Truth { preset: Preset::Smoke, postgres: true, ..Truth::default() }.run();
    run.slices.truncate(1);
    run.starts.truncate(1);
    let slice = &mut run.slices[0];
    for histogram in [&mut slice.latency, &mut slice.service, &mut slice.lag] {
        histogram.0.truncate(2);
    }
    insta::assert_json_snapshot!("record", run);
}

#[test]
fn a_readme_is_updated_between_its_markers_only() {
    let folder = tempfile::tempdir().unwrap();
    let readme = folder.path().join("README.md");
    let run = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
    fs::write(&readme, "before\n<!-- results:begin -->\nold\n<!-- results:end -->\nafter\n")
        .unwrap();
    update_readme(&readme, &run).unwrap();
    let updated = fs::read_to_string(&readme).unwrap();
    assert!(updated.starts_with("before\n") && updated.ends_with("\nafter\n"), "{updated}");
    assert_eq!(readme_block(&updated).unwrap(), readme_table(&run).unwrap().trim_matches('\n'));
    fs::write(&readme, "no markers").unwrap();
    assert!(update_readme(&readme, &run).unwrap_err().to_string().contains("results:begin"));
}

/// `cargo test -p lab --lib -- --ignored to_look_at` writes reports of synthetic runs.
#[test]
#[ignore = "writes reports for looking at"]
fn to_look_at() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lab-synthetic");
    let truths = [
        ("plain", Truth::default()),
        ("postgres", Truth { postgres: true, preset: Preset::Standard, ..Truth::default() }),
        ("uncertified", Truth { twin: 1.06, busy: 0.05, ..Truth::default() }),
        ("poor", Truth { rate: 300.0, split: [1.04, 1.6, 0.95], ..Truth::default() }),
        ("smoke", Truth { preset: Preset::Smoke, ..Truth::default() }),
    ];
    let runs = truths.into_iter().map(|(name, truth)| (name.to_owned(), truth.run()));
    let latency = latency_runs().into_iter().map(|run| (run.experiment.clone(), run));
    for (name, run) in runs.chain(latency) {
        let folder = root.join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(store::RUN), serde_json::to_string(&run).unwrap()).unwrap();
        eprintln!("{}", write(&folder, &run).unwrap().display());
    }
}
