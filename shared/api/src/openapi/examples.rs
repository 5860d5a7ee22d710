//! One value of each type of the wire. They are values and not texts, so that they can't have a form
//! that the API would not take or give.

use chrono::DateTime;
use conduit::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Comment, Credentials, NewArticle,
    NewComment, Password, Profile, Registration, Timestamp, Token, User, UserUpdate,
};

const USERNAME: &str = "ada";
const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
const BIO: &str = "Wrote the first program.";
const TITLE: &str = "Notes on the Analytical Engine";
const DESCRIPTION: &str = "What a machine may do, and what it may not.";
const BODY: &str = "It can do whatever **we know how to order it** to perform.";
const REMARK: &str = "And who orders us?";

pub(super) fn user() -> User {
    User {
        email: EMAIL.into(),
        token: Token::new("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
        username: USERNAME.into(),
        bio: Some(BIO.into()),
        image: None,
    }
}

pub(super) fn registration() -> Registration {
    Registration {
        username: USERNAME.into(),
        email: EMAIL.into(),
        password: Password::new(PASSWORD),
    }
}

pub(super) fn credentials() -> Credentials {
    Credentials { email: EMAIL.into(), password: Password::new(PASSWORD) }
}

pub(super) fn user_update() -> UserUpdate {
    UserUpdate { bio: Some(Some(BIO.into())), image: Some(None), ..UserUpdate::default() }
}

pub(super) fn profile(following: bool) -> Profile {
    Profile { username: USERNAME.into(), bio: Some(BIO.into()), image: None, following }
}

pub(super) fn tags() -> Vec<String> {
    ["history", "machines"].map(str::to_owned).into()
}

pub(super) fn new_article() -> NewArticle {
    NewArticle {
        title: TITLE.into(),
        description: DESCRIPTION.into(),
        body: BODY.into(),
        tag_list: tags(),
    }
}

pub(super) fn article_update() -> ArticleUpdate {
    ArticleUpdate { body: Some(BODY.into()), ..ArticleUpdate::default() }
}

pub(super) fn article(favorited: bool) -> Article {
    let ArticleSummary {
        slug, title, description, tag_list, created_at, updated_at, author, ..
    } = summary();
    Article {
        slug,
        title,
        description,
        body: BODY.into(),
        tag_list,
        created_at,
        updated_at,
        favorited,
        favorites_count: favorited.into(),
        author,
    }
}

pub(super) fn articles() -> ArticlePage {
    ArticlePage { articles: vec![summary()], articles_count: 1 }
}

fn summary() -> ArticleSummary {
    ArticleSummary {
        slug: "notes-on-the-analytical-engine".into(),
        title: TITLE.into(),
        description: DESCRIPTION.into(),
        tag_list: tags(),
        created_at: time(),
        updated_at: time(),
        favorited: false,
        favorites_count: 0,
        author: profile(false),
    }
}

pub(super) fn new_comment() -> NewComment {
    NewComment { body: REMARK.into() }
}

pub(super) fn comment() -> Comment {
    let (created_at, updated_at) = (time(), time());
    Comment { id: 1, created_at, updated_at, body: REMARK.into(), author: profile(false) }
}

/// 2026-01-02T03:04:05.678Z
fn time() -> Timestamp {
    DateTime::from_timestamp_millis(1_767_323_045_678).unwrap_or_default().into()
}
