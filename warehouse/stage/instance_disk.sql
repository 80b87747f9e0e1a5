-- One row per EC2 instance that has EBS volumes, with what AWS bills of them. Not part of the public interface; read
-- aws.ec2_volume.
-- materialized: full
-- in_parts_by: aws.ec2_volume 200000
-- key: account_id, region, instance_id
-- account_id: The AWS account that owns it, 12 digits, text because some begin with 0.
-- region: AWS region.
-- instance_id: Id of the instance.
-- disk_parts: What is billed of its volumes: arn, service and usage as in ref.unit_price, quantity a month; nothing of a volume that others may have too.
-- disk_count: How many of its volumes are listed.
with attached as (
    select
        arn,
        account_id,
        region,
        is_multi_attach,
        parts,
        unnest(instance_ids) as instance_id
    from stage.volume_usage
    where in_part(account_id)
)

select
    account_id,
    region,
    instance_id,
    -- What others have too stays.
    flatten(list(case when is_multi_attach then [] else parts end order by arn)) as disk_parts,
    count(*) as disk_count
from attached
group by account_id, region, instance_id
