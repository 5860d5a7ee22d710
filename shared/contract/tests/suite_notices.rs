//! The suite, tested: implementations that are wrong in one way each. A suite that lets one of them
//! through would let the same mistake through in SQL.
//!
//! Most of these mistakes pass all the public test suites of the contract.

use conduit::{
    Article, ArticlePage, Caller, Comment, Conduit, Credentials, Error, ListArticles, Password,
    Problems, Profile, Registration, Result, Token, Unauthorized, User,
};
use contract::{
    dataset::{Dataset, PASSWORD, Size},
    in_memory::InMemory,
    suite,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    OldestFirst,
    TiesTheOtherWay,
    LimitIgnored,
    OffsetIgnored,
    CountOfTheWindow,
    TagIgnoredBesideAuthor,
    FanFilterIgnored,
    UnknownTagIsAnError,
    NeverFavorited,
    AlwaysFavorited,
    FavoritesCountedTwice,
    NeverFollowing,
    GuestsView,
    TagsOfAnArticleTurned,
    TagsByName,
    NewestCommentFirst,
    CommentsOfNothing,
    EmptyInsteadOfNone,
    BadTokenIsAGuest,
    BadTokenIsInternal,
    AnotherToken,
    AnyPassword,
    FirstProblemOnly,
    LateIsFine,
}

use Fault::*;

const ALL: [Fault; 24] = [
    OldestFirst,
    TiesTheOtherWay,
    LimitIgnored,
    OffsetIgnored,
    CountOfTheWindow,
    TagIgnoredBesideAuthor,
    FanFilterIgnored,
    UnknownTagIsAnError,
    NeverFavorited,
    AlwaysFavorited,
    FavoritesCountedTwice,
    NeverFollowing,
    GuestsView,
    TagsOfAnArticleTurned,
    TagsByName,
    NewestCommentFirst,
    CommentsOfNothing,
    EmptyInsteadOfNone,
    BadTokenIsAGuest,
    BadTokenIsInternal,
    AnotherToken,
    AnyPassword,
    FirstProblemOnly,
    LateIsFine,
];

/// The right implementation, with one thing wrong; or none, to see that the wrapping is harmless.
#[derive(Clone)]
struct Faulty {
    right: InMemory,
    fault: Option<Fault>,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Who calls, as the fault sees it.
    async fn caller(&self, caller: &Caller) -> Caller {
        let mut caller = caller.clone();
        if self.has(LateIsFine) {
            caller =
                Caller::new(caller.token, caller.request_id, std::time::Duration::from_secs(9));
        }
        let bad = self.right.current_user(&caller).await
            == Err(Error::Unauthorized(Unauthorized::Invalid));
        if self.has(GuestsView) || (self.has(BadTokenIsAGuest) && bad) {
            caller.token = None;
        }
        caller
    }

    fn error<T>(&self, answer: Result<T>) -> Result<T> {
        match answer {
            Err(Error::Unauthorized(Unauthorized::Invalid)) if self.has(BadTokenIsInternal) => {
                Err(Error::Internal("a token".into()))
            }
            Err(Error::Invalid(problems)) if self.has(FirstProblemOnly) => {
                let (field, message) = problems.iter().next().expect("a problem");
                Err(Error::Invalid(Problems::one(field, message)))
            }
            answer => answer,
        }
    }

    fn profile_of(&self, profile: &mut Profile) {
        if self.has(NeverFollowing) {
            profile.following = false;
        }
        if self.has(EmptyInsteadOfNone) {
            profile.bio.get_or_insert_default();
        }
    }

    fn marks(&self, caller: &Caller, favorited: &mut bool, count: &mut u64, tags: &mut [String]) {
        if self.has(NeverFavorited) {
            *favorited = false;
        }
        if self.has(AlwaysFavorited) {
            *favorited = caller.token.is_some() && *count > 0;
        }
        if self.has(FavoritesCountedTwice) && *favorited {
            *count += 1;
        }
        if self.has(TagsOfAnArticleTurned) {
            tags.reverse();
        }
    }
}

impl Conduit for Faulty {
    async fn register(&self, caller: &Caller, new: Registration) -> Result<User> {
        self.error(self.right.register(&self.caller(caller).await, new).await)
    }

