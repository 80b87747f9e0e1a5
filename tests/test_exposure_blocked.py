"""What VPC Block Public Access keeps out, what its exclusions admit, and where neither is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from given import House
from test_exposure_paths import (
    EXCLUSION,
    OPTION,
    OWNER,
    REGION,
    SSH,
    TO_GATEWAY,
    WORLD,
    Way,
    World,
    night,
    openings,
    options,
    thing_of,
    world,
)


@dataclass(frozen=True)
class Block:
    """VPC Block Public Access of one account, whose VPC has one interface that is open but for it.

    Attributes:
        excluded: mode, state, and which VPC or subnet: vpc, subnet, other vpc, other subnet.
        of_participant: mode of the account that has the interface, where that is another one; the subnet is shared.
    """

    mode: str = "off"
    state: str = "update-complete"
    excluded: Sequence[tuple[str, str, str]] = ()
    option: str = ""
    exclusion: str = ""
    of_participant: str = ""
    routes: Sequence[tuple[str, str]] = TO_GATEWAY
    tables: str = ""


CHANGING = "exclusion_in_transition"
BOTH, IN = "block-bidirectional", "block-ingress"
OPEN, OUT, MADE, CHANGED = "allow-bidirectional", "allow-egress", "create-complete", "update-complete"
LET_IN = {
    "off": Block(),
    "never set": Block(state="default-state"),
    "just switched off": Block(state="update-in-progress"),
    "subnet excluded": Block(IN, excluded=[(OPEN, MADE, "subnet")]),
    "VPC excluded": Block(BOTH, excluded=[(OPEN, CHANGED, "vpc"), (OUT, MADE, "subnet")]),
    "excluded while it is switched on": Block(IN, "update-in-progress", [(OPEN, MADE, "vpc")]),
    "no such operation in the region": Block(option="not_offered", exclusion="not_offered"),
    "off, without exclusions": Block(exclusion="denied"),
    "participant blocks": Block(of_participant=BOTH),
}
KEPT_OUT = {
    "both ways": Block(BOTH),
    "inward": Block(IN),
    "egress alone": Block(BOTH, excluded=[(OUT, MADE, "vpc"), (OUT, CHANGED, "subnet")]),
    "egress alone, in the making": Block(BOTH, excluded=[(OUT, "create-in-progress", "subnet")]),
    "something else excluded": Block(IN, excluded=[(OPEN, MADE, "other vpc"), (OPEN, MADE, "other subnet")]),
    "no longer excluded": Block(BOTH, excluded=[
        (OPEN, state, "subnet") for state in ("delete-complete", "disable-complete", "create-failed")
    ]),
    "owner blocks": Block(BOTH, of_participant="off"),
    "without routes": Block(IN, tables="denied"),
    "through a middlebox": Block(IN, routes=[(WORLD, "vpce-1")]),
}  # fmt: skip
CANNOT_TELL = {
    "being switched on": (Block(BOTH, "update-in-progress"), OPTION, "update_in_progress"),
    "a mode of tomorrow": (Block("block-egress"), OPTION, "unknown_mode"),
    "options refused": (Block(option="denied"), OPTION, "denied"),
    "options never requested": (Block(option="never"), OPTION, "never_asked"),
    "being excluded": (Block(IN, excluded=[(OPEN, "create-in-progress", "subnet")]), EXCLUSION, CHANGING),
    "being deleted": (Block(IN, excluded=[(OPEN, "delete-in-progress", "vpc")]), EXCLUSION, CHANGING),
    "not changed": (Block(BOTH, excluded=[(OUT, "update-failed", "vpc")]), EXCLUSION, CHANGING),
    "exclusions refused": (Block(BOTH, exclusion="denied"), EXCLUSION, "denied"),
    "exclusions never requested": (Block(BOTH, exclusion="never"), EXCLUSION, "never_asked"),
    "exclusions of none": (Block(BOTH, exclusion="empty_unconfirmed"), EXCLUSION, "empty_unconfirmed"),
    "owner's refused": (Block(option="denied", of_participant="off"), OPTION, "denied"),
    "excluded middlebox": (
        Block(IN, excluded=[(OPEN, MADE, "other subnet")], routes=[(WORLD, "vpce-1")]),
        "ec2_route_table", "led_through_a_middlebox",
    ),
    "excluded elsewhere, without routes": (
        Block(IN, excluded=[(OPEN, MADE, "other subnet")], tables="denied"), "ec2_route_table", "denied"
    ),
}  # fmt: skip


def blocked(blocks: Mapping[str, Block]) -> World:
    """Each in an account of its own, whose way in has its name."""
    ways = [
        Way(
            name,
            [SSH],
            account=f"{OWNER[:9]}{number}",
            owner=f"{number:012}" if block.of_participant else "",
            routes=block.routes,
        )
        for number, (name, block) in enumerate(blocks.items(), 400)
    ]
    made = world(*ways)
    for way in ways:
        block, account, end = blocks[way.name], way.account, way.account.removeprefix(OWNER)
        made.records[OPTION, account] = [options(account, block.mode, block.state)]
        names = {
            "vpc": f"vpc/vpc-1{end}",
            "subnet": f"subnet/subnet-{way.number}",
            "other vpc": "vpc/vpc-2",
            "other subnet": f"subnet/subnet-other{end}",
        }
        made.add("ec2_subnet", account, {"OwnerId": account, "VpcId": f"vpc-1{end}", "SubnetId": f"subnet-other{end}"})
        for number, (mode, state, what) in enumerate(block.excluded):
            made.add(EXCLUSION, account, {
                "ExclusionId": f"vpcbpa-exclude-{number}",
                "InternetGatewayExclusionMode": mode,
                "ResourceArn": f"arn:aws:ec2:{REGION}:{account}:{names[what]}",
                "State": state,
            })  # fmt: skip
        for listing, outcome in (
            (OPTION, block.option),
            (EXCLUSION, block.exclusion),
            ("ec2_route_table", block.tables),
        ):
            if outcome:
                made.outcomes[listing, account] = outcome
        if block.of_participant:
            made.records[OPTION, way.owner] = [options(way.owner, block.of_participant)]
    return made


def by_name(home: House, column: str) -> dict[str, Any]:
    """By the name of a way in what cmdb.exposure has of it."""
    rows = home.rows(f"select arn, {column} as shown from cmdb.exposure where kind = 'address'")
    return {thing_of(row["arn"]).removeprefix("eni-").rstrip("0123456789"): row["shown"] for row in rows}


def named(blocks: Mapping[str, Any]) -> list[str]:
    return [name.replace(" ", "-") for name in blocks]


def test_what_the_owner_of_the_vpc_blocks_is_not_exposed_unless_an_exclusion_admits_it(home: House) -> None:
    cases = {**LET_IN, **KEPT_OUT}
    night(home, blocked(cases))
    assert by_name(home, "verdict") == {
        **dict.fromkeys(named(LET_IN), "exposed"),
        **dict.fromkeys(named(KEPT_OUT), "not exposed"),
    }
    assert home.rows("select * from cmdb.finding_exposure_unknown") == []
    reasons, paths = by_name(home, "reason"), by_name(home, "path")
    assert {reasons[name] for name in named(LET_IN)} == {None}
    account = f"{OWNER[:9]}{400 + list(cases).index('inward'):03}"
    shown = f"VPC Block Public Access of {account} (block-ingress)"
    assert reasons["inward"] == shown
    assert paths["inward"].startswith(f"internet → {shown} → igw-1")
    assert paths["subnet-excluded"].startswith("internet → vpcbpa-exclude-0 → igw-1")
    assert paths["off"].startswith("internet → igw-1")
    found = home.rows("select path from cmdb.finding_exposure where path like '%vpcbpa-exclude-0%'")
    assert len(found) == 3
    assert len(openings(home)) == len(LET_IN)


def test_where_options_or_the_exclusions_that_count_are_not_known_it_is_unknown(home: House) -> None:
    night(home, blocked({name: block for name, (block, _, _) in CANNOT_TELL.items()}))
    assert set(by_name(home, "verdict").values()) == {"unknown"}
    reasons = {name: reason.partition(" of ")[0::2] for name, reason in by_name(home, "reason").items()}
    assert {name: (listing, rest.partition(": ")[2]) for name, (listing, rest) in reasons.items()} == {
        name.replace(" ", "-"): (listing, reason) for name, (_, listing, reason) in CANNOT_TELL.items()
    }
    assert openings(home) == {}


def test_options_and_exclusions_that_are_not_trusted_any_more_say_nothing(home: House) -> None:
    wanted = ("off", "subnet excluded", "inward", "egress alone")
    cases = {name: block for name, block in {**LET_IN, **KEPT_OUT}.items() if name in wanted}
    made = blocked(cases)
    night(home, made)
    before = openings(home)
    assert len(before) == 2
    for number, listing in enumerate((OPTION, EXCLUSION), 2):
        made.outcomes = {(listing, account): "denied" for name, account in made.records if name == OPTION}
        night(home, made, number)
        # Where nothing is blocked, nobody needs to know what is excluded.
        known = {"off": "exposed"} if listing == EXCLUSION else {}
        assert by_name(home, "verdict") == {**dict.fromkeys(named(cases), "unknown"), **known}
        # What was found stands, marked.
        assert openings(home) == before
        stale = home.rows("select count(*) as n from cmdb.finding_exposure where is_stale")
        assert stale == [{"n": len(before) - len(known)}]


def test_a_region_that_lost_the_options_is_unknown_and_not_open(home: House) -> None:
    made = blocked({"inward": KEPT_OUT["inward"]})
    night(home, made)
    (account,) = {account for name, account in made.records if name == OPTION}
    made.outcomes = {(listing, account): "not_offered" for listing in (OPTION, EXCLUSION)}
    night(home, made, 2)
    assert by_name(home, "verdict") == {"inward": "unknown"}
