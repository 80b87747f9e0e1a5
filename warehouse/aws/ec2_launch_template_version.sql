-- One row per version of a launch template that is launched from: its default and its newest one. User data is dropped.
-- key: account_id, region, launch_template_id, version
-- launch_template_id: Launch template.
-- version: Number of the version.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- arn: Amazon Resource Name of the template, built from account, region and id.
-- launch_template_name: Name of the template.
-- is_default: True where it is launched where no version is named.
-- description: What its maker wrote; NULL where nothing.
-- image_id: Image; NULL where whoever launches names it. It may be a parameter of Systems Manager.
-- instance_type: Instance type; NULL where whoever launches names it.
-- key_name: Key pair; NULL where none.
-- instance_profile: Instance profile: its ARN or name; NULL where none.
-- security_group_ids: Security groups beside those of its interfaces, sorted.
-- is_imdsv2_required: True where only version 2 of the metadata service answers; NULL where it says nothing.
-- is_public: True where an interface gets a public address; NULL where the subnet decides.
-- created_by: ARN of who made it.
-- created_at: When it was made, UTC.
select
    item.LaunchTemplateId as launch_template_id,
    item.VersionNumber as version,
    account_id,
    region,
    aws_arn('ec2', region, account_id, 'launch-template/' || item.LaunchTemplateId) as arn,
    item.LaunchTemplateName as launch_template_name,
    item.DefaultVersion as is_default,
    item.VersionDescription as description,
    item.LaunchTemplateData.ImageId as image_id,
    item.LaunchTemplateData.InstanceType as instance_type,
    item.LaunchTemplateData.KeyName as key_name,
    coalesce(
        item.LaunchTemplateData.IamInstanceProfile.Arn, item.LaunchTemplateData.IamInstanceProfile.Name
    ) as instance_profile,
    list_sort(coalesce(item.LaunchTemplateData.SecurityGroupIds, [])) as security_group_ids,
    item.LaunchTemplateData.MetadataOptions.HttpTokens = 'required' as is_imdsv2_required,
    list_bool_or(
        list_transform(
            item.LaunchTemplateData.NetworkInterfaces, lambda one: one.AssociatePublicIpAddress
        )
    ) as is_public,
    item.CreatedBy as created_by,
    item.CreateTime as created_at,
    cell.*
from landing(
        'ec2_launch_template_version',
        'STRUCT(
        LaunchTemplateId VARCHAR, VersionNumber BIGINT, LaunchTemplateName VARCHAR, DefaultVersion BOOLEAN,
        VersionDescription VARCHAR,
        LaunchTemplateData STRUCT(ImageId VARCHAR, InstanceType VARCHAR, KeyName VARCHAR, IamInstanceProfile STRUCT(Arn
        VARCHAR, "Name" VARCHAR), SecurityGroupIds VARCHAR[], MetadataOptions STRUCT(HttpTokens VARCHAR), NetworkInterfaces
        STRUCT(AssociatePublicIpAddress BOOLEAN)[]),
        CreatedBy VARCHAR, CreateTime TIMESTAMPTZ
    )'
    )
