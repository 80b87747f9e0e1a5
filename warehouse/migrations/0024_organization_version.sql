-- What accounts, OUs and the reach of policies were, and from when to when: kept from night to night, and closed instead
-- of overwritten.

create table org.account_version (
    account_id varchar not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    is_current boolean not null,
    change varchar not null,
    changed_attributes varchar[] not null,
    account_name varchar,
    email varchar,
    state varchar not null,
    ou_id varchar,
    ou_path varchar,
    tags map (varchar, varchar),
    run_id varchar not null,
    listing varchar not null
);

create table org.organizational_unit_version (
    ou_id varchar not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    is_current boolean not null,
    change varchar not null,
    changed_attributes varchar[] not null,
    parent_id varchar,
    ou_name varchar,
    ou_path varchar,
    run_id varchar not null,
    listing varchar not null
);

create table org.account_policy_version (
    account_id varchar not null,
    policy_id varchar not null,
    target_id varchar not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    is_current boolean not null,
    change varchar not null,
    changed_attributes varchar[] not null,
    policy_name varchar,
    policy_type varchar,
    target_type varchar,
    target_name varchar,
    target_path varchar,
    is_inherited boolean not null,
    is_effective boolean not null,
    run_id varchar not null,
    listing varchar not null
);
