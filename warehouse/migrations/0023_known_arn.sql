-- The ARN of a database that is gone was made of its id, where a name belongs: none such exists. Its type and id take the
-- place of it, and the name that the snapshot gives stands beside.

alter table cmdb.relationship add column to_name varchar;

update cmdb.relationship
set to_arn = to_resource_type || '/' || regexp_extract(to_arn, ':([^:]+)$', 1)
where
    relation = 'created_from'
    and to_resource_type in ('AWS::RDS::DBInstance', 'AWS::RDS::DBCluster')
    and to_arn not in (select arn from cmdb.resource);
