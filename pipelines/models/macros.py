"""What a query of a SQL file may use beside DuckDB's own functions."""

import re
from collections.abc import Iterable

from resources.aws.listing import PARTITIONS

RECORD = "record"
"""The column of `landing_with_record` that has the whole record."""

_LINES = """
    read_json(
        getvariable('landing.' || name),
        format = 'newline_delimited',
        maximum_object_size = getvariable('landing_longest'),
        columns = {{
            run_id: 'VARCHAR', role: 'VARCHAR', account_id: 'VARCHAR', region: 'VARCHAR', listing: 'VARCHAR',
            parameter: 'VARCHAR', item: {item_type}
        }}
    )
"""

_LANDING = """
    create or replace temp macro {macro}(name, item_type) as table
    select
        line.account_id, line.region, line.parameter, line.item,
        {{
            'run_id': cell.run_id, 'role': cell.role, 'caller_account_id': cell.caller_account_id,
            'cell_region': cell.cell_region, 'listing': cell.listing, 'collected_at': cell.collected_at,
            'is_stale': cell.is_stale{more}
        }} as cell
    from {lines} as line
    join landed_cell as cell
        on line.run_id = cell.run_id and line.role = cell.role and line.listing = cell.listing
        and line.account_id = cell.caller_account_id and line.region = cell.cell_region
"""

_TYPED = _LINES.format(item_type="item_type")

# What has a type is read for itself: a cast of JSON to a type either refuses members that the type does not have, or
# takes what does not fit it for NULL.
_WITH_RECORD = f"""(
    select typed.*, untyped.item as {RECORD}
    from {_TYPED} as typed positional join {_LINES.format(item_type="'JSON'")} as untyped
)"""

_PARTITION_CASES = " ".join(
    f"when starts_with(region, '{prefix}') then '{partition}'" for prefix, partition in PARTITIONS.items()
)

MACROS = (
    _LANDING.format(macro="landing", more="", lines=_TYPED),
    _LANDING.format(macro="landing_with_record", more=f", '{RECORD}': line.{RECORD}", lines=_WITH_RECORD),
    # Whether a row with this key is in the part that is made; all are where there are none.
    """
    create or replace temp macro in_part(key) as
        hash(key) % coalesce(getvariable('cmdb_part_count'), 1)::ubigint
        = coalesce(getvariable('cmdb_part'), 0)::ubigint
    """,
    f"create or replace temp macro aws_partition(region) as case {_PARTITION_CASES} else 'aws' end",
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
    """
    create or replace temp macro ip_protocol(name) as
        case name when '6' then 'tcp' when '17' then 'udp' when '1' then 'icmp' when '58' then 'icmpv6' else name end
    """,
    # The eight words of an IPv6 address; between its parts before and after :: there are as many zeros as it takes.
    """
    create or replace temp macro ipv6_words(address) as
        list_transform(
            list_filter(string_split(split_part(address, '::', 1), ':'), lambda part: part <> '')
            || list_transform(
                range(
                    if(contains(address, '::'), 8, 0)
                    - len(list_filter(string_split_regex(address, ':+'), lambda part: part <> ''))
                ),
                lambda place: '0'
            )
            || list_filter(string_split(split_part(address, '::', 2), ':'), lambda part: part <> ''),
            lambda part: try_cast('0x' || part as uhugeint)
        )
    """,
    # An address as a number, of 32 bits or of 128; null where it is none, or an IPv4 address within IPv6.
    """
    create or replace temp macro ip_address(address) as
        case
            when regexp_full_match(address, '[0-9]+([.][0-9]+){3}')
                then list_reduce(
                    list_transform(string_split(address, '.'), lambda part: try_cast(part as uhugeint)),
                    lambda number, part: number * 256 + part
                )
            when regexp_full_match(address, '[0-9a-fA-F:]+') and len(ipv6_words(address)) = 8
                then list_reduce(ipv6_words(address), lambda number, word: number * 65536 + word)
        end
    """,
    # What nobody on the internet has. Of IPv6 everybody's lie in 2000::/3.
    """
    create or replace temp macro reserved_ipv4_ranges() as
        [
            '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12',
            '192.168.0.0/16', '224.0.0.0/3'
        ]
    """,
)
"""Statements that make the macros of a connection; each calls only those before it."""

_NAMED = {re.findall(r"temp macro (\w+)\(", statement)[0]: statement for statement in MACROS}

_CALL = re.compile(rf"\b({'|'.join(_NAMED)})\s*\(", re.IGNORECASE)


def called_by(queries: Iterable[str]) -> list[str]:
    """The statements that make the macros which these queries call, themselves or by another macro, in order.

    To make all of them for each of a run's tables takes four times as long.
    """
    wanted: set[str] = set()
    texts = list(queries)
    while texts:
        called = {name.lower() for name in _CALL.findall(texts.pop())} - wanted
        wanted |= called
        texts += [_NAMED[name] for name in called]
    return [statement for name, statement in _NAMED.items() if name in wanted]
