-- The limit of paid requests was one of a step of a run: a second run of the day, a run that died, and `cmdb ask`
-- began anew, and the last two stood nowhere.
create table audit.paid_request (
    usage_date date not null,
    run_id varchar not null,
    api varchar not null,
    request_count bigint not null,
    throttle_count bigint not null,
    cost_usd decimal(28, 10) not null,
    primary key (usage_date, run_id, api)
);
comment on table audit.paid_request is
'One row per day, run and API of requests that AWS charges for, of runs that died and of cmdb ask too.';
comment on column audit.paid_request.usage_date is
'Day in UTC, as AWS bills it and as the limit counts. Source: the ledger in paid_requests/.';
comment on column audit.paid_request.run_id is
'Run that sent them, in audit.run; ask-… for cmdb ask, which has no run; empty for a line cut short.';
comment on column audit.paid_request.api is
'Service and operation, such as ce:GetCostAndUsage; empty for a line cut short.';
comment on column audit.paid_request.request_count is
'Requests sent, each page, retry and throttled one included: what the limit of the day counts.';
comment on column audit.paid_request.throttle_count is
'How many of them AWS throttled: counted, not charged.';
comment on column audit.paid_request.cost_usd is
'What AWS charges for the others, in US dollars. Source: the price of a request when it was sent.';

comment on column audit.run.request_count is
'HTTP requests sent to AWS, retries included; of a step that died only the paid ones. Source: the sessions.';
comment on column audit.run.api_cost_usd is
'What AWS charges for those requests, in US dollars, also where the run died. Source: audit.paid_request.';
