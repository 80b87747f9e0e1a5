-- One row per event subscription: who hears of what happens to databases.
-- key: arn
-- resource: id=subscription_name state=status attributes=sns_topic_arn, source_type, source_ids, event_categories,
--   is_enabled
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- subscription_name: Name, unique in its account and region.
-- status: active, creating, modifying, no-permission, topic-not-exist and others, in RDS's own words.
-- sns_topic_arn: Topic that receives the events.
-- source_type: What it is about, such as db-instance; NULL for everything.
-- source_ids: Names of what it is about, sorted; an empty list for all of the type.
-- event_categories: Kinds of event, sorted; an empty list for all of them.
-- is_enabled: False where it is switched off.
-- name: The same as subscription_name, as every item has one.
select
    item.EventSubscriptionArn as arn,
    split_part(item.EventSubscriptionArn, ':', 5) as account_id,
    region,
    item.CustSubscriptionId as subscription_name,
    item.Status as status,
    item.SnsTopicArn as sns_topic_arn,
    nullif(item.SourceType, '') as source_type,
    list_sort(coalesce(item.SourceIdsList, [])) as source_ids,
    list_sort(coalesce(item.EventCategoriesList, [])) as event_categories,
    item.Enabled as is_enabled,
    item.CustSubscriptionId as name,
    cell.*
from landing(
        'rds_event_subscription',
        'STRUCT(
        EventSubscriptionArn VARCHAR, CustSubscriptionId VARCHAR, Status VARCHAR, SnsTopicArn VARCHAR,
        SourceType VARCHAR, SourceIdsList VARCHAR[], EventCategoriesList VARCHAR[], Enabled BOOLEAN
    )'
    )
