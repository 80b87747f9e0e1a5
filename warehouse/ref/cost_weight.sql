-- By which size of its resources cost.resource_cost shares out what an account pays for a service. A service that does not
-- stand here has no size that we know, and is not shared out. Seed: warehouse/ref/cost_weight.csv, owned by finance.
-- key: service
-- service: The service's name in the bill.
-- resource_type: AWS's name of the type of the resources that it is shared over.
-- usage_pattern: Regular expression of the usage types that are shared out, where the service is more than these resources; NULL for all of it.
-- weight: list_price_hours: hours × list price, by stage.resource_size.
-- description: What the weight is, and what it leaves out.
select
    service,
    resource_type,
    usage_pattern,
    weight,
    description
from
    read_csv(
        getvariable('ref_folder') || '/cost_weight.csv',
        header = true,
        columns = {
            'service': 'VARCHAR',
            'resource_type': 'VARCHAR',
            'usage_pattern': 'VARCHAR',
            'weight': 'VARCHAR',
            'description': 'VARCHAR'
        }
    )
