-- Whoever keeps lists of articles in memory has to hear when they change. Triggers, as for jobs: no
-- statement can forget them, whichever process sends it, and none costs a round trip more.
--
-- What a list shows of an article is compared, because a row is also updated to lock it, and what its
-- author is counted by changes with every article. The tags only change with articles.
create function list_changed() returns trigger language plpgsql as $$
begin
    notify conduit_lists;
    return null;
end
$$;

create trigger article_came_or_went after insert or delete on article
    for each statement execute function list_changed();

create trigger article_changed after update on article
    for each row
    when ((old.slug, old.title, old.description, old.tag_list, old.updated_at, old.favorites_count)
        is distinct from
        (new.slug, new.title, new.description, new.tag_list, new.updated_at, new.favorites_count))
    execute function list_changed();

create trigger author_changed after update on account
    for each row
    when ((old.username, old.bio, old.image) is distinct from (new.username, new.bio, new.image))
    execute function list_changed();
