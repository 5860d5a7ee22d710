//! In which order calls are refused, the same for all that need somebody signed in.

use std::time::Duration;

use conduit::{
    ArticleUpdate, Caller, Conduit, Error, NewArticle, NewComment, Outcome, Problems, Resource,
    Result, Token, Unauthorized, UserUpdate, Window,
};

use super::{Bench, draft, expect_answer, guest, with_token};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    UpdateUser,
    Feed,
    Follow,
    Unfollow,
    Create,
    Update,
    Delete,
    Favorite,
    Unfavorite,
    Comment,
    DeleteComment,
}

use Call::*;

const ALL: [Call; 11] = [
    UpdateUser,
    Feed,
    Follow,
    Unfollow,
    Create,
    Update,
    Delete,
    Favorite,
    Unfavorite,
    Comment,
    DeleteComment,
];

impl Call {
    /// What it is about, if it has to name something.
    fn resource(self) -> Option<Resource> {
        match self {
            UpdateUser | Feed | Create => None,
            Follow | Unfollow => Some(Resource::Profile),
            _ => Some(Resource::Article),
        }
    }

    fn has_fields(self) -> bool {
        matches!(self, UpdateUser | Create | Update | Comment)
    }
}

/// How a call is made: about what, and with fields that are sound or not.
#[derive(Clone, Copy, Debug)]
struct About<'a> {
    name: &'a str,
    sound: bool,
}

async fn make<C: Conduit>(port: &C, caller: &Caller, call: Call, about: About<'_>) -> Result<()> {
    let About { name, sound } = about;
    let text = || if sound { "sound" } else { " " }.to_owned();
    match call {
        UpdateUser => {
            let email = if sound { None } else { Some(String::new()) };
            let bio = Some(Some(text()));
            let changes = UserUpdate { bio, email, ..UserUpdate::default() };
            port.update_user(caller, changes).await.map(drop)
        }
        Feed => port.feed(caller, Window::default()).await.map(drop),
        Follow => port.follow(caller, name).await.map(drop),
        Unfollow => port.unfollow(caller, name).await.map(drop),
        Create => {
            let new = NewArticle { title: text(), ..draft() };
            port.create_article(caller, new).await.map(drop)
        }
        Update => {
            let changes = ArticleUpdate { title: Some(text()), ..ArticleUpdate::default() };
            port.update_article(caller, name, changes).await.map(drop)
        }
        Delete => port.delete_article(caller, name).await,
        Favorite => port.favorite(caller, name).await.map(drop),
        Unfavorite => port.unfavorite(caller, name).await.map(drop),
        Comment => port.add_comment(caller, name, NewComment { body: text() }).await.map(drop),
        DeleteComment => port.delete_comment(caller, name, 1).await,
    }
}

pub(super) async fn check<C: Conduit>(bench: &Bench<'_, C>) {
    who_calls_is_looked_at_first(bench).await;
    then_the_fields_then_what_it_is_about(bench).await;
    a_call_that_comes_too_late_is_not_made(bench).await;
}

async fn who_calls_is_looked_at_first<C: Conduit>(bench: &Bench<'_, C>) {
    let existing = bench.known.articles[0].article.slug.as_str();
    for call in ALL {
        for name in [existing, "nothing", "..", ""] {
            for sound in [true, false] {
                let about = About { name, sound };
                let missing = Err(Error::Unauthorized(Unauthorized::Missing));
                let answer = make(bench.port, &guest(), call, about).await;
                expect_answer(answer, missing, &format!("a guest: {call:?} {about:?}"));
                let invalid = Err(Error::Unauthorized(Unauthorized::Invalid));
                let forger = with_token(Token::new("forged"));
                let answer = make(bench.port, &forger, call, about).await;
                expect_answer(answer, invalid, &format!("a forger: {call:?} {about:?}"));
            }
        }
    }
}

async fn then_the_fields_then_what_it_is_about<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, me) = bench.newcomer().await;
    for call in ALL {
        if call.has_fields() {
            let about = About { name: "nothing", sound: false };
            let answer = make(bench.port, &me, call, about).await;
            assert!(matches!(answer, Err(Error::Invalid(_))), "{call:?} {about:?}: {answer:?}");
        }
        let Some(resource) = call.resource() else { continue };
        for name in ["nothing", "", ".", "..", "a/b", "a\0b", "%2e", "größe"] {
            let about = About { name, sound: true };
            let answer = make(bench.port, &me, call, about).await;
            let not_found = Err(Error::NotFound(resource));
            expect_answer(answer, not_found, &format!("{call:?} {about:?}"));
        }
    }
    // And before it is said that an article is not theirs, what they want has to make sense.
    let others = &bench.known.articles[0].article.slug;
    let answer = make(bench.port, &me, Update, About { name: others, sound: false }).await;
    let blank = Err(Error::Invalid(Problems::one("title", "can't be blank")));
    expect_answer(answer, blank, "nonsense about somebody else's article");
}

async fn a_call_that_comes_too_late_is_not_made<C: Conduit>(bench: &Bench<'_, C>) {
    let (name, me) = bench.newcomer().await;
    let (author, writer) = bench.newcomer().await;
    let article = bench.published(&writer, &[]).await;
    let late = |token| Caller::new(token, guest().request_id, Duration::ZERO);
    for call in ALL {
        let target =
            if call.resource() == Some(Resource::Profile) { &author } else { &article.slug };
        let about = About { name: target, sound: true };
        // The author for what only the author may do, so that nothing else could refuse it.
        let caller = if matches!(call, Update | Delete) { &writer } else { &me };
        let answer = make(bench.port, &late(caller.token.clone()), call, about).await;
        let not_done = Err(Error::Unavailable(Outcome::NotDone));
        expect_answer(answer, not_done, &format!("too late: {call:?}"));
    }
    let user = bench.port.current_user(&me).await.expect("a good token");
    assert_eq!(user.bio, None, "not changed");
    assert!(!bench.port.profile(&me, &author).await.expect("there").following, "not followed");
    assert!(bench.written_by(&name).await.is_empty(), "not published");
    expect_answer(bench.port.article(&me, &article.slug).await, Ok(article.clone()), "untouched");
    let comments = bench.port.comments(&me, &article.slug).await;
    expect_answer(comments, Ok(Vec::new()), "not said");
    bench.clear(&writer, &[&article.slug]).await;
}
