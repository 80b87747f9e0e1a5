-- AWS keeps the cost of single resources for 14 days; the table keeps it for good, so its model reads its own rows.

create table cost.resource_daily (
    usage_date date not null,
    account_id varchar not null,
    service varchar not null,
    resource_id varchar not null,
    unblended_cost decimal(28, 10),
    amortized_cost decimal(28, 10),
    net_unblended_cost decimal(28, 10),
    net_amortized_cost decimal(28, 10),
    currency varchar not null,
    is_estimated boolean not null,
    is_stale boolean not null,
    collected_at timestamptz not null,
    run_id varchar not null,
    listing varchar not null
);
