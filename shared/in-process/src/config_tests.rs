//! What the settings mean, and what is said about the ones that mean nothing.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    identity: IdentityArgs,
}

fn args(url: &str) -> DatabaseArgs {
    DatabaseArgs { database_url: Some(url.to_owned().into()), ..DatabaseArgs::in_data_dir("data") }
}

fn refusal(args: &DatabaseArgs) -> String {
    args.target().err().expect("a refusal").to_string()
}

#[test]
fn without_a_url_the_database_is_a_file_in_the_data_directory() {
    let given = Program::try_parse_from(["program", "--data-dir", "here"]).unwrap();
    let (target, named) = given.database.target().unwrap();
    assert!(matches!(target, Target::Sqlite(file) if file == Path::new("here/conduit.db")));
    assert_eq!(named.setting, "--data-dir");
    let secret = given.identity.secret_file(&given.database.data_dir);
    assert_eq!(secret, Path::new("here/token-secret"));
}

#[test]
fn an_empty_url_is_none() {
    assert!(matches!(args(" ").target(), Ok((Target::Sqlite(_), _))));
}

#[test]
fn the_url_decides_which_database_it_is() {
    for url in ["postgres://ada:s3cret@db.example:5433/conduit", "postgresql://db.example/conduit"]
    {
        assert!(matches!(args(url).target(), Ok((Target::Postgres(_), _))), "{url}");
    }
    let (target, _) = args("sqlite:some/where.db").target().unwrap();
    assert!(matches!(target, Target::Sqlite(file) if file == Path::new("some/where.db")));
    let (target, _) = args("sqlite:///var/lib/where.db").target().unwrap();
    assert!(matches!(target, Target::Sqlite(file) if file == Path::new("/var/lib/where.db")));
}

#[test]
fn a_file_can_hold_the_url() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    let mut args = DatabaseArgs::in_data_dir(folder.path());
    args.database_url_file = Some(file.clone());
    assert!(refusal(&args).starts_with("--database-url-file: can't read "));

    fs::write(&file, "postgres://db.example:5433/conduit\n").unwrap();
    let (_, named) = args.target().unwrap();
    assert_eq!(named.database, "db.example:5433/conduit");
    assert_eq!(named.setting, "--database-url-file");

    args.database_url = Some("sqlite:x.db".to_owned().into());
    assert!(refusal(&args).starts_with("--database-url: --database-url-file is given as well"));
}

#[test]
fn a_url_that_means_nothing_is_refused_in_one_line_without_its_password() {
    for url in [
        "mysql://ada:s3cret@db.example/conduit",
        "ada:s3cret@db.example/conduit",
        "postgres://ada:s3cret@db.example:port/conduit",
        "postgres://ada:s3cret@[::1/conduit",
        "postgres:s3cret",
        "sqlite::memory:",
        "sqlite:conduit.db?mode=memory&key=s3cret",
    ] {
        let said = refusal(&args(url));
        assert!(said.starts_with("--database-url: "), "{said}");
        assert!(!said.contains("s3cret") && !said.contains('\n'), "{said}");
    }
}

#[test]
fn a_database_is_named_without_user_and_password() {
    let (_, named) = args("postgres://ada:s3cret@db.example:5433/conduit").target().unwrap();
    assert_eq!(named.database, "db.example:5433/conduit");
    assert!(!format!("{:?}", args("postgres://ada:s3cret@db.example/x")).contains("s3cret"));
}

#[test]
fn every_setting_is_also_an_environment_variable_and_explained() {
    let command = <Program as clap::CommandFactory>::command();
    for argument in command.get_arguments() {
        let name = argument.get_long().unwrap();
        let variable = name.replace('-', "_").to_uppercase();
        assert_eq!(argument.get_env().unwrap().to_str(), Some(variable.as_str()));
        assert!(argument.get_help().is_some_and(|help| !help.to_string().is_empty()), "{name}");
    }
}

#[test]
fn zero_connections_are_refused() {
    assert!(Program::try_parse_from(["program", "--db-connections", "0"]).is_err());
}
