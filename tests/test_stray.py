"""A response that comes twice, and late, is never another account's: `AwsClient` asks a server that strays."""

from __future__ import annotations

import itertools
import json
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs

import pytest
from listeners import Listener, requests_of
from scripted_aws import static, write_profiles

from resources.aws.client import AwsClient
from resources.aws.listing import Listing
from resources.aws.messages import Request, Response
from resources.aws.retry import Retry

ACCOUNTS = [f"{200000000000 + number}" for number in range(40)]
REGIONS = ["eu-west-1", "us-east-1"]
PAGES = 3

SUBNETS = Listing("subnet", "ec2:DescribeSubnets", roles=("workload",), zero="ordinary", records="Subnets")
FUNCTIONS = Listing("function", "lambda:ListFunctions", roles=("workload",), zero="ordinary", records="Functions")
"""Neither names an owner, so a record of another account is not noticed by what it says. botocore sends the second."""

_SIGNED = re.compile(rb"Credential=AKIA(\d{12})/\d+/([^/]+)/([^/]+)/aws4_request")


class StrayingAws(Listener):
    """Sends some of its responses twice, the second time a moment later.

    Args:
        share: of the responses, so many come twice.
        late: seconds, at most.
        id_in: where a response has its request id.
    """

    def __init__(self, share: float = 0.03, late: float = 0.02, id_in: Literal["header", "body"] = "header") -> None:
        self.ids: Iterator[int] = itertools.count(1)
        self.share = share
        self.strays = 0
        self._late = late
        self._id_in = id_in
        self._random = random.Random(16)
        super().__init__(self._answer)

    def _answer(self, connection: socket.socket) -> None:
        writing = threading.Lock()

        def send(said: bytes) -> None:
            with writing:
                connection.sendall(said)

        def send_again(said: bytes) -> None:
            try:
                send(said)
            except OSError:
                return

        # Who has taken a stray for its answer sends the next request before this one is answered.
        for head, body in requests_of(connection):
            said = self._said(head, body)
            time.sleep(self._random.uniform(0, 0.004))
            send(said)
            if self._random.random() < self.share:
                self.strays += 1
                threading.Timer(self._random.uniform(0, self._late), send_again, [said]).start()

    def _said(self, head: bytes, body: bytes) -> bytes:
        signed = _SIGNED.search(head)
        assert signed is not None, head
        account, region, service = (part.decode() for part in signed.groups())
        request_id = f"00000000-0000-4000-8000-{next(self.ids):012d}"
        if service == "lambda":
            marker = re.search(rb"Marker=(\d+)", head)
            return self._json(account, region, int(marker[1]) if marker else 0, request_id)
        asked = parse_qs(body.decode())
        if asked.get("Action") == ["AssumeRole"]:
            text = (
                "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
                f"<AccessKeyId>AKIA{asked['RoleArn'][0].split(':')[4]}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
                f"</AssumeRoleResult><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
                "</AssumeRoleResponse>"
            )
        elif service == "sts":
            text = (
                f"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{account}</Account>"
                f"<Arn>arn:aws:sts::{account}:assumed-role/Reader/cmdb</Arn><UserId>u</UserId></GetCallerIdentityResult>"
                f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
            )
        else:
            page = int(asked.get("NextToken", ["0"])[0])
            more = f"<nextToken>{page + 1}</nextToken>" if page + 1 < PAGES else ""
            text = (
                f'<DescribeSubnetsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
                f"<requestId>{request_id}</requestId><subnetSet><item>"
                f"<subnetId>{account}:{region}:{page}</subnetId></item></subnetSet>{more}</DescribeSubnetsResponse>"
            )
        headers = f"x-amzn-RequestId: {request_id}\r\n" if self._id_in == "header" else ""
        return f"HTTP/1.1 200 OK\r\n{headers}Content-Length: {len(text)}\r\n\r\n{text}".encode()

    def _json(self, account: str, region: str, page: int, request_id: str) -> bytes:
        document = {"Functions": [{"FunctionName": f"{account}:{region}:{page}"}]}
        more = {"NextMarker": str(page + 1)} if page + 1 < PAGES else {}
        text = json.dumps(document | more)
        return (
            f"HTTP/1.1 200 OK\r\nx-amzn-RequestId: {request_id}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\n\r\n{text}"
        ).encode()


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    yield tmp_path


