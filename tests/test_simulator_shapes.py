"""Every answer of the simulator has the form that botocore's model gives it, as it was sent, errors included.

`pytest -s` prints of each listing how many members of a record are filled, and which are not.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree

import pytest
from conftest import lead_to
from every_answer import EveryAnswer, Sent
from raw_answers import Answer, leaves
from test_simulator_wire import world

from simulator.app import Simulation
from simulator.client import Simulator
from simulator.inputs import MOTOS
from simulator.wire import paging, service_model

DEVIATIONS = {
    "ec2:DescribeInternetGateways InternetGateways[].Attachments[].State": "`available`, says its filter",
    "ec2:DescribeImages Images[].Platform": "`windows`, says the documentation",
    "ec2:DescribeNetworkInterfaces NetworkInterfaces[].InterfaceType": "`nat_gateway`, says its filter",
    "ec2:DescribeVpcEndpoints VpcEndpoints[].State": "`available`, says its filter",
    "s3control:ListAccessPoints AccessPointList[].Alias": "of up to 63 characters, not of 63",
    "lambda:ListTags Tags[]": "hostile on purpose",
    "organizations:ListTagsForResource Tags[].Value": "hostile on purpose",
    "resource-groups:GetTags Tags[]": "hostile on purpose",
    "s3control:ListTagsForResource Tags[].Value": "hostile on purpose",
}
"""What is not as the model says: AWS's own documentation says otherwise, or a tag tries what a product does with it."""

INDEX = re.compile(r"\[[^\]]*\]")

WITHOUT_RECORDS = frozenset(
    {
        ("ce", "ListCostAllocationTagBackfillHistory"),
        ("organizations", "ListInboundResponsibilityTransfers"),
        ("organizations", "ListOutboundResponsibilityTransfers"),
    }
)
"""Operations of which nothing lies in the places that are asked."""


@pytest.fixture(scope="module")
def every(simulator_process: Simulator) -> Iterator[EveryAnswer]:
    """The answers in few places, each in one piece; `make test-large` asks more places."""
    with pytest.MonkeyPatch.context() as patch:
        lead_to(simulator_process, patch)
        simulator_process.configure(page_size=1000)
        yield EveryAnswer(simulator_process, enough=1)
    simulator_process.reset()


def described(call: tuple[str, str], answers: list[Answer]) -> Iterator[str]:
    for answer in answers:
        for found in answer.found:
            place = f"{':'.join(call)} {INDEX.sub('[]', found.path)}"
            if found.kind not in {"enum", "pattern"} or place not in DEVIATIONS:
                yield f"{place} {found.reason}"


def test_every_operation_is_answered_and_has_something_to_compare(every: EveryAnswer) -> None:
    known = {*Simulation(world, {}, 5).apis.handlers} | {("ec2", name) for name in MOTOS}
    assert {*every.parsed} == known
    found = {call: [answer for answer in answers if answer.status < 300] for call, answers in every.sent.items()}
    empty = {call for call, answers in found.items() if not sum(leaves(answer.value) for answer in answers)}
    assert empty == WITHOUT_RECORDS


def test_every_answer_is_of_its_shape(every: EveryAnswer) -> None:
    print_filled(every)
    wrong = Counter(text for call, answers in every.sent.items() for text in described(call, answers))
    assert not wrong


def test_errors_of_every_protocol_are_among_the_answers(every: EveryAnswer) -> None:
    every.ask("ec2", "DescribeVolumes", every.at("workload"), {"VolumeIds": ["vol-0123456789abcdef0"]})
    refused = [answer for answers in every.sent.values() for answer in answers if answer.status >= 400]
    assert {answer.protocol for answer in refused} >= {"ec2", "query", "json", "rest-json", "rest-xml"}
    assert not [found for answer in refused for found in answer.found]


# ------------------------------------------------------------------ requests


def with_field(name: str, value: str) -> Callable[[Sent], Sent]:
    """A request with a parameter more, or with another value of one, as its protocol sends it."""

    def change(sent: Sent) -> Sent:
        kind = sent.headers.get("Content-Type", "")
        if "x-www-form-urlencoded" in kind:
            kept = [(key, text) for key, text in parse_qsl(sent.body, keep_blank_values=True) if key != name]
            return sent._replace(body=urlencode([*kept, (name, value)]))
        if "x-amz-json" in kind:
            return sent._replace(body=json.dumps({**json.loads(sent.body), name: json.loads(value)}))
        address = urlsplit(sent.url)
        kept = [(key, text) for key, text in parse_qsl(address.query, keep_blank_values=True) if key != name]
        query = urlencode([*kept, (name, value)])
        return sent._replace(url=urlunsplit(address._replace(query=query)))

    return change


def code_of(answer: Answer) -> str:
    """The code of an error, as a client reads it."""
    if answer.body.startswith(b"{"):
        return str(json.loads(answer.body)["__type"]).rpartition("#")[2]
    return str(ElementTree.fromstring(answer.body).findtext(".//{*}Code"))


def test_no_operation_takes_a_parameter_that_it_does_not_have(every: EveryAnswer) -> None:
    taken = {call: every.resend(call, with_field("Unheard", "1")) for call in every.requests}
    refused = {call: code_of(answer) for call, answer in taken.items() if answer.status == 400}
    assert refused.keys() == every.requests.keys()
    assert {code for (service, _), code in refused.items() if service == "ec2"} == {"UnknownParameter"}
    assert not [found for answer in taken.values() for found in answer.found]


def test_a_dry_run_of_ec2_is_never_more(every: EveryAnswer) -> None:
    having = [call for call in every.requests if call[0] == "ec2" and "DryRun" in members_of(call)]
    found = {call: every.resend(call, with_field("DryRun", "true")) for call in having}
    assert {(answer.status, code_of(answer)) for answer in found.values()} == {(412, "DryRunOperation")}
    assert len(found) > 80


def test_no_page_is_larger_than_the_model_lets_it_be(every: EveryAnswer) -> None:
    found = {}
    for call in every.requests:
        pages = paging(*call)
        member = members_of(call).get(pages.limit) if pages and pages.limit else None
        most = member.metadata.get("max") if member is not None else None
        if most is not None:
            name = member.serialization.get("name", pages.limit)
            name = name[0].upper() + name[1:] if call[0] == "ec2" else name
            is_in_body = call[0] in {"resource-groups", "resource-explorer-2"}
            if not is_in_body:
                found[call] = every.resend(call, with_field(name, str(most + 1)))
                found[*call, "text"] = every.resend(call, with_field(name, '"many"'))
    assert {call: answer.status for call, answer in found.items() if answer.status != 400} == {}
    assert len(found) > 100


def members_of(call: tuple[str, str]) -> dict[str, Any]:
    """The parameters that an operation has."""
    shape = service_model(call[0]).operation_model(call[1]).input_shape
    return dict(shape.members) if shape is not None else {}


def print_filled(every: EveryAnswer) -> None:
    """Of each listing: the members of its record that are ever filled, all members, those that never are."""
    print()
    for (service, operation), answers in sorted(every.sent.items()):
        pages = paging(service, operation)
        shape = service_model(service).operation_model(operation).output_shape
        member = shape.members.get(pages.results[0]) if pages else None
        if member is None or member.type_name != "list" or member.member.type_name != "structure":
            continue
        filled = {
            name
            for answer in answers
            for record in (answer.value or {}).get(pages.results[0]) or []
            for name, value in record.items()
            if value not in (None, [], {}, "")
        }
        lacking = [name for name in member.member.members if name not in filled]
        print(f"{service}:{operation} {len(filled)}/{len(member.member.members)} without {', '.join(lacking)}")
