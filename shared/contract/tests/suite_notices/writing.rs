//! How writing looks with one thing wrong.

use conduit::{
    Article, ArticlePage, ArticleUpdate, Caller, Comment, Conduit, Error, ListArticles, MAX_LIMIT,
    NewArticle, NewComment, Profile, Resource, Result, Token, User, UserUpdate, Window,
};
use in_process::validation;

use crate::faulty::{Fault::*, Faulty};

pub(crate) async fn update_user(
    app: &Faulty,
    caller: &Caller,
    mut changes: UserUpdate,
) -> Result<User> {
    let kept = changes.bio.clone().flatten();
    match app.fault {
        Some(NothingClearsNothing) if changes.bio == Some(None) => changes.bio = None,
        Some(PasswordNeverChanges) => changes.password = None,
        _ => {}
    }
    let mut answer =
        app.error(app.right.update_user(&app.caller(caller).await, changes.clone()).await);
    if app.has(RefusedButDone) && answer.is_err() {
        let sound = UserUpdate { bio: changes.bio, ..UserUpdate::default() };
        app.right.update_user(caller, sound).await.ok();
    }
    if let Ok(user) = &mut answer {
        if app.has(BlankIsKept) && user.bio.is_none() {
            user.bio = kept;
        }
        if app.has(AnotherToken) {
            user.token = Token::new("another");
        }
    }
    answer
}

pub(crate) async fn set_following(
    app: &Faulty,
    caller: &Caller,
    username: &str,
    follow: bool,
) -> Result<Profile> {
    let caller = app.caller(caller).await;
    let before = app.right.profile(&caller, username).await;
    let was = before.is_ok_and(|profile| profile.following);
    let wanted = if app.has(FollowingIsASwitch) { !was } else { follow };
    let set = async |wanted| {
        if wanted {
            app.right.follow(&caller, username).await
        } else {
            app.right.unfollow(&caller, username).await
        }
    };
    let mut profile = app.error(set(wanted).await)?;
    if app.has(FollowedForTheAnswerOnly) {
        set(was).await?;
    }
    app.profile_of(&mut profile);
    Ok(profile)
}

pub(crate) async fn feed(app: &Faulty, caller: &Caller, mut window: Window) -> Result<ArticlePage> {
    let caller = app.caller(caller).await;
    if app.has(FeedOffsetIgnored) {
        window.offset = 0;
    }
    let mut page = app.error(app.right.feed(&caller, window).await)?;
    match app.fault {
        Some(FeedOfEveryone) => {
            let Window { limit, offset } = window;
            let list = ListArticles { limit, offset, ..ListArticles::default() };
            page = app.right.articles(&caller, &list).await?;
        }
        Some(FeedCountOfTheWindow) => page.articles_count = page.articles.len() as u64,
        Some(FeedOldestFirst) => page.articles.reverse(),
        _ => {}
    }
    Ok(page)
}

pub(crate) async fn create(app: &Faulty, caller: &Caller, new: NewArticle) -> Result<Article> {
    if app.has(FieldsBeforeToken) {
        validation::new_article(&new).into_result()?;
    }
    let given = new.tag_list.clone();
    let answer = app.right.create_article(&app.caller(caller).await, new).await;
    let mut article = app.error(answer)?;
    if app.has(TagsAsGiven) {
        article.tag_list = given;
    }
    Ok(article)
}

