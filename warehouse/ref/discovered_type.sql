-- Types of resources that no listing of the contract shows, and that AWS Config, the tagging API, groups or interfaces may: how their ARNs
-- are recognised, what each is called in ServiceNow, and which service bills for them. Seed: warehouse/ref/discovered_type.csv.
-- key: resource_type
-- resource_type: AWS's name of the type, such as AWS::DynamoDB::Table.
-- arn_service: Service in its ARN, such as dynamodb; NULL where an ARN does not tell the type.
-- arn_kind: What stands before the id in its ARN, such as table; empty where the id stands alone.
-- servicenow_class: ServiceNow's class for it.
-- label: What people call the type.
-- billed_service: The service's name in the bill that such resources explain; NULL where they cost nothing by themselves.
select
    resource_type,
    arn_service,
    case when arn_service is not null then coalesce(arn_kind, '') end as arn_kind,
    servicenow_class,
    label,
    billed_service
from
    read_csv(
        getvariable('ref_folder') || '/discovered_type.csv',
        header = true,
        columns = {
            'resource_type': 'VARCHAR',
            'arn_service': 'VARCHAR',
            'arn_kind': 'VARCHAR',
            'servicenow_class': 'VARCHAR',
            'label': 'VARCHAR',
            'billed_service': 'VARCHAR'
        }
    )
