"""Compares an answer as it was sent, before a client has parsed it, with the shape that botocore's model gives it.

botocore's own parser leaves out what it does not know. Here nothing is left out: XML becomes what the shape says, and
what it does not say is noted; JSON is looked at as it is.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from simulator.shapes import Mismatch, mismatches, wire_name
from simulator.wire import service_model

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
HTTP_MOMENT = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
NUMBER = re.compile(r"-?\d+")

ENVELOPES = {"requestId", "ResponseMetadata"}
ERROR_FORMS = {
    "ec2": ("Response", "Errors/Error", "RequestID"),
    "query": ("ErrorResponse", "Error", "RequestId"),
    "s3": ("Error", ".", "RequestId"),
    "s3control": ("ErrorResponse", "Error", "RequestId"),
}
"""By protocol, or service: the root of an error in XML, the element of code and message, that of the request's id."""


class Answer:
    """An answer as it was sent.

    Attributes:
        value: what it says, in the types of the shape; JSON as it was sent.
        found: what it has otherwise than its shape.
    """

    def __init__(self, service: str, operation: str, status: int, headers: dict[str, str], body: bytes) -> None:
        self.service, self.status, self.body = service, status, body
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.model = service_model(service).operation_model(operation)
        self.shape: Any = self.model.output_shape
        self.protocol = self.model.service_model.protocol
        self.value: Any = None
        self.found = [*self._of_every()]
        try:
            self.found += self._of_error() if status >= 300 else self._of_body()
        except (ElementTree.ParseError, ValueError):
            self.found.append(self.note("type", "the body", f"is of no form of {self.protocol}: {body[:80]!r}"))

    def note(self, kind: Any, path: str, reason: str) -> Mismatch:
        return Mismatch(kind, path, reason)

    def _of_every(self) -> Iterator[Mismatch]:
        """One request id, which body and headers agree on, and no word of who made the answer."""
        name = "x-amz-request-id" if self.service == "s3" else "x-amzn-requestid"
        ids = {self.headers[header] for header in ("x-amz-request-id", "x-amzn-requestid") if header in self.headers}
        ids |= {text.decode() for text in re.findall(rb"<[Rr]equestI[dD]>([^<]*)<", self.body)}
        if name not in self.headers or len(ids) != 1 or "," in ids.pop():
            yield self.note("unknown", name, f"is not one and the same: {self.headers.get(name)}")
        if "server" in self.headers:
            yield self.note("unknown", "Server", f"is {self.headers['server']}")

    # -------------------------------------------------------------------------------------------------- errors

    def _of_error(self) -> Iterator[Mismatch]:
        if self.protocol in {"ec2", "query", "rest-xml"}:
            root_name, place, id_name = ERROR_FORMS.get(self.protocol) or ERROR_FORMS[self.service]
            root = _tree(self.body)
            error = root.find(place)
            if root.tag != root_name or error is None or root.find(f".//{id_name}") is None:
                yield self.note("unknown", root.tag, f"is no {root_name} of an error with its {id_name}")
            elif not error.findtext("Code") or error.findtext("Message") is None:
                yield self.note("missing", "Error", "has no Code or Message")
            return
        said = json.loads(self.body)
        code = self.headers.get("x-amzn-errortype") if self.protocol == "rest-json" else said.get("__type")
        if not code or not {"message", "Message"} & {*said}:
            yield self.note("missing", "error", f"has no code or message: {said}")

    # ------------------------------------------------------------------------------------------------- answers

    def _of_body(self) -> list[Mismatch]:
        if self.shape is None:
            return []
        found: list[Mismatch] = []
        if self.protocol in {"ec2", "query"}:
            self.value = self._form(found)
        elif self.protocol == "rest-xml":
            self.value = self._rest(found)
        else:
            # What boto3 speaks with services of CBOR is the JSON that they have beside it.
            self.value = json.loads(self.body)
            return mismatches(self.shape, self.value, wire=True)
        return found + mismatches(self.shape, self.value)

    def _form(self, found: list[Mismatch]) -> Any:
        root = _tree(self.body)
        if root.tag != f"{self.model.name}Response":
            found.append(self.note("unknown", root.tag, "is not the name of the answer"))
        wrapper = self.shape.serialization.get("resultWrapper")
        if wrapper is None:
            return _structure(root, self.shape, found, ignored=ENVELOPES)
        inner = root.find(wrapper)
        if {child.tag for child in root} != {wrapper, "ResponseMetadata"} or inner is None:
            found.append(self.note("unknown", root.tag, f"does not hold {wrapper} and ResponseMetadata"))
            return {}
        return _structure(inner, self.shape, found)

    def _rest(self, found: list[Mismatch]) -> Any:
        value: dict[str, Any] = {}
        for name, member in self.shape.members.items():
            text = self.headers.get(wire_name(member, name).lower())
            if member.serialization.get("location") == "header" and text is not None:
                value[name] = _read(text, member, name, found, is_header=True)
        payload = self.shape.serialization.get("payload")
        if payload is None:
            return value | _structure(_tree(self.body), self.shape, found)
        if self.shape.members[payload].type_name not in {"blob", "string"}:
            raise NotImplementedError(f"{self.model.name} sends a structure as its body")
        return value | {payload: self.body}


