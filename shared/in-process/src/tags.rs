//! The tags in use.

use conduit::Result;

use crate::{InProcess, db::on_read, db_error};

pub(crate) async fn list(app: &InProcess) -> Result<Vec<String>> {
    const IN_USE: &str =
        "select name from tag where article_count > 0 order by article_count desc, name";
    on_read!(&app.db, db => sqlx::query_scalar(IN_USE).fetch_all(db).await)
        .map_err(db_error::reading)
}
