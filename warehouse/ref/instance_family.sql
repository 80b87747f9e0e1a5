-- Families of instance types of old generations, and what takes their place at the same size. Seed:
-- warehouse/ref/instance_family.csv.
-- key: service, family
-- service: ec2 or rds.
-- family: The family, such as m4 or db.m4.
-- successor: The family to move to.
-- source: Who states it.
select
    service,
    family,
    successor,
    source
from
    read_csv(
        getvariable('ref_folder') || '/instance_family.csv',
        header = true,
        columns = {
            'service': 'VARCHAR',
            'family': 'VARCHAR',
            'successor': 'VARCHAR',
            'source': 'VARCHAR'
        }
    )
