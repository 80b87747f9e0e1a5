-- What the newest answer of every cell is, kept when cells are loaded: grouped over all nights whenever a gate
-- asked, it took ten times as much on the thirtieth night as on the first. `resources.evidence` keeps it.
create table audit.newest_cell (
    role varchar not null,
    account_id varchar not null,
    region varchar not null,
    listing varchar not null,
    newest struct(
        ended_at timestamptz,
        run_id varchar,
        profile varchar,
        outcome varchar,
        is_trusted boolean,
        record_count bigint,
        skip_reason varchar,
        error_code varchar,
        error_message varchar,
        zero_sense varchar,
        attempt_count integer
    ),
    found_at timestamptz,
    suspected_at timestamptz,
    trusted_at timestamptz,
    trusted struct(ended_at timestamptz, run_id varchar, record_count bigint)[],
    acceptance struct(ended_at timestamptz, run_id varchar, who varchar, reason varchar, since timestamptz)
);
comment on table audit.newest_cell is
'What all answers to one question come to, for audit.coverage. Key role, account_id, region, listing.';
comment on column audit.newest_cell.role is
'Role of the contract that asked: management, operations, billing or workload.';
comment on column audit.newest_cell.account_id is 'Account that the question is about, 12 digits as text.';
comment on column audit.newest_cell.region is 'AWS region asked; aws-global where the service has none.';
comment on column audit.newest_cell.listing is
'Name of the listing in the catalogue, with :parameter where it was asked with one.';
comment on column audit.newest_cell.newest is
'The newest answer, as audit.collection has it: of the latest ended_at. Source: audit.collection.';
comment on column audit.newest_cell.found_at is
'When something was found last, UTC; NULL if never. Source: audit.collection.';
comment on column audit.newest_cell.suspected_at is
'When an empty answer was not believed last, UTC; NULL if never. Source: audit.collection.';
comment on column audit.newest_cell.trusted_at is
'When an answer was trusted last, UTC; NULL if never. Source: audit.collection.';
comment on column audit.newest_cell.trusted is
'The two newest trusted answers, the newer one first, with their records. Source: audit.collection.';
comment on column audit.newest_cell.acceptance is
'The newest answer that somebody accepted, who, why and when; NULL if none. Source: cmdb accept.';

insert into audit.newest_cell by name
select
    role,
    account_id,
    region,
    listing,
    max({
        'ended_at': ended_at,
        'run_id': run_id,
        'profile': profile,
        'outcome': outcome,
        'is_trusted': is_trusted,
        'record_count': record_count,
        'skip_reason': skip_reason,
        'error_code': error_code,
        'error_message': error_message,
        'zero_sense': zero_sense,
        'attempt_count': attempt_count
    }) as newest,
    max(ended_at) filter (outcome = 'found') as found_at,
    max(ended_at) filter (outcome = 'empty_suspect') as suspected_at,
    max(ended_at) filter (is_trusted) as trusted_at,
    coalesce(
        max(
            {
                'ended_at': ended_at,
                'run_id': run_id,
                'record_count': record_count
            },
            2
        )
        filter (is_trusted and record_count is not null),
        []
    ) as trusted,
    max({
        'ended_at': ended_at,
        'run_id': run_id,
        'who': accepted_by,
        'reason': accepted_reason,
        'since': accepted_at
    }) filter (accepted_at is not null) as acceptance
from audit.collection
group by all
order by listing, role, account_id, region;

create or replace view audit.coverage as
with standing as (
    -- An acceptance holds for the later zeros of its cell, until something is found there again.
    select
        n.*,
        coalesce(n.acceptance.ended_at > coalesce(n.found_at, '-infinity'::timestamptz), false) as is_accepted
    from audit.newest_cell as n
)

select
    s.role,
    s.account_id,
    s.region,
    s.listing,
    s.newest.profile,
    s.newest.outcome,
    s.newest.is_trusted or (s.is_accepted and s.newest.outcome = 'empty_suspect') as is_trusted,
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
    case when s.is_accepted then s.acceptance.who end as accepted_by,
    case when s.is_accepted then s.acceptance.reason end as accepted_reason,
    case when s.is_accepted then s.acceptance.since end as accepted_at
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
