-- How many articles the account has published, those that are deleted again among them: it only
-- grows. A slug is made of it. When slugs came from `article_count`, which falls with a deletion, a
-- new article could ask for the slug of the very one that another transaction was deleting, and each
-- waited for the other.
alter table account add column published_count bigint not null default 0;
update account set published_count = article_count;
