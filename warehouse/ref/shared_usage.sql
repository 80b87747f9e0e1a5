-- Services that call usage as a family of another service does (ref.usage_family), and are not divided themselves: storage of
-- DynamoDB is named as that of S3. In an account that pays for both, such usage is of neither. Seed: warehouse/ref/shared_usage.csv.
-- key: service, usage_pattern
-- service: The service's name in the bill, as Cost Explorer spells it (dimension SERVICE).
-- usage_pattern: Regular expression of the usage types.
select
    service,
    usage_pattern
from
    read_csv(
        getvariable('ref_folder') || '/shared_usage.csv',
        header = true,
        columns = { 'service': 'VARCHAR', 'usage_pattern': 'VARCHAR' }
    )
