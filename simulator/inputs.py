"""What AWS refuses of a request that its role may send, and what the simulator would only leave out of account.

Every request is held to botocore's model of its operation, whoever answers it: names as they were sent, then types,
numbers, texts and values. `Asked` notes which parameters an answer looked at: one that nothing looked at is refused.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import botocore.utils
from moto.core.model import OperationModel, Shape

from simulator.asked import Asked
from simulator.shapes import Mismatch, mismatches
from simulator.wire import AwsError, Call, service_model

DOCUMENTED = {
    ("ec2", "MaxResults"): (5, 1000),
    ("rds", "MaxRecords"): (20, 100),
    ("resourcegroupstaggingapi", "ResourcesPerPage"): (1, 100),
}
"""Bounds that AWS documents of a service's page sizes, where the operation's model has none."""

MOTOS = {
    "DescribeFlowLogs": "",
    "DescribeInstances": "InstanceIds",
    "DescribeNetworkInterfaces": "NetworkInterfaceIds",
    "DescribeSecurityGroupRules": "SecurityGroupRuleIds",
    "DescribeSecurityGroups": "GroupIds",
    "DescribeSubnets": "SubnetIds",
    "DescribeVpcs": "VpcIds",
}
"""EC2's operations that moto answers, and the parameter that moto keeps to, beside pages."""

HIDDEN = "IncludeManagedResources"
"""The parameter that adds what services keep in an account: in the simulated one, volumes alone can be such."""

REFUSALS = {
    "ec2": "InvalidParameterValue",
    "rds": "InvalidParameterValue",
    "sts": "ValidationError",
    "s3": "InvalidArgument",
    "s3control": "InvalidRequest",
    "sso": "InvalidRequestException",
    "organizations": "InvalidInputException",
    "budgets": "InvalidParameterException",
    "lambda": "InvalidParameterValueException",
    "resourcegroupstaggingapi": "InvalidParameterException",
    "resource-groups": "BadRequestException",
    "cloudwatch": "InvalidParameterValueException",
}
"""The code with which a service refuses a parameter; `ValidationException` where none stands here."""

SPECIAL = {
    ("ec2", "unknown"): "UnknownParameter",
    ("ec2", "missing"): "MissingParameter",
    ("rds", "unknown"): "ValidationError",
    ("rds", "missing"): "MissingParameter",
    ("cloudwatch", "missing"): "MissingRequiredParameterException",
}
"""The codes of services that have one for a kind of mistake."""

ENVELOPE = frozenset({"Action", "Version"})
"""Fields of every form, which are no parameters."""

ALWAYS_SENT = frozenset({"x-id", "list-type"})
"""What clients of REST services add to a query string, and the model's path says."""

READS: dict[str, Callable[[str], object]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "timestamp": botocore.utils.parse_timestamp,
    "blob": functools.partial(base64.b64decode, validate=True),
    "boolean": {"true": True, "false": False}.__getitem__,
}
"""What reads the text of a form's field."""


def check(call: Call) -> None:
    """Refuse what AWS would.

    Raises:
        AwsError: in the words of the service.
    """
    for found in _otherwise(call):
        raise _refusal(call, found)
    if call.service == "ec2" and call.parameters.get("DryRun"):
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)


def check_support(call: Call) -> None:
    """Refuse parameters at which the answer did not look.

    Raises:
        AwsError: there is one; the message says that it is the simulator that lacks it.
    """
    if call.service == "ec2":
        call.parameters.get(HIDDEN)
    if isinstance(call.parameters, Asked) and (name := call.parameters.unread()):
        raise unsupported(call, name)


def check_motos(call: Call) -> None:
    """Refuse what moto is not asked, or would leave out of account.

    Raises:
        AwsError: it is another operation than `MOTOS` has, or a parameter.
    """
    if call.service != "ec2" or call.operation not in MOTOS:
        raise AwsError("NotImplementedException", f"the simulator has no {call.service}:{call.operation}", 400)
    for name in {*call.parameters} - {MOTOS[call.operation], "MaxResults", "NextToken", "DryRun", HIDDEN}:
        raise unsupported(call, name)


def unsupported(call: Call, name: str) -> AwsError:
    """The refusal of a parameter that AWS knows and the simulator does not."""
    return AwsError(_code(call, "enum"), f"the simulated {call.operation} does not support the parameter {name}", 400)


def _otherwise(call: Call) -> Iterator[Mismatch]:
    """Where a request differs from its model: first as it was sent, since parameters hold only what is known."""
    model = call.model
    if call.protocol in {"ec2", "query"}:
        yield from _form(call, model)
    elif call.protocol == "json":
        yield from _document(call, model.input_shape)
        yield from _pages(call)
        if call.is_unreadable:
            yield Mismatch("type", "the body", "cannot be read")
        return
    else:
        yield from _rest(call, model)
    if call.is_unreadable:
        yield Mismatch("type", "the request", "cannot be read")
    yield from mismatches(model.input_shape, call.parameters)
    yield from _pages(call)


def _pages(call: Call) -> Iterator[Mismatch]:
    """Page sizes out of bounds that the model does not have."""
    for (service, name), (least, most) in DOCUMENTED.items():
        value = dict.get(call.parameters, name)
        if service != call.service or value is None or "min" in call.model.input_shape.members[name].metadata:
            continue
        if value < least:
            yield Mismatch("number", name, f"is {value} and at least {least}")
        if value > most:
            yield Mismatch("number", name, f"is {value} and at most {most}")


