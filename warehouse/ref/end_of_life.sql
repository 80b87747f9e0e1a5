-- Until when AWS supports major versions of database engines and runtimes of functions, as its documentation said when this release
-- was made. What RDS itself reports of an engine (aws.rds_db_major_engine_version) goes before. Seed: warehouse/ref/end_of_life.csv.
-- key: kind, product, version
-- kind: engine or runtime.
-- product: The engine in RDS's words, such as aurora-postgresql; lambda for a runtime.
-- version: The major version, such as 15 or 8.0; of a runtime its identifier, such as python3.13.
-- standard_support_until: Last day of support that costs nothing more, of a runtime the date of deprecation that AWS publishes; NULL where AWS publishes none, or no source for it is known.
-- has_extended_support: Whether there is extended support after it; NULL of a runtime, which has none.
-- extended_support_until: Last day of extended support, which is paid for by the hour; NULL where there is none or no source says it.
-- source: Where the dates come from.
select
    kind,
    product,
    version,
    standard_support_until,
    has_extended_support,
    extended_support_until,
    source
from
    read_csv(
        getvariable('ref_folder') || '/end_of_life.csv',
        header = true,
        columns = {
            'kind': 'VARCHAR',
            'product': 'VARCHAR',
            'version': 'VARCHAR',
            'standard_support_until': 'DATE',
            'has_extended_support': 'BOOLEAN',
            'extended_support_until': 'DATE',
            'source': 'VARCHAR'
        }
    )
