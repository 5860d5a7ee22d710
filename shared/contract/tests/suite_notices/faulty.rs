//! An implementation with one thing wrong: what can be wrong, and how reading looks with it.

use conduit::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Caller, Comment, Conduit, Credentials,
    Error, Export, Job, ListArticles, MAX_LIMIT, NewArticle, NewComment, Password, Problems,
    Profile, Queue, Registration, Result, Token, Unauthorized, User, UserUpdate, Window,
};
use contract::{dataset::PASSWORD, in_memory::InMemory};

use crate::writing;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
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
    NothingClearsNothing,
    BlankIsKept,
    PasswordNeverChanges,
    RefusedButDone,
    TagsAsGiven,
    TagsAreAdded,
    NoTagsMeansNoChange,
    AnyoneMayChange,
    AnyoneMayDelete,
    NothingIsDeleted,
    DeletedTwice,
    MarkedForTheAnswerOnly,
    MarkIsASwitch,
    UnmarkingDoesNothing,
    MarkSeenByGuest,
    FollowedForTheAnswerOnly,
    FollowingIsASwitch,
    FeedOfEveryone,
    FeedCountOfTheWindow,
    FeedOffsetIgnored,
    FeedOldestFirst,
    CommentTrimmed,
    AnyCommentMayGo,
    CommentUnderAnyArticle,
    UnknownCommentMayGo,
    FieldsBeforeToken,
    ArticleBeforeFields,
    MissingIsInvalid,
    RelatedToNothing,
    RelatedToItself,
    ExportsOfOthers,
    FilesOfNothing,
    JobsForEverybody,
    QueueForEverybody,
}

pub(crate) use Fault::*;

pub(crate) const ALL: [Fault; 58] = [
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
    NothingClearsNothing,
    BlankIsKept,
    PasswordNeverChanges,
    RefusedButDone,
    TagsAsGiven,
    TagsAreAdded,
    NoTagsMeansNoChange,
    AnyoneMayChange,
    AnyoneMayDelete,
    NothingIsDeleted,
    DeletedTwice,
    MarkedForTheAnswerOnly,
    MarkIsASwitch,
    UnmarkingDoesNothing,
    MarkSeenByGuest,
    FollowedForTheAnswerOnly,
    FollowingIsASwitch,
    FeedOfEveryone,
    FeedCountOfTheWindow,
    FeedOffsetIgnored,
    FeedOldestFirst,
    CommentTrimmed,
    AnyCommentMayGo,
    CommentUnderAnyArticle,
    UnknownCommentMayGo,
    FieldsBeforeToken,
    ArticleBeforeFields,
    MissingIsInvalid,
    RelatedToNothing,
    RelatedToItself,
    ExportsOfOthers,
    FilesOfNothing,
    JobsForEverybody,
    QueueForEverybody,
];

/// The right implementation, with one thing wrong; or none, to see that the wrapping is harmless.
#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) right: InMemory,
    pub(crate) fault: Option<Fault>,
}

