//! Which articles are related to which: intensive data processing, done anew whenever an article
//! changes, but only for that article and its neighbours.
//!
//! **Twice is harmless**: what is stored is compared with what should be, and the difference is
//! written. The second time there is none.
//!
//! Memory is bounded whatever the corpus holds: an article stands for [`tfidf`]'s few words, of each
//! word the newest [`POSTINGS`] articles are looked at, and of all those [`CANDIDATES`] are compared.
//! Lists of other articles are not computed anew, they are *offered* the changed one: likeness is the
//! same from both sides.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, QueryBuilder, types::Json};

use super::{
    Task,
    tfidf::{self, Counts, Words},
};
use crate::{
    InProcess,
    db::{Tx, in_tx, on_read},
    jobs::{
        NewJob, enqueue,
        run::{Failure, Finished, Run},
    },
};

/// How many articles a list holds.
pub(crate) const LIST: usize = 5;

/// How many articles with a word are looked at.
const POSTINGS: i64 = 200;

/// How many articles are compared in full.
const CANDIDATES: usize = 48;

/// How many of the lists that an article is on are looked after.
const LISTED: i64 = 200;

/// The article that was written, changed or taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Related {
    pub(crate) article: i64,
}

/// Has the related articles of an article computed, some time after this transaction.
pub(crate) async fn changed(
    app: &InProcess,
    tx: &mut Tx,
    article: i64,
    author: i64,
    request_id: &str,
) -> sqlx::Result<()> {
    let new = NewJob {
        task: Task::Related(Related { article }),
        unique_key: Some(format!("related-{article}")),
        account: Some(author),
        request_id,
    };
    enqueue(app, tx, new).await
}

/// What the words are taken from.
#[derive(FromRow)]
struct Text {
    title: String,
    description: String,
    body: String,
    tag_list: Json<Vec<String>>,
}

pub(crate) async fn run(run: &Run<'_>, Related { article }: Related) -> Result<Finished, Failure> {
    const TEXT: &str = "select title, description, body, tag_list from article where id = $1";
    let app = run.app;
    let text: Option<Text> =
        on_read!(&app.db, db => sqlx::query_as(TEXT).bind(article).fetch_optional(db).await)?;
    let words = match text {
        Some(text) => {
            let counts = app.jobs.compute.run(move || words_of(&text)).await;
            choose(app, counts).await?
        }
        None => Counts::new(),
    };
    let is_gone = words.is_empty();
    let mut tx = run.begin().await?;
    index(&mut tx, article, &words).await?;
    run.commit(tx).await?;
    run.progress(1, 2);

    let articles = article_count(app).await?;
    let (candidates, on_more_lists) = candidates(app, article, articles).await?;
    let others = app.jobs.compute.run(move || likenesses(article, candidates, articles)).await;
    let mut tx = run.begin().await?;
    if is_gone {
        forget(run, &mut tx, article).await?;
    } else {
        offer(&mut tx, article, &Company { others, on_more_lists }).await?;
    }
    // The lists and the job's end are one.
    run.commit_and_finish(tx).await
}

/// A word in the title or a tag says more than one in the text.
fn words_of(text: &Text) -> Counts {
    let tags = text.tag_list.join(" ");
    tfidf::count(&[(&text.title, 3), (&tags, 3), (&text.description, 2), (&text.body, 1)])
}

/// How many articles there are.
async fn article_count(app: &InProcess) -> sqlx::Result<i64> {
    const COUNT: &str = "select value from counter where name = 'article'";
    on_read!(&app.db, db => sqlx::query_scalar(COUNT).fetch_one(db).await)
}

async fn choose(app: &InProcess, counts: Counts) -> sqlx::Result<Counts> {
    if counts.is_empty() {
        return Ok(counts);
    }
    let known: Vec<(String, i64)> = on_read!(&app.db, db => {
        let mut query = QueryBuilder::new("select name, article_count from term where name in (");
        let mut names = query.separated(", ");
        for word in counts.keys() {
            names.push_bind(word);
        }
        query.push(")");
        query.build_query_as().fetch_all(db).await
    })?;
    let articles = article_count(app).await?;
    Ok(tfidf::choose(counts, &known.into_iter().collect(), articles))
}

