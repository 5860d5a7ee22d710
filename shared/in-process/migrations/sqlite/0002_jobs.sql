-- Work that is done later, and what it leaves behind. `migrations/postgres` has the same tables and
-- columns; a test compares the two.

-- The queue. A row is written in the transaction that causes the work, and deleted when the work is
-- done, so the table holds what is still to do and what could not be done.
create table job (
    id integer primary key autoincrement,
    kind text not null,
    -- What there is to do; what it holds depends on the kind.
    task text not null check (json_valid(task)),
    -- delayed   not before `due_at`
    -- ready     whoever comes first takes it
    -- running   somebody has it until `due_at`; from then on it is anybody's again
    -- dead      given up, for the reason that stands beside it, until a person says otherwise
    -- parked    of a kind that this program does not know; a newer one will
    state text not null check (state in ('delayed', 'ready', 'running', 'dead', 'parked')),
    due_at text not null,
    -- Within a kind the smaller number goes first.
    priority integer not null,
    -- Of several waiting jobs with the same key one is enough. It is taken away when the job begins:
    -- what is enqueued from then on may be about something that the running one has not seen.
    unique_key text unique,
    -- Counts how often the job was taken. Whoever has it shows the number with each write, so that
    -- somebody who was frozen, and lost it to another, can't write any more.
    fence integer not null default 0,
    attempts integer not null default 0,
    max_attempts integer not null,
    -- Why the last attempt failed.
    reason text,
    progress_done integer not null default 0,
    progress_total integer not null default 0,
    -- Whom it is for, if it is for somebody.
    account_id integer,
    -- The number of the request that caused it.
    request_id text not null,
    created_at text not null
) strict;

-- Only the rows that a query may want are in its index, so that taking a job costs the same however
-- many wait.
create index job_ready on job (kind, priority, id) where state = 'ready';
create index job_due on job (due_at) where state in ('delayed', 'running');
create index job_failed on job (id) where state in ('dead', 'parked');
create index job_of_account on job (account_id, id) where account_id is not null;

-- What each worker has done in each minute, for operators.
create table job_tally (
    minute_at text not null,
    worker text not null,
    kind text not null,
    done integer not null,
    failed integer not null,
    primary key (minute_at, worker, kind)
) strict, without rowid;

-- A tick of a schedule that somebody has taken: the row can be inserted only once.
create table tick (
    schedule text not null,
    due_at text not null,
    primary key (schedule, due_at)
) strict, without rowid;

-- --- related articles

-- A word of the corpus.
create table term (
    id integer primary key autoincrement,
    name text not null unique,
    -- In how many articles it is one of the words that matter.
    article_count integer not null default 0
) strict;

-- The words that matter of an article, and how often each occurs. Not a foreign key: when the article
-- is gone, its words still have to be counted down.
create table article_term (
    term_id integer not null references term (id),
    article_id integer not null,
    weight integer not null,
    primary key (term_id, article_id)
) strict, without rowid;

create index term_of_article on article_term (article_id);

create table related_article (
    article_id integer not null references article (id) on delete cascade,
    -- No foreign key: whose lists a deleted article leaves has to be known until they are made anew.
    related_id integer not null,
    -- From 0 to 1,000,000: whole numbers are the same on every machine.
    score integer not null,
    primary key (article_id, related_id)
) strict, without rowid;

create index related_back on related_article (related_id);

-- --- exports

create table export (
    id integer primary key autoincrement,
    account_id integer not null references account (id) on delete cascade,
    state text not null check (state in ('waiting', 'running', 'ready', 'failed')),
    created_at text not null,
    finished_at text,
    -- From when on the file is gone.
    expires_at text,
    articles_done integer not null default 0,
    articles_total integer not null default 0,
    -- Where the next attempt goes on: the last article that is in the file,
    last_created_at text,
    last_id integer,
    -- and how much of the file is there.
    bytes integer not null default 0,
    chunks integer not null default 0
) strict;

create index export_of_account on export (account_id, id);
-- Nobody needs two exports at a time.
create unique index export_under_way on export (account_id) where state in ('waiting', 'running');
create index export_expiry on export (expires_at) where expires_at is not null;

create table export_chunk (
    export_id integer not null references export (id) on delete cascade,
    number integer not null,
    content blob not null,
    -- The files of the archive that end in this chunk, for the table of contents at its end.
    entries text check (json_valid(entries)),
    primary key (export_id, number)
) strict;

-- --- digests

-- Which mail was sent to whom. The row is written before the mail goes out, so that no recipient
-- gets two for one day, whatever happens in between.
create table digest_mail (
    account_id integer not null references account (id) on delete cascade,
    day text not null,
    -- sending   somebody is at it, or was when they died
    -- sent      the server has accepted it
    -- refused   the server will never accept it
    -- unknown   somebody died in between: it may have been sent, and is not sent again
    state text not null check (state in ('sending', 'sent', 'refused', 'unknown')),
    written_at text not null,
    primary key (day, account_id)
) strict, without rowid;

-- --- the lab

-- How often each synthetic job had its effect.
create table synthetic_effect (
    number integer primary key,
    times integer not null
) strict;
