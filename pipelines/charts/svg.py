"""Drawn SVG where it is shown: inside the report, and on the asset pages in Dagster."""

import base64
import re
from xml.etree import ElementTree

_SVG = "{http://www.w3.org/2000/svg}"
_ELEMENTS = frozenset({"svg", "g", "path", "rect", "line", "text", "tspan", "clipPath", "defs", "circle", "title"})
_ATTRIBUTES = frozenset(
    {
        "clip-path",
        "cx",
        "cy",
        "d",
        "dx",
        "dy",
        "fill",
        "fill-opacity",
        "font-size",
        "font-weight",
        "height",
        "id",
        "opacity",
        "r",
        "stroke",
        "stroke-dasharray",
        "stroke-linecap",
        "stroke-linejoin",
        "stroke-miterlimit",
        "stroke-opacity",
        "stroke-width",
        "text-anchor",
        "transform",
        "viewBox",
        "width",
        "x",
        "x1",
        "x2",
        "y",
        "y1",
        "y2",
    }
)


def in_markdown(svg: str, title: str) -> str:
    """An SVG as an image in Markdown, for Dagster's pages: the image is embedded in the text."""
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def inline(svg: str, *, name: str, title: str) -> str:
    """An SVG that is safe inside an HTML page: only shapes, text and the palette's colours.

    Names in the data may carry markup through the drawing, so only elements and attributes known here remain. The
    description of a mark becomes its tooltip.

    Args:
        name: prefix of every id, so that two charts of a page do not share one.
        title: what the picture shows, for readers who cannot see it.
    """
    source = ElementTree.fromstring(svg)
    if source.tag != f"{_SVG}svg":
        raise ValueError(f"not an SVG: {source.tag}")
    target = _cleaned(source, name)
    # The surrounding HTML element determines the chart's size.
    target.attrib.pop("width", None)
    target.attrib.pop("height", None)
    target.attrib |= {"role": "img", "aria-label": title}
    return ElementTree.tostring(target, encoding="unicode", short_empty_elements=True)


def _cleaned(source: ElementTree.Element, name: str) -> ElementTree.Element:
    target = ElementTree.Element(
        source.tag.removeprefix(_SVG),
        {key: _renamed(value, name) for key, value in source.attrib.items() if key in _ATTRIBUTES},
    )
    if "id" in target.attrib:
        target.set("id", f"{name}-{source.get('id')}")
    target.text, target.tail = source.text, source.tail
    label, what = source.get("aria-label"), source.get("aria-roledescription", "")
    is_mark = source.get("role") == "graphics-symbol" and what not in ("axis", "legend") and "container" not in what
    if label and is_mark:
        ElementTree.SubElement(target, "title").text = label
    for child in source:
        if child.tag.removeprefix(_SVG) in _ELEMENTS and child.tag.startswith(_SVG) and child.get("display") != "none":
            target.append(_cleaned(child, name))
    return target


def _renamed(value: str, name: str) -> str:
    return re.sub(r"url\(#([\w-]+)\)", rf"url(#{name}-\1)", value)
