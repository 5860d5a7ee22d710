//! Lists of articles, and single ones.

use axum::{extract::State, http::StatusCode};
use conduit::{
    Article, ArticleUpdate, Conduit, NewArticle,
    wire::{ArticleBody, ArticlesBody},
};

use crate::{
    Answer, App, Json,
    extract::{Body, List, Name, SignedIn, Who, Window},
    failure::Failure,
};

pub(crate) async fn list<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    List(list): List,
) -> Answer<ArticlesBody> {
    Ok(Json(app.port.articles(&caller, &list).await?))
}

pub(crate) async fn feed<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Window(window): Window,
) -> Answer<ArticlesBody> {
    Ok(Json(app.port.feed(&caller, window).await?))
}

pub(crate) async fn show<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    Name(slug): Name,
) -> Answer<ArticleBody<Article>> {
    let article = app.port.article(&caller, &slug).await?;
    Ok(Json(ArticleBody { article }))
}

pub(crate) async fn create<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Body(new): Body<ArticleBody<NewArticle>>,
) -> Result<(StatusCode, Json<ArticleBody<Article>>), Failure> {
    let article = app.port.create_article(&caller, new.article).await?;
    Ok((StatusCode::CREATED, Json(ArticleBody { article })))
}

pub(crate) async fn update<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Name(slug): Name,
    Body(changes): Body<ArticleBody<ArticleUpdate>>,
) -> Answer<ArticleBody<Article>> {
    let article = app.port.update_article(&caller, &slug, changes.article).await?;
    Ok(Json(ArticleBody { article }))
}

pub(crate) async fn delete<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Name(slug): Name,
) -> Result<StatusCode, Failure> {
    app.port.delete_article(&caller, &slug).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn favorite<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Name(slug): Name,
) -> Answer<ArticleBody<Article>> {
    let article = app.port.favorite(&caller, &slug).await?;
    Ok(Json(ArticleBody { article }))
}

pub(crate) async fn unfavorite<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Name(slug): Name,
) -> Answer<ArticleBody<Article>> {
    let article = app.port.unfavorite(&caller, &slug).await?;
    Ok(Json(ArticleBody { article }))
}
