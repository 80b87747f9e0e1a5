-- One row per layer: code that functions of the account share, by its newest version. Older versions are not listed; a function
-- names the one that it uses.
-- key: arn
-- resource: id=layer_name attributes=latest_version, latest_version_arn, compatible_runtimes, description
-- arn: Amazon Resource Name, without a version.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- layer_name: Name, unique in its account and region.
-- latest_version: Number of the newest version.
-- latest_version_arn: ARN of the newest version.
-- latest_version_at: When the newest version was made, UTC.
-- compatible_runtimes: Runtimes that it is for, sorted; an empty list where it names none.
-- description: Description of the newest version; NULL where it has none.
-- license_info: Licence that its maker states; NULL where there is none.
-- name: The same as layer_name, as every item has one.
select
    item.LayerArn as arn,
    split_part(item.LayerArn, ':', 5) as account_id,
    region,
    item.LayerName as layer_name,
    item.LatestMatchingVersion.Version as latest_version,
    item.LatestMatchingVersion.LayerVersionArn as latest_version_arn,
    try_cast(item.LatestMatchingVersion.CreatedDate as timestamptz) as latest_version_at,
    list_sort(coalesce(item.LatestMatchingVersion.CompatibleRuntimes, [])) as compatible_runtimes,
    nullif(item.LatestMatchingVersion.Description, '') as description,
    nullif(item.LatestMatchingVersion.LicenseInfo, '') as license_info,
    item.LayerName as name,
    cell.*
from landing(
        'lambda_layer',
        'STRUCT(
        LayerArn VARCHAR, LayerName VARCHAR,
        LatestMatchingVersion STRUCT(
            "Version" BIGINT, LayerVersionArn VARCHAR, CreatedDate VARCHAR, CompatibleRuntimes VARCHAR[],
            Description VARCHAR, LicenseInfo VARCHAR
        )
    )'
    )