    async fn login(&self, caller: &Caller, credentials: Credentials) -> Result<User> {
        let caller = self.caller(caller).await;
        let answer = self.right.login(&caller, credentials.clone()).await;
        if self.has(AnyPassword) && answer == Err(Error::Unauthorized(Unauthorized::Credentials)) {
            let password = Password::new(PASSWORD);
            return self.right.login(&caller, Credentials { password, ..credentials }).await;
        }
        self.error(answer)
    }

    async fn current_user(&self, caller: &Caller) -> Result<User> {
        let mut user = self.error(self.right.current_user(caller).await)?;
        if self.has(AnotherToken) {
            user.token = Token::new(format!("{}0", user.token.expose()));
        }
        Ok(user)
    }

    async fn profile(&self, caller: &Caller, username: &str) -> Result<Profile> {
        let answer = self.right.profile(&self.caller(caller).await, username).await;
        let mut profile = self.error(answer)?;
        self.profile_of(&mut profile);
        Ok(profile)
    }

    async fn articles(&self, caller: &Caller, list: &ListArticles) -> Result<ArticlePage> {
        let mut list = list.clone();
        match self.fault {
            Some(LimitIgnored) => list.limit = conduit::DEFAULT_LIMIT,
            Some(OffsetIgnored) => list.offset = 0,
            Some(FanFilterIgnored) => list.favorited = None,
            Some(TagIgnoredBesideAuthor) if list.author.is_some() => list.tag = None,
            _ => {}
        }
        let mut page = self.error(self.right.articles(&self.caller(caller).await, &list).await)?;
        match self.fault {
            Some(OldestFirst) => page.articles.reverse(),
            Some(TiesTheOtherWay) => {
                for i in 1..page.articles.len() {
                    if page.articles[i - 1].created_at == page.articles[i].created_at {
                        page.articles.swap(i - 1, i);
                    }
                }
            }
            Some(CountOfTheWindow) => page.articles_count = page.articles.len() as u64,
            Some(UnknownTagIsAnError) if list.tag.is_some() && page.articles_count == 0 => {
                return Err(Error::Invalid(Problems::one("tag", "is unknown")));
            }
            _ => {}
        }
        for article in &mut page.articles {
            self.profile_of(&mut article.author);
            let (favorited, count) = (&mut article.favorited, &mut article.favorites_count);
            self.marks(caller, favorited, count, &mut article.tag_list);
        }
        Ok(page)
    }

    async fn article(&self, caller: &Caller, slug: &str) -> Result<Article> {
        let answer = self.right.article(&self.caller(caller).await, slug).await;
        let mut article = self.error(answer)?;
        self.profile_of(&mut article.author);
        let (favorited, count) = (&mut article.favorited, &mut article.favorites_count);
        self.marks(caller, favorited, count, &mut article.tag_list);
        Ok(article)
    }

    async fn comments(&self, caller: &Caller, slug: &str) -> Result<Vec<Comment>> {
        let answer = self.right.comments(&self.caller(caller).await, slug).await;
        if self.has(CommentsOfNothing) && matches!(answer, Err(Error::NotFound(_))) {
            return Ok(Vec::new());
        }
        let mut comments = self.error(answer)?;
        if self.has(NewestCommentFirst) {
            comments.reverse();
        }
        Ok(comments)
    }

    async fn tags(&self, caller: &Caller) -> Result<Vec<String>> {
        let mut tags = self.right.tags(&self.caller(caller).await).await?;
        if self.has(TagsByName) {
            tags.sort();
        }
        Ok(tags)
    }

    async fn ready(&self) -> Result<()> {
        self.right.ready().await
    }
}

/// What the suite says to an implementation with this fault; `None` if it finds nothing.
async fn verdict(fault: Option<Fault>) -> Option<String> {
    let dataset = Dataset::new(Size { users: 20, articles: 100, ..Size::default() }, 5);
    let port = Faulty { right: InMemory::new(&dataset), fault };
    // On the thread of this test, so that what the suite prints is shown only if the test fails.
    let run = tokio::spawn(async move { suite::run(&port, &dataset).await });
    let panic = run.await.err()?.into_panic();
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.unwrap_or_else(|| "a panic without a text".to_owned()))
}

#[tokio::test]
async fn an_implementation_without_fault_passes() {
    assert_eq!(verdict(None).await, None);
}

#[tokio::test]
async fn every_fault_is_noticed() {
    let mut missed = Vec::new();
    for fault in ALL {
        if verdict(Some(fault)).await.is_none() {
            missed.push(fault);
        }
    }
    assert!(missed.is_empty(), "the suite lets through {missed:?}");
}
