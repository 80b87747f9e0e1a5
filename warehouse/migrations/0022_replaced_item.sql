-- What is deleted and made anew under its ARN is another item: a version of its own, from a time that is remembered.
-- The table of versions is made anew, since DuckDB changes no check.

alter table cmdb.resource add column replaced_at timestamptz;

create table cmdb.resource_version_with_replaced (
    arn varchar not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    is_current boolean not null,
    resource_type varchar not null,
    account_id varchar not null,
    status varchar not null,
    change varchar not null check (
        change in ('discovered', 'changed', 'replaced', 'missing', 'retired', 'returned')
    ),
    changed_attributes varchar[] not null,
    attributes json not null,
    raw_hash ubigint not null,
    run_id varchar not null,
    listing varchar not null
);

insert into cmdb.resource_version_with_replaced by name
select * from cmdb.resource_version;

drop table cmdb.resource_version;

alter table cmdb.resource_version_with_replaced rename to resource_version;
