//! Registration, signing in, who am I, and profiles.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use conduit::{
    Conduit, Credentials, Error, Password, Problems, Registration, Resource, Token, Unauthorized,
};
use contract::databases;
use in_process::{Clock, TOKEN_LIFETIME};

use crate::fixture::{self, caller, visitor};

const WRONG: Error = Error::Unauthorized(Unauthorized::Credentials);
const INVALID: Error = Error::Unauthorized(Unauthorized::Invalid);

fn new(username: &str, email: &str) -> Registration {
    let password = Password::new("correct horse");
    Registration { username: username.into(), email: email.into(), password }
}

fn credentials(email: &str, password: &str) -> Credentials {
    Credentials { email: email.into(), password: Password::new(password) }
}

fn taken(fields: &[&str]) -> Error {
    let mut problems = Problems::new();
    for field in fields {
        problems.add(field, "has already been taken");
    }
    Error::Conflict(problems)
}

#[tokio::test]
async fn who_registers_is_signed_in_and_can_sign_in_again() {
    for fixture in fixture::all().await {
        let app = &fixture.app;
        let user = app.register(&visitor(), new("Dörte D.", "d@example.com")).await.unwrap();
        let on = fixture.on();
        assert_eq!((user.username.as_str(), user.email.as_str()), ("Dörte D.", "d@example.com"));
        assert_eq!((&user.bio, &user.image), (&None, &None), "{on}");
        let me = caller(Some(user.token.clone()));
        assert_eq!(app.current_user(&me).await, Ok(user.clone()), "{on}");

        let again = app.login(&visitor(), credentials("d@example.com", "correct horse")).await;
        let again = again.unwrap();
        let me = caller(Some(again.token.clone()));
        assert_eq!(app.current_user(&me).await.unwrap().username, "Dörte D.", "{on}");
        let profile = app.profile(&visitor(), "Dörte D.").await.unwrap();
        assert_eq!((profile.bio, profile.following), (None, false), "{on}");
    }
}

#[tokio::test]
async fn what_is_taken_is_a_conflict_on_the_right_field() {
    for fixture in fixture::all().await {
        for (username, email, fields) in [
            ("ada", "new@example.com", &["username"][..]),
            ("new", "ada@example.com", &["email"]),
            ("ada", "ada@example.com", &["username", "email"]),
            ("ada", "bob@example.com", &["username", "email"]),
        ] {
            let answer = fixture.app.register(&visitor(), new(username, email)).await;
            assert_eq!(answer.unwrap_err(), taken(fields), "{}", fixture.on());
        }
        // Names are compared exactly, so this one is free.
        let other = fixture.app.register(&visitor(), new("Ada", "Ada@example.com")).await;
        assert_eq!(other.unwrap().username, "Ada", "{}", fixture.on());
    }
}

