"""Values as text that cannot do harm, each with the figure, row and column that it comes from."""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipelines import plain_text
from pipelines.report.figures import Figure
from pipelines.trust.ages import moment

if TYPE_CHECKING:
    from markupsafe import Markup

CONSOLE = "https://console.aws.amazon.com/go/view?arn="
"""Where a link from an ARN leads. Nothing is requested from there unless somebody follows the link."""

_ARN = re.compile(r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:(\d{12})?:[^\s\x00-\x1f\x7f]+")

LONGEST_TEXT, LONGEST_SENTENCE = 140, 1000

NUMERIC = frozenset({"money", "change", "percent", "change_percent", "rate", "count"})


def plain(value: object, longest: int = LONGEST_TEXT) -> str:
    """A value as one line of text of a length that a page bears."""
    return plain_text.plain(value, longest)


def counted(count: int, noun: str) -> str:
    """A number of things whose plural has an s, such as `1 cell`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def rounded(value: Decimal, places: int) -> str:
    """A number with thousands separated; half is rounded up, as on an invoice."""
    step = Decimal(1).scaleb(-places)
    amount = value.quantize(step, rounding=ROUND_HALF_UP)
    if not amount and value:
        return f"{'−' if value < 0 else ''}<{step}"
    return f"{amount:,}".replace("-", "−")


def _percentage(value: Any) -> str:
    """A percentage with one place: nearly all is not all, whichever way it would be rounded."""
    # The quotient of two doubles may lack a whole's last digits.
    exact = Decimal(str(round(value, 9) if isinstance(value, float) else value))
    nearly = Decimal("99.9")
    return rounded(nearly.copy_sign(exact) if nearly < abs(exact) < 100 else exact, 1)


def places_of(figure: Figure) -> int:
    """Cents only where no amount of the figure is large."""
    amounts = [
        abs(amount)
        for row in figure
        for column, amount in row.items()
        if isinstance(amount, Decimal) and not column.endswith(("rate", "pct"))
    ]
    return 0 if amounts and max(amounts) >= 100 else 2


def text_of(value: Any, kind: str, places: int = 0) -> str:
    """A value as the page shows it."""
    match kind:
        case "money":
            return rounded(Decimal(value), places)
        case "change":
            amount = rounded(Decimal(value), places)
            return amount if value <= 0 or amount.startswith("<") else f"+{amount}"
        case "change_percent":
            return f"{'+' if value > 0 else ''}{_percentage(value)} %"
        case "percent":
            return f"{_percentage(value)} %"
        case "rate":
            return rounded(Decimal(value), 4)
        case "count":
            return f"{int(value):,}"
        case "month":
            return f"{value:%b %Y}"
        case "date":
            return f"{value:%Y-%m-%d}"
        case "day":
            return f"{value.day} {value:%b}"
        case "month_name":
            return f"{value:%B %Y}"
        case "sentence":
            return plain(value, LONGEST_SENTENCE)
        case "word":
            return plain(value).replace("_", " ")
        case "time":
            return moment(value)
        case _:
            return plain(value)


def console_address(arn: object) -> str | None:
    """The address at which the AWS console opens what an ARN names; None of what is no ARN of the partition aws.

    The console's own resolver finds service and region by the ARN. Other partitions have other consoles.
    """
    text = str(arn or "")
    return f"{CONSOLE}{quote(text, safe='')}" if _ARN.fullmatch(text) else None


def value_of(figure: Figure, index: int, column: str, kind: str = "text", null: str = "unknown") -> "Markup":
    """One value of a figure, with where it comes from.

    Args:
        null: what stands where there is none: what is not known is never shown as nothing.
    """
    from markupsafe import Markup

    value = figure.rows[index][column]
    where = Markup('data-figure="{}" data-row="{}" data-column="{}"').format(figure.name, index, column)
    if value is None:
        return Markup('<span class="unknown" {}>{}</span>').format(where, null)
    shown = text_of(value, kind, places_of(figure) if kind in ("money", "change") else 0)
    if kind in NUMERIC:
        return Markup('<data value="{}" {}>{}</data>').format(f"{value}", where, shown)
    if kind in ("month", "month_name", "date", "day", "time"):
        return Markup('<time datetime="{}" {}>{}</time>').format(value.isoformat(), where, shown)
    return Markup("<bdi {}>{}</bdi>").format(where, shown)


def bar(parts: Sequence[tuple[Any, str]], total: Any) -> "Markup":
    """A line of coloured lengths, 100 wide where the parts are the total."""
    from markupsafe import Markup

    drawn, at = [], 0.0
    for amount, kind in parts:
        width = 0.0 if not total or amount is None else max(min(float(amount) / float(total) * 100, 100.0 - at), 0.0)
        drawn.append(
            Markup('<rect class="{}" x="{}" width="{}" height="10"/>').format(kind, f"{at:.2f}", f"{width:.2f}")
        )
        at += width
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(Markup("").join(drawn))
