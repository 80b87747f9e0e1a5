-- How configuration items hang together: ended relations keep their row, so the table has to be there before its model reads it.

create table cmdb.relationship (
    from_arn varchar not null,
    relation varchar not null,
    to_arn varchar not null,
    from_resource_type varchar,
    to_resource_type varchar,
    source varchar not null,
    first_seen_at timestamptz not null,
    began_at timestamptz not null,
    last_seen_at timestamptz not null,
    ended_at timestamptz,
    is_stale boolean not null,
    run_id varchar not null,
    role varchar not null,
    caller_account_id varchar not null,
    cell_region varchar not null,
    listing varchar not null,
    collected_at timestamptz not null
);
