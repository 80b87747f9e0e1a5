-- The tables whose models read the rows of the night before: the bill, the accounts, the configuration items. Their
-- columns are documented in the models, which comment them; every other table is made by its model's query.
-- Money is DECIMAL(28,10) in the currency beside it. No primary keys: at millions of rows the index costs
-- more than the data, and uniqueness is a check.

create table cost.daily (
    usage_date date not null,
    slice varchar not null,
    account_id varchar not null,
    dimension_value varchar not null,
    unblended_cost decimal(28, 10),
    amortized_cost decimal(28, 10),
    net_unblended_cost decimal(28, 10),
    net_amortized_cost decimal(28, 10),
    billed_cost decimal(28, 10),
    contracted_cost decimal(28, 10),
    list_cost decimal(28, 10),
    currency varchar not null,
    is_estimated boolean not null,
    run_id varchar not null,
    role varchar not null,
    caller_account_id varchar not null,
    cell_region varchar not null,
    listing varchar not null,
    collected_at timestamptz not null,
    is_stale boolean not null
);

create table cost.restatement (
    usage_date date not null,
    slice varchar not null,
    account_id varchar not null,
    dimension_value varchar not null,
    run_id varchar not null,
    old_unblended_cost decimal(28, 10),
    new_unblended_cost decimal(28, 10),
    currency varchar,
    observed_at timestamptz not null,
    listing varchar not null,
    collected_at timestamptz not null
);

create table cmdb.resource (
    arn varchar not null,
    resource_type varchar not null,
    resource_id varchar,
    name varchar,
    account_id varchar not null,
    region varchar not null,
    availability_zone varchar,
    state varchar,
    created_at timestamptz,
    tags map (varchar, varchar),
    business_service varchar,
    business_owner varchar,
    cost_centre varchar,
    capability varchar,
    environment varchar,
    project varchar,
    owner_source varchar,
    attributes json,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    missing_since timestamptz,
    retired_at timestamptz,
    retired_reason varchar,
    status varchar not null check (status in ('active', 'missing', 'retired')),
    is_stale boolean not null,
    run_id varchar not null,
    listing varchar not null,
    role varchar not null,
    caller_account_id varchar not null,
    cell_region varchar not null,
    collected_at timestamptz not null
);

create table stage.account (
    account_id varchar not null,
    account_name varchar,
    email varchar,
    state varchar not null,
    joined_method varchar,
    joined_at timestamptz,
    ou_id varchar,
    ou_path varchar,
    is_management boolean not null,
    tags map (varchar, varchar),
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    is_stale boolean not null,
    run_id varchar not null,
    listing varchar not null,
    collected_at timestamptz not null
);
