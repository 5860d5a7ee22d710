//! Articles with texts of a known length, added to a site before it is copied.

use std::collections::BTreeMap;

use conduit::{Caller, Conduit, NewArticle, Password, Registration, RequestId};
use in_process::Clock;

use crate::site::Site;

/// Time for everything that is written here.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(60);

/// A line of each text. Its end is one character in the text and two in JSON, as in people's texts.
const LINE: &str =
    "The same words again, so that only the length of the text can make a difference.\n";

/// Writes an article with a text of each length, in KiB, and returns what they are called in
/// addresses. They are older than everything else, so no list that is measured shows them.
///
/// # Errors
/// The database's.
pub(super) async fn write(site: &Site, lengths: &[u32]) -> anyhow::Result<BTreeMap<u32, String>> {
    let mut slugs = BTreeMap::new();
    if lengths.is_empty() {
        return Ok(slugs);
    }
    let clock = Clock::new(chrono::DateTime::<chrono::Utc>::default);
    let app = site.seeded.open(&site.rig.token_secret, clock).await?;
    let id = || RequestId::parse("lab").ok_or_else(|| anyhow::anyhow!("no number"));
    let author = Registration {
        username: "texts".to_owned(),
        email: "texts@example.com".to_owned(),
        password: Password::new(contract::dataset::PASSWORD),
    };
    let author = app.register(&Caller::new(None, id()?, BUDGET), author).await?;
    for kib in lengths {
        let caller = Caller::new(Some(author.token.clone()), id()?, BUDGET);
        let article = NewArticle {
            title: format!("{kib} KiB"),
            description: "A text of a known length".to_owned(),
            body: LINE.chars().cycle().take(*kib as usize * 1024).collect(),
            tag_list: Vec::new(),
        };
        slugs.insert(*kib, app.create_article(&caller, article).await?.slug);
    }
    app.close().await;
    Ok(slugs)
}
