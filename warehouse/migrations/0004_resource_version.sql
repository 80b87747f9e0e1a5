-- What each configuration item was, and from when to when: kept from night to night, and closed instead of overwritten.

create table cmdb.resource_version (
    arn varchar not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    is_current boolean not null,
    resource_type varchar not null,
    account_id varchar not null,
    status varchar not null,
    change varchar not null check (change in ('discovered', 'changed', 'missing', 'retired', 'returned')),
    changed_attributes varchar[] not null,
    attributes json not null,
    raw_hash ubigint not null,
    run_id varchar not null,
    listing varchar not null
);
