//! How a list comes out of the database.
//!
//! The code of SQLite runs on a thread of its own for each connection, and hands its rows over one
//! by one. For a short list that costs more than finding it: each row is copied value by value, and
//! each may wake the thread that waits for it. So SQLite is asked to put the whole list into one
//! value, as JSON, and that is handed over. PostgreSQL sends a list in one piece anyway, and in a
//! form that takes less work than JSON.

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};

/// A row that is taken by the order of its columns, from either database. (By their names, PostgreSQL's
/// driver would look each of them up again in each row.)
pub(crate) trait Listed: From<Self::Columns> {
    /// The expression that makes a JSON array of the row's columns.
    const JSON: &'static str;

    /// What PostgreSQL sends: a tuple of the same.
    type Columns;
}

/// Fetches all rows of a query: `fetch_all!(db, Row, query => { query.push(…); })`, where the block
/// writes the query into a builder. It must end in a limit or an order by itself.
macro_rules! fetch_all {
    ($db:expr, $row:ty, $query:ident => $build:block) => {{
        let statement = $crate::statement::begin!($db.name());
        let result = match $db {
            $crate::db::Db::Sqlite { read, .. } => {
                let mut $query = sqlx::QueryBuilder::<sqlx::Sqlite>::new("select json_group_array(");
                $query.push(<$row as $crate::listing::Listed>::JSON).push(") from (");
                $build
                $query.push(")");
                let list: sqlx::Result<String> = $query.build_query_scalar().fetch_one(read).await;
                list.and_then(|list| $crate::listing::rows::<$row>(&list))
            }
            $crate::db::Db::Postgres(pool) => {
                let mut $query = sqlx::QueryBuilder::<sqlx::Postgres>::new("");
                $build
                type Columns = <$row as $crate::listing::Listed>::Columns;
                let rows = $query.build_query_as::<Columns>().fetch_all(pool).await;
                rows.map(|rows| rows.into_iter().map(<$row>::from).collect::<Vec<_>>())
            }
        };
        statement.ended(&result);
        result
    }};
}

pub(crate) use fetch_all;

/// Takes a list apart. (From text and not from bytes, whose encoding would be checked again for
/// every string.)
pub(crate) fn rows<T: DeserializeOwned>(list: &str) -> sqlx::Result<Vec<T>> {
    serde_json::from_str(list).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// SQLite has no truth values, and says 1 and 0.
pub(crate) fn flag<'de, D: Deserializer<'de>>(number: D) -> Result<bool, D::Error> {
    u8::deserialize(number).map(|number| number != 0)
}

/// A time in the only form that the database holds. (By itself chrono would take many others, and
/// need four times as long for it.)
pub(crate) fn time<'de, D: Deserializer<'de>>(text: D) -> Result<DateTime<Utc>, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(text)?;
    let time = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
    Ok(time.to_utc())
}
