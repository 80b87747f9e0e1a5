-- What each rule of ref.decommission_rule finds in the newest run for each resource that it judges: so, not so,
-- or not known, and the sizes that a saving is reckoned from. What a lifecycle policy, AWS Backup, an auto-scaling group, a fleet, EMR
-- or another service of AWS makes and deletes by itself is never found, nor the volumes that are deleted with its instances: somebody
-- would have to change the policy, not the resource. A new rule is one more select in stage.decommission_compute
-- or stage.decommission_managed. Not part of the public interface; read cmdb.decommission_signal.
-- materialized: full
-- key: arn, rule
-- arn: Amazon Resource Name.
-- rule: Name of the rule.
-- resource_type: AWS's name of the type.
-- account_id: The AWS account that owns it, 12 digits, text because some begin with 0.
-- region: AWS region.
-- collected_at: When AWS gave what is judged here, UTC.
-- is_flagged: True where the rule finds it, false where it does not, NULL where that is not known.
-- unknown_reason: Why it is not known; NULL where it is.
-- since: Since when it has been so at least, UTC; NULL where neither AWS nor the history shows it.
-- evidence: The data points behind it, JSON.
-- parts: What would not be billed any more: arn, service and usage as in ref.unit_price, quantity a month; negative for what takes its place.
-- size_gap: Why the parts are not known; NULL where they are.
with judged as (
    select * from stage.decommission_compute
    union all by name
    select * from stage.decommission_managed
),

kept_by_a_service as (
    select arn
    from cmdb.resource
    where
        len(list_filter(
            map_keys(tags),
            lambda tag: starts_with(tag, 'aws:dlm:')
            or starts_with(tag, 'aws:backup:')
            or tag in (
                'aws:autoscaling:groupName',
                'aws:ec2:fleet-id',
                'aws:ec2spot:fleet-request-id',
                'aws:elasticmapreduce:job-flow-id'
            )
        )) > 0
    union
    select arn
    from aws.ec2_instance
    where managed_by is not null
    union
    select arn
    from aws.ec2_volume
    where managed_by is not null
),

attached as (
    select
        arn,
        account_id,
        region,
        unnest(attachments) as attachment
    from aws.ec2_volume
),

-- A volume that outlives such an instance is its owner's.
kept as (
    select arn
    from kept_by_a_service
    union
    select attached.arn
    from attached
    inner join aws.ec2_instance as instance
        on
            attached.account_id = instance.account_id
            and attached.region = instance.region
            and attached.attachment.instance_id = instance.instance_id
    inner join kept_by_a_service as service on instance.arn = service.arn
    where attached.attachment.is_deleted_on_termination
),

reported as (
    select
        judged.*,
        kept.arn is not null
        or coalesce(judged.evidence ->> 'description' like '%created by the AWS Backup service%', false)
            as is_kept
    from judged
    left join kept on judged.arn = kept.arn
)

select
    arn,
    rule,
    resource_type,
    account_id,
    region,
    collected_at,
    case
        when is_kept then false
        when not is_stale then reported.is_flagged
    end as is_flagged,
    case
        when is_kept then null
        when is_stale then 'the last response that listed it is not trusted any more'
        when reported.is_flagged is null then coalesce(unknown_reason, 'AWS does not report it')
    end as unknown_reason,
    since,
    evidence,
    parts,
    size_gap
from reported
