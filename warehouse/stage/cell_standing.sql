-- The newest cell of each key, and what it is worth to a figure. Not part of the public interface; audit.expected_cell adds what was
-- never requested. It is a view of its own because audit.expected_cell reads it four times: of a CTE DuckDB would hold every row.
-- materialized: view
-- key: role, account_id, region, listing
-- role: Role of the contract that requests it.
-- account_id: The AWS account of the cell, 12 digits; NULL where a role never sent a request.
-- region: AWS region; aws-global where the service has none, or where nobody knows the account's regions.
-- listing: Listing, with its parameter where it has one.
-- listing_name: Listing without its parameter.
-- part: Of cost_daily the kind of slice, such as service or tag; else empty.
-- outcome: Newest outcome.
-- skip_reason: Why it was not requested; NULL when it was.
-- record_count: Records of the newest response; NULL where it has none.
-- known_at: When the response that counts was complete, UTC; NULL where it is unknown.
-- last_trusted_at: When it was last fetched with a trusted response, UTC; NULL if never.
-- ended_at: When its newest outcome came, UTC.
-- state: 'judged' where it is known what the cell holds, 'unknown' where it is not; else why there is nothing to request.
select
    cell.role,
    cell.account_id,
    cell.region,
    cell.listing,
    split_part(cell.listing, ':', 1) as listing_name,
    case
        when starts_with(cell.listing, 'cost_daily:') then split_part(cell.listing, ':', 2)
        else ''
    end as part,
    cell.outcome,
    cell.skip_reason,
    cell.record_count,
    cell.known_at,
    cell.last_trusted_at,
    cell.ended_at,
    case
        when cell.is_known then 'judged'
        when state.state is null then 'unknown'
        when state.state <> 'nothing to ask' then state.state
        -- The rows of its last response stand, stale.
        when cell.previous_record_count > 0 then 'unknown'
        -- Of a service that a region has not, nothing can be there; of a bill without that slice, everything can.
        when cell.role = 'billing' and cell.skip_reason = 'not_offered' then 'unknown'
        else state.state
    end as state
from audit.coverage as cell
left join ref.cell_state as state
    on cell.outcome = state.outcome and coalesce(cell.skip_reason, '') = state.skip_reason
