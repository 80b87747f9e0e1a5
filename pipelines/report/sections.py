"""What the sections on savings, business services and health need beside their queries: questions, maps and caveats."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pipelines.report import service_map
from pipelines.report.figures import Figure
from pipelines.report.service_map import Line, Node

if TYPE_CHECKING:
    from markupsafe import Markup

Words = Callable[[object], str]
"""How a name of the organisation becomes text that does no harm."""

ASK: Mapping[str, str] = {
    "unattached_volume": "Does anybody need what is on this disk? If so, is a snapshot enough?",
    "unassociated_address": "Is this address kept for something? If not, release it.",
    "stopped_instance": "Will it be started again? If not, terminate it, with a snapshot of the disks that matter.",
    "idle_instance": "What is it for, and who would miss it? Could it stop at night, be smaller, or go?",
    "old_generation": "What keeps it on this type? The same size of the current generation costs less.",
    "old_snapshot": "Does a rule of retention ask for it? If not, delete it.",
    "gp2_volume": "May it become gp3? It costs less, is as fast, and changes while it is in use.",
    "stopped_database": "Will it be started again? AWS starts it by itself after a week. A last snapshot is cheaper.",
    "database_without_connections": "Who connects to it, and how often? If nobody: a last snapshot, and it may go.",
    "orphan_database_snapshot": "Its database is gone. Does a rule of retention ask for it?",
    "empty_bucket": "Is something still to be written to it? If not, delete it.",
    "function_without_invocations": "What would call it? If nothing, delete it with its triggers and its role.",
}
"""What to ask the owner of what a rule of ref.decommission_rule found."""

OWN, NOBODYS = "own", "no business service"
APPLICATION_NODES = 60


def question(rule: str) -> str:
    """What to ask whom a finding belongs to, also by a rule of the organisation's own."""
    return ASK.get(rule, "Is it still needed as it is?")


def caveats(figures: Mapping[str, Figure]) -> Iterator[tuple[str, str, str, str]]:
    """What has to be known before these figures are trusted: section, kind, sentence, and the query it comes from."""
    total = figures["savings_total"].first
    if total is None:
        yield (
            "savings",
            "missing",
            "Nothing has been judged yet: no saving is known, which is not none.",
            "savings_total",
        )
    else:
        if total["without_estimate_count"]:
            yield (
                "savings",
                "missing",
                f"{total['without_estimate_count']:,} finding(s) have no known price or size: they are in no saving.",
                "savings_total",
            )
        if any(total[part] is None for part in ("identified", "accepted", "realised")):
            yield "savings", "missing", "A saving has no exchange rate: its sum is unknown.", "savings_total"
        if total["unreviewed_price_count"]:
            yield (
                "savings",
                "example",
                f"{total['unreviewed_price_count']:,} list prices of ref.unit_price, by which savings are "
                "estimated, have been reviewed by nobody.",
                "savings_total",
            )
    unknown = sum(row["unknown_count"] for row in figures["candidates_by_rule"])
    if unknown:
        yield (
            "savings",
            "missing",
            f"{unknown:,} time(s) a rule could not judge a resource: it is no candidate and in no saving, and "
            "not in order either.",
            "candidates_by_rule",
        )
    silent = [row for row in figures["applications"] if row["monthly_cost"] is None]
    if silent:
        yield (
            "applications",
            "missing",
            f"The bill has nothing of {len(silent):,} business service(s) shown: what they cost is unknown.",
            "applications",
        )
    for row in figures["health"]:
        if row["value"] is None:
            yield "health", "missing", f"{row['kpi']} could not be judged: nothing is known of it.", "health"


def maps(figures: Mapping[str, Figure], words: Words) -> "dict[str, Markup]":
    """The map of all business services (`all`), and one of each of those that cost most, by its place."""
    found: dict[str, Markup] = {}
    nodes = [_service(row, words) for row in figures["map_nodes"]]
    lines = [
        Line(
            str(row["from_node_id"]),
            str(row["to_node_id"]),
            int(row["relation_count"]),
            words(row["relations"]),
            bool(row["is_stale"]),
        )
        for row in figures["map_edges"]
    ]
    if nodes:
        found["all"] = service_map.drawn(nodes, lines, "Which business service leans on which")
    for place, name in applications(figures):
        own = [_items(row, words) for row in figures["application_nodes"] if row["place"] == place]
        held = [
            Line(
                _key(OWN, row["from_type"]),
                _key(row["to_belongs_to"], row["to_type"]),
                int(row["relation_count"]),
                words(row["relations"]),
                bool(row["is_stale"]),
            )
            for row in figures["application_edges"]
            if row["place"] == place
        ]
        found[f"{place}"] = service_map.drawn(
            own, held, f"What {words(name)} consists of and leans on", APPLICATION_NODES
        )
    return found


def applications(figures: Mapping[str, Figure]) -> list[tuple[int, str]]:
    """The business services that have a map of their own: place and name."""
    return list({row["place"]: row["business_service"] for row in figures["application_nodes"]}.items())


def _service(row: Mapping[str, Any], words: Words) -> Node:
    name = row["business_service"]
    count = int(row["resource_count"])
    return Node(
        str(row["node_id"]),
        NOBODYS if name is None else words(name),
        f"{count:,} item{'' if count == 1 else 's'}" + (f", {words(row['owner'])}" if row["owner"] else ""),
        "none" if name is None else "own",
        count,
    )


def _items(row: Mapping[str, Any], words: Words) -> Node:
    count = int(row["resource_count"])
    belongs = str(row["belongs_to"])
    kind = "own" if belongs == OWN else "none" if belongs == NOBODYS else "foreign"
    return Node(
        _key(belongs, row["resource_type"]),
        words(str(row["resource_type"]).removeprefix("AWS::").replace("::", " ")),
        f"{count:,} item{'' if count == 1 else 's'}" + ("" if kind == "own" else f" of {words(belongs)}"),
        kind,
        count,
    )


def _key(belongs_to: object, resource_type: object) -> str:
    return f"{belongs_to}\n{resource_type}"
