-- The tag keys by which the organisation records what a resource is for: each is a slice of the bill. Read
-- from tag_key.csv in the organisation's own folder (CMDB_REFERENCE), owned by those who govern tagging; without that
-- file there is none, and the bill is not cut by tags.
-- key: tag_key
-- tag_key: The key as it is written on resources, such as bc:cost-centre.
-- resource_column: The column of cmdb.resource that holds its value.
-- is_cut_by_service: Whether cost.tag_service_daily cuts its values by service too: a further request a month.
-- description: What its values mean.
select
    tag_key,
    resource_column,
    is_cut_by_service,
    description
from
    read_csv(
        getvariable('reference_files')['tag_key'],
        header = true,
        auto_detect = false,
        delim = ',',
        quote = '"',
        escape = '"',
        strict_mode = false,
        columns = {
            'tag_key': 'VARCHAR',
            'resource_column': 'VARCHAR',
            'is_cut_by_service': 'BOOLEAN',
            'description': 'VARCHAR'
        }
    )
-- A line of nothing but commas keeps a place free.
where tag_key is not null
