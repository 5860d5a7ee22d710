//! One value of each type of the wire. They are values and not texts, so that they can't have a form
//! that the API would not take or give.

use chrono::DateTime;
use conduit::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Comment, Credentials, Export, ExportState,
    FailedJob, Job, JobState, KindState, NewArticle, NewComment, Password, Profile, Queue,
    Registration, ScheduleState, Timestamp, Token, User, UserUpdate,
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

pub(super) fn summary() -> ArticleSummary {
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

pub(super) fn export() -> Export {
    Export {
        id: 1,
        state: ExportState::Running,
        articles_done: 8,
        articles_total: 12,
        created_at: time(),
        expires_at: None,
        bytes: 20_480,
        chunks: 1,
    }
}

pub(super) fn job() -> Job {
    Job {
        id: 1,
        kind: "export".into(),
        state: JobState::Running,
        attempts: 1,
        progress_done: 8,
        progress_total: 12,
        created_at: time(),
    }
}

pub(super) fn queue() -> Queue {
    let kind = KindState {
        kind: "export".into(),
        ready: 3,
        delayed: 1,
        running: 2,
        oldest_at: Some(time()),
        done_in_hour: 17,
        failed_in_hour: 1,
    };
    let failed = FailedJob {
        id: 1,
        kind: "digest".into(),
        state: JobState::Dead,
        attempts: 8,
        reason: "the mail server does not answer".into(),
        request_id: "tick-digest-1767420000".into(),
        created_at: time(),
    };
    let schedule = ScheduleState { name: "digest".into(), last_at: None, next_at: Some(time()) };
    Queue { kinds: vec![kind], failed: vec![failed], schedules: vec![schedule] }
}

/// 2026-01-02T03:04:05.678Z
fn time() -> Timestamp {
    DateTime::from_timestamp_millis(1_767_323_045_678).unwrap_or_default().into()
}
