//! `lab seed`: test data for a database of one's own.

use std::time::Instant;

use anyhow::{Context, anyhow};
use conduit::{Caller, Conduit, ListArticles, RequestId};
use contract::{dataset::Dataset, seed};
use in_process::{DatabaseArgs, IdentityArgs, InProcess, Options, bulk};

use crate::progress;

/// Fills an empty database; one without tables is given them first. One that was left half filled
/// is filled to the end. One that has articles otherwise is left as it is: that is an error, or
/// with `if_empty` what was wanted.
///
/// # Errors
/// One line: the database can't be used, or has articles already.
pub async fn fill(
    database: &DatabaseArgs,
    dataset: &Dataset,
    if_empty: bool,
) -> anyhow::Result<()> {
    // The app wants a secret to sign tokens with, although nobody signs in here: one that goes
    // again, so that a later server makes its own.
    let secret = tempfile::tempdir()?;
    let identity = IdentityArgs { token_secret_file: Some(secret.path().join("token-secret")) };
    in_process::migrate(database).await?;
    let app = InProcess::connect(database, &identity, Options::default()).await?;
    let filled = fill_open(&app, dataset, if_empty).await;
    app.close().await;
    filled
}

async fn fill_open(app: &InProcess, dataset: &Dataset, if_empty: bool) -> anyhow::Result<()> {
    if bulk::interrupted(app.db()).await?.is_some() {
        progress::say("Resuming", "where it was interrupted");
        return load(app, dataset).await;
    }
    match count_articles(app).await? {
        0 => load(app, dataset).await,
        articles if if_empty => {
            progress::say("Seeded", &format!("already: {articles} articles"));
            Ok(())
        }
        articles => Err(anyhow!(
            "--database-url: the database has {articles} articles already; give an empty one"
        )),
    }
}

async fn load(app: &InProcess, dataset: &Dataset) -> anyhow::Result<()> {
    let start = Instant::now();
    let bar = progress::bar("Seeding", dataset.rows());
    let loaded = seed::load(app.db(), dataset, |done, _all| bar.set_position(done)).await;
    bar.finish_and_clear();
    loaded.context("--database-url")?;
    let (rows, seconds) = (dataset.rows(), start.elapsed().as_secs_f64());
    progress::say("Seeded", &format!("{rows} rows in {seconds:.1} s"));
    Ok(())
}

async fn count_articles(app: &InProcess) -> anyhow::Result<u64> {
    let id = RequestId::parse("lab-seed").context("a constant")?;
    let caller = Caller::new(None, id, std::time::Duration::from_secs(10));
    let first = ListArticles { limit: 1, ..ListArticles::default() };
    Ok(app.articles(&caller, &first).await?.articles_count)
}
