"""What a text may be the name of: services and types of AWS that no listing collects.

A name that nothing collected has may be that of a resource of another type. Where the text itself hints at a service or
a type that is known and not collected, "none" is not said.
"""

import functools
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pipelines.catalogue.registry import listings

if TYPE_CHECKING:
    import duckdb

SHORTEST = 2
"""Letters and digits of a text that may be a part of a name."""

LONG = 6
"""Letters and digits of the name of a service that is looked for within words; a shorter one has to be a word."""

KNOWN = """
    select resource_type from ref.discovered_type
    union
    select resource_type from aws.config_resource
    union
    select resource_type from aws.explorer_resource where resource_type is not null
    union
    select service from ref.service_action
    union
    select split_part(action, ':', 1) from ref.service_action where action is not null
    union
    select service from ref.service_category
    union
    select arn_service from ref.discovered_type where arn_service is not null
    except
    select service from ref.service_listing
    order by all
"""
"""Types, and services as the bill and as ARNs call them, that listings need not show."""


@functools.cache
def collected_types() -> frozenset[str]:
    """The resource types that listings collect."""
    return frozenset(listing.resource_type for listing in listings().values() if listing.resource_type)


@functools.cache
def collected_services() -> frozenset[str]:
    """The services of these types, as ARNs call them."""
    those = [listing for listing in listings().values() if listing.resource_type]
    called = {listing.call.partition(":")[0] for listing in those}
    return frozenset(called | {listing.arn_form.partition(":")[0] for listing in those if listing.arn_form})


def uncollected(connection: "duckdb.DuckDBPyConnection", texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Texts that may be of a service or type that no listing collects, each with the name of one."""
    texts = sorted(texts)
    if not texts:
        return
    known = [name for (name,) in connection.execute(KNOWN).fetchall() if name not in collected_types()]
    own = {_plain(word) for word in collected_services()}
    own |= {_plain(word) for name in collected_types() for word in (name, *name.split("::")[1:])}
    for text in texts:
        if _plain(text) in own:
            continue
        fitting = [name for name in known if _fits(text, name, own)]
        if fitting:
            yield text, min(fitting, key=lambda name: (name.islower(), len(name), name))


def _fits(text: str, name: str, own: set[str]) -> bool:
    """Whether a text is or holds the name of a service or type, or is a part of it."""
    plain = _plain(text)
    words = {_plain(word) for word in re.split(r"[^a-zA-Z0-9]+", text)} | {plain}
    service, kind = name.split("::")[1:] if name.startswith("AWS::") else [re.sub(r"^(Amazon|AWS) ", "", name), ""]
    services, kinds = {_plain(service)} - own, {_plain(kind)} - own - {""}
    return (
        (len(plain) >= SHORTEST and any(plain in one for one in services | kinds | {_plain(name)}))
        or bool(words & (services | kinds))
        or any(len(one) >= LONG and one in plain for one in services)
    )


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
