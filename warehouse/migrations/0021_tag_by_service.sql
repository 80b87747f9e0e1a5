-- cost.tag_service_daily is a view from now on, with the value that counts beside the one that was written.

create table if not exists cost.tag_service_daily (
    usage_date date,
    tag_key varchar,
    tag_value varchar,
    service varchar,
    unblended_cost decimal(28, 10),
    amortized_cost decimal(28, 10),
    net_unblended_cost decimal(28, 10),
    net_amortized_cost decimal(28, 10),
    billed_cost decimal(28, 10),
    contracted_cost decimal(28, 10),
    list_cost decimal(28, 10),
    currency varchar,
    is_estimated boolean,
    run_id varchar,
    role varchar,
    caller_account_id varchar,
    cell_region varchar,
    listing varchar,
    collected_at timestamptz,
    is_stale boolean
);

create table stage.cost_tag_service_daily as
select
    * exclude (tag_value),
    tag_value as written_value
from cost.tag_service_daily;

drop table cost.tag_service_daily;
