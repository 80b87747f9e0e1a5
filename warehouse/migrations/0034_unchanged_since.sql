-- When each item was looked at last: a run reads what the one before it found, to know of a gap in which nobody could look.

drop table if exists stage.unchanged_since;

create table stage.unchanged_since (
    arn varchar not null,
    since timestamptz,
    is_beginning_seen boolean,
    last_seen_at timestamptz not null,
    unseen_until timestamptz
);
