//! Which articles a list is about, in SQL.
//!
//! A list *walks* an index that has its articles in the right order, and stops when the page is
//! full. Which index, the first filter decides; the others are looked up for each article on the
//! way. The filters are put in the order of how few articles they let through: a person writes
//! fewer articles than they favourite, and a tag may be on half of all articles. So the cost of a
//! list depends on what one person did, and not on how large the app has become.
//!
//! Filters that are not asked for are not in the text of the query. The other usual way, one text
//! with `$1 is null or author = $1`, makes the database plan once for all cases, and so without
//! any of the indexes.

use conduit::ListArticles;

use crate::validation::can_exist;

/// Where a filter finds its articles.
struct Filter {
    /// The table with an index on (`owner`, `time`, `id`).
    table: &'static str,
    /// The column with the article's number.
    id: &'static str,
    /// The column with the article's `created_at`.
    time: &'static str,
    /// The column that the filter compares.
    owner: &'static str,
    /// Where the compared number stands under the name that the caller knows.
    named: &'static str,
    /// The column beside that name with the kept count of articles.
    count: &'static str,
}

const AUTHOR: Filter = Filter {
    table: "article",
    id: "id",
    time: "created_at",
    owner: "author_id",
    named: "account where username",
    count: "article_count",
};

const FAVORITED: Filter = Filter {
    table: "favorite",
    id: "article_id",
    time: "article_created_at",
    owner: "account_id",
    named: "account where username",
    count: "favorite_count",
};

const TAG: Filter = Filter {
    table: "article_tag",
    id: "article_id",
    time: "article_created_at",
    owner: "tag_id",
    named: "tag where name",
    count: "article_count",
};

/// The filters that were asked for, the one that lets the fewest articles through first, each with
/// the name that it was asked for.
pub(crate) struct Selection<'l>(Vec<(&'static Filter, &'l str)>);

/// A piece of SQL around one bound value.
pub(crate) struct Condition<'l> {
    pub(crate) before: String,
    pub(crate) value: &'l str,
    pub(crate) after: &'static str,
}

impl<'l> Selection<'l> {
    /// `None` when a filter asks for a name that nothing can have: then nothing matches.
    pub(crate) fn of(list: &'l ListArticles) -> Option<Self> {
        let asked = [(&AUTHOR, &list.author), (&FAVORITED, &list.favorited), (&TAG, &list.tag)];
        let given = asked.into_iter().filter_map(|(filter, name)| Some((filter, name.as_deref()?)));
        let filters: Vec<_> = given.collect();
        filters.iter().all(|(_, name)| can_exist(name)).then_some(Self(filters))
    }

    /// The index that is walked: that of the first filter, or that of all articles. The latter is
    /// in the same table and has the same columns as the one for an author.
    fn walk(&self) -> &'static Filter {
        self.0.first().map_or(&AUTHOR, |(filter, _)| *filter)
    }

    /// Under which name the walked table stands in the query. Where it is that of the articles, the
    /// walk finds them right away.
    fn alias(&self) -> &'static str {
        if self.walk().table == AUTHOR.table { "a" } else { "w" }
    }

    /// The number of the walked article.
    pub(crate) fn id(&self) -> String {
        format!("{}.{}", self.alias(), self.walk().id)
    }

    /// Newest first; of two with the same time the later created one.
    pub(crate) fn newest_first(&self) -> String {
        let (alias, Filter { time, id, .. }) = (self.alias(), self.walk());
        format!(" order by {alias}.{time} desc, {alias}.{id} desc")
    }

    /// The walked table.
    pub(crate) fn from(&self) -> String {
        format!(" from {} {}", self.walk().table, self.alias())
    }

    /// How one gets from an entry of the walk to the article.
    pub(crate) fn join(&self) -> &'static str {
        if self.alias() == "a" { "" } else { " join article a on a.id = w.article_id" }
    }

    /// What an entry of the walk has to satisfy.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = Condition<'l>> {
        let (walk, alias) = (self.walk(), self.alias());
        self.0.iter().enumerate().map(move |(position, (filter, value))| {
            let Filter { table, id, owner, named, .. } = filter;
            let (before, after) = if position == 0 {
                (format!(" where {alias}.{owner} = (select id from {named} = "), ")")
            } else {
                let look_up = format!("select 1 from {table} f where f.{id} = {alias}.{}", walk.id);
                let owned = format!("f.{owner} = (select id from {named} = ");
                (format!(" and exists ({look_up} and {owned}"), "))")
            };
            Condition { before, value, after }
        })
    }

    /// Where the number of matching articles is kept, if it is: for no filter or for one. For more
    /// than one it has to be counted, but only among the articles of the first.
    pub(crate) fn kept_total(&self) -> Option<(String, Option<&'l str>)> {
        match self.0.as_slice() {
            [] => Some(("select value from counter where name = 'article'".to_owned(), None)),
            [(Filter { count, named, .. }, value)] => {
                Some((format!("select {count} from {named} = "), Some(value)))
            }
            _ => None,
        }
    }
}

/// Adds to a query which entries of the walk match.
macro_rules! push_matches {
    ($query:expr, $selection:expr) => {
        for condition in $selection.conditions() {
            $query.push(condition.before).push_bind(condition.value).push(condition.after);
        }
    };
}

/// Adds a column with the number of all articles that match: 0 also when the tag or the account that
/// was asked for does not exist.
macro_rules! push_total {
    ($query:expr, $selection:expr) => {
        $query.push(", coalesce((");
        match $selection.kept_total() {
            Some((kept, name)) => {
                $query.push(kept);
                if let Some(name) = name {
                    $query.push_bind(name);
                }
            }
            None => {
                $query.push("select count(*)").push($selection.from());
                $crate::filters::push_matches!($query, $selection);
            }
        }
        $query.push("), 0) as total");
    };
}

pub(crate) use {push_matches, push_total};