def asked_of_all(listing: Listing, url: str, profiles: Path, retry: Retry) -> list[Response]:
    write_profiles(profiles, url, {f"p{account}": static(account) for account in ACCOUNTS})
    reach = AwsClient("workload", home_region="eu-west-1", retry=retry)
    questions = [
        Request(f"p{account}", account, region, listing, "workload")
        for _ in range(2)
        for account in ACCOUNTS
        for region in REGIONS
    ]
    try:
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(reach.fetch, questions))
    finally:
        reach.close()


def foreign(answers: list[Response]) -> int:
    """Records that say another account or region than was asked, or a page that was not."""
    count = 0
    for answer in answers:
        names = [str(record.get("SubnetId") or record.get("FunctionName")) for record in answer.records]
        own = [f"{answer.request.account_id}:{answer.request.region}:{page}" for page in range(PAGES)]
        count += sum(name not in own for name in names)
        if answer.outcome == "found" and not count:
            assert names == own
    return count


@pytest.mark.parametrize(
    ("listing", "id_in"),
    [(SUBNETS, "header"), (SUBNETS, "body"), (FUNCTIONS, "header")],
    ids=["own", "body", "botocore"],
)
def test_no_account_has_the_records_of_another(
    listing: Listing, id_in: Literal["header", "body"], profiles: Path
) -> None:
    straying = StrayingAws(id_in=id_in)
    try:
        answers = asked_of_all(listing, straying.url, profiles, Retry(first_delay=0.01, longest_delay=0.05))
    finally:
        straying.close()
    assert straying.strays > 5
    assert foreign(answers) == 0
    # And nothing is refused for it: what may be another's is asked again.
    assert Counter(answer.outcome for answer in answers) == {"found": len(answers)}


def test_no_profile_has_the_session_of_another(profiles: Path) -> None:
    """One client of botocore's own assumes the roles of all accounts."""
    straying = StrayingAws(share=0.1)
    roles = {account: f"arn:aws:iam::{account}:role/Reader" for account in ACCOUNTS}
    assumed = {f"p{account}": {"role_arn": arn, "source_profile": "base"} for account, arn in roles.items()}
    write_profiles(profiles, straying.url, {"base": static("1" * 12), **assumed})
    reach = AwsClient("workload", home_region="eu-west-1", concurrency=4, retry=Retry(first_delay=0.01))
    try:
        found = reach.identify_all(assumed)
    finally:
        reach.close()
        straying.close()
    assert straying.strays > 2
    assert {name: getattr(who, "account_id", who) for name, who in found.items()} == {f"p{a}": a for a in ACCOUNTS}


def test_where_every_response_was_seen_before_there_is_none(profiles: Path) -> None:
    """The patience of a question is spent once, and the cell says why it has no answer."""
    replaying = StrayingAws(share=0)
    replaying.ids = itertools.repeat(1)
    one, two = ACCOUNTS[:2]
    write_profiles(profiles, replaying.url, {one: static(one), two: static(two)})
    reach = AwsClient("workload", home_region="eu-west-1", retry=Retry(first_delay=0.01))
    try:
        answers = [reach.fetch(Request(account, account, "eu-west-1", SUBNETS, "workload")) for account in (one, two)]
    finally:
        reach.close()
        replaying.close()
    listed, unidentified = answers
    assert (listed.outcome, listed.error_code, listed.request_count) == ("failed", "UnclearResponse", 4)
    assert listed.error_message == (
        f"The response from {replaying.url}/ may belong to another request: its request id "
        "00000000-0000-4000-8000-000000000001 came with an earlier response. "
        "It was not used, and its connection was closed."
    )
    assert (unidentified.outcome, unidentified.records) == ("failed", [])
    assert "what came back may belong to another request" in str(unidentified.error_message)