# ------------------------------------------------------------------ names and texts as they were sent


def _form(call: Call, model: OperationModel) -> Iterator[Mismatch]:
    for name, text in parse_qsl(f"{call.body.decode(errors='replace')}&{call.query}", keep_blank_values=True):
        if name in ENVELOPE:
            continue
        kind = _field(call.service, model.name, re.sub(r"\.\d+", ".#", name))
        yield from _text(name, text, kind, "is not recognized")


def _text(name: str, text: str, kind: str | None, unknown: str) -> Iterator[Mismatch]:
    if kind is None:
        yield Mismatch("unknown", name, unknown)
    elif kind in READS and not _reads(kind, text):
        yield Mismatch("type", name, f"is {text!r}, not of type {kind}")


def _reads(kind: str, text: str) -> bool:
    try:
        READS[kind](text)
    except (ValueError, KeyError, TypeError, binascii.Error, OverflowError):
        return False
    return True


@functools.lru_cache(maxsize=4096)
def _field(service: str, operation: str, name: str) -> str | None:
    """The type of a form's field, in whose name each number is a `#`; None where the operation has no such field."""
    return _type_of(
        service_model(service).operation_model(operation).input_shape, name.split("."), is_ec2=service == "ec2"
    )


def _type_of(shape: Any, parts: list[str], *, is_ec2: bool) -> str | None:
    if shape is None:
        return None
    if not parts:
        # A list that is empty is its own name, but for EC2, and has no text.
        is_more = shape.type_name in {"structure", "map"} or (is_ec2 and shape.type_name == "list")
        return None if is_more else str(shape.type_name)
    first, rest = parts[0], parts[1:]
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if _sent_as(member, name, is_ec2=is_ec2) == first:
                return _type_of(member, rest, is_ec2=is_ec2)
    elif shape.type_name == "list":
        if is_ec2 or shape.is_flattened:
            return _type_of(shape.member, rest, is_ec2=is_ec2) if first == "#" else None
        if first == shape.member.serialization.get("name", "member") and rest[:1] == ["#"]:
            return _type_of(shape.member, rest[1:], is_ec2=is_ec2)
    return None


def _sent_as(member: Any, name: str, *, is_ec2: bool) -> str:
    serialization = member.serialization
    if is_ec2:
        sent = serialization.get("name", name)
        return str(serialization.get("queryName") or f"{sent[0].upper()}{sent[1:]}")
    if member.type_name == "list" and member.is_flattened and "name" in member.member.serialization:
        return str(member.member.serialization["name"])
    return str(serialization.get("locationNameForQueryCompatibility") or serialization.get("name", name))


def _document(call: Call, shape: Shape | None) -> Iterator[Mismatch]:
    try:
        sent = json.loads(call.body or b"{}")
    except ValueError:
        yield Mismatch("type", "the body", "is no JSON")
        return
    yield from mismatches(shape, sent, wire=True)


def _rest(call: Call, model: OperationModel) -> Iterator[Mismatch]:
    in_query, in_body = _places(call.service, model.name)
    for name, text in parse_qsl(call.query, keep_blank_values=True):
        yield from _text(name, text, in_query.get(name), "is not a parameter of the query string")
    if call.body and call.protocol == "rest-json":
        try:
            sent = json.loads(call.body)
        except ValueError:
            yield Mismatch("type", "the body", "is no JSON")
            return
        for name, value in sent.items():
            if name not in in_body:
                yield Mismatch("unknown", name, f"is not a member of {model.name}")
            else:
                for found in mismatches(in_body[name], value, wire=True):
                    yield found._replace(path=f"{name}.{found.path}" if found.path else name)
    elif call.body:
        yield Mismatch("unknown", "the body", "is more than the operation takes")


@functools.cache
def _places(service: str, operation: str) -> tuple[dict[str, str], dict[str, Shape]]:
    """By their names as sent: types of a REST operation's parameters in the query string, members of its body."""
    model = service_model(service).operation_model(operation)
    members: dict[str, Any] = dict(model.input_shape.members) if model.input_shape else {}
    query: dict[str, str] = dict.fromkeys(ALWAYS_SENT, "string")
    body: dict[str, Shape] = {}
    for name, member in members.items():
        place, sent = member.serialization.get("location"), str(member.serialization.get("name", name))
        if place == "querystring":
            query[sent] = member.type_name
        elif place is None:
            body[sent] = member
    return query, body


# ------------------------------------------------------------------ the words of the services


def _code(call: Call, kind: str) -> str:
    if call.protocol == "json" and kind == "type":
        return "SerializationException"
    if call.service == "cloudtrail" and kind == "MaxResults":
        return "InvalidMaxResultsException"
    return SPECIAL.get((call.service, kind), REFUSALS.get(call.service, "ValidationException"))


def _refusal(call: Call, found: Mismatch) -> AwsError:
    code = _code(call, found.path if found.path == "MaxResults" and found.kind == "number" else found.kind)
    if call.service == "ec2" and found.kind == "unknown":
        return AwsError(code, f"The parameter {found.path} is not recognized", 400)
    if found.kind == "missing" and call.protocol in {"ec2", "query"} and call.service != "sts":
        return AwsError(code, f"The request must contain the parameter {found.path}", 400)
    return AwsError(code, f"1 validation error detected: {found}", 400)
