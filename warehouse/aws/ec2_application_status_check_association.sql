-- One row per application status check and tag or instance that it is for. It is requested where there is such a check.
-- key: account_id, region, application_status_check_id, association_type, target
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- application_status_check_id: Check.
-- association_type: tag or instance-id.
-- target: Tag of the instances, such as tier=web, or id of the one instance.
select
    account_id,
    region,
    item.ApplicationStatusCheckId as application_status_check_id,
    item.AssociationType as association_type,
    concat_ws('=', item."Key", coalesce(item."Value", '')) as target,
    cell.*
from landing(
        'ec2_application_status_check_association',
        'STRUCT(
        ApplicationStatusCheckId VARCHAR, AssociationType VARCHAR, "Key" VARCHAR, "Value" VARCHAR
    )'
    )
