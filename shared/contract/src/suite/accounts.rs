//! Opening accounts and signing in.

use conduit::{
    Conduit, Credentials, Error, Password, Problems, Registration, Result, Unauthorized, User,
};

use super::{Bench, expect_answer, fresh, guest, with_token};
use crate::dataset::PASSWORD;

pub(super) async fn check<C: Conduit>(bench: &Bench<'_, C>) {
    a_new_account_is_usable_at_once(bench).await;
    names_are_free_in_every_script_and_compared_exactly(bench).await;
    what_is_taken_is_taken(bench).await;
    blank_fields_are_reported_together(bench).await;
    only_the_right_password_opens(bench).await;
    of_two_at_once_one_gets_the_name(bench).await;
}

fn registration(username: &str, email: &str) -> Registration {
    let password = Password::new("correct horse battery");
    Registration { username: username.to_owned(), email: email.to_owned(), password }
}

fn credentials(email: &str, password: &str) -> Credentials {
    Credentials { email: email.to_owned(), password: Password::new(password) }
}

async fn a_new_account_is_usable_at_once<C: Conduit>(bench: &Bench<'_, C>) {
    let name = fresh("new");
    let email = format!("{name}@example.com");
    let user = bench.port.register(&guest(), registration(&name, &email)).await.expect("free");
    assert_eq!((user.username.as_str(), user.email.as_str()), (name.as_str(), email.as_str()));
    assert_eq!((&user.bio, &user.image), (&None, &None));

    let me = with_token(user.token.clone());
    expect_answer(bench.port.current_user(&me).await, Ok(user), "who am I?");
    let profile = bench.port.profile(&guest(), &name).await.expect("others see it");
    assert_eq!((profile.bio, profile.image, profile.following), (None, None, false));

    let again = bench.port.login(&guest(), credentials(&email, "correct horse battery")).await;
    let again = again.expect("the password that was chosen");
    assert_eq!(again.username, name);
    bench.port.current_user(&with_token(again.token)).await.expect("this token is good, too");
    bench.port.current_user(&me).await.expect("and the first one still is");
}

async fn names_are_free_in_every_script_and_compared_exactly<C: Conduit>(bench: &Bench<'_, C>) {
    let unique = fresh("x");
    let upper = unique.to_uppercase();
    for name in
        [&format!("zoë-{unique}"), &format!("ZOË-{unique}"), &format!("李 🦀 {unique}"), &upper]
    {
        let email = format!("{}@example.com", fresh("any"));
        let user = bench.port.register(&guest(), registration(name, &email)).await;
        assert_eq!(user.expect("a name in any script").username, **name);
        let profile = bench.port.profile(&guest(), name).await;
        assert_eq!(profile.expect("found by that name").username, **name);
    }
}

async fn what_is_taken_is_taken<C: Conduit>(bench: &Bench<'_, C>) {
    let taken = &bench.known.users[1];
    let conflict = |fields: &[&str]| {
        let mut problems = Problems::new();
        for field in fields {
            problems.add(field, "has already been taken");
        }
        Err(Error::Conflict(problems))
    };
    let (name, email) = (fresh("free"), format!("{}@example.com", fresh("free")));
    for (username, address, fields) in [
        (&taken.username, &email, ["username"].as_slice()),
        (&name, &taken.email, &["email"]),
        (&taken.username, &taken.email, &["email", "username"]),
        (&taken.username, &bench.known.users[2].email, &["email", "username"]),
    ] {
        let answer = bench.port.register(&guest(), registration(username, address)).await;
        expect_answer(answer, conflict(fields), &format!("registering {username} at {address}"));
    }
    // A refused registration leaves nothing behind: neither name nor address is taken by it.
    bench.port.register(&guest(), registration(&name, &email)).await.expect("both are still free");
}

async fn blank_fields_are_reported_together<C: Conduit>(bench: &Bench<'_, C>) {
    let blank = |fields: &[&str]| {
        let mut problems = Problems::new();
        for field in fields {
            problems.add(field, "can't be blank");
        }
        Error::Invalid(problems)
    };
    let nothing = bench.port.register(&guest(), Registration::default()).await;
    let all = blank(&["email", "password", "username"]);
    expect_answer(nothing, Err(all), "registering without any field");
    let no_name = registration("", &format!("{}@example.com", fresh("blank")));
    let answer = bench.port.register(&guest(), no_name).await;
    expect_answer(answer, Err(blank(&["username"])), "registering without a name");

    let nothing = bench.port.login(&guest(), Credentials::default()).await;
    expect_answer(nothing, Err(blank(&["email", "password"])), "signing in without any field");
    let no_password = bench.port.login(&guest(), credentials("a@example.com", "")).await;
    expect_answer(no_password, Err(blank(&["password"])), "signing in without a password");
}

async fn only_the_right_password_opens<C: Conduit>(bench: &Bench<'_, C>) {
    let email = &bench.known.users[8].email;
    let closed: Result<User> = Err(Error::Unauthorized(Unauthorized::Credentials));
    for (email, password) in [
        (email.as_str(), "conduit-dataset "),
        (email, "CONDUIT-DATASET"),
        (email, "\0"),
        ("nobody@example.com", PASSWORD),
        ("%", PASSWORD),
        ("a\0b", PASSWORD),
        (&email.to_uppercase(), PASSWORD),
    ] {
        let answer = bench.port.login(&guest(), credentials(email, password)).await;
        expect_answer(answer, closed.clone(), &format!("{email:?} with {password:?}"));
    }
}

async fn of_two_at_once_one_gets_the_name<C: Conduit>(bench: &Bench<'_, C>) {
    let name = fresh("race");
    let attempt = || {
        let email = format!("{}@example.com", fresh("race"));
        let (port, new) = (bench.port.clone(), registration(&name, &email));
        tokio::spawn(async move { port.register(&guest(), new).await })
    };
    let attempts: Vec<_> = (0..4).map(|_| attempt()).collect();
    let mut winners = 0;
    for attempt in attempts {
        match attempt.await.expect("no panic") {
            Ok(user) => {
                assert_eq!(user.username, name);
                winners += 1;
            }
            Err(error) => {
                let taken = Problems::one("username", "has already been taken");
                assert_eq!(error, Error::Conflict(taken));
            }
        }
    }
    assert_eq!(winners, 1, "one name, one account");
}
