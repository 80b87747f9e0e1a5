-- What an empty response of a listing means is its empty policy: the column zero_sense is called empty_policy. Analysts read
-- it in audit.coverage, which keeps the old name for one version. The comments use the words of the glossary.
alter table audit.collection rename column zero_sense to empty_policy;
alter table audit.newest_cell rename column newest.zero_sense to empty_policy;

create or replace view audit.coverage as
with standing as (
    -- An acceptance holds for the later zeros of its cell, until something is found there again.
    select
        n.*,
        coalesce(
            n.acceptance.ended_at > coalesce(n.found_at, '-infinity'::timestamptz)
            -- Not against what CloudTrail recorded after it.
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
        -- Empty when it could last be trusted, and empty now: nothing is in doubt but the newest response.
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
    s.newest.empty_policy,
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
    case when s.is_accepted then s.acceptance.since end as accepted_at,
    s.newest.empty_policy as zero_sense
from judged as s;

comment on view audit.coverage is
'The newest cell of each key, and when it was last trusted. Key role, account_id, region, listing.';
comment on column audit.coverage.role is
'Role of the contract that sent the request: management, operations, billing or workload.';
comment on column audit.coverage.account_id is 'Account of the cell, 12 digits as text.';
comment on column audit.coverage.region is
'AWS region of the request; aws-global where the service has none.';
comment on column audit.coverage.listing is
'Name of the listing in the catalogue, with :parameter where the request has one.';
comment on column audit.coverage.profile is
'AWS profile of the last request; NULL where none reaches the account.';
comment on column audit.coverage.outcome is
'Newest outcome, one of those that audit.collection.outcome lists.';
comment on column audit.coverage.is_trusted is
'Whether the newest response is trusted; true for an accepted zero until the cell is found again.';
comment on column audit.coverage.is_known is
'Whether it is known what is there: trusted, or a zero that waits for CloudTrail after a trusted zero.';
comment on column audit.coverage.known_at is
'The time as of which it is known, UTC; NULL where it is not. Source: audit.collection.';
comment on column audit.coverage.last_trusted_at is
'When the cell was last fetched with a trusted response, UTC; NULL if never.';
comment on column audit.coverage.record_count is
'Records of the newest response; NULL when it is not complete.';
comment on column audit.coverage.previous_record_count is
'Records of the last trusted response before the newest one; NULL if there is none.';
comment on column audit.coverage.skip_reason is
'Why no request was sent, such as region_not_enabled; NULL when one was.';
comment on column audit.coverage.error_code is
'Error code of the newest response, verbatim; NULL without an error. Source: AWS.';
comment on column audit.coverage.error_message is
'Error message of the newest response, verbatim; NULL without an error. Source: AWS.';
comment on column audit.coverage.empty_policy is
'What an empty response of this listing means: impossible, ordinary or witnessed. Source: the catalogue.';
comment on column audit.coverage.run_id is 'Run of the newest response; leads to audit.collection.';
comment on column audit.coverage.attempt_count is 'How often the cell was requested in that run.';
comment on column audit.coverage.ended_at is 'When the newest response was complete, UTC.';
comment on column audit.coverage.confirmed_at is
'When a later look into CloudTrail decided on this zero, UTC; NULL where none did. Source: cmdb confirm.';
comment on column audit.coverage.accepted_by is
'Who accepted the zero of this cell; NULL when nobody did or it was found again. Source: cmdb accept.';
comment on column audit.coverage.accepted_reason is
'Why it was accepted, in the words of that person. Source: cmdb accept.';
comment on column audit.coverage.accepted_at is 'When it was accepted, UTC. Source: cmdb accept.';
comment on column audit.coverage.zero_sense is
'Deprecated copy of empty_policy under its old name; it goes in the next release.';

comment on table audit.collection is
'One row per cell: one listing requested in one account and region by one role in a run. Key run_id, role,
account_id, region, listing.';
comment on column audit.collection.run_id is 'Run that sent the request; leads to audit.run.';
comment on column audit.collection.role is
'Role of the contract that sent the request: management, operations, billing or workload.';
comment on column audit.collection.account_id is 'Account of the cell, 12 digits as text.';
comment on column audit.collection.region is
'AWS region of the request; aws-global where the service has none.';
comment on column audit.collection.listing is
'Name of the listing in the catalogue, with :parameter where the request has one.';
comment on column audit.collection.profile is
'AWS profile of the request; NULL where none reaches the account.';
comment on column audit.collection.caller_account_id is
'Account behind the profile, 12 digits as text; NULL when it is not known. Source: sts:GetCallerIdentity.';
comment on column audit.collection.is_trusted is
'Whether the records may be trusted: found, empty_verified, or a zero that somebody accepted.';
comment on column audit.collection.skip_reason is
'Why no request was sent, such as region_not_enabled; NULL when one was.';
comment on column audit.collection.record_count is
'Records received, over all pages; NULL when the response is not complete.';
comment on column audit.collection.attempt_count is
'How often the cell was requested in this run; the row is the last one.';
comment on column audit.collection.empty_policy is
'What an empty response of this listing means: impossible, ordinary or witnessed. Source: the catalogue.';
comment on column audit.collection.raw_response is
'Verbatim response with its request id, JSON: empty responses and refusals only. Source: AWS.';
comment on column audit.collection.ended_at is
'When the response was complete, or the cell given up or skipped, UTC: of the rows of a cell, the newest
stands.';

comment on table audit.caller_identity is
'Which account each profile reached, as STS reported it before anything else was collected.';
comment on column audit.caller_identity.run_id is 'Run that sent the request; leads to audit.run.';
comment on column audit.caller_identity.checked_at is 'When the request was sent, UTC.';
comment on column audit.caller_identity.error_code is
'Why the profile did not respond, as a code; NULL when it did. Source: AWS or the AWS configuration.';
comment on column audit.caller_identity.error_message is
'The same as a sentence with its hint; NULL when it responded.';
comment on column audit.caller_identity.organization_id is
'Organisation that the profile sees; NULL if it may not read it. Source: organizations:DescribeOrganization.';

comment on table audit.check_result is
'The result of each check in each run: the evidence that every gated step reads again.';
comment on column audit.check_result.severity is 'ERROR blocks what is downstream, WARN warns.';
comment on column audit.check_result.detail is
'What the result rests on, JSON: the sentence, the rows at fault.';

comment on column audit.check_cell.role is
'Role of the contract that sent the request: management, operations, billing or workload.';
comment on column audit.check_cell.region is
'AWS region of the request; aws-global where the service has none.';
comment on column audit.check_cell.listing is
'Name of the listing in the catalogue, with :parameter where the request has one.';

comment on view audit.disputed_cell is
'The newest cells that a check refused by name, though each may be trusted: --only-untrusted requests them
again.';
comment on column audit.disputed_cell.role is
'Role of the contract that sent the request: management, operations, billing or workload.';
comment on column audit.disputed_cell.region is
'AWS region of the request; aws-global where the service has none.';
comment on column audit.disputed_cell.listing is
'Name of the listing in the catalogue, with :parameter where the request has one.';
comment on column audit.disputed_cell.observed is 'The sentence of the check. Source: audit.check_result.';

comment on table audit.newest_cell is
'What all cells of one key come to, for audit.coverage. Key role, account_id, region, listing.';
comment on column audit.newest_cell.role is
'Role of the contract that sent the request: management, operations, billing or workload.';
comment on column audit.newest_cell.region is
'AWS region of the request; aws-global where the service has none.';
comment on column audit.newest_cell.listing is
'Name of the listing in the catalogue, with :parameter where the request has one.';
comment on column audit.newest_cell.account_id is 'Account of the cell, 12 digits as text.';
comment on column audit.newest_cell.newest is
'The newest cell, as audit.collection has it: of the latest ended_at. Source: audit.collection.';
comment on column audit.newest_cell.suspected_at is
'When an empty response was not trusted last, UTC; NULL if never. Source: audit.collection.';
comment on column audit.newest_cell.trusted_at is
'When a response was trusted last, UTC; NULL if never. Source: audit.collection.';
comment on column audit.newest_cell.trusted is
'The two newest trusted cells, the newer one first, with their records. Source: audit.collection.';
comment on column audit.newest_cell.acceptance is
'The newest zero that somebody accepted, who, why and when; NULL if none. Source: cmdb accept.';

comment on table audit.organization is
'The one organisation that this warehouse belongs to: a run of another organisation is refused.';

comment on column audit.trail_call.missed_since is
'When CloudTrail first lacked a call of an earlier run though it showed others of its caller, UTC; else
NULL.';
