-- The code of each region in front of AWS's usage types, such as APS2 of APS2-BoxUsage:m5.large. Usage of a region that does not
-- stand here cannot be distinguished by region. Seed: warehouse/ref/region_code.csv.
-- key: code
-- code: What stands before the first hyphen of the usage type; empty for us-east-1, whose usage types have no code.
-- region: AWS region.
select
    coalesce(code, '') as code,
    region
from
    read_csv(
        getvariable('ref_folder') || '/region_code.csv',
        header = true,
        columns = { 'code': 'VARCHAR', 'region': 'VARCHAR' }
    )
