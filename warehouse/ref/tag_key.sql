-- The tag keys by which the organisation records what a resource is for: each is a slice of the bill. Seed:
-- warehouse/ref/tag_key.csv, owned by those who govern tagging.
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
        getvariable('ref_folder') || '/tag_key.csv',
        header = true,
        columns = {
            'tag_key': 'VARCHAR',
            'resource_column': 'VARCHAR',
            'is_cut_by_service': 'BOOLEAN',
            'description': 'VARCHAR'
        }
    )
