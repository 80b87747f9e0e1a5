-- One row per check by which AWS asks an application on instances, over HTTP, whether it is well. It is requested every
-- seventh night where there is an instance.
-- key: arn
-- resource: id=application_status_check_id created=created_at attributes=is_aggregated, protocol, port, path, ip_version,
--   interval_seconds, timeout_seconds, failure_threshold, success_threshold, status_code_matcher, target_tags
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- application_status_check_id: Id.
-- name: Value of the tag Name; NULL where there is none.
-- is_aggregated: True where an instance that fails it is called impaired.
-- protocol: http or https.
-- port: Port.
-- path: Path of the URL.
-- ip_version: ipv4 or ipv6.
-- interval_seconds: Seconds between two requests.
-- timeout_seconds: Seconds that a response may take.
-- failure_threshold: Failures in a row after which it fails.
-- success_threshold: Successes in a row after which it passes.
-- status_code_matcher: HTTP status codes that count as success, such as 200.
-- target_tags: Tags of the instances that it is for, such as tier=web, sorted; single instances are in
--   aws.ec2_application_status_check_association.
-- created_at: When it was made, UTC.
-- modified_at: When somebody changed it last, UTC; NULL where nobody did.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2', region, account_id, 'application-status-check/' || item.ApplicationStatusCheckId
    ) as arn,
    account_id,
    region,
    item.ApplicationStatusCheckId as application_status_check_id,
    tag_map(item.Tags)['Name'] as name,
    item.Aggregation = 'included' as is_aggregated,
    item.Protocol as protocol,
    item.Port as port,
    item.Path as path,
    item.IpVersion as ip_version,
    item."Interval" as interval_seconds,
    item.Timeout as timeout_seconds,
    item.FailureThreshold as failure_threshold,
    item.SuccessThreshold as success_threshold,
    item.StatusCodeMatcher as status_code_matcher,
    list_sort(
        list_transform(
            coalesce(item.TargetTagAssociations, []),
            lambda tag: tag."Key" || '=' || coalesce(tag."Value", '')
        )
    ) as target_tags,
    item.CreationTime as created_at,
    item.ModifyTime as modified_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_application_status_check',
        'STRUCT(
        ApplicationStatusCheckId VARCHAR, Aggregation VARCHAR, Protocol VARCHAR, Port BIGINT, Path VARCHAR,
        IpVersion VARCHAR, "Interval" BIGINT, Timeout BIGINT, FailureThreshold BIGINT, SuccessThreshold BIGINT,
        StatusCodeMatcher VARCHAR, TargetTagAssociations STRUCT("Key" VARCHAR, "Value" VARCHAR)[],
        CreationTime TIMESTAMPTZ, ModifyTime TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
