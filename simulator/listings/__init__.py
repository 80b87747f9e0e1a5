"""Types of resources that are no more than what is listed of them: one module a listing.

A module has `CALL` (service and operation), `RESULT` (the member of the answer that holds the records), `TRUTH` (what
the truth calls its rows), `rows(network, account_id, region)` and `shown(row)`, a row as AWS writes it. The modules
are found here, so nothing else names them. What a module may have beside these:

`others(network, account_id, region)`  rows that stand elsewhere and are listed here too; `shown` gets them with `at`,
                                       the account and region that ask.
`FILTERS`                              parameters of the call that the module takes, with the only value of each.
`is_hidden(row)`                       whether a request without `FILTERS` leaves the row out.
`charges(row)`                         what AWS bills the account that a row is of.
`IS_ONE`                               the response is the only row itself, not a list of rows.
`WITHIN`                               the member of the answer that holds `RESULT`, where it is not the answer itself.
`HOME`                                 the only region that answers; the rows are those of the world's first region.
`OF`                                   the parent that a request names; the response has the rows of that one.

A row may say `relations`: pairs of a relation and the ARN of its other end.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple, Protocol, cast

from simulator.inputs import unsupported
from simulator.ledger import REGION_CODES, Line, Mode
from simulator.network import Network
from simulator.pages import Handler, Output, Settings
from simulator.wire import AwsError, Call

Row = dict[str, Any]


class Charge(NamedTuple):
    """What a row costs, as a line of the ledger has it; the usage type is without the prefix of its region."""

    usage_type: str
    rate: int
    service: str = "Amazon Virtual Private Cloud"
    operation: str = "NoOperation"
    record_type: str = "Usage"
    mode: Mode = "steady"
    share: str = ""


class Parent(NamedTuple):
    """What each request names.

    Attributes:
        parameter: the request's parameter.
        field: of a row, and of a parent's, what the parameter names.
        rows: the parents of an account and region.
        missing: AWS's code where there is no such parent.
    """

    parameter: str
    field: str
    rows: Callable[[Network, str, str], list[Row]]
    missing: str


class Listed(Protocol):
    """What a module of this package has."""

    CALL: tuple[str, str]
    RESULT: str
    TRUTH: str

    def rows(self, network: Network, account_id: str, region: str) -> list[Row]:
        """What lies in an account and region, as the truth has it: arn, account_id, region, tags, and its own."""

    def shown(self, row: Row) -> Output:
        """A row as AWS writes it."""


@cache
def listed() -> tuple[Listed, ...]:
    """Every module of this package."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    return tuple(cast(Listed, importlib.import_module(f"{__name__}.{name}")) for name in names)


def _others(one: Listed, network: Network, account_id: str, region: str) -> list[Row]:
    """What stands elsewhere and is listed here too."""
    others = getattr(one, "others", None)
    return others(network, account_id, region) if others else []


class Listings:
    """The handlers of all of them, and their truth."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self._network, self._settings = network, settings
        self.handlers: dict[tuple[str, str], Handler] = {one.CALL: partial(self._describe, one) for one in listed()}

    def _describe(self, one: Listed, call: Call) -> Output:
        for name, only in getattr(one, "FILTERS", {}).items():
            if call.parameters.get(name) not in (None, only):
                raise unsupported(call, name)
        place = self._place(one, call)
        parent: Parent | None = getattr(one, "OF", None)
        named = call.parameters.get(parent.parameter) if parent else None
        if parent and named not in {row[parent.field] for row in parent.rows(self._network, *place)}:
            raise AwsError(parent.missing, f"There is no {parent.parameter} {named}.", 404)
        rows = [*one.rows(self._network, *place), *_others(one, self._network, *place)]
        rows = [row for row in rows if parent is None or row[parent.field] == named]
        if not any(name in call.parameters for name in getattr(one, "FILTERS", {})):
            is_hidden: Callable[[Row], bool] = getattr(one, "is_hidden", lambda _: False)
            rows = [row for row in rows if not is_hidden(row)]
        if getattr(one, "IS_ONE", False):
            return {one.RESULT: one.shown({**rows[0], "at": place})}
        page = self._settings.page(call, one.RESULT, rows, lambda row: one.shown({**row, "at": place}))
        within = getattr(one, "WITHIN", "")
        return {within: {one.RESULT: page.pop(one.RESULT)}, **page} if within else page

    def _place(self, one: Listed, call: Call) -> tuple[str, str]:
        """The account and region that are asked of."""
        if call.parameters.get("AccountId") not in (None, call.account_id):
            raise AwsError("AccessDenied", "The account of the request is not the caller's.", 403)
        home = getattr(one, "HOME", "")
        if home and call.region != home:
            raise AwsError("InvalidRequest", f"{call.operation} is only supported in {home}.", 400)
        return call.account_id, self._network.world.regions[0] if home else call.region

    def lines(self) -> Iterator[Line]:
        """What is billed for rows of modules that have charges, to the account that each is of."""
        world = self._network.world
        charging = [one for one in listed() if hasattr(one, "charges")]
        for account_id, region, one in itertools.product(world.accounts, world.regions, charging):
            prefix = REGION_CODES.get(region, f"{region}-")
            for row in one.rows(self._network, account_id, region):
                for charge in cast(Any, one).charges(row):
                    yield Line(
                        account_id,
                        charge.service,
                        region,
                        prefix + charge.usage_type,
                        charge.record_type,
                        operation=charge.operation,
                        resource_id=row["arn"],
                        tags=row["tags"],
                        mode=charge.mode,
                        rate=charge.rate,
                        quantity=24,
                        share=charge.share,
                    )

    def truth(self) -> dict[str, Any]:
        """Everything, one list for each type of resource, as JSON data; each row with the places that list it."""
        world = self._network.world
        places = [
            (account_id, region)
            for account_id, account in world.accounts.items()
            for region in (world.regions if account.left_on is None else ())
        ]
        truth: dict[str, Any] = {}
        for one in listed():
            found: dict[str, Row] = {}
            for place in places:
                for row in (*one.rows(self._network, *place), *_others(one, self._network, *place)):
                    found.setdefault(row["arn"], {**row, "listed_in": []})["listed_in"].append(place)
            truth[one.TRUTH] = list(found.values())
        return truth
