-- One row per instance with the results of application status checks. It is requested where there is such a check.
-- key: arn
-- arn: Amazon Resource Name of the instance, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account of the instance: 12 digits, text because some begin with 0.
-- region: AWS region.
-- instance_id: Id of the instance.
-- availability_zone: Availability zone.
-- status: ok, impaired, initializing, insufficient-data, not-applicable or suppressed, by the checks that count.
-- status_since: Since when it is so, UTC.
-- resume_at: Until when somebody suppressed it, UTC; NULL where nobody did.
-- checks: Its checks: application_status_check_id, status (passed, failed, initializing, insufficient-data or
--   not-applicable), is_aggregated, status_since (UTC), reason_code and http_status_code. Ordered by id.
select
    aws_arn('ec2', region, account_id, 'instance/' || item.InstanceId) as arn,
    account_id,
    region,
    item.InstanceId as instance_id,
    item.AvailabilityZone as availability_zone,
    item.ApplicationStatus.Status as status,
    item.ApplicationStatus.StatusSince as status_since,
    item.ApplicationStatus.ResumeAt as resume_at,
    list_sort(
        list_transform(
            coalesce(item.ApplicationStatus.Details, []),
            lambda detail: {
                'application_status_check_id': detail.ApplicationStatusCheckId,
                'status': detail.Status,
                'is_aggregated': detail.Aggregation = 'included',
                'status_since': detail.StatusSince,
                'reason_code': detail.Reason.Code,
                'http_status_code': detail.Reason.StatusCode
            }
        )
    ) as checks,
    cell.*
from landing(
        'ec2_application_status',
        'STRUCT(
        InstanceId VARCHAR, AvailabilityZone VARCHAR, ApplicationStatus STRUCT(Status VARCHAR,
        StatusSince TIMESTAMPTZ, ResumeAt TIMESTAMPTZ, Details STRUCT(ApplicationStatusCheckId VARCHAR,
        Status VARCHAR, Aggregation VARCHAR, StatusSince TIMESTAMPTZ, Reason STRUCT(Code VARCHAR,
        StatusCode BIGINT))[])
    )'
    )
