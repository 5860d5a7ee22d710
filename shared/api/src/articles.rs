//! Lists of articles, and single ones.

use axum::{Json, extract::State};
use conduit::{
    Conduit,
    wire::{ArticleBody, ArticlesBody},
};

use crate::{
    Answer, App,
    extract::{List, Name, Who},
};

pub(crate) async fn list<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    List(list): List,
) -> Answer<ArticlesBody> {
    Ok(Json(app.port.articles(&caller, &list).await?))
}

pub(crate) async fn show<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    Name(slug): Name,
) -> Answer<ArticleBody> {
    let article = app.port.article(&caller, &slug).await?;
    Ok(Json(ArticleBody { article }))
}
