//! Every operation there is, in the order of the router.

use axum::http::{Method, StatusCode};
use conduit::{
    Error, Problems, Resource, Unauthorized,
    wire::{
        ArticleBody, CommentBody, CommentsBody, ExportBody, ExportsBody, JobsBody, ProfileBody,
        QueueBody, RelatedBody, TagsBody, UserBody, path,
    },
};

use super::{Operation, examples, schemas};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;
const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;
const ACCEPTED: StatusCode = StatusCode::ACCEPTED;

/// Every operation of the API.
pub(super) fn operations() -> Vec<Operation> {
    [users(), profiles(), articles(), comments(), later()].into_iter().flatten().collect()
}

fn users() -> Vec<Operation> {
    let user = UserBody { user: examples::user() };
    vec![
        Operation::new(POST, path::USERS, "register", "Open an account and sign in")
            .takes(&UserBody { user: examples::registration() })
            .gives(CREATED, &user)
            .refuses(blank("username"))
            .refuses(taken("username"))
            .refuses(taken("email")),
        Operation::new(POST, path::LOGIN, "login", "Sign in")
            .takes(&UserBody { user: examples::credentials() })
            .gives(OK, &user)
            .refuses(blank("email"))
            .refuses(Error::Unauthorized(Unauthorized::Credentials)),
        Operation::new(GET, path::USER, "currentUser", "Your own account")
            .for_signed_in()
            .gives(OK, &user),
        Operation::new(PUT, path::USER, "updateUser", "Change your own account")
            .for_signed_in()
            .takes(&UserBody { user: examples::user_update() })
            .gives(OK, &user)
            .refuses(blank("email"))
            .refuses(taken("email")),
    ]
}

fn profiles() -> Vec<Operation> {
    let profile = |following| ProfileBody { profile: examples::profile(following) };
    vec![
        Operation::new(GET, path::PROFILE, "profile", "An account as others see it")
            .for_anyone()
            .gives(OK, &profile(false))
            .needs(Resource::Profile),
        Operation::new(POST, path::FOLLOW, "follow", "Follow an account")
            .for_signed_in()
            .gives(OK, &profile(true))
            .needs(Resource::Profile),
        Operation::new(DELETE, path::FOLLOW, "unfollow", "No longer follow an account")
            .for_signed_in()
            .gives(OK, &profile(false))
            .needs(Resource::Profile),
    ]
}

fn articles() -> Vec<Operation> {
    let article = |favorited| ArticleBody { article: examples::article(favorited) };
    vec![
        Operation::new(GET, path::ARTICLES, "articles", "Articles, newest first")
            .for_anyone()
            .query(schemas::filters().into_iter().chain(schemas::window()))
            .gives(OK, &examples::articles()),
        Operation::new(POST, path::ARTICLES, "createArticle", "Publish an article")
            .for_signed_in()
            .takes(&ArticleBody { article: examples::new_article() })
            .gives(CREATED, &article(false))
            .refuses(blank("title")),
        Operation::new(GET, path::FEED, "feed", "Articles of those whom you follow, newest first")
            .for_signed_in()
            .query(schemas::window())
            .gives(OK, &examples::articles()),
        Operation::new(GET, path::ARTICLE, "article", "One article with its text")
            .for_anyone()
            .gives(OK, &article(false))
            .needs(Resource::Article),
        Operation::new(PUT, path::ARTICLE, "updateArticle", "Change an article of yours")
            .for_signed_in()
            .takes(&ArticleBody { article: examples::article_update() })
            .gives(OK, &article(false))
            .refuses(blank("title"))
            .needs(Resource::Article)
            .refuses(Error::Forbidden(Resource::Article)),
        Operation::new(DELETE, path::ARTICLE, "deleteArticle", "Take an article of yours away")
            .for_signed_in()
            .needs(Resource::Article)
            .refuses(Error::Forbidden(Resource::Article)),
        Operation::new(POST, path::FAVORITE, "favorite", "Mark an article as a favourite")
            .for_signed_in()
            .gives(OK, &article(true))
            .needs(Resource::Article),
        Operation::new(DELETE, path::FAVORITE, "unfavorite", "Take the mark away")
            .for_signed_in()
            .gives(OK, &article(false))
            .needs(Resource::Article),
    ]
}

fn comments() -> Vec<Operation> {
    vec![
        Operation::new(GET, path::COMMENTS, "comments", "Comments on an article, oldest first")
            .for_anyone()
            .gives(OK, &CommentsBody { comments: vec![examples::comment()] })
            .needs(Resource::Article),
        Operation::new(POST, path::COMMENTS, "addComment", "Comment on an article")
            .for_signed_in()
            .takes(&CommentBody { comment: examples::new_comment() })
            .gives(CREATED, &CommentBody { comment: examples::comment() })
            .refuses(blank("body"))
            .needs(Resource::Article),
        Operation::new(DELETE, path::COMMENT, "deleteComment", "Take a comment of yours away")
            .for_signed_in()
            .needs(Resource::Article)
            .needs(Resource::Comment)
            .refuses(Error::Forbidden(Resource::Comment)),
        Operation::new(GET, path::TAGS, "tags", "Every tag in use, the most used first")
            .gives(OK, &TagsBody { tags: examples::tags() }),
    ]
}

fn later() -> Vec<Operation> {
    let export = || examples::export();
    vec![
        Operation::new(GET, path::RELATED, "related", "Articles that are like one")
            .for_anyone()
            .gives(OK, &RelatedBody { articles: vec![examples::summary()] })
            .needs(Resource::Article),
        Operation::new(GET, path::EXPORTS, "exports", "Your exports, the latest first")
            .for_signed_in()
            .gives(OK, &ExportsBody { exports: vec![export()] }),
        Operation::new(POST, path::EXPORTS, "startExport", "Ask for all your articles as an EPUB")
            .for_signed_in()
            .gives(ACCEPTED, &ExportBody { export: export() }),
        Operation::new(GET, path::EXPORT_CHUNK, "exportChunk", "A piece of a finished export")
            .for_signed_in()
            .gives_bytes()
            .needs(Resource::Export),
        Operation::new(GET, path::JOBS, "jobs", "Your jobs that are not done")
            .for_signed_in()
            .gives(OK, &JobsBody { jobs: vec![examples::job()] }),
        Operation::new(GET, path::QUEUE, "queue", "The queue of jobs, for operators")
            .for_operators()
            .gives(OK, &QueueBody { queue: examples::queue() }),
        Operation::new(POST, path::RETRY, "retryJob", "Have a dead or parked job run again")
            .for_operators()
            .answers(ACCEPTED)
            .needs(Resource::Job),
    ]
}

fn blank(field: &str) -> Error {
    Error::Invalid(Problems::one(field, "can't be blank"))
}

fn taken(field: &str) -> Error {
    Error::Conflict(Problems::one(field, "has already been taken"))
}
