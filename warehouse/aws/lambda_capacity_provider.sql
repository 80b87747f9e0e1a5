-- One row per capacity provider: EC2 instances of the account that Lambda manages and runs functions on. Requested in the regions in
-- which the account has a function.
-- key: arn
-- resource: id=capacity_provider_name state=state attributes=subnet_ids, security_group_ids, operator_role_arn, architectures,
--   allowed_instance_types, excluded_instance_types, max_vcpu_count, scaling_mode, kms_key_arn
-- relates: attached_to=AWS::EC2::Subnet:subnet_ids[] associated_with=AWS::EC2::SecurityGroup:security_group_ids[]
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- capacity_provider_name: Name, unique in its account and region.
-- state: Pending, Active, Failed or Deleting.
-- subnet_ids: Subnets of its instances, sorted.
-- security_group_ids: Security groups of its instances, sorted.
-- operator_role_arn: IAM role by which Lambda manages the instances.
-- architectures: Instruction sets: x86_64 or arm64; empty where it leaves the choice to Lambda.
-- allowed_instance_types: Instance types that alone may be used, sorted; empty where any may.
-- excluded_instance_types: Instance types that may not be used, sorted.
-- max_vcpu_count: vCPUs that all instances together may have; NULL where AWS does not say.
-- scaling_mode: Auto, or Manual by a target that somebody set.
-- kms_key_arn: Customer's own key of its disks; NULL where it is AWS's.
-- propagated_tags: Tags that its instances get; an empty map where it names none.
-- modified_at: When it was last changed, UTC.
-- name: The same as capacity_provider_name, as every item has one.
select
    item.CapacityProviderArn as arn,
    split_part(item.CapacityProviderArn, ':', 5) as account_id,
    region,
    split_part(item.CapacityProviderArn, ':', 7) as capacity_provider_name,
    item."State" as state,
    list_sort(coalesce(item.VpcConfig.SubnetIds, [])) as subnet_ids,
    list_sort(coalesce(item.VpcConfig.SecurityGroupIds, [])) as security_group_ids,
    item.PermissionsConfig.CapacityProviderOperatorRoleArn as operator_role_arn,
    coalesce(item.InstanceRequirements.Architectures, []) as architectures,
    list_sort(coalesce(item.InstanceRequirements.AllowedInstanceTypes, [])) as allowed_instance_types,
    list_sort(coalesce(item.InstanceRequirements.ExcludedInstanceTypes, [])) as excluded_instance_types,
    item.CapacityProviderScalingConfig.MaxVCpuCount as max_vcpu_count,
    item.CapacityProviderScalingConfig.ScalingMode as scaling_mode,
    nullif(item.KmsKeyArn, '') as kms_key_arn,
    coalesce(item.PropagateTags.ExplicitTags, map { }) as propagated_tags,
    try_cast(item.LastModified as timestamptz) as modified_at,
    split_part(item.CapacityProviderArn, ':', 7) as name,
    cell.*
from landing(
        'lambda_capacity_provider',
        'STRUCT(
        CapacityProviderArn VARCHAR, "State" VARCHAR, VpcConfig STRUCT(SubnetIds VARCHAR[], SecurityGroupIds VARCHAR[]),
        PermissionsConfig STRUCT(CapacityProviderOperatorRoleArn VARCHAR),
        InstanceRequirements STRUCT(
            Architectures VARCHAR[], AllowedInstanceTypes VARCHAR[], ExcludedInstanceTypes VARCHAR[]
        ),
        CapacityProviderScalingConfig STRUCT(MaxVCpuCount BIGINT, ScalingMode VARCHAR),
        KmsKeyArn VARCHAR, LastModified VARCHAR, PropagateTags STRUCT(ExplicitTags MAP(VARCHAR, VARCHAR))
    )'
    )
