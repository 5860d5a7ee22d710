-- Since when a schedule is kept: nothing that was due before is made up for. Once a tick was taken the
-- last one says more.
create table schedule (
    name text collate "C" primary key,
    kept_since timestamptz not null
);
