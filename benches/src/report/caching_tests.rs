//! Does the report of where a cache is say what was put in?

use super::super::{render, write};
use crate::{
    experiment::Preset,
    experiments::x3,
    grid::{Cell, Reads},
    judge::{
        self,
        summary::{Metric, Outcome, Summary},
    },
    record::{Arm, Cells, Pilot, Run, Trial},
    relay::Balancing,
    report::verify,
    store,
    synthetic::{Noise, Truth},
};

/// What a page takes without a cache and on one core, milliseconds of CPU.
const PAGE: f64 = 0.2;
const DATABASE: f64 = 0.1;
const HOP: f64 = 0.15;

/// What one trial of a cell comes to: CPU of servers and database, statements, hits, staleness.
fn truth(cell: &Cell) -> (f64, f64, f64, Option<f64>, f64) {
    let deployed = cell.deployed.unwrap();
    let replicas = f64::from(deployed.replicas);
    let hop = if cell.arm == Arm::Split { HOP } else { 0.0 };
    let planted = if cell.arm == Arm::Planted { 0.05 * PAGE } else { 0.0 };
    let Some(role) = deployed.cache else {
        return (PAGE + hop + planted, DATABASE, 2.2, None, 0.0);
    };
    let (caches, stale) = match role.name() {
        "split-backend" => (1.0, 2.0),
        "split-frontend" => (replicas, 900.0),
        _ => (replicas, 3.0),
    };
    let missed = 0.1 + 0.08 * caches;
    // The way is saved only in front of it.
    let hop = if role.name() == "split-frontend" { hop * missed } else { hop };
    (PAGE + hop, DATABASE * missed, 2.2 * missed, Some(1.0 - missed), stale)
}

fn run(rounds: u32) -> Run {
    let grid = x3::grid(Preset::Quick, "postgres");
    let mut noise = Noise::new(3);
    let mut trials = Vec::new();
    for round in 0..rounds {
        for cell in &grid.cells {
            let (servers, database, statements, hits, stale) = truth(cell);
            let mut about = |value: f64| value * (0.005 * noise.normal()).exp();
            let [servers, database, stale] = [servers, database, stale].map(&mut about);
            let cpu_ms = [("server", servers), ("postgres", database), ("balancer", 9.0)];
            trials.push(Trial {
                round,
                cell: cell.name.clone(),
                requests: 500,
                seconds: 0.3,
                latency: noise.histogram(500, 1e3 * (servers + database), 0.02),
                cpu_ms: cpu_ms.map(|(name, ms)| (name.to_owned(), 500.0 * ms)).into(),
                resident_mib: [].into(),
                foreign_cpu: 0.01,
                steal: 0.0,
                waiting: None,
                link: None,
                reads: Some(Reads {
                    statements: (500.0 * statements) as u64,
                    hits: hits.map_or(0, |hits| (1_000.0 * hits).round() as u64),
                    misses: hits.map_or(0, |hits| (1_000.0 * (1.0 - hits)).round() as u64),
                    invalidations: 10,
                    stale_ms: vec![stale, stale],
                }),
                void: None,
            });
        }
    }
    Run {
        experiment: "x3".into(),
        preset: Preset::Quick.to_string(),
        database: "postgres".into(),
        slices: Vec::new(),
        pilot: Pilot { planted_ms: 0.05 * PAGE, ..Pilot::default() },
        grid: Some(Cells { cells: grid.cells, trials, balancing: Some(Balancing::Haproxy) }),
        ..Truth::default().run()
    }
}

fn level(summary: &Summary, cell: &str, metric: Metric) -> Option<f64> {
    summary.cell(cell).unwrap().metrics.get(&metric).map(|level| level.value)
}

#[test]
fn figures_and_verdicts_are_what_was_put_in() {
    let summary = judge::summarise_with(&run(8), 300).unwrap();
    for cell in x3::grid(Preset::Quick, "postgres").cells {
        let (servers, database, statements, hits, stale) = truth(&cell);
        let found = |metric| level(&summary, &cell.name, metric);
        let close = |metric, truth: f64| {
            let found = found(metric).unwrap_or_else(|| panic!("{}: {metric:?}", cell.name));
            assert!((found - truth).abs() <= 0.02 * truth, "{}: {metric:?} {found}", cell.name);
        };
        // Whoever stands between costs nobody anything.
        close(Metric::CpuServers, servers);
        close(Metric::CpuTotal, servers + database);
        close(Metric::Statements, statements);
        close(Metric::Staleness, stale);
        match hits {
            Some(hits) => close(Metric::Hits, hits),
            None => assert_eq!(found(Metric::Hits), None, "{}", cell.name),
        }
    }
    let outcomes: Vec<_> = summary.verdicts.iter().map(|verdict| verdict.outcome).collect();
    let (yes, no) = (Some(Outcome::Supported), Some(Outcome::Refuted));
    // The hop takes more than the cache saves; four caches are emptier than one; and the frontend's
    // takes the hop away, but for a fifth of it.
    assert_eq!(outcomes, [no, no, no, yes, yes, no, yes], "{:#?}", summary.verdicts);
}

#[test]
fn the_report_has_the_figures_and_can_be_verified() {
    let run = run(3);
    let report = render(&run).unwrap();
    for text in [&report.html, &report.markdown] {
        for part in ["split, cache in the backend, × 4", "In memory", "82.0\u{a0}%", "900"] {
            let part =
                if text.contains('\u{a0}') { part.to_owned() } else { part.replace('\u{a0}', " ") };
            assert!(text.contains(&part), "no {part} in {text}");
        }
    }
    assert_eq!(report.html.matches("<figure>").count(), 3);
    assert!(report.html.contains("HAProxy stands in front"));
    let folder = tempfile::tempdir().unwrap();
    let json = serde_json::to_string(&run).unwrap();
    std::fs::write(folder.path().join(store::RUN), json).unwrap();
    write(folder.path(), &run).unwrap();
    assert!(verify(folder.path()).unwrap().contains("identical"));
}
