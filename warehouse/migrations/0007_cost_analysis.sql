-- Tables whose models read their own rows of earlier days: spend against budget day by day, anomalies that no night judges
-- again, and what each month came to when AWS had closed it.

create table cost.spend_vs_budget (
    as_of_date date not null,
    scope varchar not null,
    budget_name varchar not null,
    period_start date,
    period_end date,
    last_complete_date date,
    month_to_date decimal(28, 10),
    budget decimal(28, 10),
    currency varchar,
    pace_pct decimal(18, 2),
    aws_forecast decimal(28, 10),
    run_rate_forecast decimal(28, 10),
    forecast decimal(28, 10),
    forecast_source varchar,
    variance decimal(28, 10),
    verdict varchar,
    rate decimal(18, 10),
    rate_kind varchar,
    rate_date date,
    budget_rate decimal(18, 10),
    budget_rate_kind varchar,
    is_stale boolean,
    fetched_at timestamptz
);

create table cost.anomaly (
    usage_date date not null,
    slice varchar not null,
    account_id varchar not null,
    dimension_value varchar not null,
    kind varchar,
    observed decimal(28, 10),
    expected decimal(28, 10),
    difference decimal(28, 10),
    score decimal(18, 2),
    first_seen_date date,
    currency varchar,
    is_estimated boolean,
    explanation varchar
);

create table stage.closed_month (
    "month" date not null,
    unblended_cost decimal(28, 10),
    currency varchar not null,
    payer_account_id varchar not null,
    closed_at timestamptz not null
);
