-- One row per DB subnet group: the subnets that the databases of a VPC may lie in. Amazon DocumentDB's and Neptune's are among
-- them.
-- key: arn
-- resource: id=db_subnet_group_name state=status attributes=description, vpc_id, subnet_ids
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- db_subnet_group_name: Name, unique in its account and region, in small letters.
-- description: Description; NULL where it has none.
-- vpc_id: The VPC of its subnets.
-- status: Complete, in RDS's own words.
-- subnet_ids: Ids of its subnets.
-- name: The same as db_subnet_group_name, as every item has one.
select
    item.DBSubnetGroupArn as arn,
    split_part(item.DBSubnetGroupArn, ':', 5) as account_id,
    region,
    item.DBSubnetGroupName as db_subnet_group_name,
    nullif(item.DBSubnetGroupDescription, '') as description,
    item.VpcId as vpc_id,
    item.SubnetGroupStatus as status,
    list_transform(coalesce(item.Subnets, []), lambda subnet: subnet.SubnetIdentifier) as subnet_ids,
    item.DBSubnetGroupName as name,
    cell.*
from landing(
        'rds_db_subnet_group',
        'STRUCT(
        DBSubnetGroupArn VARCHAR, DBSubnetGroupName VARCHAR, DBSubnetGroupDescription VARCHAR, VpcId VARCHAR,
        SubnetGroupStatus VARCHAR, Subnets STRUCT(SubnetIdentifier VARCHAR)[]
    )'
    )