/// The caller with the token of somebody else.
async fn disguised(app: &Faulty, caller: &Caller, as_whom: &str) -> Caller {
    for index in 0.. {
        let token = Some(Token::new(format!("in-memory.{index}")));
        let other = Caller { token, ..caller.clone() };
        match app.right.current_user(&other).await {
            Ok(user) if user.username == as_whom => return other,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    caller.clone()
}

/// The caller with the token of who wrote the article.
async fn as_author(app: &Faulty, caller: &Caller, slug: &str) -> Result<Caller> {
    let author = app.right.article(caller, slug).await?.author.username;
    Ok(disguised(app, caller, &author).await)
}

pub(crate) async fn update(
    app: &Faulty,
    caller: &Caller,
    slug: &str,
    mut changes: ArticleUpdate,
) -> Result<Article> {
    let caller = app.caller(caller).await;
    match app.fault {
        Some(ArticleBeforeFields) if caller.token.is_some() => {
            app.right.article(&caller, slug).await?;
        }
        Some(NoTagsMeansNoChange) => {
            changes.tag_list = changes.tag_list.filter(|tags| !tags.is_empty());
        }
        Some(TagsAreAdded) => {
            let old = app.right.article(&caller, slug).await.map(|article| article.tag_list);
            if let (Some(tags), Ok(old)) = (&mut changes.tag_list, old) {
                tags.extend(old);
            }
        }
        _ => {}
    }
    let answer = app.right.update_article(&caller, slug, changes.clone()).await;
    if app.has(AnyoneMayChange) && matches!(answer, Err(Error::Forbidden(_))) {
        let author = as_author(app, &caller, slug).await?;
        return app.right.update_article(&author, slug, changes).await;
    }
    app.error(answer)
}

pub(crate) async fn delete(app: &Faulty, caller: &Caller, slug: &str) -> Result<()> {
    let caller = app.caller(caller).await;
    if app.has(NothingIsDeleted) && app.right.article(&caller, slug).await.is_ok() {
        return Ok(());
    }
    let answer = app.right.delete_article(&caller, slug).await;
    if app.has(AnyoneMayDelete) && matches!(answer, Err(Error::Forbidden(_))) {
        let author = as_author(app, &caller, slug).await?;
        return app.right.delete_article(&author, slug).await;
    }
    if app.has(DeletedTwice) && matches!(answer, Err(Error::NotFound(_))) {
        return Ok(());
    }
    app.error(answer)
}

pub(crate) async fn set_favorite(
    app: &Faulty,
    caller: &Caller,
    slug: &str,
    favorite: bool,
) -> Result<Article> {
    let caller = app.caller(caller).await;
    let was = app.right.article(&caller, slug).await.is_ok_and(|article| article.favorited);
    let wanted = match app.fault {
        Some(MarkIsASwitch) => !was,
        Some(UnmarkingDoesNothing) => favorite || was,
        _ => favorite,
    };
    let set = async |wanted| {
        if wanted {
            app.right.favorite(&caller, slug).await
        } else {
            app.right.unfavorite(&caller, slug).await
        }
    };
    let mut article = app.error(set(wanted).await)?;
    if app.has(MarkedForTheAnswerOnly) {
        set(was).await?;
    }
    if app.has(MarkSeenByGuest) {
        article.favorited = false;
    }
    app.profile_of(&mut article.author);
    Ok(article)
}

pub(crate) async fn add_comment(
    app: &Faulty,
    caller: &Caller,
    slug: &str,
    mut new: NewComment,
) -> Result<Comment> {
    if app.has(CommentTrimmed) {
        new.body = new.body.trim().to_owned();
    }
    app.error(app.right.add_comment(&app.caller(caller).await, slug, new).await)
}

pub(crate) async fn delete_comment(
    app: &Faulty,
    caller: &Caller,
    slug: &str,
    id: i64,
) -> Result<()> {
    let caller = app.caller(caller).await;
    let answer = app.right.delete_comment(&caller, slug, id).await;
    match (app.fault, &answer) {
        (Some(AnyCommentMayGo), Err(Error::Forbidden(_))) => {
            let comments = app.right.comments(&caller, slug).await?;
            let comment = comments.into_iter().find(|comment| comment.id == id);
            let author = comment.map(|comment| comment.author.username).unwrap_or_default();
            let author = disguised(app, &caller, &author).await;
            app.right.delete_comment(&author, slug, id).await
        }
        (Some(UnknownCommentMayGo), Err(Error::NotFound(Resource::Comment))) => Ok(()),
        (Some(CommentUnderAnyArticle), Err(Error::NotFound(Resource::Comment))) => {
            let list = ListArticles { limit: MAX_LIMIT, ..ListArticles::default() };
            for article in app.right.articles(&caller, &list).await?.articles {
                let answer = app.right.delete_comment(&caller, &article.slug, id).await;
                if answer.is_ok() {
                    return answer;
                }
            }
            answer
        }
        _ => app.error(answer),
    }
}
