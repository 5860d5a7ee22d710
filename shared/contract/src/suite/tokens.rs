//! What a token is good for, what a bad one does, and calls that come too late.

use std::time::Duration;

use conduit::{
    Caller, Conduit, Credentials, Error, ListArticles, Outcome, Password, Registration, Token,
    Unauthorized,
};

use super::{Bench, expect_answer, fresh, guest, with_token};
use crate::dataset::PASSWORD;

pub(super) async fn check<C: Conduit>(bench: &Bench<'_, C>) {
    a_good_token_names_its_account(bench).await;
    a_bad_token_is_not_the_same_as_none(bench).await;
    where_nobody_is_asked_who_they_are_a_bad_token_does_no_harm(bench).await;
    a_call_that_comes_too_late_is_not_made(bench).await;
}

async fn a_good_token_names_its_account<C: Conduit>(bench: &Bench<'_, C>) {
    for index in [4, 5] {
        let caller = bench.user(index).await;
        let user = bench.port.current_user(&caller).await.expect("a good token");
        let row = &bench.known.users[index];
        assert_eq!((&user.email, &user.username), (&row.email, &row.username));
        assert_eq!((&user.bio, &user.image), (&row.bio, &row.image));
        assert_eq!(Some(user.token), caller.token, "the caller's own token, not a new one");
    }
    let missing = Err(Error::Unauthorized(Unauthorized::Missing));
    expect_answer(bench.port.current_user(&guest()).await, missing, "who is nobody?");
}

async fn a_bad_token_is_not_the_same_as_none<C: Conduit>(bench: &Bench<'_, C>) {
    let known = &bench.known.articles[0].article.slug;
    let name = bench.known.name(0);
    for bad in bad_tokens(&bench.user(6).await) {
        let (port, question) = (bench.port, format!("with the token {bad:?}"));
        let caller = with_token(Token::new(&bad));
        let invalid = Error::Unauthorized(Unauthorized::Invalid);
        let list = ListArticles::default();
        expect_answer(port.current_user(&caller).await, Err(invalid.clone()), &question);
        expect_answer(port.articles(&caller, &list).await, Err(invalid.clone()), &question);
        expect_answer(port.article(&caller, known).await, Err(invalid.clone()), &question);
        expect_answer(port.comments(&caller, known).await, Err(invalid.clone()), &question);
        expect_answer(port.profile(&caller, name).await, Err(invalid.clone()), &question);
        // Who calls is looked at before what they ask for.
        expect_answer(port.article(&caller, "nothing").await, Err(invalid.clone()), &question);
        expect_answer(port.profile(&caller, "nobody").await, Err(invalid), &question);
    }
}

/// Garbage of many kinds, and a good token with one letter changed in each third of it.
fn bad_tokens(good: &Caller) -> Vec<String> {
    let good = good.token.as_ref().expect("signed in").expose();
    let changed = |at: usize| {
        let replacement = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{replacement}{}", &good[..at], &good[at + 1..])
    };
    let length = good.len();
    let mut bad: Vec<_> = [length / 6, length / 2, length * 5 / 6].map(changed).into();
    bad.extend(["", "x", "a.b.c", "a\nb", "ü", "Token", "null"].map(String::from));
    // An unsigned JWT for account 1, as `{"alg":"none"}`: the classic forgery.
    bad.push("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwiZXhwIjo5OTk5OTk5OTk5fQ.".to_owned());
    bad
}

async fn where_nobody_is_asked_who_they_are_a_bad_token_does_no_harm<C: Conduit>(
    bench: &Bench<'_, C>,
) {
    // Somebody with an expired token must be able to get a new one.
    let caller = with_token(Token::new("expired"));
    let email = bench.known.users[7].email.clone();
    let credentials = Credentials { email, password: Password::new(PASSWORD) };
    bench.port.login(&caller, credentials).await.expect("to sign in needs no token");
    let username = fresh("expired");
    let email = format!("{username}@example.com");
    let new = Registration { username, email, password: Password::new(PASSWORD) };
    bench.port.register(&caller, new).await.expect("to register needs no token");
    bench.port.tags(&caller).await.expect("tags are the same for everyone");
}

async fn a_call_that_comes_too_late_is_not_made<C: Conduit>(bench: &Bench<'_, C>) {
    let late = Caller::new(None, guest().request_id, Duration::ZERO);
    let not_done = Error::Unavailable(Outcome::NotDone);
    let known = &bench.known.articles[0].article.slug;
    expect_answer(bench.port.article(&late, known).await, Err(not_done.clone()), "too late");
    expect_answer(bench.port.tags(&late).await, Err(not_done.clone()), "too late");

    let username = fresh("late");
    let email = format!("{username}@example.com");
    let new = Registration { username: username.clone(), email, password: Password::new(PASSWORD) };
    expect_answer(bench.port.register(&late, new.clone()).await, Err(not_done), "too late");
    // And as it was not done, it can be done now.
    bench.port.register(&guest(), new).await.expect("the name is still free");
}
