-- One row per table or view of org, aws, cost and cmdb and cell that its figures rest on and that is unknown: denied, failed, not
-- trusted, skipped although something may be there, or never requested. What stands here is in no figure of the table, and is not in
-- order either; audit.claim counts it.
-- materialized: view
-- key: claim, role, account_id, region, listing
-- claim: The table or view, such as cmdb.finding_open_rule.
-- role: Role of the contract that requests it, or would have to.
-- account_id: The AWS account, 12 digits; NULL where a role never sent a request.
-- region: AWS region; aws-global where the service has none, or where nobody knows the account's regions.
-- listing: Listing, with its parameter where it has one.
-- unknown_reason: Why it is unknown: the outcome, the reason of a cell that was skipped, or never_asked.
-- outcome: Newest outcome; NULL where it was never requested.
-- skip_reason: Why it was not requested; NULL when it was, and where there is no cell.
-- last_trusted_at: When it was last fetched with a trusted response, UTC; NULL if never.
select
    rests_on.claim,
    cell.role,
    cell.account_id,
    cell.region,
    cell.listing,
    cell.unknown_reason,
    cell.outcome,
    cell.skip_reason,
    cell.last_trusted_at
from audit.expected_cell as cell
inner join audit.claim_listing as rests_on
    on cell.listing_name = rests_on.listing and cell.part = rests_on.part
where not cell.is_judged and rests_on.left_out_because is null
