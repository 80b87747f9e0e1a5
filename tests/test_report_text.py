"""Numbers as the report shows them: rounding never turns nearly all into all, or little into nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pipelines.report.text import text_of


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (Decimal("99.97"), "percent", "99.9 %"),
        (Decimal("99.9999999999"), "percent", "99.9 %"),
        (99.97, "percent", "99.9 %"),
        (Decimal("99.94"), "percent", "99.9 %"),
        (Decimal("85.96"), "percent", "86.0 %"),
        (Decimal(100), "percent", "100.0 %"),
        # What a division of doubles leaves of a whole.
        (99.99999999999999, "percent", "100.0 %"),
        (Decimal("0.04"), "percent", "<0.1 %"),
        (Decimal(0), "percent", "0.0 %"),
        # A pace may be above 100.
        (Decimal("100.02"), "percent", "100.0 %"),
        (Decimal("-99.97"), "change_percent", "−99.9 %"),
        (Decimal(-100), "change_percent", "−100.0 %"),
        (Decimal("12.25"), "change_percent", "+12.3 %"),
    ],
)
def test_a_percentage_below_100_is_never_shown_as_100(value: object, kind: str, text: str) -> None:
    assert text_of(value, kind) == text
