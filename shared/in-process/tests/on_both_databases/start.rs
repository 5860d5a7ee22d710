//! Starting, and being told in one line why not.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Instant};

use contract::databases::{self, TestDatabase};
use in_process::{DatabaseArgs, Db, IdentityArgs, InProcess, Options};

async fn refusal(args: &DatabaseArgs, identity: &IdentityArgs, options: Options) -> String {
    let error = InProcess::connect(args, identity, options).await.err().expect("a refusal");
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    text
}

async fn refused(args: &DatabaseArgs) -> String {
    refusal(args, &IdentityArgs::default(), Options::default()).await
}

fn on(url: &str, folder: &Path) -> DatabaseArgs {
    let url = Some(url.to_owned().into());
    DatabaseArgs { database_url: url, ..DatabaseArgs::in_data_dir(folder) }
}

/// Runs one statement, past the app.
async fn tamper(database: &TestDatabase, statement: &'static str) {
    let app = database.connect().await;
    match app.db() {
        Db::Sqlite { write, .. } => sqlx::query(statement).execute(write).await.map(drop).unwrap(),
        Db::Postgres(pool) => sqlx::query(statement).execute(pool).await.map(drop).unwrap(),
    }
    app.close().await;
}

#[tokio::test]
async fn a_new_data_directory_is_made_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("not/yet/there");
    let args = DatabaseArgs::in_data_dir(&data);
    let app = InProcess::connect(&args, &IdentityArgs::default(), Options::default()).await;
    app.unwrap().close().await;
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    let mut files: Vec<_> =
        fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["conduit.db", "token-secret"], "the log is gone after a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_can_start_on_one_new_directory() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let args = DatabaseArgs::in_data_dir(folder.path());
        tokio::spawn(async move {
            InProcess::connect(&args, &IdentityArgs::default(), Options::default()).await
        })
    };
    for start in [start(), start(), start(), start()] {
        start.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_existing_file_is_opened_in_no_time() {
    let database = databases::all().await.remove(0);
    database.connect().await.close().await;
    let mut quickest = std::time::Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        let app = database.connect().await;
        quickest = quickest.min(start.elapsed());
        app.close().await;
    }
    println!("opened in {quickest:?}");
    // A start may take 50 ms in all, and this is the part of the database. Here it is without
    // optimisation and beside other tests; a hash of a password, say, would still show.
    assert!(quickest.as_millis() < 100, "{quickest:?}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let said = refused(&DatabaseArgs::in_data_dir(file.join("data"))).await;
    assert!(said.starts_with("--data-dir: can't create "), "{said}");
    assert!(said.contains("Not a directory"), "{said}");

    let data = folder.path().join("data");
    fs::create_dir_all(data.join("conduit.db")).unwrap();
    let said = refused(&DatabaseArgs::in_data_dir(&data)).await;
    assert!(said.starts_with("--data-dir: can't use "), "{said}");
    assert!(said.contains("unable to open database file"), "{said}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("conduit.db"), "dear diary, ".repeat(1_000)).unwrap();
    let said = refused(&DatabaseArgs::in_data_dir(folder.path())).await;
    assert!(said.starts_with("--data-dir: can't use "), "{said}");
    assert!(said.contains("not a database"), "{said}");
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://ada:s3cret@127.0.0.1:{port}/conduit");
    let said = refused(&on(&url, folder.path())).await;
    assert!(said.starts_with("--database-url: can't use 127.0.0.1:"), "{said}");
    assert!(said.contains("Connection refused"), "{said}");
    let said = in_process::migrate(&on(&url, folder.path())).await.unwrap_err().to_string();
    assert!(said.starts_with("--database-url: can't use 127.0.0.1:"), "{said}");
}

#[tokio::test]
async fn a_malformed_url_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let said = refused(&on("postgres://ada:s3cret@host:port/conduit", folder.path())).await;
    assert!(said.starts_with("--database-url: "), "{said}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named() {
    let Some(server) = databases::server().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = server.url().replace("/postgres?", "/no_such_database?");
    let url =
        url.strip_suffix("/postgres").map_or(url.clone(), |s| format!("{s}/no_such_database"));
    let said = refused(&on(&url, folder.path())).await;
    assert!(said.contains("does not exist"), "{said}");
}

#[tokio::test]
async fn postgres_has_to_be_migrated_before() {
    let Some(server) = databases::server().await.filter(|server| server.is_private()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let url = server.create_database(&databases::unused_name()).await.unwrap();
    let args = on(&url, folder.path());
    let said = refused(&args).await;
    assert!(said.starts_with("--database-url: the schema of "), "{said}");
    assert!(said.contains("run `monolith migrate`"), "{said}");

    // Twice at once, and once more: to migrate again changes nothing.
    let (one, two) = tokio::join!(in_process::migrate(&args), in_process::migrate(&args));
    one.unwrap();
    two.unwrap();
    in_process::migrate(&args).await.unwrap();
    InProcess::connect(&args, &IdentityArgs::default(), Options::default()).await.unwrap();
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused() {
    for database in databases::empty().await {
        tamper(
            &database,
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
            select 9999, 'later', success, checksum, 0 from _sqlx_migrations where version = 1",
        )
        .await;
        let said = refused(&database.args).await;
        let on = database.engine;
        assert!(said.contains("does not fit this program: it has migration 9999"), "{on}: {said}");
        let said = in_process::migrate(&database.args).await.unwrap_err().to_string();
        assert!(said.contains("migration 9999"), "{on}: {said}");
    }
}

#[tokio::test]
async fn a_migration_that_was_never_finished_is_refused() {
    for database in databases::empty().await {
        tamper(&database, "update _sqlx_migrations set success = false where version = 1").await;
        let said = refused(&database.args).await;
        let on = database.engine;
        assert!(said.contains("migration 1 was begun and never finished"), "{on}: {said}");
    }
}

#[tokio::test]
async fn a_migration_that_was_changed_is_refused() {
    for database in databases::empty().await {
        tamper(&database, "update _sqlx_migrations set checksum = 'abc' where version = 1").await;
        let said = refused(&database.args).await;
        assert!(said.contains("migration 1 is not the one"), "{}: {said}", database.engine);
    }
}

#[tokio::test]
async fn in_production_the_secret_has_to_be_there() {
    let database = databases::empty().await.remove(0);
    let production = || Options { production: true, ..Options::default() };
    let said = refusal(&database.args, &database.identity, production()).await;
    assert!(said.starts_with("--token-secret-file: "), "{said}");
    assert!(said.contains("in production none is made"), "{said}");

    let secret = database.args.data_dir.join("given");
    let identity = IdentityArgs { token_secret_file: Some(secret.clone()) };
    fs::write(&secret, "s3cret").unwrap();
    let said = refusal(&database.args, &identity, production()).await;
    assert!(said.contains("at least 32 bytes"), "{said}");
    fs::write(&secret, "s3cret".repeat(6)).unwrap();
    InProcess::connect(&database.args, &identity, production()).await.unwrap();

    let folder = IdentityArgs { token_secret_file: Some(database.args.data_dir.clone()) };
    let said = refusal(&database.args, &folder, Options::default()).await;
    assert!(said.starts_with("--token-secret-file: can't read or create "), "{said}");
}
