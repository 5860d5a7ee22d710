//! The port over HTTP: every use case is a request to a server that has the public API.
//!
//! The same trait as in the process next door, but three things are different, and all of them show
//! in `client`: an answer can get lost, a call has to be given up at some point, and a request costs
//! something even if it does nothing.
//!
//! There is no state here but a pool of connections: no cache, no session, no secret. Nothing in
//! this crate decides a rule of the app; what the backend says is what the caller gets.

mod args;
mod client;

use conduit::{
    Article, ArticlePage, Caller, Comment, Conduit, Credentials, Error, ListArticles, Profile,
    Registration, Resource, Result, User,
    wire::{
        ArticleBody, ArticlesBody, CommentsBody, ListQuery, ProfileBody, TagsBody, UserBody, path,
    },
};

pub use args::{BackendArgs, StartError};
pub use client::BACKEND_CALLS;
use client::{Client, Repeat};

/// The app as another server offers it. Clones share one pool of connections.
#[derive(Clone)]
pub struct Remote {
    client: Client,
}

impl Remote {
    /// Gets ready to call the backend, without calling it yet: a frontend may start first.
    ///
    /// # Errors
    /// If the address is not one that can be called.
    pub fn new(args: &BackendArgs) -> std::result::Result<Self, StartError> {
        Ok(Self { client: Client::new(args.origin()?)? })
    }
}

impl Conduit for Remote {
    async fn register(&self, caller: &Caller, new: Registration) -> Result<User> {
        let new = UserBody { user: new };
        let body: UserBody<User> =
            self.client.post(caller, Repeat::Never, path::USERS, &new).await?;
        Ok(body.user)
    }

    async fn login(&self, caller: &Caller, credentials: Credentials) -> Result<User> {
        let credentials = UserBody { user: credentials };
        let body: UserBody<User> =
            self.client.post(caller, Repeat::Once, path::LOGIN, &credentials).await?;
        Ok(body.user)
    }

    async fn current_user(&self, caller: &Caller) -> Result<User> {
        let body: UserBody<User> = self.client.get(caller, path::USER).await?;
        Ok(body.user)
    }

    async fn profile(&self, caller: &Caller, username: &str) -> Result<Profile> {
        let path = named(path::PROFILE, username, Resource::Profile)?;
        let body: ProfileBody = self.client.get(caller, &path).await?;
        Ok(body.profile)
    }

    async fn articles(&self, caller: &Caller, list: &ListArticles) -> Result<ArticlePage> {
        let body: ArticlesBody =
            self.client.search(caller, path::ARTICLES, &ListQuery::from(list)).await?;
        Ok(body)
    }

    async fn article(&self, caller: &Caller, slug: &str) -> Result<Article> {
        let path = named(path::ARTICLE, slug, Resource::Article)?;
        let body: ArticleBody = self.client.get(caller, &path).await?;
        Ok(body.article)
    }

    async fn comments(&self, caller: &Caller, slug: &str) -> Result<Vec<Comment>> {
        let path = named(path::COMMENTS, slug, Resource::Article)?;
        let body: CommentsBody = self.client.get(caller, &path).await?;
        Ok(body.comments)
    }

    async fn tags(&self, caller: &Caller) -> Result<Vec<String>> {
        let body: TagsBody = self.client.get(caller, path::TAGS).await?;
        Ok(body.tags)
    }

    async fn ready(&self) -> Result<()> {
        self.client.ready().await
    }
}

/// The longest name that is asked for, in bytes. Escaping makes up to three of each, and a server
/// takes a request line of 64 KiB.
const LONGEST_NAME: usize = 16 * 1024;

/// The path of one thing by its name.
///
/// Three names can't stand in a path, however they are escaped: the empty one would be another
/// route, and every client that follows the URL standard resolves `.` and `..` (also as `%2e`) as
/// steps in the hierarchy. A fourth kind is longer than a request line may be. Nothing has such a
/// name, so they are answered here as the backend would answer them.
fn named(template: &str, name: &str, what: Resource) -> Result<String> {
    match name {
        "" | "." | ".." => Err(Error::NotFound(what)),
        name if name.len() > LONGEST_NAME => Err(Error::NotFound(what)),
        name => Ok(path::of(template, name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_path_can_hold_are_not_found() {
        for name in ["", ".", ".."] {
            let found = named(path::COMMENTS, name, Resource::Article);
            assert_eq!(found, Err(Error::NotFound(Resource::Article)));
        }
    }

    #[test]
    fn every_other_name_reaches_the_backend_as_it_is() {
        for name in ["...", "%2e", "%2E%2e", "a/../b", "?x#y", " ", "größe", "\0", "\\", ";", "+"]
        {
            let path = named(path::ARTICLE, name, Resource::Article).unwrap();
            let url = reqwest::Url::parse(&format!("http://localhost{path}")).unwrap();
            assert_eq!(url.path(), path, "{name:?} survives URL parsing");
            assert_eq!(path.matches('/').count(), 2, "{name:?} stays one segment");
        }
    }
}
