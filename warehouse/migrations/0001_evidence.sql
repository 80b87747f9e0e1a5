-- The rooms, and the evidence: who asked, what AWS answered, what the rules found.
-- Times are TIMESTAMPTZ in UTC, periods half-open.
-- No primary key on the cells: on three million of them (30 nights of 102,000) it made a file of 438 MB
-- instead of 13, and the load three times as slow. Their uniqueness is a check; a repeated ask is DELETE and
-- INSERT in one transaction.

create schema org;
create schema aws;
create schema cmdb;
create schema cost;
create schema audit;
create schema ref;
create schema stage;

create table audit.schema_migration (
    number integer primary key,
    name varchar not null,
    sha256 varchar not null,
    applied_at timestamptz not null
);
comment on table audit.schema_migration is
'One row per numbered SQL file of warehouse/migrations that made this file what it is.';
comment on column audit.schema_migration.number is
'Number of the migration, from 1 without gaps. Source: its file name.';
comment on column audit.schema_migration.name is 'File name of the migration. Source: warehouse/migrations.';
comment on column audit.schema_migration.sha256 is
'SHA-256 of the file when it was applied, hexadecimal: a file that changed afterwards is refused.';
comment on column audit.schema_migration.applied_at is
'When it was applied, UTC. Source: the clock of the machine.';

create table audit.organization (
    organization_id varchar primary key,
    management_account_id varchar,
    first_seen_at timestamptz not null
);
comment on table audit.organization is
'The one organisation that this warehouse belongs to: a night of another organisation is refused.';
comment on column audit.organization.organization_id is
'Id of the organisation, such as o-a1b2c3d4e5. Source: organizations:DescribeOrganization.';
comment on column audit.organization.management_account_id is
'Management account, 12 digits as text. Source: MasterAccountId of organizations:DescribeOrganization.';
comment on column audit.organization.first_seen_at is
'When this warehouse was first filled, UTC. Source: the clock of the machine.';

create table audit.run (
    run_id varchar primary key,
    started_at timestamptz,
    finished_at timestamptz,
    code_version varchar,
    outcome varchar,
    request_count bigint,
    api_cost_usd decimal(28, 10)
);
comment on table audit.run is 'One row per run that collected or built something.';
comment on column audit.run.run_id is 'Id of the Dagster run.';
comment on column audit.run.started_at is 'When the run began, UTC. Source: the pipeline.';
comment on column audit.run.finished_at is
'When the run published or was stopped, UTC; NULL while it works or when it died. Source: the pipeline.';
comment on column audit.run.code_version is
'Version of the product that ran. Source: the package.';
comment on column audit.run.outcome is
'How the run ended, in the words of the pipeline; NULL while it works or when it died.';
comment on column audit.run.request_count is
'HTTP requests sent to AWS in the run, retries included. Source: the guarded sessions.';
comment on column audit.run.api_cost_usd is
'What AWS charges for those requests, in US dollars: Cost Explorer takes 0.01 a page. Source: pages counted.';

