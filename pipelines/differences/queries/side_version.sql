-- One row per item of a file, with what it is by its newest version.
select
    arn,
    from_json(attributes, '"MAP(VARCHAR, JSON)"') as attributes
from cmdb.resource_version
where is_current
