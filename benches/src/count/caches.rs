//! What a page misses in the caches of a processor. Instructions say how much a page does; how long that
//! takes depends on whether the code and the data are at hand. A page that goes through more code than a
//! cache holds waits for all of it, each time, however few instructions of it are carried out.
//!
//! Callgrind imitates the caches, so that these figures are nobody's but the page's: real ones are also
//! emptied by the kernel and by neighbours.

use serde::{Deserialize, Serialize};

use super::{PAGES, Replay, Subject, callgrind::Callgrind};
use crate::{affinity, databases::Engine, progress, record::Arm, site::Site, store};

/// Caches as a core of AMD's Zen 4 has them: 32 KiB of code and 32 KiB of data in eight ways, and 1 MiB for
/// both, in lines of 64 bytes. (Callgrind knows two levels, and calls the second one the last.)
const CACHES: &[&str] =
    &["--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,8,64"];

/// Arms whose home page is counted.
const HOMES: [Arm; 4] = [Arm::Floor, Arm::Hop, Arm::Monolith, Arm::Split];

/// What one process misses for one home page, on average: lines of 64 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Misses {
    /// `sqlite` or `postgres`.
    pub database: String,
    /// Which server.
    pub role: String,
    /// Instructions outside the kernel, for comparison.
    pub instructions: u64,
    /// Code that is not in the first cache.
    pub code: u64,
    /// Data that are not in the first cache, read or written.
    pub data: u64,
    /// Code that is not in the second cache either.
    pub far_code: u64,
    /// Data that are not in the second cache either.
    pub far_data: u64,
}

/// Counts the home page of both architectures, and of the floor.
///
/// # Errors
/// One line: what could not be had, or which answer was wrong.
pub async fn caches(engine: &Engine) -> anyhow::Result<Vec<Misses>> {
    let mut site = Site::build(engine, affinity::layout(&affinity::cores()?)).await?;
    let databases = site.seeded.copies("caches", &HOMES, &mut site.guardian).await?;
    let addresses = Replay::Home.addresses(&site.dataset)?;
    let tool = Callgrind::new(store::profiles()?)?.with_caches(CACHES);
    let mut rows = Vec::new();
    for arm in HOMES {
        progress::say("Counting", &format!("{}: {PAGES} pages, with caches", arm.name()));
        let replay = Replay::Home;
        let mut subject = Subject { site: &mut site, databases: &databases, arm, replay };
        for (role, counted) in subject.under(&tool, &addresses).await? {
            let per_page = |events: &[&str]| {
                let all: u64 = events.iter().map(|event| counted.of(event)).sum();
                all / addresses.len() as u64
            };
            rows.push(Misses {
                database: engine.kind().to_owned(),
                role,
                instructions: counted.instructions() / addresses.len() as u64,
                code: per_page(&["I1mr"]),
                data: per_page(&["D1mr", "D1mw"]),
                far_code: per_page(&["ILmr"]),
                far_data: per_page(&["DLmr", "DLmw"]),
            });
        }
    }
    Ok(rows)
}
