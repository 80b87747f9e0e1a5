"""What a query of a SQL file may use beside DuckDB's own functions."""

MACROS = (
    """
    create or replace temp macro landing(name, item_type) as table
    select
        line.account_id, line.region, line.parameter, line.item,
        {
            'run_id': cell.run_id, 'role': cell.role, 'caller_account_id': cell.caller_account_id,
            'cell_region': cell.cell_region, 'listing': cell.listing, 'collected_at': cell.collected_at,
            'is_stale': cell.is_stale
        } as cell
    from read_json(
        getvariable('landing.' || name),
        format = 'newline_delimited',
        maximum_object_size = 67108864,
        columns = {
            run_id: 'VARCHAR', role: 'VARCHAR', account_id: 'VARCHAR', region: 'VARCHAR', listing: 'VARCHAR',
            parameter: 'VARCHAR', item: item_type
        }
    ) as line
    join landed_cell as cell
        on line.run_id = cell.run_id and line.role = cell.role and line.listing = cell.listing
        and line.account_id = cell.caller_account_id and line.region = cell.cell_region
    """,
    """
    create or replace temp macro aws_partition(region) as
        case when region like 'cn-%' then 'aws-cn' when region like 'us-gov-%' then 'aws-us-gov' else 'aws' end
    """,
    """
    create or replace temp macro aws_arn(service, region, account_id, resource) as
        'arn:' || aws_partition(region) || ':' || service || ':' || region || ':' || account_id || ':' || resource
    """,
    """
    create or replace temp macro tag_map(tags) as
        map_from_entries(list_transform(coalesce(tags, []), lambda tag: {'k': tag."Key", 'v': tag."Value"}))
    """,
    # units × weight ÷ total, whole and rest, by long division in the base of a million: the product itself does not
    # fit into 128 bits for a bill in rupiah or won. All are whole numbers below 1e31, and none is negative.
    """
    create or replace temp macro part_of(units, weight, total) as
        list_reduce(
            list_transform(
                [null, 1000000000000000000000000, 1000000000000000000, 1000000000000, 1000000, 1]::hugeint[],
                lambda place: {
                    'whole': 0::hugeint,
                    'rest': if(place is null, 0, units // place % 1000000 * weight)::hugeint
                }
            ),
            lambda so_far, digit: {
                'whole': so_far.whole * 1000000 + (so_far.rest * 1000000 + digit.rest) // total,
                'rest': (so_far.rest * 1000000 + digit.rest) % total
            }
        )
    """,
)
"""Statements that make the macros of a connection."""
