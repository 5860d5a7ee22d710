-- When a schedule began to be kept: nothing that was due before is made up for. Once a tick was taken the
-- last one says more.
create table schedule (
    name text primary key not null,
    began_at text not null
) strict, without rowid;