impl Faulty {
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Who calls, as the fault sees it.
    pub(crate) async fn caller(&self, caller: &Caller) -> Caller {
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

    pub(crate) fn error<T>(&self, answer: Result<T>) -> Result<T> {
        match answer {
            Err(Error::Unauthorized(Unauthorized::Invalid)) if self.has(BadTokenIsInternal) => {
                Err(Error::Internal("a token".into()))
            }
            Err(Error::Unauthorized(Unauthorized::Missing)) if self.has(MissingIsInvalid) => {
                Err(Error::Unauthorized(Unauthorized::Invalid))
            }
            Err(Error::Invalid(problems)) if self.has(FirstProblemOnly) => {
                let (field, message) = problems.iter().next().expect("a problem");
                Err(Error::Invalid(Problems::one(field, message)))
            }
            answer => answer,
        }
    }

    pub(crate) fn profile_of(&self, profile: &mut Profile) {
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

    async fn update_user(&self, caller: &Caller, changes: UserUpdate) -> Result<User> {
        writing::update_user(self, caller, changes).await
    }

    async fn profile(&self, caller: &Caller, username: &str) -> Result<Profile> {
        let answer = self.right.profile(&self.caller(caller).await, username).await;
        let mut profile = self.error(answer)?;
        self.profile_of(&mut profile);
        Ok(profile)
    }

    async fn follow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        writing::set_following(self, caller, username, true).await
    }

    async fn unfollow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        writing::set_following(self, caller, username, false).await
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

    async fn feed(&self, caller: &Caller, window: Window) -> Result<ArticlePage> {
        writing::feed(self, caller, window).await
    }

    async fn article(&self, caller: &Caller, slug: &str) -> Result<Article> {
        let answer = self.right.article(&self.caller(caller).await, slug).await;
        let mut article = self.error(answer)?;
        self.profile_of(&mut article.author);
        let (favorited, count) = (&mut article.favorited, &mut article.favorites_count);
        self.marks(caller, favorited, count, &mut article.tag_list);
        Ok(article)
    }

    async fn create_article(&self, caller: &Caller, new: NewArticle) -> Result<Article> {
        writing::create(self, caller, new).await
    }

    async fn update_article(
        &self,
        caller: &Caller,
        slug: &str,
        changes: ArticleUpdate,
    ) -> Result<Article> {
        writing::update(self, caller, slug, changes).await
    }

    async fn delete_article(&self, caller: &Caller, slug: &str) -> Result<()> {
        writing::delete(self, caller, slug).await
    }

    async fn favorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        writing::set_favorite(self, caller, slug, true).await
    }

    async fn unfavorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        writing::set_favorite(self, caller, slug, false).await
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

    async fn add_comment(&self, caller: &Caller, slug: &str, new: NewComment) -> Result<Comment> {
        writing::add_comment(self, caller, slug, new).await
    }

    async fn delete_comment(&self, caller: &Caller, slug: &str, id: i64) -> Result<()> {
        writing::delete_comment(self, caller, slug, id).await
    }

    async fn tags(&self, caller: &Caller) -> Result<Vec<String>> {
        let mut tags = self.right.tags(&self.caller(caller).await).await?;
        if self.has(TagsByName) {
            tags.sort();
        }
        Ok(tags)
    }

    async fn related(&self, caller: &Caller, slug: &str) -> Result<Vec<ArticleSummary>> {
        let caller = self.caller(caller).await;
        let answer = self.right.related(&caller, slug).await;
        match self.fault {
            Some(RelatedToNothing) => Ok(answer.unwrap_or_default()),
            Some(RelatedToItself) => {
                let list = ListArticles { limit: MAX_LIMIT, ..ListArticles::default() };
                let all = self.right.articles(&caller, &list).await?.articles;
                Ok(all.into_iter().filter(|article| article.slug == slug).collect())
            }
            _ => answer,
        }
    }

    async fn start_export(&self, caller: &Caller) -> Result<Export> {
        self.right.start_export(&self.caller(caller).await).await
    }

    async fn exports(&self, caller: &Caller) -> Result<Vec<Export>> {
        let mut exports = self.right.exports(&self.caller(caller).await).await?;
        if self.has(ExportsOfOthers) {
            exports.extend(exports.clone());
        }
        Ok(exports)
    }

    async fn export_chunk(&self, caller: &Caller, id: i64, number: u32) -> Result<Vec<u8>> {
        let answer = self.right.export_chunk(&self.caller(caller).await, id, number).await;
        match answer {
            Err(Error::NotFound(_)) if self.has(FilesOfNothing) => Ok(Vec::new()),
            answer => answer,
        }
    }

    async fn jobs(&self, caller: &Caller) -> Result<Vec<Job>> {
        let answer = self.right.jobs(&self.caller(caller).await).await;
        if self.has(JobsForEverybody) { Ok(answer.unwrap_or_default()) } else { answer }
    }

    async fn queue(&self, caller: &Caller, operator: &Token) -> Result<Queue> {
        if self.has(QueueForEverybody) {
            return Ok(Queue::default());
        }
        self.right.queue(&self.caller(caller).await, operator).await
    }

    async fn retry_job(&self, caller: &Caller, operator: &Token, id: i64) -> Result<()> {
        self.right.retry_job(&self.caller(caller).await, operator, id).await
    }

    async fn ready(&self) -> Result<()> {
        self.right.ready().await
    }
}
