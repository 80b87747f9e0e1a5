-- Cost that nobody's tag can carry and that everybody shares: cost.allocation spreads it over the tagged values, in
-- proportion to what each costs directly. Seed: warehouse/ref/shared_cost.csv, or in its
-- place the whole of shared_cost.csv in the organisation's own folder (CMDB_REFERENCE), owned by finance; see
-- docs/decisions/0006-how-money-is-converted-and-shared-out.md.
-- key: kind, value
-- kind: service (cost of a service in the bill) or account (whatever an account leaves untagged).
-- value: The service's name in the bill; or the account's 12 digits, or the role by which a profile reaches it: management, operations or billing.
-- description: Why it is shared.
select
    kind,
    value,
    description
from
    read_csv(
        getvariable('reference_files')['shared_cost'],
        header = true,
        auto_detect = false,
        delim = ',',
        quote = '"',
        escape = '"',
        strict_mode = false,
        columns = {
            'kind': 'VARCHAR',
            'value': 'VARCHAR',
            'description': 'VARCHAR'
        }
    )
-- A line of nothing but commas keeps a place free.
where kind is not null
