"""Draws charts in processes of their own, so that a night gives back at once what drawing holds.

Altair takes 40 MB and vl-convert 80 and more with each chart, for as long as the process that loaded them lives. One
process makes the specifications and ends; then one draws each: they are never there together.
"""

import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipelines.charts import charts
from resources.installation import PRODUCT_FOLDER

if TYPE_CHECKING:
    import altair as alt

Chart = Callable[[], "alt.LayerChart"]
"""A function of `charts` with its arguments, as `functools.partial` has it: made in the other process."""

SECONDS = 120
"""How long one process may take; it takes half a second."""

_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


class DrawingError(Exception):
    """No chart was drawn: why, and what to do."""


def svgs(wanted: Sequence[Chart], *, background: str = "transparent") -> list[str]:
    """Each chart as SVG.

    Raises:
        DrawingError: none was drawn.
    """
    if not wanted:
        return []
    specified = json.loads(_run("specify", pickle.dumps((list(wanted), background))))
    drawn = [_run("draw", json.dumps(one).encode()).decode() for one in specified]
    # What XML has no way to say, and what turns the text around it round: a name may have it all the same.
    return [_UNSPEAKABLE.sub("\ufffd", svg) for svg in drawn]


def as_markdown(chart: Chart, title: str) -> str:
    """A chart for an asset's page in Dagster.

    Raises:
        DrawingError: it was not drawn.
    """
    (svg,) = svgs([chart], background="white")
    return charts.in_markdown(svg, title)


def _run(what: str, given: bytes) -> bytes:
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, what],
            input=given,
            capture_output=True,
            cwd=PRODUCT_FOLDER,
            timeout=SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        why = last[0] if last else f"the process ended with {error.returncode}"
        raise DrawingError(f"The charts could not be drawn: {why}. Install the pinned requirements.") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DrawingError(f"The charts could not be drawn: {error}.") from error
    return done.stdout


def _specify() -> None:
    """The process that makes the specifications: it holds Altair."""
    wanted, background = pickle.load(sys.stdin.buffer)
    json.dump([charts.specification(chart(), background) for chart in wanted], sys.stdout)


def _draw() -> None:
    """The process that makes one specification of Vega-Lite an SVG, without browser or network."""
    import vl_convert

    # No base URL: what a specification may name is in it, and nothing is fetched.
    svg = vl_convert.vegalite_to_svg(sys.stdin.buffer.read().decode(), allowed_base_urls=[])
    sys.stdout.buffer.write(svg.encode())


if __name__ == "__main__":
    {"specify": _specify, "draw": _draw}[sys.argv[1]]()
