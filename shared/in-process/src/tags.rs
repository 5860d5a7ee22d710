//! The tags in use.

use conduit::Result;

use serde::Deserialize;

use crate::{
    InProcess, db_error,
    listing::{Listed, fetch_all},
};

/// The name of a tag.
#[derive(Deserialize)]
#[serde(transparent)]
struct TagRow(String);

impl Listed for TagRow {
    const JSON: &str = "name";

    type Columns = (String,);
}

impl From<(String,)> for TagRow {
    fn from((name,): (String,)) -> Self {
        Self(name)
    }
}

pub(crate) async fn list(app: &InProcess) -> Result<Vec<String>> {
    const IN_USE: &str =
        "select name from tag where article_count > 0 order by article_count desc, name";
    let rows = fetch_all!(&app.db, TagRow, query => { query.push(IN_USE); });
    let rows = rows.map_err(db_error::reading)?;
    Ok(rows.into_iter().map(|TagRow(name)| name).collect())
}
