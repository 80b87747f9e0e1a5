-- Nothing compared what a step was to request with what came: a lost part ended a run well, with fewer cells.
create table audit.step_plan (
    run_id varchar not null,
    listing varchar not null,
    planned_at timestamptz not null,
    account_count integer not null,
    account_digest varchar not null,
    cell_count bigint,
    key_digest varchar,
    arrived_at timestamptz,
    primary key (run_id, listing)
);
comment on table audit.step_plan is
'One row per run and listing: what its step was to request, written before, and that all of it came.
Key run_id, listing.';
comment on column audit.step_plan.run_id is 'Run that sends the requests; leads to audit.run.';
comment on column audit.step_plan.listing is 'Name of the listing in the catalogue, without a parameter.';
comment on column audit.step_plan.planned_at is
'When the accounts were written down, before the first request of the step, UTC.';
comment on column audit.step_plan.account_count is
'Accounts from each of which a cell has to come, requested or skipped. Source: the plan of the step.';
comment on column audit.step_plan.account_digest is
'SHA-256 of role and account_id of each, one a line, sorted: a retry of the run has to plan the same.';
comment on column audit.step_plan.cell_count is
'Keys that were written down before their requests, all of which came; NULL until stored.';
comment on column audit.step_plan.key_digest is
'SHA-256 of role, account_id, region, listing of each key, one a line, sorted; NULL until stored.';
comment on column audit.step_plan.arrived_at is
'When the cells were found to be as planned, and stored, UTC; NULL while awaited or where they differed.';
