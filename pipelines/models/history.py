"""Histories: relations whose rows are versions, each of which ends where the next one begins (SCD type 2)."""

import duckdb

from pipelines.models.model import Model, ModelError
from resources.store.sql import identifier

VALID_FROM = "valid_from"
"""The column that tells the versions of a history apart."""


def open_versions(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Put the versions of `incoming` into a history.

    Raises:
        ModelError: the key does not end with `valid_from`.
    """
    *subject, begin = model.key or ("",)
    if begin != VALID_FROM or not subject:
        raise ModelError(
            f"{model.place} is a history, and its key does not end with {VALID_FROM}. "
            f"Nothing was changed. Write what a version is of, then {VALID_FROM}."
        )
    same = " and ".join(f"t.{identifier(name)} = i.{identifier(name)}" for name in subject)
    connection.execute(
        f"delete from {model.quoted} as t using incoming as i where {same} and t.valid_from = i.valid_from"
    )
    connection.execute(
        f"""
        update {model.quoted} as t set valid_to = i.valid_from, is_current = false
        from incoming as i
        where t.is_current and {same}
        """
    )
    connection.execute(f"insert into {model.quoted} by name select * from incoming")
