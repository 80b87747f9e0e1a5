-- Families of instance types of old generations, and what takes their place at the same size. Seed:
-- warehouse/ref/instance_family.csv.
-- key: service, family
-- service: ec2, rds, or rds_x86 for database engines that do not run on Graviton.
-- family: The family, such as m4 or db.m4.
-- successor: The family to move to.
-- absent_sizes: Sizes that the successor lacks, with ; between them; NULL where it has all.
-- source: Who states it.
select
    service,
    family,
    successor,
    absent_sizes,
    source
from
    read_csv(
        getvariable('ref_folder') || '/instance_family.csv',
        header = true,
        columns = {
            'service': 'VARCHAR',
            'family': 'VARCHAR',
            'successor': 'VARCHAR',
            'absent_sizes': 'VARCHAR',
            'source': 'VARCHAR'
        }
    )
