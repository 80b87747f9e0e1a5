-- Every security group that a network interface has or an item names, whoever owns either: an item that has no interface of
-- its own, or none yet, names its groups too, and ids are unique in the world. Not part of the public interface; read
-- cmdb.finding_unused_security_group.
-- materialized: view
-- key: security_group_id
-- security_group_id: Id of the group.
select unnest(security_group_ids) as security_group_id
from aws.ec2_network_interface
union
select unnest(security_group_ids) as security_group_id
from aws.ec2_instance
where state <> 'terminated'
union
select unnest(security_group_ids) as security_group_id
from aws.lambda_function
union
select unnest(security_group_ids) as security_group_id
from aws.rds_db_instance
union
select unnest(security_group_ids) as security_group_id
from aws.rds_db_cluster
