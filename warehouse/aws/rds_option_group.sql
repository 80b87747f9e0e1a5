-- One row per option group: further features of an engine, such as auditing or native backup. AWS's default ones are among
-- them, and are no configuration items, since nobody can change them.
-- key: arn
-- resource: id=option_group_name without=is_default:true attributes=engine, major_engine_version, description, options,
--   vpc_id
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- option_group_name: Name, unique in its account and region.
-- engine: Engine that it is for, such as sqlserver-se.
-- major_engine_version: Major version of the engine.
-- description: Description; NULL where it has none.
-- options: Names of its options, sorted; an empty list where it has none.
-- vpc_id: VPC that its databases have to be in; NULL where they may be in any.
-- source_option_group: Option group that it was copied from; NULL where it was not.
-- source_account_id: The AWS account of that group, 12 digits; NULL where it was not copied.
-- is_default: True for one that AWS made, which nobody can change.
-- name: The same as option_group_name, as every item has one.
select
    item.OptionGroupArn as arn,
    split_part(item.OptionGroupArn, ':', 5) as account_id,
    region,
    item.OptionGroupName as option_group_name,
    item.EngineName as engine,
    item.MajorEngineVersion as major_engine_version,
    nullif(item.OptionGroupDescription, '') as description,
    list_sort(list_transform(coalesce(item.Options, []), lambda option: option.OptionName)) as options,
    nullif(item.VpcId, '') as vpc_id,
    nullif(item.SourceOptionGroup, '') as source_option_group,
    nullif(item.SourceAccountId, '') as source_account_id,
    starts_with(item.OptionGroupName, 'default:') as is_default,
    item.OptionGroupName as name,
    cell.*
from landing(
        'rds_option_group',
        'STRUCT(
        OptionGroupArn VARCHAR, OptionGroupName VARCHAR, EngineName VARCHAR, MajorEngineVersion VARCHAR,
        OptionGroupDescription VARCHAR, Options STRUCT(OptionName VARCHAR)[], VpcId VARCHAR, SourceOptionGroup VARCHAR,
        SourceAccountId VARCHAR
    )'
    )
