-- The FOCUS category of a service in the bill. Services that do not stand here are Other. Seed:
-- warehouse/ref/service_category.csv, owned by finance.
-- key: service
-- service: The service's name in the bill.
-- service_category: FOCUS ServiceCategory.
-- service_subcategory: FOCUS ServiceSubcategory.
select
    service,
    service_category,
    service_subcategory
from
    read_csv(
        getvariable('ref_folder') || '/service_category.csv',
        header = true,
        columns = {
            'service': 'VARCHAR',
            'service_category': 'VARCHAR',
            'service_subcategory': 'VARCHAR'
        }
    )