def _tree(body: bytes) -> ElementTree.Element:
    root = ElementTree.fromstring(body)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _structure(
    element: ElementTree.Element, shape: Any, found: list[Mismatch], ignored: set[str] | frozenset[str] = frozenset()
) -> dict[str, Any]:
    names = {}
    for name, member in shape.members.items():
        is_flat = member.type_name == "list" and member.serialization.get("flattened")
        sent = member.member.serialization.get("name") if is_flat else None
        names[sent or wire_name(member, name)] = (name, member, is_flat)
    value: dict[str, Any] = {}
    for child in element:
        if child.tag in ignored:
            continue
        if child.tag not in names:
            found.append(Mismatch("unknown", child.tag, f"is not a member of {shape.name}"))
            continue
        name, member, is_flat = names[child.tag]
        if is_flat:
            value.setdefault(name, []).append(_value(child, member.member, name, found))
        elif name in value:
            found.append(Mismatch("type", name, "comes twice and is no flat list"))
        else:
            value[name] = _value(child, member, name, found)
    return value


def _value(element: ElementTree.Element, shape: Any, name: str, found: list[Mismatch]) -> Any:
    if shape.type_name == "structure":
        return _structure(element, shape, found)
    if shape.type_name == "list":
        wanted = shape.member.serialization.get("name", "member")
        for child in element:
            if child.tag != wanted:
                found.append(Mismatch("unknown", name, f"holds {child.tag}, and its entries are called {wanted}"))
        return [_value(child, shape.member, name, found) for child in element]
    if shape.type_name == "map":
        key, value = wire_name(shape.key, "key"), wire_name(shape.value, "value")
        values: dict[str, Any] = {}
        for entry in element:
            parts = {child.tag: child for child in entry}
            if entry.tag != "entry" or parts.keys() != {key, value}:
                found.append(Mismatch("unknown", name, f"holds {entry.tag} that is no entry of {key} and {value}"))
                continue
            values[parts[key].text or ""] = _value(parts[value], shape.value, name, found)
        return values
    if len(element):
        found.append(Mismatch("type", name, f"holds elements and is of type {shape.type_name}"))
    return _read(element.text or "", shape, name, found)


def _read(text: str, shape: Any, name: str, found: list[Mismatch], *, is_header: bool = False) -> Any:
    """A text as a value of its type, or as it is where it is of another one."""
    match shape.type_name:
        case "boolean" if text in {"true", "false"}:
            return text == "true"
        case "integer" | "long" if NUMBER.fullmatch(text):
            return int(text)
        case "float" | "double":
            try:
                return float(text)
            except ValueError:
                return text
        case "timestamp" if (HTTP_MOMENT if is_header else MOMENT).fullmatch(text):
            return dt.datetime.now(dt.UTC)
    return text


def leaves(value: Any) -> int:
    """How many values an answer holds."""
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    return sum(map(leaves, value)) if isinstance(value, list) else 1
