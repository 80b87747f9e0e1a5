"""What the queries of all models say together: where columns come from, and what tables need of the records of AWS.

It is read from what is kept of the queries that the release ships (`stored_facts`); an operator's own or changed ones
are parsed.
"""

import gc
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pipelines.collection.record_rules import EACH, Each, Keys, Need, Path, RecordRule, Split, Step, Typed
from pipelines.models import stored_facts
from pipelines.models.model import Model, made_by, once
from pipelines.models.sources import Source, Sources
from pipelines.models.sql_files import reads


class ColumnLineage(Protocol):
    """The lineage of all models."""

    def of(self, relation: str) -> Mapping[str, Sources]:
        """Every column of a relation with its sources; none of a constant or a count."""


@dataclass(frozen=True)
class _KeptLineage:
    """The lineage as it is kept."""

    kept: Mapping[str, Mapping[str, list[str]]]

    def of(self, relation: str) -> Mapping[str, Sources]:
        """Every column of a relation with its sources."""
        return {column: frozenset(map(_source, sources)) for column, sources in self.kept[relation].items()}


def lineage_of(models: Mapping[str, Model]) -> ColumnLineage:
    """Where the columns of every model come from.

    Raises:
        UnreadableQueryError: a query is none that can be parsed.
    """
    kept = stored_facts.facts()
    if kept.models == once(_digest, models):
        return _KeptLineage(kept.lineage)
    from pipelines.models.lineage import Lineage

    return once(Lineage, models)


def record_rules_of(models: Mapping[str, Model]) -> dict[str, RecordRule]:
    """What the tables need of the records of each listing, by its name.

    Raises:
        SqlFileError: a query reads a type of which no rule is known.
    """
    kept = stored_facts.facts()
    if kept.models == once(_digest, models):
        return {name: _rule(rule, made_by(name, models)) for name, rule in kept.record_rules.items()}
    from pipelines.models import record_requirements

    return once(record_requirements.record_rules_of, models)


def forget_trees() -> None:
    """Free the trees of the queries that were parsed, once all have been looked at; where none was there are none.

    They refer to each other in circles, and what is garbage when `loading` ends is never collected.
    """
    if queries := sys.modules.get("pipelines.models.queries"):
        queries.parsed.cache_clear()
        gc.collect()


def _digest(models: Mapping[str, Model]) -> str:
    return stored_facts.digest(*(text for model in models.values() for text in (model.relation, model.sql)))


# ------------------------------------------------------------------------------------------------ as it is kept


def kept(models: Mapping[str, Model], queries: Iterable[str]) -> dict[str, Any]:
    """All that is kept, found in the queries now: what `stored_facts.Facts` reads.

    Args:
        queries: the texts of which is kept what they read.
    """
    from pipelines.models import record_requirements
    from pipelines.models.lineage import Lineage

    lineage = Lineage(models)
    found = {stored_facts.digest(sql): reads(sql) for sql in queries}
    return {
        "models": _digest(models),
        "reads": {
            key: [sorted(read.relations), list(read.listings), sorted(read.slices)]
            for key, read in sorted(found.items())
        },
        "lineage": {
            name: {
                column: [f"{'/'.join(source.asset)} {source.column}" for source in sorted(sources)]
                for column, sources in lineage.of(name).items()
            }
            for name in models
        },
        "record_rules": {
            name: {
                "types": [[typed.table, typed.shape] for typed in rule.types],
                "needs": [
                    [need.column, [[_written(path) for path in option] for option in need.options]]
                    for need in rule.needs
                ],
                "keys": [[keys.column, _written(keys.path), keys.name] for keys in rule.keys],
            }
            for name, rule in record_requirements.record_rules_of(models).items()
        },
    }


def _source(text: str) -> Source:
    asset, _, column = text.partition(" ")
    return Source(tuple(asset.split("/")), column)


def _rule(kept: Mapping[str, Any], queries: str) -> RecordRule:
    return RecordRule(
        tuple(Typed(table, shape) for table, shape in kept["types"]),
        tuple(
            Need(column, tuple(tuple(_path(path) for path in option) for option in options))
            for column, options in kept["needs"]
        ),
        tuple(Keys(column, _path(path), name) for column, path, name in kept["keys"]),
        queries,
    )


def _written(path: Path) -> list[str | int | list[str] | None]:
    """A path as JSON keeps it: every element of a list is `null`, the parts of a text are `[separator]`."""
    return [None if isinstance(step, Each) else [step.separator] if isinstance(step, Split) else step for step in path]


def _path(kept: Iterable[Any]) -> Path:
    return tuple(_step(step) for step in kept)


def _step(kept: Any) -> Step:
    if kept is None:
        return EACH
    return Split(kept[0]) if isinstance(kept, list) else kept
