-- Tables whose models read their own rows of earlier days: AWS's budgets day by day.

create table cost.budget (
    as_of_date date not null,
    account_id varchar not null,
    budget_name varchar not null,
    budget_type varchar,
    time_unit varchar,
    period_start date,
    period_end date,
    limit_amount decimal(28, 10),
    planned_limits json,
    actual_amount decimal(28, 10),
    forecast_amount decimal(28, 10),
    currency varchar,
    cost_types json,
    metrics json,
    filters json,
    updated_at timestamptz,
    age_days integer,
    is_stale boolean not null,
    collected_at timestamptz not null,
    run_id varchar not null,
    listing varchar not null
);