/// Makes the stored words of an article those that it has, and counts the difference.
async fn index(tx: &mut Tx, article: i64, words: &Counts) -> sqlx::Result<()> {
    // Two jobs about one article would both count the same difference: one after the other. An
    // article that is gone has nothing to be counted but down, and only its last job does that.
    const LOCK: &str =
        "update article set favorites_count = favorites_count where id = $1 returning id";
    const STORED: &str = "
        select t.name, at.weight from article_term at join term t on t.id = at.term_id
        where at.article_id = $1";
    const REMOVE: &str = "delete from article_term where article_id = $1";
    let _locked: Option<i64> =
        in_tx!(tx, db => sqlx::query_scalar(LOCK).bind(article).fetch_optional(db).await)?;
    let stored: Vec<(String, i64)> =
        in_tx!(tx, db => sqlx::query_as(STORED).bind(article).fetch_all(db).await)?;
    let stored: Counts = stored.into_iter().collect();
    if stored == *words {
        return Ok(());
    }
    let mut changes: BTreeMap<&String, i64> = BTreeMap::new();
    for (words, change) in [(&stored, -1), (words, 1)] {
        for word in words.keys() {
            *changes.entry(word).or_default() += change;
        }
    }
    count_terms(tx, &changes).await?;
    in_tx!(tx, db => sqlx::query(REMOVE).bind(article).execute(db).await.map(drop))?;
    if words.is_empty() {
        return Ok(());
    }
    in_tx!(tx, db => {
        let mut query = QueryBuilder::new("insert into article_term (term_id, article_id, weight) ");
        query.push("select t.id, ").push_bind(article).push(", v.column2 from (");
        query.push_values(words, |mut row, (word, weight)| {
            row.push_bind(word).push_bind(*weight);
        });
        query.push(") v join term t on t.name = v.column1");
        query.build().execute(db).await.map(drop)
    })
}

/// In alphabetical order, which is the order in which everybody takes these rows.
async fn count_terms(tx: &mut Tx, changes: &BTreeMap<&String, i64>) -> sqlx::Result<()> {
    in_tx!(tx, db => {
        let mut query = QueryBuilder::new("insert into term (name, article_count) ");
        query.push_values(changes, |mut row, (name, change)| {
            row.push_bind(*name).push_bind(*change);
        });
        query.push(
            " on conflict (name) do update
            set article_count = term.article_count + excluded.article_count",
        );
        query.build().execute(db).await.map(drop)
    })
}

/// The words of an article and of those that may be related to it, by article; and whether it is on more
/// lists than that.
async fn candidates(
    app: &InProcess,
    article: i64,
    articles: i64,
) -> sqlx::Result<(BTreeMap<i64, Words>, bool)> {
    const POSTINGS_OF: &str = "
        select article_id from article_term where term_id = $1 order by article_id desc limit $2";
    const LISTS: &str = "select article_id from related_article where related_id = $1 limit $2";
    const LISTED_HERE: &str = "select related_id from related_article where article_id = $1";
    let mut own = words(app, BTreeSet::from([article])).await?;
    let Some(own_words) = own.get(&article) else { return Ok((own, false)) };

    // The more of the rare words an article shares, the sooner it is looked at.
    let mut shared: BTreeMap<i64, i64> = BTreeMap::new();
    for (term, (_, found)) in own_words {
        let with_it: Vec<i64> = on_read!(&app.db, db => sqlx::query_scalar(POSTINGS_OF)
            .bind(term).bind(POSTINGS).fetch_all(db).await)?;
        let worth = 1 + 1_000 * (articles - found).max(0) / articles.max(1);
        for other in with_it.into_iter().filter(|other| *other != article) {
            *shared.entry(other).or_default() += worth;
        }
    }
    let mut nearest: Vec<_> = shared.into_iter().collect();
    nearest.sort_by_key(|(other, worth)| (-worth, -other));
    let mut chosen: BTreeSet<i64> =
        nearest.into_iter().take(CANDIDATES).map(|(other, _)| other).collect();
    // And those on whose lists it is already, and those on its own: they may have to part.
    let lists: Vec<i64> = on_read!(&app.db, db => sqlx::query_scalar(LISTS)
        .bind(article).bind(LISTED).fetch_all(db).await)?;
    let listed: Vec<i64> = on_read!(&app.db, db => sqlx::query_scalar(LISTED_HERE)
        .bind(article).fetch_all(db).await)?;
    let on_more_lists = lists.len() as i64 == LISTED;
    chosen.extend(lists.into_iter().chain(listed));
    own.extend(words(app, chosen).await?);
    Ok((own, on_more_lists))
}

