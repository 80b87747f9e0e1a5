-- One row per resource of the operations account that has tags, or had some once, by the tagging API. It shows nothing of
-- resources that never had a tag: an enrichment of cmdb.resource, never an inventory.
-- key: arn
-- arn: ARN of the resource.
-- account_id: The AWS account of the request, 12 digits, text because some begin with 0.
-- region: AWS region of the request; global resources are listed in us-east-1.
-- service: Service by the ARN, such as ec2.
-- tags: Tags; an empty map where it had tags and has none now.
select
    item.ResourceARN as arn,
    account_id,
    region,
    split_part(item.ResourceARN, ':', 3) as service,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'tagged_resource',
        'STRUCT(ResourceARN VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[])'
    )