create table audit.caller_identity (
    run_id varchar not null,
    role varchar not null,
    profile varchar not null,
    caller_account_id varchar,
    caller_arn varchar,
    expected_account_id varchar,
    is_expected boolean,
    waiver varchar,
    organization_id varchar,
    error_code varchar,
    error_message varchar,
    config_hash varchar,
    checked_at timestamptz not null,
    primary key (run_id, role, profile)
);
comment on table audit.caller_identity is
'Who each profile turned out to be, asked of AWS before anything else was collected.';
comment on column audit.caller_identity.run_id is 'Run that asked; leads to audit.run.';
comment on column audit.caller_identity.role is
'Role of the contract: management, operations, billing or workload.';
comment on column audit.caller_identity.profile is
'Name of the AWS profile; empty where the setting that names it is missing. Source: the environment.';
comment on column audit.caller_identity.caller_account_id is
'Account that the profile reaches, 12 digits as text; NULL if none. Source: sts:GetCallerIdentity.';
comment on column audit.caller_identity.caller_arn is
'Principal that the profile is. Source: sts:GetCallerIdentity.';
comment on column audit.caller_identity.expected_account_id is
'Account it should reach, 12 digits as text; NULL if nothing was expected. Source: settings, organisation.';
comment on column audit.caller_identity.is_expected is
'Whether the account is the expected one; NULL where it could not be evaluated or nothing was expected.';
comment on column audit.caller_identity.waiver is
'Roles declared to share the account, such as management+billing; else NULL. Source: CMDB_SHARED_ACCOUNTS.';
comment on column audit.caller_identity.organization_id is
'Organisation that the profile sees; NULL if it may not ask. Source: organizations:DescribeOrganization.';
comment on column audit.caller_identity.error_code is
'Why the profile did not answer, as a code; NULL when it did. Source: AWS or the AWS configuration.';
comment on column audit.caller_identity.error_message is
'The same as a sentence with its cure; NULL when it answered.';
comment on column audit.caller_identity.config_hash is
'Fingerprint of the settings that this was found under: evidence of other settings does not count.';
comment on column audit.caller_identity.checked_at is 'When AWS was asked, UTC.';

create table audit.collection (
    run_id varchar not null,
    role varchar not null,
    account_id varchar not null,
    region varchar not null,
    listing varchar not null,
    profile varchar,
    caller_account_id varchar,
    outcome varchar not null check (
        outcome in (
            'found', 'empty_verified', 'empty_suspect', 'denied', 'wrong_account', 'failed', 'skipped'
        )
    ),
    is_trusted boolean not null,
    skip_reason varchar,
    record_count bigint,
    page_count integer,
    request_count integer,
    throttle_count integer,
    attempt_count integer not null default 1,
    error_code varchar,
    error_message varchar,
    zero_sense varchar,
    evidence json,
    raw_response json,
    accepted_by varchar,
    accepted_reason varchar,
    accepted_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz not null
);
comment on table audit.collection is
'One row per question (cell) put to AWS in a run. Key run_id, role, account_id, region, listing.';
comment on column audit.collection.run_id is 'Run that asked; leads to audit.run.';
comment on column audit.collection.role is
'Role of the contract that asked: management, operations, billing or workload.';
comment on column audit.collection.account_id is 'Account that the question is about, 12 digits as text.';
comment on column audit.collection.region is 'AWS region asked; aws-global where the service has none.';
comment on column audit.collection.listing is
'Name of the listing in the catalogue, with :parameter where it was asked with one.';
comment on column audit.collection.profile is 'AWS profile that asked; NULL where none reaches the account.';
comment on column audit.collection.caller_account_id is
'Account that asked, 12 digits as text; NULL when it is not known. Source: sts:GetCallerIdentity.';
comment on column audit.collection.outcome is
'found, empty_verified, empty_suspect, denied, wrong_account, failed or skipped: see docs/contract.md.';
comment on column audit.collection.is_trusted is
'Whether the records may be believed: found, empty_verified, or a zero that somebody accepted.';
comment on column audit.collection.skip_reason is
'Why the question was not asked, such as region_not_enabled; NULL when it was.';
comment on column audit.collection.record_count is
'Records received, over all pages; NULL when the answer is not complete.';
comment on column audit.collection.page_count is 'Pages read.';
comment on column audit.collection.request_count is 'HTTP requests sent for this cell, retries included.';
comment on column audit.collection.throttle_count is 'Of these, how many AWS turned away as too many.';
comment on column audit.collection.attempt_count is
'How often the cell was asked in this run; the row is the last one.';
comment on column audit.collection.error_code is 'Error code, verbatim; NULL without an error. Source: AWS.';
comment on column audit.collection.error_message is
'Error message, verbatim; NULL without an error. Source: AWS.';
comment on column audit.collection.zero_sense is
'What an empty answer of this listing means: impossible, ordinary or witnessed. Source: the catalogue.';
comment on column audit.collection.evidence is
'What speaks for and against a zero, JSON: identity, pages, CloudTrail and its horizon, witnesses.';
comment on column audit.collection.raw_response is
'Verbatim response with its request id, JSON: empty answers and refusals only. Source: AWS.';
comment on column audit.collection.accepted_by is
'Who accepted this zero; NULL when nobody did. Source: cmdb accept.';
comment on column audit.collection.accepted_reason is
'Why it was accepted, in the words of that person. Source: cmdb accept.';
comment on column audit.collection.accepted_at is
'When it was accepted, UTC. It holds until the cell is found again. Source: cmdb accept.';
comment on column audit.collection.started_at is 'When the first request was sent, UTC; NULL when none was.';
comment on column audit.collection.ended_at is
'When it was answered, given up or skipped, UTC: of the rows of a cell, the newest stands.';

