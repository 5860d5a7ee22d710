//! Both databases have the same tables with the same columns.

use std::collections::BTreeMap;

use contract::databases;
use in_process::Db;

/// Table → column → (kind of type, may be null).
type Schema = BTreeMap<String, BTreeMap<String, (String, bool)>>;

const SQLITE: &str = "
    select t.name, c.name, c.type, c.\"notnull\" = 0 and c.pk = 0
    from pragma_table_list t join pragma_table_info(t.name) c
    where t.schema = 'main' and t.name not like 'sqlite_%' and t.name <> '_sqlx_migrations'";

const POSTGRES: &str = "
    select table_name::text, column_name::text, data_type::text, is_nullable = 'YES'
    from information_schema.columns
    where table_schema = 'public' and table_name <> '_sqlx_migrations'";

#[tokio::test]
async fn the_schemas_are_the_same() {
    let mut schemas = Vec::new();
    for database in databases::empty().await {
        let app = database.connect().await;
        let rows: Vec<(String, String, String, bool)> = match app.db() {
            Db::Sqlite { read, .. } => sqlx::query_as(SQLITE).fetch_all(read).await.unwrap(),
            Db::Postgres(pool) => sqlx::query_as(POSTGRES).fetch_all(pool).await.unwrap(),
        };
        let mut schema = Schema::new();
        for (table, column, data_type, nullable) in rows {
            let kind = kind(&column, &data_type);
            schema.entry(table).or_default().insert(column, (kind, nullable));
        }
        assert_eq!(
            schema.keys().map(String::as_str).collect::<Vec<_>>(),
            [
                "account",
                "article",
                "article_tag",
                "article_term",
                "comment",
                "counter",
                "digest_mail",
                "export",
                "export_chunk",
                "favorite",
                "follow",
                "job",
                "job_tally",
                "related_article",
                "schedule",
                "synthetic_effect",
                "tag",
                "term",
                "tick",
            ]
        );
        schemas.push(schema);
    }
    assert!(schemas.windows(2).all(|two| two[0] == two[1]), "{schemas:#?}");
}

/// What the app puts into a column, as far as both databases can tell. For SQLite a time and a list
/// are text; what they are meant to be, their names say.
fn kind(column: &str, data_type: &str) -> String {
    let kind = match data_type {
        "INTEGER" | "bigint" => "number",
        "TEXT" if column.ends_with("_at") => "time",
        "TEXT" if ["tag_list", "task", "entries"].contains(&column) => "json",
        "TEXT" | "text" => "text",
        "timestamp with time zone" => "time",
        "jsonb" => "json",
        "BLOB" | "bytea" => "bytes",
        other => other,
    };
    kind.to_owned()
}

#[tokio::test]
async fn sqlite_is_strict_everywhere_and_keeps_its_references() {
    let database = databases::empty().await.remove(0);
    let app = database.connect().await;
    let Db::Sqlite { write, .. } = app.db() else { panic!("SQLite comes first") };
    let loose = "select name from pragma_table_list where schema = 'main' and strict = 0
        and name not like 'sqlite_%' and name <> '_sqlx_migrations'";
    let loose: Vec<String> = sqlx::query_scalar(loose).fetch_all(write).await.unwrap();
    assert_eq!(loose, Vec::<String>::new());
    let orphan = "insert into follow (follower_id, followed_id) values (1, 2)";
    let refused = sqlx::query(orphan).execute(write).await.unwrap_err();
    assert!(refused.as_database_error().unwrap().is_foreign_key_violation(), "{refused}");
    for (pragma, expected) in [
        ("pragma journal_mode", "wal"),
        ("pragma synchronous", "1"),
        ("pragma busy_timeout", "5000"),
    ] {
        let value: String = match sqlx::query_scalar::<_, String>(pragma).fetch_one(write).await {
            Ok(text) => text,
            Err(_) => {
                let number: i64 = sqlx::query_scalar(pragma).fetch_one(write).await.unwrap();
                number.to_string()
            }
        };
        assert_eq!(value, expected, "{pragma}");
    }
}

#[tokio::test]
async fn readers_of_sqlite_cannot_write() {
    let database = databases::empty().await.remove(0);
    let app = database.connect().await;
    let Db::Sqlite { read, .. } = app.db() else { panic!("SQLite comes first") };
    let write = sqlx::query("delete from account").execute(read).await.unwrap_err();
    assert!(write.to_string().contains("readonly"), "{write}");
}
