"""A service map as SVG: what leans on what, in layers from left to right, with nothing but boxes, lines and text.

The map stays legible at two hundred nodes: the others are one node together, a box is never smaller than its words, and
a layer that is too long for a page becomes several columns. Colours come from the page's style sheet.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_NODES = 200
MOST_LINES = 600
LAYERS = 7
ROWS = 24
"""Boxes in a column, before a layer begins another one."""

BOX, HEIGHT, GAP, BETWEEN, BESIDE = 204, 34, 8, 72, 14
"""Width and height of a box, the space below it, between two layers, and between the columns of one, in pixels."""

LETTERS, NOTE_LETTERS = 22, 27
"""What fits into a box of a name and of a note."""

OTHERS = "(all others)"


@dataclass(frozen=True)
class Node:
    """A box of the map.

    Attributes:
        key: what lines call it.
        label: what stands in it, above.
        note: what stands in it, below.
        kind: own, foreign, none or others: how it is coloured.
        count: what it stands for.
    """

    key: str
    label: str
    note: str
    kind: str = "own"
    count: int = 1


@dataclass(frozen=True)
class Line:
    """That one box leans on another.

    Attributes:
        count: how many relations it stands for.
        description: what they are.
        is_stale: whether all of them rest on responses that are not trusted any more.
    """

    start: str
    end: str
    count: int
    description: str = ""
    is_stale: bool = False


@dataclass(frozen=True)
class Place:
    """Where a box stands: its left upper corner."""

    x: int
    y: int


def condensed(nodes: Sequence[Node], lines: Sequence[Line], most: int = MOST_NODES) -> tuple[list[Node], list[Line]]:
    """The first nodes, and the others as one; lines between the same two become one, those to nowhere go."""
    kept = list(nodes) if len(nodes) <= most else list(nodes[: most - 1])
    rest = nodes[len(kept) :]
    known = {node.key for node in kept}
    summed = {node.key for node in rest}
    if rest:
        total = sum(node.count for node in rest)
        kept.append(Node(OTHERS, f"{len(rest):,} others", f"{total:,} items", "others", total))
    merged: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        start, end = (key if key in known else OTHERS if key in summed else "" for key in (line.start, line.end))
        if start and end and start != end:
            merged[(start, end)].append(line)
    found = [
        Line(
            start,
            end,
            sum(line.count for line in same),
            same[0].description if len(same) == 1 else "",
            all(line.is_stale for line in same),
        )
        for (start, end), same in merged.items()
    ]
    return kept, sorted(found, key=lambda line: -line.count)


def layers(nodes: Sequence[Node], lines: Sequence[Line]) -> list[list[str]]:
    """The keys of connected nodes by layer: what leans on others stands left of them, as far as there is no circle."""
    ends: dict[str, list[str]] = {node.key: [] for node in nodes}
    connected = set()
    for line in lines:
        ends[line.start].append(line.end)
        connected |= {line.start, line.end}
    ordered = _without_circles(ends)
    depth = dict.fromkeys(connected, 0)
    for key in _topological(ordered, connected):
        for end in ordered[key]:
            depth[end] = max(depth[end], depth[key] + 1)
    found: list[list[str]] = [[] for _ in range(min(max(depth.values(), default=-1) + 1, LAYERS))]
    for node in nodes:
        if node.key in depth:
            found[min(depth[node.key], LAYERS - 1)].append(node.key)
    return _untangled(found, lines)


def _without_circles(ends: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The lines less those that lead back to where a walk came from."""
    kept: dict[str, list[str]] = {key: [] for key in ends}
    state: dict[str, int] = {}
    for root in ends:
        if root in state:
            continue
        state[root] = 1
        walk = [(root, iter(ends[root]))]
        while walk:
            key, following = walk[-1]
            end = next(following, None)
            if end is None:
                state[key] = 2
                walk.pop()
            elif state.get(end) != 1:
                kept[key].append(end)
                if end not in state:
                    state[end] = 1
                    walk.append((end, iter(ends[end])))
    return kept


def _topological(ends: Mapping[str, Sequence[str]], connected: set[str]) -> list[str]:
    waiting: dict[str, int] = dict.fromkeys(connected, 0)
    for key in connected:
        for end in ends[key]:
            waiting[end] += 1
    ready = sorted(key for key, count in waiting.items() if not count)
    found = []
    while ready:
        key = ready.pop()
        found.append(key)
        for end in ends[key]:
            waiting[end] -= 1
            if not waiting[end]:
                ready.append(end)
    return found


