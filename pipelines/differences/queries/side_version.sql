-- One row per version of an item that a file has, with what it changed.
select
    arn,
    valid_from,
    changed_attributes
from cmdb.resource_version
where changed_attributes is not null
