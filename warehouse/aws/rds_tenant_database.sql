-- One row per tenant database: a pluggable database within a container database of Oracle.
-- key: arn
-- resource: id=tenant_database_id state=status created=created_at attributes=tenant_database_name, db_instance_name,
--   character_set, is_deletion_protected
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- tenant_database_id: Id that no later one of its name has.
-- tenant_database_name: Name within its database.
-- db_instance_name: Database that it lies in.
-- status: available, creating, deleting, modifying and others, in RDS's own words.
-- character_set: Character set.
-- is_deletion_protected: True where nobody may delete it before that is switched off.
-- secret_arn: Secret with its administrator's password: the ARN, never what is in it; NULL where RDS keeps none.
-- created_at: When it was made, UTC.
-- name: The same as tenant_database_name, as every item has one.
-- tags: Tags; an empty map where it has none.
select
    item.TenantDatabaseARN as arn,
    split_part(item.TenantDatabaseARN, ':', 5) as account_id,
    region,
    item.TenantDatabaseResourceId as tenant_database_id,
    item.TenantDBName as tenant_database_name,
    item.DBInstanceIdentifier as db_instance_name,
    item.Status as status,
    item.CharacterSetName as character_set,
    item.DeletionProtection as is_deletion_protected,
    item.MasterUserSecret.SecretArn as secret_arn,
    item.TenantDatabaseCreateTime as created_at,
    item.TenantDBName as name,
    tag_map(item.TagList) as tags,
    cell.*
from landing(
        'rds_tenant_database',
        'STRUCT(
        TenantDatabaseARN VARCHAR, TenantDatabaseResourceId VARCHAR, TenantDBName VARCHAR,
        DBInstanceIdentifier VARCHAR, "Status" VARCHAR, CharacterSetName VARCHAR, DeletionProtection BOOLEAN,
        MasterUserSecret STRUCT(SecretArn VARCHAR), TenantDatabaseCreateTime TIMESTAMPTZ,
        TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
