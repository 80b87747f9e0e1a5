"""The schema of an organisation's reference files: their columns, and what a cell of each kind may hold.

`pipelines.reference` reads and checks files by it. What each column means is said by the headers of `warehouse/ref`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from resources.installation import SQL_FOLDER

SHIPPED_FOLDER = SQL_FOLDER / "ref"

Kind = Literal["text", "account", "date", "month", "amount", "rate", "threshold", "boolean", "currency"]
Use = Literal["own", "rows", "whole"]


@dataclass(frozen=True)
class Column:
    """A column of a reference file.

    Attributes:
        is_required: whether a row may leave it empty.
        values: the only values that it may have; any where there are none.
    """

    name: str
    kind: Kind = "text"
    is_required: bool = False
    values: tuple[str, ...] = ()

    @property
    def expects(self) -> str:
        """The values that the column takes, in words."""
        return f"one of {', '.join(self.values)}" if self.values else EXPECTS[self.kind]


@dataclass(frozen=True)
class ReferenceFile:
    """A file that an organisation may have, and the table `ref.<name>` that it becomes.

    Attributes:
        key: columns that identify a row.
        use: `own` where the product ships no row; `rows` where a row takes the place of the shipped row with the same
            key; `whole` where the file takes the place of the shipped file.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    use: Use = "own"

    @property
    def header(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]

    @property
    def shipped(self) -> Path:
        """The file of the same name that the product ships; of use `own` it has a header only."""
        return SHIPPED_FOLDER / f"{self.name}.csv"


def _required(name: str, kind: Kind = "text", *values: str) -> Column:
    return Column(name, kind, is_required=True, values=values)


FILES: Mapping[str, ReferenceFile] = {
    file.name: file
    for file in (
        ReferenceFile(
            "tag_key",
            (
                _required("tag_key"),
                _required(
                    "resource_column",
                    "text",
                    *("capability", "business_service", "business_owner", "cost_centre", "environment", "project"),
                ),
                _required("is_cut_by_service", "boolean"),
                Column("description"),
            ),
            key=("tag_key",),
        ),
        ReferenceFile(
            "tag_value_alias",
            (_required("tag_key"), _required("alias"), _required("tag_value")),
            key=("tag_key", "alias"),
        ),
        ReferenceFile(
            "account_default",
            (
                _required("account_id", "account"),
                Column("business_service"),
                Column("business_owner"),
                Column("cost_centre"),
                Column("capability"),
                Column("environment"),
                Column("project"),
                Column("source"),
            ),
            key=("account_id",),
        ),
        ReferenceFile(
            "former_account",
            (_required("account_id", "account"), Column("left_date", "date"), Column("note")),
            key=("account_id",),
        ),
        ReferenceFile(
            "budget",
            (
                _required("scope"),
                _required("budget_name"),
                _required("month", "month"),
                _required("amount", "amount"),
                _required("currency", "currency"),
                Column("fiscal_year"),
                Column("source"),
            ),
            key=("scope", "budget_name", "month"),
        ),
        ReferenceFile(
            "fx_rate",
            (
                _required("from_currency", "currency"),
                _required("to_currency", "currency"),
                _required("kind", "text", "invoice", "month_average", "spot", "budget"),
                _required("valid_from", "date"),
                _required("rate", "rate"),
                Column("source"),
            ),
            key=("from_currency", "to_currency", "kind", "valid_from"),
        ),
        ReferenceFile(
            "approved_service",
            (
                _required("service_principal"),
                _required("domain", "text", "security", "finance", "network", "operations"),
                Column("purpose"),
            ),
            key=("service_principal",),
        ),
        ReferenceFile(
            "accepted_finding",
            (
                _required("arn"),
                _required("rule"),
                _required("accepted_by"),
                _required("reason"),
                _required("accepted_date", "date"),
                Column("until", "date"),
            ),
            key=("arn", "rule"),
        ),
        ReferenceFile(
            "kpi_threshold",
            (
                _required("kpi"),
                Column("unit"),
                Column("description"),
                Column("green_min", "threshold"),
                Column("green_max", "threshold"),
                Column("amber_min", "threshold"),
                Column("amber_max", "threshold"),
                Column("evidence"),
            ),
            key=("kpi",),
            use="rows",
        ),
        ReferenceFile(
            "anomaly_threshold",
            (
                _required("slice"),
                _required("min_score", "threshold"),
                _required("money_floor", "amount"),
                _required("relative_floor", "amount"),
            ),
            key=("slice",),
            use="rows",
        ),
        ReferenceFile(
            "unit_price",
            (
                _required("service"),
                _required("usage"),
                Column("region"),
                _required("unit"),
                _required("amount", "amount"),
                _required("currency", "currency"),
                _required("valid_from", "date"),
                Column("source"),
            ),
            key=("service", "usage", "region", "valid_from"),
            use="rows",
        ),
        ReferenceFile(
            "shared_cost",
            (_required("kind", "text", "service", "account"), _required("value"), Column("description")),
            key=("kind", "value"),
            use="whole",
        ),
    )
}
"""Every reference file that an organisation may have, in the order in which people need them."""


# ---------------------------------------------------------------------------------------------- what a cell may hold


def _decimal(text: str, *, digits: int, decimals: int) -> Decimal:
    """The number, where it fits DECIMAL(digits, decimals) as it is written.

    Raises:
        ValueError: it is no number, or it does not fit.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite() or "e" in text.lower() or "_" in text or text != text.strip():
        raise ValueError(text)
    if abs(number) >= 10 ** (digits - decimals) or number != round(number, decimals):
        raise ValueError(text)
    return number


def _account(text: str) -> None:
    if len(text) != 12 or not (text.isascii() and text.isdigit()):
        raise ValueError(text)


def _date(text: str) -> date:
    # `fromisoformat` alone also takes 20261130 and 2026-W48-1, which DuckDB does not.
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        raise ValueError(text)
    return date.fromisoformat(text)


def _month(text: str) -> None:
    if _date(text).day != 1:
        raise ValueError(text)


def _amount(text: str) -> None:
    if _decimal(text, digits=28, decimals=10) < 0:
        raise ValueError(text)


def _rate(text: str) -> None:
    if _decimal(text, digits=18, decimals=10) <= 0:
        raise ValueError(text)


def _threshold(text: str) -> None:
    _decimal(text, digits=18, decimals=2)


def _boolean(text: str) -> None:
    if text not in ("true", "false"):
        raise ValueError(text)


def _currency(text: str) -> None:
    if len(text) != 3 or not (text.isascii() and text.isalpha() and text.isupper()):
        raise ValueError(text)


def _text(text: str) -> None:
    if "\x00" in text:
        raise ValueError(text)


PARSERS: Mapping[Kind, Callable[[str], object]] = {
    "text": _text,
    "account": _account,
    "date": _date,
    "month": _month,
    "amount": _amount,
    "rate": _rate,
    "threshold": _threshold,
    "boolean": _boolean,
    "currency": _currency,
}

EXPECTS: Mapping[Kind, str] = {
    "text": "text",
    "account": "an account id of 12 digits, with its leading zeros",
    "date": "a date such as 2026-11-30",
    "month": "the first day of a month, such as 2026-11-01",
    "amount": "a number from 0 on with at most ten decimals, such as 9000.00",
    "rate": "a number above 0 with at most ten decimals, such as 1.7123",
    "threshold": "a number with at most two decimals, such as 95.50",
    "boolean": "true or false",
    "currency": "a currency of three capitals such as NZD",
}
