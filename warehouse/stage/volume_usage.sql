-- One row per EBS volume of the newest trusted response, with what of it AWS bills. Not part of the public
-- interface; read aws.ec2_volume.
-- materialized: view
-- key: arn
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it, 12 digits, text because some begin with 0.
-- region: AWS region.
-- collected_at: When AWS gave it, UTC.
-- is_stale: True where the response that listed it is not trusted any more.
-- state: State of the volume, such as available.
-- created_at: When AWS made it, UTC.
-- size_gb: Size in GiB.
-- volume_type: Such as gp3.
-- iops: Operations a second that it is made for; NULL where AWS gives none.
-- is_multi_attach: Whether several instances may have it.
-- instance_ids: Ids of the instances that have it.
-- parts: What is billed of it: arn, service and usage as in ref.unit_price, quantity a month.
-- price_gap: Why list prices are not what it costs; NULL where they are.
select
    arn,
    account_id,
    region,
    collected_at,
    is_stale,
    state,
    created_at,
    size_gb,
    volume_type,
    iops,
    is_multi_attach,
    instance_ids,
    case when outpost_arn is not null then 'it is paid for with its Outpost' end as price_gap,
    list_filter(
        [
            {
                'arn': arn,
                'service': 'AmazonEC2',
                'usage': 'EBS:VolumeUsage.' || volume_type,
                'quantity': size_gb::decimal(18, 4)
            },
            {
                'arn': arn,
                'service': 'AmazonEC2',
                'usage': 'EBS:VolumeP-IOPS.' || volume_type,
                'quantity': case
                    when volume_type in ('io1', 'io2') then coalesce(iops, 0)
                    when volume_type = 'gp3' then greatest(coalesce(iops, 0) - 3000, 0)
                    else 0
                end::decimal(18, 4)
            },
            {
                'arn': arn,
                'service': 'AmazonEC2',
                'usage': 'EBS:VolumeP-Throughput.gp3',
                'quantity': case
                    when volume_type = 'gp3'
                        then greatest(coalesce(throughput_mibps, 0) - 125, 0)
                    else 0
                end::decimal(
                    18, 4
                )
            }
        ],
        lambda part: part.quantity <> 0
    ) as parts
from aws.ec2_volume