create view audit.coverage as
with history as (
    -- One pass over all runs; the verdicts below need only these few facts of each cell.
    select
        role,
        account_id,
        region,
        listing,
        max_by(
            {
                'profile': profile,
                'outcome': outcome,
                'is_trusted': is_trusted,
                'record_count': record_count,
                'skip_reason': skip_reason,
                'error_code': error_code,
                'error_message': error_message,
                'zero_sense': zero_sense,
                'run_id': run_id,
                'attempt_count': attempt_count,
                'ended_at': ended_at
            },
            (ended_at, run_id)
        ) as newest,
        max(ended_at) filter (outcome = 'found') as found_at,
        max(ended_at) filter (outcome = 'empty_suspect') as suspected_at,
        max(ended_at) filter (is_trusted) as trusted_at,
        max_by(record_count, (ended_at, run_id), 2) filter (is_trusted) as trusted_counts,
        max_by(
            {
                'who': accepted_by,
                'reason': accepted_reason,
                'since': accepted_at,
                'cell_at': ended_at
            },
            (ended_at, run_id)
        ) filter (accepted_at is not null) as acceptance
    from audit.collection
    group by all
),

standing as (
    -- An acceptance holds for the later zeros of its cell, until something is found there again.
    select
        h.*,
        coalesce(h.acceptance.cell_at > coalesce(h.found_at, '-infinity'::timestamptz), false) as is_accepted
    from history as h
)

select
    s.role,
    s.account_id,
    s.region,
    s.listing,
    s.newest.profile,
    s.newest.outcome,
    s.newest.is_trusted or (s.is_accepted and s.newest.outcome = 'empty_suspect') as is_trusted,
    if(s.is_accepted, greatest(s.trusted_at, s.suspected_at), s.trusted_at) as last_trusted_at,
    s.newest.record_count,
    s.trusted_counts[if(s.newest.is_trusted, 2, 1)] as previous_record_count,
    s.newest.skip_reason,
    s.newest.error_code,
    s.newest.error_message,
    s.newest.zero_sense,
    s.newest.run_id,
    s.newest.attempt_count,
    s.newest.ended_at,
    if(s.is_accepted, s.acceptance.who, null) as accepted_by,
    if(s.is_accepted, s.acceptance.reason, null) as accepted_reason,
    if(s.is_accepted, s.acceptance.since, null) as accepted_at