async fn words(app: &InProcess, of: BTreeSet<i64>) -> sqlx::Result<BTreeMap<i64, Words>> {
    let mut found: BTreeMap<i64, Words> = of.iter().map(|&id| (id, Words::new())).collect();
    if of.is_empty() {
        return Ok(found);
    }
    let rows: Vec<(i64, i64, i64, i64)> = on_read!(&app.db, db => {
        let mut query = QueryBuilder::new(
            "select at.article_id, at.term_id, at.weight, t.article_count
            from article_term at join term t on t.id = at.term_id where at.article_id in (",
        );
        let mut ids = query.separated(", ");
        for id in of {
            ids.push_bind(id);
        }
        query.push(")");
        query.build_query_as().fetch_all(db).await
    })?;
    for (article, term, weight, count) in rows {
        found.entry(article).or_default().insert(term, (weight, count));
    }
    Ok(found)
}

/// How alike each candidate is to the article.
fn likenesses(
    article: i64,
    mut candidates: BTreeMap<i64, Words>,
    articles: i64,
) -> BTreeMap<i64, i64> {
    let own = candidates.remove(&article).unwrap_or_default();
    let likeness = |(other, words)| (other, tfidf::likeness(&own, &words, articles));
    candidates.into_iter().map(likeness).collect()
}

/// Whom an article was compared with.
struct Company {
    /// How alike each of them is.
    others: BTreeMap<i64, i64>,
    /// Whether it is on lists of still others.
    on_more_lists: bool,
}

/// Puts the article on the lists of those that it is like, and those on its own; each list keeps the
/// best.
async fn offer(tx: &mut Tx, article: i64, company: &Company) -> sqlx::Result<()> {
    leave(tx, article, company).await?;
    let alike: BTreeMap<_, _> = company.others.iter().filter(|(_, score)| **score > 0).collect();
    if alike.is_empty() {
        return Ok(());
    }
    let pairs = alike
        .iter()
        .flat_map(|(other, score)| [(article, **other, **score), (**other, article, **score)]);
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_unstable();
    in_tx!(tx, db => {
        // Only between articles that are there: one may have been deleted since it was read.
        let mut query = QueryBuilder::new(
            "insert into related_article (article_id, related_id, score)
            select v.column1, v.column2, v.column3 from (",
        );
        query.push_values(&pairs, |mut row, (of, to, score)| {
            row.push_bind(*of).push_bind(*to).push_bind(*score);
        });
        query.push(
            ") v where exists (select 1 from article where id = v.column1)
            and exists (select 1 from article where id = v.column2)
            on conflict (article_id, related_id) do update set score = excluded.score",
        );
        query.build().execute(db).await.map(drop)
    })?;
    shorten(tx, alike.into_keys().chain([&article]).copied().collect()).await
}

/// Takes the article off the lists of those that it was compared with, and them off its own. Whoever else
/// is there has come meanwhile, by a job of their own that knew of both, and stays. Where it is on more
/// lists than were looked at, nobody can tell, and it leaves them all.
async fn leave(tx: &mut Tx, article: i64, company: &Company) -> sqlx::Result<()> {
    let Company { others, on_more_lists } = company;
    if others.is_empty() && !on_more_lists {
        return Ok(());
    }
    in_tx!(tx, db => {
        let mut query = QueryBuilder::new("delete from related_article where ");
        let sides = [("article_id", "related_id"), ("related_id", "article_id")];
        for (or, (of, to)) in ["", " or "].into_iter().zip(sides) {
            query.push(format_args!("{or}({of} = ")).push_bind(article);
            if !on_more_lists {
                query.push(format_args!(" and {to} in ("));
                let mut ids = query.separated(", ");
                for other in others.keys() {
                    ids.push_bind(*other);
                }
                query.push(")");
            }
            query.push(")");
        }
        query.build().execute(db).await.map(drop)
    })
}

/// Leaves the best on each of these lists.
async fn shorten(tx: &mut Tx, lists: Vec<i64>) -> sqlx::Result<()> {
    in_tx!(tx, db => {
        // The lists are named on the outside, too: SQLite would otherwise go through all there are.
        let mut query = QueryBuilder::new("delete from related_article where article_id in (");
        let mut ids = query.separated(", ");
        for list in &lists {
            ids.push_bind(*list);
        }
        query.push(
            ") and (article_id, related_id) in (
                select article_id, related_id from (
                    select article_id, related_id, row_number() over (
                        partition by article_id order by score desc, related_id desc) as place
                    from related_article where article_id in (",
        );
        let mut ids = query.separated(", ");
        for list in &lists {
            ids.push_bind(*list);
        }
        query.push(format_args!(")) ranked where place > {LIST})"));
        query.build().execute(db).await.map(drop)
    })
}

/// Takes an article that is gone off all lists, and has those lists filled up.
async fn forget(run: &Run<'_>, tx: &mut Tx, article: i64) -> sqlx::Result<()> {
    const LEAVE: &str = "
        delete from related_article where article_id = $1 or related_id = $1
        returning article_id";
    const THERE: &str = "select author_id from article where id = $1";
    let lists: Vec<i64> =
        in_tx!(tx, db => sqlx::query_scalar(LEAVE).bind(article).fetch_all(db).await)?;
    let request_id = format!("related-{article}-gone");
    for list in lists.into_iter().filter(|list| *list != article).collect::<BTreeSet<_>>() {
        let author: Option<i64> =
            in_tx!(tx, db => sqlx::query_scalar(THERE).bind(list).fetch_optional(db).await)?;
        if let Some(author) = author {
            changed(run.app, tx, list, author, &request_id).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use conduit::{Caller, Conduit, NewArticle, Password, Registration, RequestId};

    use super::*;
    use crate::{DatabaseArgs, IdentityArgs, Options};

    fn caller(token: Option<conduit::Token>) -> Caller {
        Caller::new(token, RequestId::parse("none").unwrap(), Duration::from_secs(20))
    }

    /// Two articles are written at the same time. The job of the first reads who there is before the
    /// second is among them, and writes after the second's has put both on each other's lists.
    #[tokio::test]
    async fn who_has_come_meanwhile_stays_on_the_lists() {
        let folder = tempfile::tempdir().unwrap();
        let database = DatabaseArgs::in_data_dir(folder.path());
        crate::migrate(&database).await.unwrap();
        let identity = IdentityArgs::default();
        let app = InProcess::connect(&database, &identity, Options::default()).await.unwrap();
        let ada = Registration {
            username: "ada".into(),
            email: "ada@example.com".into(),
            password: Password::new("12345678"),
        };
        let ada = caller(Some(app.register(&caller(None), ada).await.unwrap().token));
        let mut slugs = Vec::new();
        for _ in 0..2 {
            let new = NewArticle {
                title: "Sourdough".into(),
                description: "d".into(),
                body: "levain autolyse".into(),
                tag_list: Vec::new(),
            };
            slugs.push(app.create_article(&ada, new).await.unwrap().slug);
        }
        app.drain_jobs().await.unwrap();

        let nobody = Company { others: BTreeMap::new(), on_more_lists: false };
        let mut tx = app.db.begin().await.unwrap();
        offer(&mut tx, 1, &nobody).await.unwrap();
        tx.commit().await.unwrap();
        for (one, other) in [(0, 1), (1, 0)] {
            let related = app.related(&ada, &slugs[one]).await.unwrap();
            let related: Vec<_> = related.iter().map(|article| &article.slug).collect();
            assert_eq!(related, [&slugs[other]]);
        }
    }
}
