-- One row per filter of traffic mirroring: which traffic is copied.
-- key: arn
-- resource: id=traffic_mirror_filter_id attributes=ingress_rule_count, egress_rule_count, rules, network_services,
--   description
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- traffic_mirror_filter_id: Id, such as tmf-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- ingress_rule_count: Rules for traffic that comes in.
-- egress_rule_count: Rules for traffic that goes out.
-- rules: Its rules, in the order in which AWS applies them (direction, number): is_egress, rule_number, rule_action (accept or
--   reject), protocol (IANA's number; NULL for all), source_cidr_block, source_from_port, source_to_port,
--   destination_cidr_block, destination_from_port, destination_to_port (ports NULL for all), description and rule_id.
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
    list_sort(
        list_transform(
            list_concat(coalesce(item.IngressFilterRules, []), coalesce(item.EgressFilterRules, [])),
            lambda rule: {
                'is_egress': rule.TrafficDirection = 'egress',
                'rule_number': rule.RuleNumber,
                'rule_action': rule.RuleAction,
                'protocol': rule.Protocol,
                'source_cidr_block': rule.SourceCidrBlock,
                'source_from_port': rule.SourcePortRange.FromPort,
                'source_to_port': rule.SourcePortRange.ToPort,
                'destination_cidr_block': rule.DestinationCidrBlock,
                'destination_from_port': rule.DestinationPortRange.FromPort,
                'destination_to_port': rule.DestinationPortRange.ToPort,
                'description': rule.Description,
                'rule_id': rule.TrafficMirrorFilterRuleId
            }
        )
    ) as rules,
    list_sort(coalesce(item.NetworkServices, [])) as network_services,
    item.Description as description,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_traffic_mirror_filter',
        'STRUCT(
        TrafficMirrorFilterId VARCHAR,
        IngressFilterRules STRUCT(
            TrafficMirrorFilterRuleId VARCHAR, TrafficDirection VARCHAR, RuleNumber BIGINT, RuleAction VARCHAR,
            Protocol BIGINT, SourceCidrBlock VARCHAR, SourcePortRange STRUCT(FromPort BIGINT, ToPort BIGINT),
            DestinationCidrBlock VARCHAR, DestinationPortRange STRUCT(FromPort BIGINT, ToPort BIGINT),
            Description VARCHAR
        )[],
        EgressFilterRules STRUCT(
            TrafficMirrorFilterRuleId VARCHAR, TrafficDirection VARCHAR, RuleNumber BIGINT, RuleAction VARCHAR,
            Protocol BIGINT, SourceCidrBlock VARCHAR, SourcePortRange STRUCT(FromPort BIGINT, ToPort BIGINT),
            DestinationCidrBlock VARCHAR, DestinationPortRange STRUCT(FromPort BIGINT, ToPort BIGINT),
            Description VARCHAR
        )[],
        NetworkServices VARCHAR[], Description VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