from standing as s;
comment on view audit.coverage is
'The newest answer of every cell, and when it could last be believed. Key role, account_id, region, listing.';
comment on column audit.coverage.role is
'Role of the contract that asked: management, operations, billing or workload.';
comment on column audit.coverage.account_id is 'Account that the question is about, 12 digits as text.';
comment on column audit.coverage.region is 'AWS region asked; aws-global where the service has none.';
comment on column audit.coverage.listing is
'Name of the listing in the catalogue, with :parameter where it was asked with one.';
comment on column audit.coverage.profile is
'AWS profile that asked last; NULL where none reaches the account.';
comment on column audit.coverage.outcome is
'Newest outcome: found, empty_verified, empty_suspect, denied, wrong_account, failed or skipped.';
comment on column audit.coverage.is_trusted is
'Whether the newest answer may be believed; true for an accepted zero until the cell is found again.';
comment on column audit.coverage.last_trusted_at is
'When the cell was last answered in a way that may be believed, UTC; NULL if never.';
comment on column audit.coverage.record_count is
'Records of the newest answer; NULL when it is not complete.';
comment on column audit.coverage.previous_record_count is
'Records of the last trusted answer before the newest one; NULL if there is none.';
comment on column audit.coverage.skip_reason is
'Why the question was not asked, such as region_not_enabled; NULL when it was.';
comment on column audit.coverage.error_code is
'Error code of the newest answer, verbatim; NULL without an error. Source: AWS.';
comment on column audit.coverage.error_message is
'Error message of the newest answer, verbatim; NULL without an error. Source: AWS.';
comment on column audit.coverage.zero_sense is
'What an empty answer of this listing means: impossible, ordinary or witnessed. Source: the catalogue.';
comment on column audit.coverage.run_id is 'Run of the newest answer; leads to audit.collection.';
comment on column audit.coverage.attempt_count is 'How often the cell was asked in that run.';
comment on column audit.coverage.ended_at is 'When the newest answer was complete, UTC.';
comment on column audit.coverage.accepted_by is
'Who accepted the zero of this cell; NULL when nobody did or it was found again. Source: cmdb accept.';
comment on column audit.coverage.accepted_reason is
'Why it was accepted, in the words of that person. Source: cmdb accept.';
comment on column audit.coverage.accepted_at is 'When it was accepted, UTC. Source: cmdb accept.';

create table audit.check_result (
    run_id varchar not null,
    check_name varchar not null,
    scope varchar not null default '',
    severity varchar not null,
    passed boolean not null,
    observed varchar,
    expected varchar,
    tolerance varchar,
    detail json,
    config_hash varchar,
    checked_at timestamptz not null,
    primary key (run_id, check_name, scope)
);
comment on table audit.check_result is
'What each rule found in each run: the evidence that every gated step asks again.';
comment on column audit.check_result.run_id is 'Run that evaluated the rule; leads to audit.run.';
comment on column audit.check_result.check_name is
'Name of the rule, a sentence that is true when it passes.';
comment on column audit.check_result.scope is
'What the rule was evaluated for, such as a table or a listing; empty for the whole.';
comment on column audit.check_result.severity is 'ERROR blocks what is downstream, WARN tells.';
comment on column audit.check_result.passed is
'Whether the rule held; false where it could not be evaluated.';
comment on column audit.check_result.observed is 'What was seen, as text with its unit.';
comment on column audit.check_result.expected is 'What should have been seen, as text with its unit.';
comment on column audit.check_result.tolerance is
'How far the two may differ, as text with its unit; NULL where not at all.';
comment on column audit.check_result.detail is
'The facts behind the verdict, JSON: the sentence, the rows at fault.';
comment on column audit.check_result.config_hash is
'Fingerprint of the settings that this was found under: evidence of other settings does not count.';
comment on column audit.check_result.checked_at is 'When the rule was evaluated, UTC.';

create table audit.relation_build (
    relation varchar primary key,
    run_id varchar not null,
    built_at timestamptz not null
);
comment on table audit.relation_build is
'When each table of the dataset was built last: what is older than its evidence is not published.';
comment on column audit.relation_build.relation is
'The table or view, such as org.account. Source: the folder and name of its SQL file.';
comment on column audit.relation_build.run_id is 'Run that built it; leads to audit.run.';
comment on column audit.relation_build.built_at is
'When its rows were written, UTC. Source: the clock of the machine.';
