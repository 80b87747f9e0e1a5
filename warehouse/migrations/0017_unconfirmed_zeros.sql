-- A zero is trusted once CloudTrail has recorded the very call; until then it is `empty_unconfirmed`. DuckDB changes no
-- check of a table, so the cells are copied into one that knows the new outcome.
create table audit.collection_renewed (
    run_id varchar not null,
    role varchar not null,
    account_id varchar not null,
    region varchar not null,
    listing varchar not null,
    profile varchar,
    caller_account_id varchar,
    outcome varchar not null check (
        outcome in (
            'found', 'empty_verified', 'empty_unconfirmed', 'empty_suspect', 'denied', 'wrong_account',
            'failed', 'skipped'
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
    ended_at timestamptz not null,
    confirmed_at timestamptz
);

insert into audit.collection_renewed by name select * from audit.collection;
drop table audit.collection;
alter table audit.collection_renewed rename to collection;

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
'found, empty_verified, empty_unconfirmed, empty_suspect, denied, wrong_account, failed or skipped: see
docs/contract.md.';
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
comment on column audit.collection.confirmed_at is
'When a later look into CloudTrail decided on this zero, UTC; NULL where none did. Source: cmdb confirm.';

alter table audit.newest_cell add column newest.confirmed_at timestamptz;
comment on column audit.newest_cell.suspected_at is
'When an empty answer was not trusted last, UTC; NULL if never. Source: audit.collection.';

create or replace view audit.coverage as
with standing as (
    -- An acceptance holds for the later zeros of its cell, until something is found there again.
    select
        n.*,
        coalesce(
            n.acceptance.ended_at > coalesce(n.found_at, '-infinity'::timestamptz)
            -- Not against what CloudTrail said after it.
            and not coalesce(
                n.newest.outcome = 'empty_suspect' and n.newest.confirmed_at > n.acceptance.since, false
            ),
            false
        ) as is_accepted
    from audit.newest_cell as n
),

judged as (
    select
        s.*,
        s.newest.is_trusted
        or (s.is_accepted and s.newest.outcome in ('empty_suspect', 'empty_unconfirmed')) as is_trusted,
        -- Empty when it could last be trusted, and empty now: nothing is in doubt but the newest look.
        coalesce(
            s.newest.outcome = 'empty_unconfirmed'
            and s.newest.error_code is null
            and s.trusted[1].record_count = 0,
            false
        ) as is_still_empty
    from standing as s
)

select
    s.role,
    s.account_id,
    s.region,
    s.listing,
    s.newest.profile,
    s.newest.outcome,
    s.is_trusted,
    s.is_trusted or s.is_still_empty as is_known,
    case when s.is_accepted then greatest(s.trusted_at, s.suspected_at) else s.trusted_at end
        as last_trusted_at,
    s.newest.record_count,
    s.trusted[case when s.newest.is_trusted then 2 else 1 end].record_count as previous_record_count,
    s.newest.skip_reason,
    s.newest.error_code,
    s.newest.error_message,
    s.newest.zero_sense,
    s.newest.run_id,
    s.newest.attempt_count,
    s.newest.ended_at,
    case
        when s.is_trusted then s.newest.ended_at
        when s.is_still_empty then s.trusted_at
    end as known_at,
    s.newest.confirmed_at,
    case when s.is_accepted then s.acceptance.who end as accepted_by,
    case when s.is_accepted then s.acceptance.reason end as accepted_reason,
    case when s.is_accepted then s.acceptance.since end as accepted_at
from judged as s;
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
'Newest outcome, one of those that audit.collection.outcome lists.';
comment on column audit.coverage.is_trusted is
'Whether the newest answer may be believed; true for an accepted zero until the cell is found again.';
comment on column audit.coverage.is_known is
'Whether it is known what is there: trusted, or a zero that waits for CloudTrail after a trusted zero.';
comment on column audit.coverage.known_at is
'The time as of which it is known, UTC; NULL where it is not. Source: audit.collection.';
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
comment on column audit.coverage.confirmed_at is
'When a later look into CloudTrail decided on this zero, UTC; NULL where none did. Source: cmdb confirm.';
comment on column audit.coverage.accepted_by is
'Who accepted the zero of this cell; NULL when nobody did or it was found again. Source: cmdb accept.';
comment on column audit.coverage.accepted_reason is
'Why it was accepted, in the words of that person. Source: cmdb accept.';
comment on column audit.coverage.accepted_at is 'When it was accepted, UTC. Source: cmdb accept.';

create table audit.trail_call (
    call varchar primary key,
    recorded_at timestamptz,
    missed_since timestamptz,
    unrecorded_since timestamptz
);
comment on table audit.trail_call is
'One row per kind of call whose zeros were looked up in CloudTrail: whether CloudTrail records it at all.';
comment on column audit.trail_call.call is
'Service and operation as botocore names them, such as ec2:DescribeInstances.';
comment on column audit.trail_call.recorded_at is
'When a call of this kind was last seen in CloudTrail, UTC; NULL if never. Source: cloudtrail:LookupEvents.';
comment on column audit.trail_call.missed_since is
'When CloudTrail first lacked a call of a night ago though it showed others of its caller, UTC; else NULL.';
comment on column audit.trail_call.unrecorded_since is
'Since when zeros of such calls are judged without CloudTrail, UTC; NULL where CloudTrail records them.';
