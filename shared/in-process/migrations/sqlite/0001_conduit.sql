-- Accounts, articles and everything between them. `migrations/postgres` has the same tables and
-- columns; a test compares the two.
--
-- What holds for all of it:
-- * Ids are numbers counted by the database. AUTOINCREMENT never hands a number out twice, as a
--   PostgreSQL sequence does not either: a link to a deleted comment must not reach a newer one.
-- * Times are text in RFC 3339 (`2026-01-02T03:04:05.678901+00:00`), written by the app and never
--   by the database, cut to microseconds. In this form the order of the text is the order of time.
-- * Counts that the contract asks for are kept, not counted: the cost of a request must not grow
--   with the data. Whoever adds or removes a row adjusts the counts in the same transaction.
-- * STRICT: a column holds what its type says, which SQLite otherwise does not insist on.

create table account (
    id integer primary key autoincrement,
    username text not null unique,
    email text not null unique,
    password_hash text not null,
    bio text,
    image text,
    created_at text not null,
    updated_at text not null,
    -- How many articles the account has written.
    article_count integer not null default 0,
    -- How many articles the account has favourited.
    favorite_count integer not null default 0
) strict;

create table article (
    id integer primary key autoincrement,
    slug text not null unique,
    author_id integer not null references account (id),
    created_at text not null,
    updated_at text not null,
    -- How many accounts have favourited the article.
    favorites_count integer not null default 0,
    title text not null,
    description text not null,
    -- The names of the tags, in alphabetical order, as a JSON array: what a list of articles shows
    -- without a look at `article_tag`, which is there to search by.
    tag_list text not null check (json_valid(tag_list)),
    -- The text stands last, because SQLite reads a row from its front and stops at the last column
    -- that the query wants: a list never touches the text.
    body text not null
) strict;

-- The order of every list of articles: newest first, and of two with the same time the one with the
-- larger id. A list reads such an index backwards until its page is full, however long the index is.
create index article_newest on article (created_at, id);
create index article_newest_by_author on article (author_id, created_at, id);

create table tag (
    id integer primary key autoincrement,
    name text not null unique,
    -- How many articles have the tag.
    article_count integer not null default 0
) strict;

create table article_tag (
    article_id integer not null references article (id) on delete cascade,
    tag_id integer not null references tag (id),
    -- The article's `created_at`, which never changes. It stands here too, so that the list of one
    -- tag's articles can be read off one index.
    article_created_at text not null,
    primary key (article_id, tag_id)
) strict, without rowid;

create index article_tag_newest on article_tag (tag_id, article_created_at, article_id);

create table favorite (
    article_id integer not null references article (id) on delete cascade,
    account_id integer not null references account (id),
    -- As in `article_tag`.
    article_created_at text not null,
    primary key (article_id, account_id)
) strict, without rowid;

create index favorite_newest on favorite (account_id, article_created_at, article_id);

create table follow (
    -- Who follows
    follower_id integer not null references account (id),
    -- whom.
    followed_id integer not null references account (id),
    primary key (follower_id, followed_id)
) strict, without rowid;

create table comment (
    id integer primary key autoincrement,
    article_id integer not null references article (id) on delete cascade,
    author_id integer not null references account (id),
    created_at text not null,
    updated_at text not null,
    body text not null
) strict;

create index comment_oldest on comment (article_id, created_at, id);

-- Counts that belong to no row of another table.
create table counter (
    name text not null primary key,
    value integer not null
) strict, without rowid;

insert into counter (name, value) values ('article', 0);
