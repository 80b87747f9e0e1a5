-- Since when each configuration item has been in its state without a break, as the responses of AWS show it: of the types
-- that are judged by it. What no trusted response showed for more than eight days begins anew, since nobody knows what it
-- was meanwhile. Not part of the public interface; read cmdb.decommission_signal.
-- materialized: full_from_previous
-- key: arn
-- arn: Amazon Resource Name.
-- since: When its state began, UTC; where the beginning was not seen, the first response, at which it was so already. NULL of what is missing or retired.
-- is_beginning_seen: True where it was seen in another state before, or replaced another one of its ARN; NULL where since is.
-- last_seen_at: When it was last collected, UTC.
-- unseen_until: When it was collected again after more than eight days, UTC, the last time; NULL where it never was.
with item as (
    select
        now.arn,
        now.state,
        now.replaced_at,
        now.last_seen_at,
        -- Longer than a week, for those who run it once a week.
        case
            when now.last_seen_at - before.last_seen_at > interval 8 days then now.last_seen_at
            else before.unseen_until
        end as unseen_until
    from cmdb.resource as now
    left join stage.unchanged_since as before on now.arn = before.arn
    where now.resource_type in ('AWS::EC2::Instance', 'AWS::EC2::Volume', 'AWS::RDS::DBInstance')
),

version as (
    select
        seen.arn,
        seen.valid_from,
        seen.valid_to,
        seen.is_current,
        seen.change = 'replaced' as is_replaced,
        item.replaced_at,
        -- A response that lacks it shows no state: it may be back as it was.
        seen.status = 'active' as is_seen,
        coalesce(seen.attributes ->> '$.state', '') = coalesce(item.state, '') as is_same
    from cmdb.resource_version as seen
    inner join item using (arn)
),

-- What another one of the same ARN was is not its own.
lasting as (
    select
        arn,
        coalesce(max(valid_to) filter (where is_seen and not is_same), min(valid_from)) as since,
        bool_or((is_seen and not is_same) or is_replaced) as is_beginning_seen
    from version
    where valid_from >= coalesce(replaced_at, valid_from)
    group by arn
    having bool_or(is_current and is_seen and is_same)
)

select
    item.arn,
    greatest(lasting.since, case when lasting.since is not null then item.unseen_until end) as since,
    lasting.is_beginning_seen and coalesce(lasting.since > item.unseen_until, true) as is_beginning_seen,
    item.last_seen_at,
    item.unseen_until
from item
left join lasting on item.arn = lasting.arn
