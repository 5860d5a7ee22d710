//! Whether a page takes more when there is more data. It must not: what a visitor sees is as long as
//! ever, and the database has an index for each of its lists.

use anyhow::{Context, ensure};
use contract::dataset::{Dataset, PASSWORD, Size};
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};

use super::{Replay, Visitor, callgrind::Callgrind};
use crate::{
    affinity,
    databases::{Engine, POSTGRES},
    fleet::System,
    load::{Body, Connections},
    probe::{self, Scope, Watched},
    progress,
    record::Arm,
    servers::MONOLITH,
    site::Site,
    store,
};

/// How many views of each kind of page are counted.
const VIEWS: usize = 300;

/// What one kind of page takes of the monolith, with so much data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// `sqlite` or `postgres`.
    pub database: String,
    /// How many articles there are.
    pub articles: u64,
    /// How many accounts.
    pub users: u64,
    /// Which page.
    pub page: Replay,
    /// Instructions of the server, outside the kernel, per view. On SQLite the database is in it.
    pub instructions: u64,
    /// CPU of the server per view, user and system, milliseconds.
    pub cpu_ms: f64,
    /// CPU of PostgreSQL per view, milliseconds.
    pub database_cpu_ms: f64,
}

/// Measures all pages with `articles` articles and a tenth as many accounts.
///
/// # Errors
/// One line: what could not be had, or which answer was wrong.
pub async fn growth(engine: &Engine, articles: u64) -> anyhow::Result<Vec<Growth>> {
    let size = Size { articles, users: (articles / 10).max(100), ..Size::default() };
    let layout = affinity::layout(&affinity::cores()?);
    let mut site = Site::with(engine, layout, size).await?;
    let databases = site.seeded.copies("growth", &[Arm::Monolith], &mut site.guardian).await?;
    let mut rows = Vec::new();
    let mut fleet = site.rig.start(&databases, &[Arm::Monolith], "plain").await?;
    let system = fleet.system(Arm::Monolith)?;
    let plain = async {
        let visitor = signed_in(&system, &site.dataset).await?;
        for page in Replay::PAGES {
            rows.push(times(&visitor, &system, &site, page).await?);
        }
        Ok(())
    };
    fleet.unless_one_dies(plain).await?;
    fleet.stop().await?;

    let tool = Callgrind::new(store::profiles()?)?;
    site.rig.under = tool.command();
    let mut fleet = site.rig.start(&databases, &[Arm::Monolith], "counted").await?;
    let system = fleet.system(Arm::Monolith)?;
    let counted = async {
        let visitor = signed_in(&system, &site.dataset).await?;
        let process = system.process(MONOLITH)?.pid()?;
        tool.begin(process)?;
        for row in &mut rows {
            let addresses = addresses(row.page, &site.dataset)?;
            progress::say("Counting", &format!("{} with {articles} articles", row.page.name()));
            visitor.ask(&addresses[..VIEWS / 3]).await?;
            let name = format!("{}-{}-{articles}", MONOLITH, row.page.name().replace(' ', "-"));
            tool.counted(process, &name)?;
            visitor.ask(&addresses).await?;
            row.instructions =
                tool.counted(process, &name)?.instructions() / addresses.len() as u64;
        }
        Ok(())
    };
    fleet.unless_one_dies(counted).await?;
    Ok(rows)
}

/// CPU time, as the kernel has it.
async fn times(
    visitor: &Visitor,
    system: &System,
    site: &Site,
    page: Replay,
) -> anyhow::Result<Growth> {
    let addresses = addresses(page, &site.dataset)?;
    visitor.ask(&addresses).await?;
    let mut watched = system.watched();
    watched.extend(site.seeded.watched());
    let me = nix::unistd::getpid();
    watched.push(Watched { name: "me".to_owned(), pid: me, scope: Scope::Process });
    let before = probe::read(&watched)?;
    visitor.ask(&addresses).await?;
    let used = before.until(&probe::read(&watched)?).cpu_ms;
    let per_view = |name: &str| {
        let ms = used.get(name).copied().unwrap_or_default() / addresses.len() as f64;
        (ms * 1e4).round() / 1e4
    };
    let Size { articles, users, .. } = site.dataset.size();
    Ok(Growth {
        database: site.engine.clone(),
        articles,
        users,
        page,
        instructions: 0,
        cpu_ms: per_view(MONOLITH),
        database_cpu_ms: per_view(POSTGRES),
    })
}

fn addresses(page: Replay, dataset: &Dataset) -> anyhow::Result<Vec<Uri>> {
    let mut addresses = page.addresses(dataset)?;
    addresses.truncate(VIEWS);
    Ok(addresses)
}

/// Somebody who follows ten others.
pub(crate) async fn signed_in(system: &System, dataset: &Dataset) -> anyhow::Result<Visitor> {
    let users = 0..dataset.size().users;
    let reader = users.into_iter().find(|&user| dataset.follows(user).len() == 10);
    let email = dataset.user(reader.context("nobody follows ten others")?).email;
    let connections = Connections::new(system.front);
    let credentials = serde_json::json!({ "user": { "email": email, "password": PASSWORD } });
    let mut request = Request::new(Body::from(credentials.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = format!("{}{}", conduit::wire::API, conduit::wire::path::LOGIN).parse()?;
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    // Under Callgrind a password takes its time.
    request.headers_mut().insert(conduit::wire::BUDGET_MS, HeaderValue::from(30_000));
    let answer = connections.send(request).await?;
    ensure!(answer.status == StatusCode::OK, "signing in was answered by {}", answer.status);
    let answer: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let token = answer["user"]["token"].as_str().context("signing in gave no token")?;
    let cookie = HeaderValue::try_from(format!("conduit_session={token}"))?;
    Ok(Visitor { connections, cookie: Some(cookie) })
}
