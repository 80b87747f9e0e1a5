"""Numbers as the report shows them: rounding never turns nearly all into all, or little into nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pipelines.charts.labels import labels, shortened
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


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("twelve wide.", "twelve wide."),
        ("thirteen wide", "thirteen wi…"),
        # An emoji and a Chinese character are two columns wide.
        ("ten of it 📈 and more", "ten of it …"),
        ("nine of 📈📈 and", "nine of 📈…"),
        ("本番環境アカウント管理", "本番環境ア…"),
        # A flag is two letters; a skin colour and an accent belong to what stands before them.
        ("of two ab 🇳🇿🇦🇺", "of two ab …"),
        ("thumbs up 👍🏽👍🏽", "thumbs up …"),
        ("cafe\u0301 zu\u0308rich nord", "cafe\u0301 zu\u0308rich…"),
        ("ALL CAPITALS", "ALL CAPI…"),
        ("WWWWWWWWWWWW", "WWWWW…"),
    ],
)
def test_a_label_is_cut_between_the_characters_that_a_reader_sees(name: str, shown: str) -> None:
    assert shortened(name, 12) == shown


def test_names_that_shorten_alike_have_labels_apart() -> None:
    names = ["platform-prod-eu-1", "platform-prod-eu-2", "platform-p…", "short", "a" * 6 + "b" * 9 + "a" * 6, "a" * 21]
    found = labels(names, 12)
    assert found == {
        "platform-prod-eu-1": "platf…d-eu-1",
        "platform-prod-eu-2": "platf…d-eu-2",
        "platform-p…": "platform-p…",
        "short": "short",
        "aaaaaabbbbbbbbbaaaaaa": "aaaaaabbbbb…",
        "aaaaaaaaaaaaaaaaaaaaa": "aaaaaaaaaaa…",
    }
    alike = labels(["begins-" + "x" * 9 + "-ends", "begins-" + "y" * 9 + "-ends", "begins-…-ends"], 12)
    assert len({*alike.values()}) == 3
