"""An AWS that says what a test writes: HTTP on the loopback, for answers that no simulator would give."""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from resources.aws.listing import Listing

INSTANCES = Listing(
    "ec2_instance",
    "ec2:DescribeInstances",
    roles=("workload",),
    zero="witnessed",
    records="Reservations[].Instances",
    carry=("OwnerId",),
    owner="OwnerId",
)
"""The listing that most answers here are of."""

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
_REQUEST_IDS = itertools.count(1)
_EC2 = "http://ec2.amazonaws.com/doc/2016-11-15/"


@dataclass(frozen=True)
class Call:
    """A request as it arrived. `account` is the one whose key signed it; empty for no signature."""

    account: str
    key: str
    service: str
    operation: str
    region: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What goes back. `cut` closes the connection after so many bytes of the body."""

    body: str | bytes = ""
    status: int = 200
    content_type: str = "text/xml"
    cut: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


def xml(operation: str, inner: str) -> Reply:
    return Reply(f'<{operation}Response xmlns="{_EC2}"><requestId>r-1</requestId>{inner}</{operation}Response>')


def reservations(owner: str, *ids: str, token: str = "") -> Reply:
    items = "".join(
        f"<item><reservationId>res-{i}</reservationId><ownerId>{owner}</ownerId><instancesSet><item>"
        f"<instanceId>{i}</instanceId><launchTime>2025-01-06T11:40:53.000Z</launchTime></item>"
        "</instancesSet></item>"
        for i in ids
    )
    more = f"<nextToken>{token}</nextToken>" if token else ""
    return xml("DescribeInstances", f"<reservationSet>{items}</reservationSet>{more}")


def ec2_error(code: str, message: str = "no", status: int = 400) -> Reply:
    return Reply(
        f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        "<RequestID>r-1</RequestID></Response>",
        status,
    )


def query_error(code: str, message: str = "no", status: int = 400) -> Reply:
    return Reply(
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>r-1</RequestId></ErrorResponse>",
        status,
    )


def as_json(what: Any, status: int = 200) -> Reply:
    headers = {"x-amzn-RequestId": "r-1"}
    return Reply(json.dumps(what), status, "application/x-amz-json-1.1", headers=headers)


def json_error(code: str, message: str = "no", status: int = 400) -> Reply:
    return as_json({"__type": code, "message": message}, status)


class _Server(ThreadingHTTPServer):
    # Many connect at once.
    request_queue_size = 256
    daemon_threads = True


class ScriptedAws:
    """The server. STS answers by itself: the account is the digits of the key that signed.

    Attributes:
        script: answers everything else, and STS where it wants to (None lets STS answer).
        log: what arrived, in order.
        session_seconds: life of the sessions that AssumeRole gives.
        renewed_account: whose sessions AssumeRole gives; empty for those of the account that is asked for.
        recorded: each call with its request id and time, as CloudTrail would have it.
    """

    def __init__(self) -> None:
        self.log: list[Call] = []
        self.recorded: list[tuple[Call, str, datetime]] = []
        self.script: Callable[[Call], Reply | None] = lambda call: None
        self.session_seconds = 3600.0
        self.renewed_account = ""
        self.delay = 0.0
        self.assumed = 0
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                owner.answer(self)

            do_GET = do_PUT = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def operations(self, service: str) -> list[Call]:
        return [call for call in self.log if call.service == service]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        call = _call(handler, body)
        with self._lock:
            self.log.append(call)
        if self.delay:
            time.sleep(self.delay)
        reply = self.script(call) or self._sts(call)
        content = reply.body.encode() if isinstance(reply.body, str) else reply.body
        # As with AWS, every response has an id of its own. A script that wants another writes one that is not `r-1`.
        request_id = f"r-{next(_REQUEST_IDS)}"
        with self._lock:
            self.recorded.append((call, request_id, datetime.now(UTC)))
        content = content.replace(b">r-1</", b">%s</" % request_id.encode(), 1)
        handler.send_response(reply.status)
        handler.send_header("Content-Type", reply.content_type)
        handler.send_header("Content-Length", str(len(content)))
        for name, value in reply.headers.items():
            handler.send_header(name, request_id if value == "r-1" else value)
        handler.end_headers()
        handler.wfile.write(content if reply.cut is None else content[: reply.cut])
        if reply.cut is not None:
            handler.close_connection = True

    def trail(self, lookup: Call) -> Reply:
        """CloudTrail's answer to a look-up: every call so far of its account and region, without delay or error."""
        with self._lock:
            seen = [
                entry
                for entry in self.recorded
                if (entry[0].account, entry[0].region) == (lookup.account, lookup.region)
            ]
        arn = f"arn:aws:sts::{lookup.account}:assumed-role/Reader/cmdb"
        return as_json(
            {
                "Events": [
                    {
                        "EventId": request_id,
                        "EventTime": at.timestamp(),
                        "EventSource": f"{call.service}.amazonaws.com",
                        "EventName": call.operation,
                        "CloudTrailEvent": json.dumps({"userIdentity": {"arn": arn}, "requestID": request_id}),
                    }
                    for call, request_id, at in reversed(seen)
                ]
            }
        )

    def _sts(self, call: Call) -> Reply:
        if call.operation == "GetCallerIdentity":
            arn = f"arn:aws:sts::{call.account}:assumed-role/Reader/cmdb"
            return Reply(
                "<GetCallerIdentityResponse><GetCallerIdentityResult>"
                f"<Account>{call.account}</Account><Arn>{arn}</Arn><UserId>u</UserId>"
                "</GetCallerIdentityResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>"
                "</GetCallerIdentityResponse>"
            )
        if call.operation == "AssumeRole":
            with self._lock:
                self.assumed += 1
                number = self.assumed
            arn = call.parameters["RoleArn"]
            account = self.renewed_account or arn.split(":")[4]
            until = datetime.now(UTC) + timedelta(seconds=self.session_seconds)
            return Reply(
                "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
                f"<AccessKeyId>ASIA{account}{number:04}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                f"<SessionToken>t{number}</SessionToken><Expiration>{until:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
                "</Credentials><AssumedRoleUser><AssumedRoleId>x</AssumedRoleId>"
                f"<Arn>arn:aws:sts::{account}:assumed-role/Reader/cmdb</Arn></AssumedRoleUser>"
                "</AssumeRoleResult></AssumeRoleResponse>"
            )
        return Reply("<html>what?</html>", 404, "text/html")


def _call(handler: BaseHTTPRequestHandler, body: bytes) -> Call:
    signed = _CREDENTIAL.search(handler.headers.get("Authorization") or "")
    key, region, service = signed.groups() if signed else ("", "", "")
    target = handler.headers.get("X-Amz-Target")
    if target:
        operation, parameters = target.rpartition(".")[2], json.loads(body or b"{}")
    else:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        operation, parameters = form.get("Action", handler.path), form
    account = re.match(r"[A-Z]+(\d{12})", key)
    return Call(account[1] if account else "", key, service, operation, region, parameters)


def key_of(account: str) -> str:
    return f"AKIA{account}"


@contextmanager
def scripted(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    """A running server, and an AWS config below `directory` that this process's environment names."""
    server = ScriptedAws()
    monkeypatch.setenv("AWS_CONFIG_FILE", str(directory / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(directory / "credentials"))
    try:
        yield server
    finally:
        server.stop()


def write_profiles(directory: Path, url: str, profiles: dict[str, dict[str, str]]) -> None:
    """Write an AWS config file. Every profile gets the server as its endpoint, unless it names another."""
    lines = []
    for name, settings in profiles.items():
        lines.append(f"[profile {name}]" if not name.startswith("sso-session") else f"[{name}]")
        endpoint = {} if name.startswith("sso-session") else {"endpoint_url": url}
        lines += [f"{key} = {value}" for key, value in {**endpoint, **settings}.items()]
    (directory / "config").write_text("\n".join(lines) + "\n")


def static(account: str) -> dict[str, str]:
    """Keys of an account."""
    return {"aws_access_key_id": key_of(account), "aws_secret_access_key": "secret-of-" + account}
