//! How much memory a long book takes.

use std::fs;

use conduit::{Conduit, ExportState};
use contract::{
    dataset::{Dataset, Size},
    process::eventually,
    sql::{execute, until},
};

use crate::site::{NEVER, Site};

/// What a process may take that makes an export. One that was not optimised has a larger program, which
/// counts as well.
const LIMIT_MIB: u64 = if cfg!(debug_assertions) { 80 } else { 64 };

/// The most memory that a process has had at any time (`VmHWM`, proc(5)), in MiB.
fn peak_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap().div_ceil(1024)
}

/// Has all of one author's articles exported, each so many times as long as usual, and looks what that
/// took.
async fn export(articles: u64, longer: usize) {
    let size = Size {
        users: 1,
        articles,
        favorites_per_article: 0,
        comments_per_article: 0,
        follows_per_user: 0,
        ..Size::default()
    };
    for site in Site::with(&Dataset::new(size, 3)).await {
        let on = site.on_engine();
        let repeated =
            format!("update article set body = replace('{}', '.', body)", ".".repeat(longer));
        execute(&site.app, &repeated).await;
        let worker = site.start("work", &["work"], NEVER);
        let before = peak_mib(worker.process.pid());
        site.app.start_export(&site.somebody().await).await.unwrap();
        until(&site.app, 1, "select count(*) from export where state = 'ready'").await;
        let export = site.app.exports(&site.somebody().await).await.unwrap().remove(0);
        assert_eq!((export.state, export.articles_done), (ExportState::Ready, articles), "{on}");
        let peak = peak_mib(worker.process.pid());
        println!(
            "{on}: {articles} articles, {} bytes: {before} MiB, then {peak} MiB",
            export.bytes
        );
        assert!(peak <= LIMIT_MIB, "{on}: {peak} MiB");
        eventually("it drains", || worker.process.terminate().is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_stays_within_its_memory() {
    export(1_000, 1).await;
}

/// Nearly as long as they may be.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_long_articles_stays_within_its_memory() {
    export(50, 200).await;
}

/// `cargo test --release -p monolith --test workers -- --ignored --nocapture ten_thousand`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn an_export_of_ten_thousand_articles_stays_within_its_memory() {
    export(10_000, 1).await;
}