def _untangled(found: list[list[str]], lines: Sequence[Line]) -> list[list[str]]:
    """Each layer in an order in which its boxes stand near those that they hang together with."""
    near: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        near[line.start].append(line.end)
        near[line.end].append(line.start)
    for _ in range(4):
        for layer in [*found, *reversed(found)]:
            at = {key: place / max(len(other), 1) for other in found for place, key in enumerate(other)}
            own = set(layer)
            middle = {}
            for key in layer:
                beside = [at[other] for other in near[key] if other not in own]
                middle[key] = sum(beside) / len(beside) if beside else at[key]
            layer.sort(key=lambda key, middle=middle: middle[key])  # type: ignore[misc]  # a default is no argument
    return found


def placed(nodes: Sequence[Node], lines: Sequence[Line]) -> dict[str, Place]:
    """Where each box stands; what hangs together with nothing stands in rows below the others."""
    found: dict[str, Place] = {}
    x = height = 0
    for layer in layers(nodes, lines):
        columns = [layer[start : start + ROWS] for start in range(0, len(layer), ROWS)]
        for column in columns:
            for row, key in enumerate(column):
                found[key] = Place(x, row * (HEIGHT + GAP))
            height = max(height, len(column) * (HEIGHT + GAP))
            x += BOX + BESIDE
        x += BETWEEN - BESIDE
    alone = [node.key for node in nodes if node.key not in found]
    wide = max((x - BETWEEN + BESIDE) // (BOX + BESIDE), 5)
    begin = height + (HEIGHT if found else 0)
    for index, key in enumerate(alone):
        found[key] = Place(index % wide * (BOX + BESIDE), begin + index // wide * (HEIGHT + GAP))
    return found


def drawn(nodes: Sequence[Node], lines: Sequence[Line], title: str, most: int = MOST_NODES) -> "Markup":
    """The map; every word in it is escaped here."""
    from markupsafe import Markup

    nodes, lines = condensed(nodes, lines, most)
    places = placed(nodes, lines)
    names = {node.key: node.label for node in nodes}
    shown = lines[:MOST_LINES]
    parts = [_line(line, places, names) for line in reversed(shown)]
    parts += [_box(node, places[node.key]) for node in nodes]
    width = max((place.x for place in places.values()), default=0) + BOX + 2
    height = max((place.y for place in places.values()), default=0) + HEIGHT + 2
    return Markup(
        '<svg class="map" viewBox="-1 -1 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>'
    ).format(width, height, width, height, title, Markup("").join(parts))


def _line(line: Line, places: Mapping[str, Place], names: Mapping[str, str]) -> "Markup":
    from markupsafe import Markup

    start, end = places[line.start], places[line.end]
    if end.x > start.x:
        x1, x2 = start.x + BOX, end.x
    elif end.x < start.x:
        x1, x2 = start.x, end.x + BOX
    else:
        x1 = x2 = start.x + BOX
    y1, y2 = start.y + HEIGHT // 2, end.y + HEIGHT // 2
    bend = max(abs(x2 - x1) // 2, 30)
    towards = -1 if end.x < start.x else 1
    back = towards if x1 == x2 else -towards
    description = f"{names[line.start]} → {names[line.end]}: {line.count:,} relation(s)"
    return Markup('<path class="{}" d="M{} {}C{} {} {} {} {} {}" stroke-width="{}"><title>{}</title></path>').format(
        "line stale" if line.is_stale else "line",
        x1,
        y1,
        x1 + towards * bend,
        y1,
        x2 + back * bend,
        y2,
        x2,
        y2,
        f"{min(1 + math.log10(max(line.count, 1)), 4):.1f}",
        f"{description} ({line.description})" if line.description else description,
    )


def _box(node: Node, place: Place) -> "Markup":
    from markupsafe import Markup

    # An SVG within the SVG cuts off what is broader than its box.
    return Markup(
        '<svg class="node {}" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title>'
        '<rect x="0.5" y="0.5" width="{}" height="{}" rx="4"/>'
        '<text x="8" y="14">{}</text><text class="note" x="8" y="27">{}</text></svg>'
    ).format(
        node.kind,
        place.x,
        place.y,
        BOX,
        HEIGHT,
        node.label,
        node.note,
        BOX - 1,
        HEIGHT - 1,
        _truncate(node.label, LETTERS),
        _truncate(node.note, NOTE_LETTERS),
    )


def _truncate(words: str, longest: int) -> str:
    return words if len(words) <= longest else f"{words[: longest - 1]}…"
