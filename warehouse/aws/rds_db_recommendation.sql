-- One row per recommendation of RDS for a database, cluster or parameter group: versions that end, settings that cost or
-- endanger something. Those that somebody dismissed or applied stay for as long as AWS lists them.
-- key: recommendation_id
-- recommendation_id: Id.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- resource_arn: What it is about.
-- type_id: Kind of recommendation, such as config_recommendation::old_minor_version.
-- severity: high, medium, low or informational.
-- status: active, pending, resolved or dismissed.
-- category: performance efficiency, security, reliability, cost optimization, operational excellence or sustainability.
-- detection: What RDS found.
-- recommendation: What RDS recommends.
-- impact: What may happen otherwise.
-- created_at: When RDS found it, UTC.
-- updated_at: When it changed last, UTC.
select
    item.RecommendationId as recommendation_id,
    split_part(item.ResourceArn, ':', 5) as account_id,
    region,
    item.ResourceArn as resource_arn,
    item.TypeId as type_id,
    item.Severity as severity,
    item.Status as status,
    item.Category as category,
    coalesce(item.Detection, item.TypeDetection) as detection,
    coalesce(item.Recommendation, item.TypeRecommendation) as recommendation,
    item.Impact as impact,
    item.CreatedTime as created_at,
    item.UpdatedTime as updated_at,
    cell.*
from landing(
        'rds_db_recommendation',
        'STRUCT(
        RecommendationId VARCHAR, ResourceArn VARCHAR, TypeId VARCHAR, "Severity" VARCHAR, "Status" VARCHAR,
        Category VARCHAR, Detection VARCHAR, TypeDetection VARCHAR, Recommendation VARCHAR,
        TypeRecommendation VARCHAR, Impact VARCHAR, CreatedTime TIMESTAMPTZ, UpdatedTime TIMESTAMPTZ
    )'
    )
