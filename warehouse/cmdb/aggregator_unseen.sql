-- One row per resource that a Config aggregator knows and direct collection did not see, although it was requested and its response
-- is trusted: either the response was not complete, or Config has not noticed yet that the resource is gone. Only types that
-- are collected count, and only what was made before the account and region were collected.
-- key: arn
-- arn: ARN of the resource.
-- resource_type: AWS's name of the type, such as AWS::EC2::Instance.
-- resource_id: Config's id of the resource.
-- name: Name as Config records it; NULL where it has none.
-- account_id: The AWS account of the resource, 12 digits.
-- region: AWS region of the resource.
-- created_at: When the resource was made, UTC; NULL where Config does not report it.
-- captured_at: When Config last recorded it, UTC.
-- asked_listing: The listing that ought to have shown it.
-- asked_at: When the response of that listing was complete, UTC.
with collected as (
    -- Whatever was ever seen of a type names the listing that shows it.
    select distinct
        resource_type,
        split_part(listing, ':', 1) as listing
    from cmdb.resource
    where discovered_by = 'listing'
),

known as not materialized (
    select *
    from aws.config_resource
    where not is_stale and coalesce(state, '') not like 'ResourceDeleted%'
),

-- Joined place by place: of every resource with every response of its account the joins take ten times the memory.
place as (
    select distinct
        account_id,
        region,
        resource_type
    from known
),

asked as (
    select
        place.account_id,
        place.region,
        place.resource_type,
        max(trusted.ended_at) as asked_at,
        any_value(trusted.listing) as asked_listing
    from place
    inner join collected using (resource_type)
    inner join audit.coverage as trusted
        on
            place.account_id = trusted.account_id
            and collected.listing = trusted.listing
            and (place.region = trusted.region or trusted.region = 'aws-global')
    where trusted.is_known
    group by all
)

select
    known.arn,
    known.resource_type,
    known.resource_id,
    known.name,
    known.account_id,
    known.region,
    known.created_at,
    known.captured_at,
    asked.asked_listing,
    asked.asked_at
from known
inner join asked using (account_id, region, resource_type)
anti join stage.observed_resource as seen on known.arn = seen.arn
where coalesce(known.created_at, known.captured_at) <= asked.asked_at
