"""Exchange rates that people bring: `cmdb fx import` reads what a central bank or finance publishes, all or nothing.

Two forms are read. Long: `from_currency, to_currency, kind, valid_from, rate` and, if there is one, `source`. Wide, as
the Reserve Bank of New Zealand and the European Central Bank publish: a date and a column a currency, each figure being
how much of it one unit of the bank's own currency buys. It is turned round, since bills are converted into that one.
"""

import csv
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, get_args

from resources.store.files import atomic_write
from resources.store.store import Store

Kind = Literal["invoice", "month_average", "spot", "budget"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MONTHLY: tuple[Kind, ...] = ("invoice", "month_average")
"""Kinds of which a rate belongs to a whole month, whatever day of it a publisher names."""

COLUMNS = ("from_currency", "to_currency", "kind", "valid_from", "rate", "source")

DECIMALS = Decimal("1E-10")
LARGEST = Decimal(10**8)

NO_RATE = frozenset({"", "-", "n/a", "na", "nan", ".."})
"""How publishers write that a day has no rate: a holiday, a currency that was not yet quoted."""

_CODES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
    CDF CHF CLP CNY COP CRC CUP CVE CYP CZK DJF DKK DOP DZD EEK EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
    GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT
    LAK LBP LKR LRD LSL LTL LVL LYD MAD MDL MGA MKD MMK MNT MOP MRU MTL MUR MVR MWK MXN MYR MZN NAD NGN NIO
    NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR ROL RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SIT SKK
    SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRL TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV
    WST XAF XCD XOF XPF YER ZAR ZMW ZWG
"""

CURRENCIES = frozenset(_CODES.split())
"""ISO 4217, with those that the euro and a redenomination replaced: central banks' files still have their columns."""


class FxError(Exception):
    """A file of rates cannot be used. The message says where and why."""


@dataclass(frozen=True, order=True)
class RateKey:
    """What a rate is of. Text throughout, as the file has it."""

    from_currency: str
    to_currency: str
    kind: str
    valid_from: str


@dataclass(frozen=True)
class Rate:
    """A rate, and who published it."""

    rate: Decimal
    source: str


Rates = dict[RateKey, Rate]


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    path: Path
    added: int
    changed: int
    unchanged: int
    without: int

    def __str__(self) -> str:
        gaps = f" {self.without} cell(s) of the file had no rate." if self.without else ""
        return (
            f"{self.added} rate(s) added, {self.changed} changed, {self.unchanged} unchanged in {self.path}.{gaps} "
            "The next run shows them in ref.fx_rate."
        )


def imported(store: Store) -> Path:
    """The rates that `cmdb fx import` brought: they belong to a warehouse, not to the checkout."""
    return store.folder / "fx_rate.csv"


def import_rates(store: Store, file: Path, *, kind: Kind | None, base: str, currencies: Sequence[str]) -> Imported:
    """Take the rates of a file into the warehouse's own, or refuse the whole file.

    Args:
        kind: of a wide file, which does not say it.
        base: of a wide file, the currency that its publisher quotes others for.
        currencies: of a wide file, the columns to take; all where none is named.

    Raises:
        FxError: the file is not what it should be. Nothing was changed.
    """
    brought, without = _read(file, kind, base.upper(), {name.upper() for name in currencies})
    target = imported(store)
    # Two imports at once would lose one of them.
    with store.holding(f"fx-import-{os.getpid()}", "cmdb fx import"):
        before = _long(_lines(target), target)[0] if target.exists() else {}
        _write(target, before | brought)
    kept = {key for key, rate in brought.items() if key in before and before[key].rate == rate.rate}
    changed = len(brought.keys() & before.keys()) - len(kept)
    return Imported(target, len(brought.keys() - before.keys()), changed, len(kept), without)


def _read(file: Path, kind: Kind | None, base: str, wanted: set[str]) -> tuple[Rates, int]:
    lines = _lines(file)
    header = next((cells for _, cells in lines if _is_header(cells)), None)
    if header is None:
        raise FxError(
            f"{file} is no file of rates: no line begins with a date column and currencies, or has the columns "
            f"{', '.join(COLUMNS[:-1])}. Nothing was changed."
        )
    if {"from_currency", "rate"} <= {cell.lower() for cell in header}:
        rates, without = _long(lines, file)
    else:
        rates, without = _wide(lines, file, kind, base, wanted)
    if not rates:
        raise FxError(f"{file} holds no rate. Nothing was changed.")
    return rates, without


def _lines(file: Path) -> list[tuple[int, list[str]]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise FxError(f"{file} is no text in UTF-8; export it as CSV. Nothing was changed.") from None
    except OSError as error:
        raise FxError(f"{file} cannot be read: {error.strerror}. Nothing was changed.") from None
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), strict=True)]
    except csv.Error as error:
        raise FxError(f"{file} is no CSV: {error}. Nothing was changed.") from None
    return [(number, row) for number, row in enumerate(rows, start=1) if any(row)]


def _is_header(cells: Sequence[str]) -> bool:
    first = cells[0].lower()
    return first in ("date", "valid_from", "time_period", "period", "month") or "from_currency" in map(str.lower, cells)


