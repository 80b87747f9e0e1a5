-- Since when each configuration item has been in its state without a break, as the responses of AWS show it: of the types
-- that are judged by it. Not part of the public interface; read cmdb.decommission_signal.
-- materialized: full
-- key: arn
-- arn: Amazon Resource Name.
-- since: When its state began, UTC; where the beginning was not seen, the first response, at which it was so already.
-- is_beginning_seen: True where it was seen in another state before, or replaced another one of its ARN.
with version as (
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
    inner join cmdb.resource as item using (arn)
    where item.resource_type in ('AWS::EC2::Instance', 'AWS::EC2::Volume', 'AWS::RDS::DBInstance')
)

-- What another one of the same ARN was is not its own.
select
    arn,
    coalesce(max(valid_to) filter (where is_seen and not is_same), min(valid_from)) as since,
    bool_or((is_seen and not is_same) or is_replaced) as is_beginning_seen
from version
where valid_from >= coalesce(replaced_at, valid_from)
group by arn
having bool_or(is_current and is_seen and is_same)
