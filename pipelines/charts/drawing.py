"""Draws charts in short-lived processes, so that a run frees the memory of drawing at once.

Altair takes 40 MB and vl-convert 90 MB, and a few more with each chart, until their process ends. One process makes
the specifications and ends; then one process draws them: the two libraries are never loaded together.
"""

import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipelines.charts import charts, svg
from resources.installation import PRODUCT_FOLDER

if TYPE_CHECKING:
    import altair as alt

Chart = Callable[[], "alt.LayerChart"]
"""A function of `charts` with its arguments, as a `functools.partial`, which the other process calls."""

SECONDS = 120
"""Time limit of one process in seconds; it usually takes a second."""

_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


class DrawingError(Exception):
    """No chart was drawn. The message says why, and what to do."""


def svgs(wanted: Sequence[Chart], *, background: str = "transparent") -> list[str]:
    """Each chart as SVG text, in the order of `wanted`.

    Raises:
        DrawingError: no chart was drawn.
    """
    if not wanted:
        return []
    drawn: list[str] = json.loads(_run("draw", _run("specify", pickle.dumps((list(wanted), background)))))
    # Names in the data may hold characters that XML forbids or that reverse the direction of the text around them.
    return [_UNSPEAKABLE.sub("\ufffd", one) for one in drawn]


def each_svg(wanted: Mapping[str, Chart]) -> dict[str, str | DrawingError]:
    """Each chart as SVG text, or why it was not drawn: one that cannot be drawn does not keep back the others."""
    try:
        return dict(zip(wanted, svgs([*wanted.values()]), strict=True))
    except DrawingError as error:
        if len(wanted) == 1:
            return dict.fromkeys(wanted, error)
    return {name: drawn for name in wanted for drawn in each_svg({name: wanted[name]}).values()}


def as_markdown(chart: Chart, title: str) -> str:
    """A chart as Markdown for an asset's page in Dagster.

    Raises:
        DrawingError: the chart was not drawn.
    """
    (drawn,) = svgs([chart], background="white")
    return svg.in_markdown(drawn, title)


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
        why = _reason(error.stderr.decode(errors="replace")) or f"the process ended with {error.returncode}"
        remedy = " Install the pinned requirements." if why.startswith(("ImportError", "ModuleNotFoundError")) else ""
        raise DrawingError(f"Not drawn: {why}.{remedy}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DrawingError(f"Not drawn: {error}.") from error
    return done.stdout


def _reason(printed: str) -> str:
    """What an exception says, from what its process printed: without the places in Python and in the library."""
    last = printed.rpartition("Traceback (most recent call last):\n")[2]
    lines = [line.rstrip(" .:") for line in last.splitlines() if line.strip() and not line.startswith((" ", "\t"))]
    return ": ".join(lines)


def _specify() -> None:
    """Write the specifications of pickled charts to standard output; only this process loads Altair."""
    wanted, background = pickle.load(sys.stdin.buffer)
    json.dump([charts.specification(chart(), background) for chart in wanted], sys.stdout)


def _draw() -> None:
    """Render Vega-Lite specifications as a list of SVG texts on standard output, without browser or network."""
    import vl_convert

    # No base URL: a specification holds all of its data, and nothing is loaded from the network.
    drawn = [vl_convert.vegalite_to_svg(one, allowed_base_urls=[]) for one in json.load(sys.stdin)]
    json.dump(drawn, sys.stdout)


if __name__ == "__main__":
    {"specify": _specify, "draw": _draw}[sys.argv[1]]()