def _long(lines: Sequence[tuple[int, list[str]]], file: Path) -> tuple[Rates, int]:
    rows = iter(lines)
    header = next(([cell.lower() for cell in cells] for _, cells in rows if _is_header(cells)), [])
    if missing := [name for name in COLUMNS[:-1] if name not in header]:
        raise FxError(f"{file} lacks the column(s) {', '.join(missing)}. Nothing was changed.")
    rates: Rates = {}
    for number, cells in rows:
        where = f"{file}, line {number}"
        row = dict(zip(header, cells, strict=False))
        if len(cells) < len(header):
            raise FxError(f"{where}: {len(cells)} cells where the header has {len(header)}. Nothing was changed.")
        if row["kind"] not in KINDS:
            raise FxError(f"{where}: {row['kind']!r} is no kind; write one of {', '.join(KINDS)}. Nothing was changed.")
        key = RateKey(
            _currency(row["from_currency"], where),
            _currency(row["to_currency"], where),
            row["kind"],
            _day(row["valid_from"], row["kind"], where).isoformat(),
        )
        _add(rates, key, Rate(_rate(row["rate"], where), row.get("source") or file.name), where)
    return rates, 0


def _wide(
    lines: Sequence[tuple[int, list[str]]], file: Path, kind: Kind | None, base: str, wanted: set[str]
) -> tuple[Rates, int]:
    if kind is None:
        raise FxError(f"{file} does not state of which kind its rates are; add --kind. Nothing was changed.")
    rows = iter(lines)
    where = f"{file}, header"
    _currency(base, "--base")
    header = next(cells for _, cells in rows if _is_header(cells))
    columns = {index: _code(cell) for index, cell in enumerate(header) if index and cell}
    if absent := wanted - set(columns.values()):
        raise FxError(f"{where}: there is no column for {', '.join(sorted(absent))}. Nothing was changed.")
    taken = {index: code for index, code in columns.items() if not wanted or code in wanted}
    for code in taken.values():
        _currency(code, where)
    rates: Rates = {}
    without = 0
    for number, cells in rows:
        where = f"{file}, line {number}"
        day = _day(cells[0], kind, where)
        for index, code in taken.items():
            text = cells[index] if index < len(cells) else ""
            if text.lower() in NO_RATE:
                without += 1
                continue
            quoted = _rate(text, where)
            rate = (1 / quoted).quantize(DECIMALS, ROUND_HALF_EVEN)
            if code == base or not 0 < rate < LARGEST:
                raise FxError(f"{where}: {code} at {text} for one {base} cannot be turned round. Nothing was changed.")
            _add(
                rates,
                RateKey(code, base, kind, day.isoformat()),
                Rate(rate, f"{file.name}: {base}/{code} {text}"),
                where,
            )
    return rates, without


def _code(cell: str) -> str:
    """The currency of a column: `USD`, `NZD/USD`, `United States dollar (USD)`."""
    found = re.findall(r"\b[A-Z]{3}\b", cell)
    return found[-1] if found else cell


def _currency(code: str, where: str) -> str:
    if code not in CURRENCIES:
        raise FxError(
            f"{where}: {code!r} is no currency of ISO 4217. Correct it, or name the columns to take with --currency. "
            "Nothing was changed."
        )
    return code


def _day(text: str, kind: str, where: str) -> date:
    for pattern in ("%Y-%m-%d", "%Y-%m", "%d %b %Y", "%b %Y", "%d-%b-%Y"):
        try:
            # A date has no time zone.
            day = datetime.strptime(text, pattern).date()  # noqa: DTZ007
        except ValueError:
            continue
        return day.replace(day=1) if kind in MONTHLY else day
    raise FxError(f"{where}: {text!r} is no date that has one meaning; write it as 2026-11-30. Nothing was changed.")


def _rate(text: str, where: str) -> Decimal:
    try:
        rate = Decimal(text)
    except InvalidOperation:
        rate = Decimal(0)
    if not rate.is_finite() or not 0 < rate < LARGEST:
        raise FxError(f"{where}: {text!r} is no rate; it must be a number above zero. Nothing was changed.")
    if rate != rate.quantize(DECIMALS):
        raise FxError(f"{where}: {text} has more than ten decimals. Nothing was changed.")
    return rate


def _add(rates: Rates, key: RateKey, rate: Rate, where: str) -> None:
    if key.from_currency == key.to_currency:
        raise FxError(f"{where}: a rate of {key.from_currency} to itself. Nothing was changed.")
    if key in rates:
        raise FxError(
            f"{where}: a second {key.kind} rate of {key.from_currency} to {key.to_currency} from {key.valid_from} on. "
            "Nothing was changed."
        )
    rates[key] = rate


def _write(target: Path, rates: Mapping[RateKey, Rate]) -> None:
    """Put all rates in place of the file at once."""
    rows: Iterable[tuple[str, ...]] = (
        (key.from_currency, key.to_currency, key.kind, key.valid_from, f"{rate.rate:f}", rate.source)
        for key, rate in sorted(rates.items())
    )
    with atomic_write(target) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
