-- One row per filter of traffic mirroring: which traffic is copied.
-- key: arn
-- resource: id=traffic_mirror_filter_id attributes=ingress_rule_count, egress_rule_count, network_services, description
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- traffic_mirror_filter_id: Id, such as tmf-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- ingress_rule_count: Rules for traffic that comes in.
-- egress_rule_count: Rules for traffic that goes out.
-- network_services: Services of AWS whose traffic is copied too, sorted.
-- description: What its maker wrote; NULL where nothing.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'traffic-mirror-filter/' || item.TrafficMirrorFilterId) as arn,
    account_id,
    region,
    item.TrafficMirrorFilterId as traffic_mirror_filter_id,
    tag_map(item.Tags)['Name'] as name,
    len(coalesce(item.IngressFilterRules, [])) as ingress_rule_count,
    len(coalesce(item.EgressFilterRules, [])) as egress_rule_count,
    list_sort(coalesce(item.NetworkServices, [])) as network_services,
    item.Description as description,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_traffic_mirror_filter',
        'STRUCT(
        TrafficMirrorFilterId VARCHAR, IngressFilterRules STRUCT(RuleNumber BIGINT)[],
        EgressFilterRules STRUCT(RuleNumber BIGINT)[], NetworkServices VARCHAR[], Description VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