#[tokio::test]
async fn fields_that_break_a_rule_are_all_reported_and_nothing_is_stored() {
    for fixture in fixture::all().await {
        let registration = Registration { password: Password::new("short"), ..new("", "ada") };
        let Err(Error::Invalid(problems)) = fixture.app.register(&visitor(), registration).await
        else {
            panic!("{}: it was accepted", fixture.on());
        };
        assert_eq!(
            problems.to_string(),
            "email is invalid, password is too short (minimum is 8 characters), \
             username can't be blank"
        );
        let blank = fixture.app.login(&visitor(), credentials("", " ")).await;
        let Err(Error::Invalid(problems)) = blank else { panic!("{}", fixture.on()) };
        assert_eq!(problems.to_string(), "email can't be blank, password can't be blank");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_register_one_name_at_once_one_gets_it() {
    for database in databases::empty().await {
        let app = database.connect().await;
        for round in 0..5 {
            let name = format!("name-{round}");
            let mail = |who: &str| format!("{who}-{round}@example.com");
            let (one, two) = both(&app, new(&name, &mail("one")), new(&name, &mail("two"))).await;
            assert_one_conflict(&one, &two, &taken(&["username"]), database.engine);

            let (one, two) = both(
                &app,
                new(&format!("one-{round}"), &mail("same")),
                new(&format!("two-{round}"), &mail("same")),
            )
            .await;
            assert_one_conflict(&one, &two, &taken(&["email"]), database.engine);
        }
    }
}

type Answer = conduit::Result<conduit::User>;

async fn both(app: &in_process::InProcess, a: Registration, b: Registration) -> (Answer, Answer) {
    let task = |new| {
        let app = app.clone();
        tokio::spawn(async move { app.register(&visitor(), new).await })
    };
    let (a, b) = (task(a), task(b));
    (a.await.unwrap(), b.await.unwrap())
}

fn assert_one_conflict(one: &Answer, two: &Answer, conflict: &Error, on: &str) {
    let failed = [one, two].map(|answer| answer.as_ref().err());
    assert!(
        failed == [None, Some(conflict)] || failed == [Some(conflict), None],
        "{on}: {one:?} and {two:?}"
    );
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_look_alike() {
    for fixture in fixture::all().await {
        let app = &fixture.app;
        for (email, password) in [
            ("nobody@example.com", "conduit-dataset"),
            ("ada@example.com", "wrong"),
            ("ada@example.com", "conduit-dataset "),
            ("ADA@example.com", "conduit-dataset"),
            ("ada@example.com\0", "conduit-dataset"),
        ] {
            let answer = app.login(&visitor(), credentials(email, password)).await;
            assert_eq!(answer.unwrap_err(), WRONG, "{}: {email:?}", fixture.on());
        }
        // The quickest of a few: what other programs on the machine add falls away, sooner or later.
        let (mut unknown, mut wrong) = (Duration::MAX, Duration::MAX);
        let alike = |unknown, wrong: Duration| unknown > wrong / 2 && wrong > unknown / 2;
        for _ in 0..30 {
            unknown = unknown.min(time_to_refuse(app, "nobody@example.com").await);
            wrong = wrong.min(time_to_refuse(app, "ada@example.com").await);
            if alike(unknown, wrong) {
                break;
            }
        }
        assert!(alike(unknown, wrong), "{}: {unknown:?} and {wrong:?}", fixture.on());
    }
}

async fn time_to_refuse(app: &in_process::InProcess, email: &str) -> Duration {
    let start = Instant::now();
    let answer = app.login(&visitor(), credentials(email, "wrong")).await;
    assert_eq!(answer.unwrap_err(), WRONG);
    start.elapsed()
}

#[tokio::test]
async fn the_current_user_keeps_the_token() {
    for fixture in fixture::all().await {
        let ada = fixture.signed_in("ada").await;
        let user = fixture.app.current_user(&ada).await.unwrap();
        let on = fixture.on();
        assert_eq!(Some(&user.token), ada.token.as_ref(), "{on}");
        assert_eq!((user.username.as_str(), user.email.as_str()), ("ada", "ada@example.com"));
        assert_eq!(user.bio.as_deref(), Some("Wrote the first program."), "{on}");
        assert_eq!(user.image.as_deref(), Some("https://example.com/a.svg"), "{on}");

        let nobody = fixture.app.current_user(&visitor()).await;
        assert_eq!(nobody, Err(Error::Unauthorized(Unauthorized::Missing)), "{on}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_wherever_the_viewer_matters() {
    for fixture in fixture::all().await {
        let app = &fixture.app;
        let bad = caller(Some(Token::new("not.a.token")));
        let on = fixture.on();
        assert_eq!(app.current_user(&bad).await.unwrap_err(), INVALID, "{on}");
        assert_eq!(app.profile(&bad, "ada").await.unwrap_err(), INVALID, "{on}");
        assert_eq!(app.article(&bad, "first").await.unwrap_err(), INVALID, "{on}");
        assert_eq!(app.comments(&bad, "first").await.unwrap_err(), INVALID, "{on}");
        let list = Default::default();
        assert_eq!(app.articles(&bad, &list).await.unwrap_err(), INVALID, "{on}");
        // Nobody's view matters for the tags, nor for signing in with an old token in hand.
        assert!(app.tags(&bad).await.is_ok(), "{on}");
        let login = app.login(&bad, credentials("ada@example.com", "conduit-dataset")).await;
        assert!(login.is_ok(), "{on}");
    }
}

#[tokio::test]
async fn a_token_expires_and_is_worth_nothing_elsewhere() {
    for fixture in fixture::all().await {
        let ada = fixture.signed_in("ada").await;
        let on = fixture.on();
        let at = |time: DateTime<Utc>| fixture.database.connect_at(Clock::new(move || time));
        let last_day = at(Utc::now() + TOKEN_LIFETIME - TimeDelta::hours(1)).await;
        assert!(last_day.current_user(&ada).await.is_ok(), "{on}");
        let too_late = at(Utc::now() + TOKEN_LIFETIME + TimeDelta::seconds(1)).await;
        assert_eq!(too_late.current_user(&ada).await.unwrap_err(), INVALID, "{on}");
    }
    // The same account on a server with another secret:
    let [here, there] = [fixture::all().await, fixture::all().await];
    let ada = here[0].signed_in("ada").await;
    assert_eq!(there[0].app.current_user(&ada).await.unwrap_err(), INVALID);
}

#[tokio::test]
async fn a_good_token_of_an_account_that_is_gone_is_invalid() {
    for database in databases::empty().await {
        let app = database.connect().await;
        let user = app.register(&visitor(), new("ada", "ada@example.com")).await.unwrap();
        // The same secret, and a database in which nobody has registered.
        let emptied = databases::empty().await.into_iter().find(|d| d.engine == database.engine);
        let mut emptied = emptied.unwrap();
        emptied.identity.token_secret_file = Some(database.args.data_dir.join("token-secret"));
        let app = emptied.connect().await;
        let answer = app.current_user(&caller(Some(user.token))).await;
        assert_eq!(answer.unwrap_err(), INVALID, "{}", database.engine);
    }
}

#[tokio::test]
async fn a_profile_is_followed_by_the_viewer_alone() {
    for fixture in fixture::all().await {
        let ada = fixture.signed_in("ada").await;
        let bob = fixture.signed_in("bob").await;
        for (viewer, username, following) in [
            (&ada, "bob", true),
            (&ada, "cyd", false),
            (&ada, "ada", false),
            (&bob, "ada", false),
            (&visitor(), "bob", false),
        ] {
            let profile = fixture.app.profile(viewer, username).await.unwrap();
            let on = fixture.on();
            assert_eq!(
                (profile.username.as_str(), profile.following),
                (username, following),
                "{on}"
            );
        }
        let profile = fixture.app.profile(&visitor(), "ada").await.unwrap();
        assert_eq!(profile.bio.as_deref(), Some("Wrote the first program."));
        assert_eq!(profile.image.as_deref(), Some("https://example.com/a.svg"));
    }
}

#[tokio::test]
async fn an_unknown_profile_is_not_found() {
    for fixture in fixture::all().await {
        for username in ["nobody", "", "ADA", "ada\0", "ada ", "%"] {
            let answer = fixture.app.profile(&visitor(), username).await;
            let not_found = Error::NotFound(Resource::Profile);
            assert_eq!(answer.unwrap_err(), not_found, "{}: {username:?}", fixture.on());
        }
    }
}

/// Readers don't wait for the hashing of other people's passwords: of many who sign in, nearly all
/// still stand in line when a page's worth of reading is done.
#[tokio::test(flavor = "multi_thread")]
async fn many_who_sign_in_at_once_do_not_hold_up_who_reads() {
    for fixture in fixture::all().await {
        let sign_in = || {
            let app = fixture.app.clone();
            tokio::spawn(async move { app.login(&visitor(), credentials("x@y.z", "?")).await })
        };
        let crowd: Vec<_> = (0..40).map(|_| sign_in()).collect();
        for _ in 0..20 {
            fixture.app.tags(&visitor()).await.unwrap();
        }
        let waiting = crowd.iter().filter(|task| !task.is_finished()).count();
        assert!(waiting >= 20, "{}: {waiting} of 40 still wait", fixture.on());
        for task in crowd {
            assert_eq!(task.await.unwrap().unwrap_err(), WRONG, "{}", fixture.on());
        }
    }
}
