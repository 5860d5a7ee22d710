//! Who likes which article.

use conduit::{Article, Caller, Result};

use crate::{
    InProcess, articles,
    authoring::{Locked, lock},
    db::{Tx, in_tx},
    db_error,
};

/// Marks an article for the caller, or takes the mark away, and answers with the article.
///
/// The counts follow the row, and not the request: only a statement that did add or remove a row
/// changes them, so a mark that is set twice counts once.
pub(crate) async fn set(
    app: &InProcess,
    caller: &Caller,
    slug: &str,
    wanted: bool,
) -> Result<(Tx, Article)> {
    let (fan, _) = app.tokens.account(caller)?;
    let (mut tx, article) = lock(app, slug).await?;
    let rows = if wanted {
        add(&mut tx, &article, fan).await?
    } else {
        remove(&mut tx, &article, fan).await?
    };
    if rows > 0 {
        count(&mut tx, &article, fan, if wanted { 1 } else { -1 }).await?;
    }
    let article = articles::read_back(&mut tx, fan, slug).await?;
    Ok((tx, article))
}

async fn add(tx: &mut Tx, article: &Locked, fan: i64) -> Result<u64> {
    const ADD: &str = "
        insert into favorite (article_id, account_id, article_created_at) values ($1, $2, $3)
        on conflict do nothing";
    in_tx!(tx, db => sqlx::query(ADD)
        .bind(article.id).bind(fan).bind(article.created_at).execute(db).await
        .map(|done| done.rows_affected()))
    .map_err(db_error::by_account)
}

async fn remove(tx: &mut Tx, article: &Locked, fan: i64) -> Result<u64> {
    const REMOVE: &str = "delete from favorite where article_id = $1 and account_id = $2";
    in_tx!(tx, db => sqlx::query(REMOVE)
        .bind(article.id).bind(fan).execute(db).await.map(|done| done.rows_affected()))
    .map_err(db_error::in_transaction)
}

async fn count(tx: &mut Tx, article: &Locked, fan: i64, change: i64) -> Result<()> {
    const FOR_ARTICLE: &str =
        "update article set favorites_count = favorites_count + $2 where id = $1";
    const FOR_FAN: &str = "update account set favorite_count = favorite_count + $2 where id = $1";
    for (statement, id) in [(FOR_ARTICLE, article.id), (FOR_FAN, fan)] {
        in_tx!(tx, db => sqlx::query(statement)
            .bind(id).bind(change).execute(db).await.map(drop))
        .map_err(db_error::in_transaction)?;
    }
    Ok(())
}
