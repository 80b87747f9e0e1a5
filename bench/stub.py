"""A stub of AWS: plain asyncio over TLS, with latency, throttling and counters.

Whoever asks is told apart by the access key that `AssumeRole` gave out, which holds the account. Signatures are not
verified. Control: `GET /_bench/counters`, `POST /_bench/reset`.

    python -m bench.stub --certificate CERT --key KEY [--latency-ms 80] [--rate 0]
"""

import argparse
import asyncio
import itertools
import json
import re
import resource
import signal
import socket
import ssl
import sys
import time
from collections import Counter, deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from bench.canned import BY_ACTION, ROLES, World, asked_page
from bench.central import Organisation
from bench.empty import around, empty_answer
from bench.trail import Event, Trail

CALLER = re.compile(rb"Credential=\w{4}(\w+?)/\d+/([^/]+)/([^/]+)/aws4_request", re.IGNORECASE)
LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
TARGET = re.compile(rb"\r\nX-Amz-Target: *[\w.]*?\.?(\w+)\r\n", re.IGNORECASE)
ACTION = re.compile(rb"(?:^|&)Action=(\w+)")
ENGINE = re.compile(rb"(?:^|&)Engine=([^&]+)")
ROLE_ARN = re.compile(rb"RoleArn=([^&]+)")
AHEAD = re.compile(rb"POST /_bench/ahead/(-?\d+) ")

REST: dict[tuple[bytes, bytes, bytes], str] = {
    (b"lambda", b"GET", b"/2015-03-31/functions"): "ListFunctions20150331",
    (b"s3", b"GET", b"/v20180820/mrap/instances"): "ListMultiRegionAccessPoints",
    (b"lambda", b"GET", b"/2015-03-31/event-source-mappings"): "ListEventSourceMappings20150331",
    (b"lambda", b"GET", b"/2018-10-31/layers"): "ListLayers20181031",
    (b"lambda", b"GET", b"/2025-11-30/capacity-providers"): "ListCapacityProviders",
    (b"lambda", b"GET", b"/2020-04-22/code-signing-configs"): "ListCodeSigningConfigs",
    (b"resource-groups", b"POST", b"/groups-list"): "ListGroups",
    (b"resource-explorer-2", b"POST", b"/ListResources"): "ListResources",
}
"""Operations that are told by method and path alone."""

BUCKETS = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Owner><ID>bench</ID></Owner><Buckets></Buckets></ListAllMyBucketsResult>"
)

NO_ACCESS_POINTS = (
    b'<ListMultiRegionAccessPointsResult xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/"><AccessPoints/>'
    b"</ListMultiRegionAccessPointsResult>"
)

TYPES = (
    "<instanceTypeSet><item><instanceType>m5.large</instanceType><currentGeneration>true</currentGeneration>"
    "<vCpuInfo><defaultVCpus>2</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo>"
    "</item></instanceTypeSet>"
)
"""Instance types that a region offers: never none."""

OF_RDS = {
    "DescribeCertificates": (
        "<Certificates><Certificate><CertificateIdentifier>rds-ca-rsa2048-g1</CertificateIdentifier>"
        "<CertificateArn>arn:aws:rds:us-east-1::cert:rds-ca-rsa2048-g1</CertificateArn>"
        "<ValidTill>2061-05-25T23:20:19Z</ValidTill></Certificate></Certificates>"
    ),
    "DescribeDBMajorEngineVersions": (
        "<DBMajorEngineVersions><DBMajorEngineVersion><Engine>{engine}</Engine><MajorEngineVersion>8.0</MajorEngineVersion>"
        "</DBMajorEngineVersion></DBMajorEngineVersions>"
    ),
}
"""What RDS itself has, and therefore never none of."""

NO_BLOCK = (
    "<vpcBlockPublicAccessOptions><awsAccountId>{account}</awsAccountId><awsRegion>{region}</awsRegion>"
    "<state>default-state</state><internetGatewayBlockMode>off</internetGatewayBlockMode>"
    "<managedBy>account</managedBy></vpcBlockPublicAccessOptions>"
)
"""What an account answers of its VPCs' Block Public Access that never used it."""

XML, JSON = b"text/xml", b"application/x-amz-json-1.1"

Response = tuple[int, bytes, bytes]
"""Status, content type, body."""


class Bucket:
    """Tokens of one account, region and service: so many at once, so many more a second."""

    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at

    def take(self, now: float, rate: float, most: float) -> bool:
        """Whether there was one."""
        self.tokens = min(most, self.tokens + (now - self.at) * rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Stub:
    """The answers and the counters.

    Args:
        latency: seconds from a request to its answer.
        rate: requests a second that an account, region and service may send; 0 for any number.
        burst: how many at once.
    """

    def __init__(
        self,
        world: World,
        organisation: Organisation,
        regions: list[str],
        *,
        latency: float = 0.0,
        rate: float = 0.0,
        burst: float = 50.0,
    ) -> None:
        self.world = world
        self.organisation = organisation
        self.regions = regions
        self.latency = latency
        self.rate = rate
        self.burst = burst
        self.buckets: dict[bytes, Bucket] = {}
        self.trail = Trail()
        self.reset()

    def reset(self) -> None:
        """Count from nothing."""
        self.requests: Counter[str] = Counter()
        self.throttled = 0
        self.refused = 0
        self.connections = 0
        self.sent = 0

    def counters(self) -> dict[str, Any]:
        """What was asked so far; CPU is this process's since it began."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "requests": sum(self.requests.values()),
            "by_operation": dict(sorted(self.requests.items())),
            "throttled": self.throttled,
            "refused": self.refused,
            "connections": self.connections,
            "bytes": self.sent,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
        }

    def answer(self, head: bytes, body: bytes, now: float) -> bytes:
        """The response to one request."""
        caller = CALLER.search(head)
        if caller is None:
            return self._control(head)
        account, region, service = caller.groups()
        place = account.decode(), region.decode()
        operation = self._operation(head, body, service)
        self.requests[operation] += 1
        if (
            self.rate
            and service not in (b"sts", b"organizations")
            and self._is_throttled(account + region + service, now)
        ):
            self.throttled += 1
            return response(*_error(service, 503 if service == b"ec2" else 400, _THROTTLED.get(service, "Throttling")))
        status, kind, said = self._said(operation, *place, service, body)
        self.refused += status != 200
        self.sent += len(said)
        request_id = b"%036d" % next(_REQUEST_IDS)
        event = Event(self._time(), service.decode(), operation, request_id.decode(), status != 200)
        self.trail.record(*place, event)
        return response(status, kind, said.replace(NO_ID, b">%s</" % request_id, 1), request_id)

    def _time(self) -> float:
        return time.time() + self.organisation.ahead.total_seconds()

    def _is_throttled(self, key: bytes, now: float) -> bool:
        bucket = self.buckets.get(key)
        if bucket is None:
            bucket = self.buckets[key] = Bucket(self.burst, now)
        return not bucket.take(now, self.rate, self.burst)

    def _operation(self, head: bytes, body: bytes, service: bytes) -> str:
        target = TARGET.search(head)
        if target is not None:
            return target[1].decode()
        action = ACTION.search(body)
        if action is not None:
            return action[1].decode()
        method, path, _ = head[: head.find(b"\r\n")].split(b" ", 2)
        if path.startswith(b"http://"):  # As a proxy is asked.
            path = b"/" + path.split(b"/", 3)[3]
        path = path.partition(b"?")[0]
        if service == b"s3" and path == b"/":
            return "ListBuckets"
        known = REST.get((service, method, path.rstrip(b"/") or b"/"))
        return known or path.rpartition(b"/")[2].decode(errors="replace")

    def _said(self, operation: str, account: str, region: str, service: bytes, body: bytes) -> Response:
        listing = BY_ACTION.get(operation)
        if listing is not None:
            return 200, XML, self.world.answer(listing, account, region, *asked_page(body))
        if operation == "DescribeRegions":
            return 200, XML, _ec2(operation, self._regions())
        if operation in OF_RDS:
            engine = ENGINE.search(body)
            inner = OF_RDS[operation].format(engine=engine[1].decode() if engine else "mysql")
            return 200, XML, around("rds", operation, inner)
        if operation == "DescribeInstanceTypes":
            return 200, XML, _ec2(operation, TYPES)
        if operation == "DescribeVpcBlockPublicAccessOptions":
            return 200, XML, _ec2(operation, NO_BLOCK.format(account=account, region=region))
        if service == b"sts":
            return self._sts(operation, account, body)
        if operation == "ListBuckets":
            return 200, XML, BUCKETS
        if operation == "ListMultiRegionAccessPoints":
            return 200, XML, NO_ACCESS_POINTS
        if operation == "LookupEvents":
            found = self.trail.look_up(account, region, _caller(account), self._time(), json.loads(body))
            return 200, JSON, json.dumps(found).encode()
        empty = empty_answer(service.decode(), operation)
        if empty is not None:
            return 200, XML, empty
        status, document = self.organisation.answer(operation, body)
        return status, JSON, json.dumps(document).encode()

    def _regions(self) -> str:
        items = "".join(
            f"<item><regionName>{region}</regionName><regionEndpoint>ec2.{region}.amazonaws.com</regionEndpoint>"
            "<optInStatus>opt-in-not-required</optInStatus></item>"
            for region in self.regions
        )
        return f"<regionInfo>{items}</regionInfo>"

    def _sts(self, operation: str, account: str, body: bytes) -> Response:
        if operation == "AssumeRole":
            arn = ROLE_ARN.search(body)
            if arn is None:
                return _error(b"sts", 400, "ValidationError")
            role = unquote_plus(arn[1].decode())
            account, name = role.split(":")[4], role.rpartition("/")[2]
            expires = datetime.fromtimestamp(self._time() + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            said = (
                f"<AssumedRoleUser><Arn>arn:aws:sts::{account}:assumed-role/{name}/bench</Arn>"
                f"<AssumedRoleId>AROABENCH:bench</AssumedRoleId></AssumedRoleUser><Credentials>"
                f"<AccessKeyId>ASIA{account}</AccessKeyId><SecretAccessKey>{'s' * 40}</SecretAccessKey>"
                f"<SessionToken>{'t' * 360}</SessionToken><Expiration>{expires}</Expiration></Credentials>"
            )
        elif operation == "GetCallerIdentity":
            said = f"<Arn>{_caller(account)}</Arn><UserId>AROABENCH:bench</UserId><Account>{account}</Account>"
        else:
            return _error(b"sts", 400, "InvalidAction")
        text = (
            f'<{operation}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{operation}Result>{said}'
            f"</{operation}Result><ResponseMetadata><RequestId>bench</RequestId></ResponseMetadata></{operation}Response>"
        )
        return 200, XML, text.encode()

    def _control(self, head: bytes) -> bytes:
        line = head[: head.find(b"\r\n")]
        if line.startswith(b"GET /_bench/counters "):
            return response(200, b"application/json", json.dumps(self.counters()).encode())
        if line.startswith(b"POST /_bench/reset "):
            self.reset()
            return response(200, b"application/json", b"{}")
        if ahead := AHEAD.match(line):
            self.organisation.ahead = timedelta(seconds=int(ahead[1]))
            return response(200, b"application/json", b"{}")
        return response(
            403, XML, b"<ErrorResponse><Error><Code>MissingAuthenticationToken</Code></Error></ErrorResponse>"
        )


_THROTTLED = {b"ec2": "RequestLimitExceeded", b"ce": "LimitExceededException", b"cloudtrail": "ThrottlingException"}
_REQUEST_IDS = itertools.count(1)
"""As with AWS, no two responses have the same; as long as theirs."""

NO_ID = b">bench</"
"""Stands for the request id in a body: that of EC2 and RDS counts, not the one in the header."""

_REASONS = {200: b"OK", 400: b"Bad Request", 403: b"Forbidden", 503: b"Service Unavailable"}


def _ec2(operation: str, inner: str) -> bytes:
    return (
        f'<{operation}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>bench</requestId>'
        f"{inner}</{operation}Response>"
    ).encode()


def _error(service: bytes, status: int, code: str) -> Response:
    if service == b"ec2":
        text = f"<Response><Errors><Error><Code>{code}</Code><Message>.</Message></Error></Errors></Response>"
        return status, XML, text.encode()
    if service in (b"sts", b"rds"):
        text = f"<ErrorResponse><Error><Code>{code}</Code><Message>.</Message></Error></ErrorResponse>"
        return status, XML, text.encode()
    return status, JSON, json.dumps({"__type": code, "message": "."}).encode()


def _caller(account: str) -> str:
    return f"arn:aws:sts::{account}:assumed-role/{ROLES.get(account, 'CMDBReader')}/bench"


def response(status: int, kind: bytes, body: bytes, request_id: bytes = b"") -> bytes:
    """A whole HTTP response; without a request id, with one of its own."""
    return b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nx-amzn-RequestId: %s\r\n\r\n%s" % (
        status,
        _REASONS[status],
        kind,
        len(body),
        request_id or b"%036d" % next(_REQUEST_IDS),
        body,
    )


class Delay:
    """Sends what is due, in the order in which it came: one timer for all, since all wait equally long."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._waiting: deque[tuple[float, asyncio.Transport, bytes]] = deque()

    def send(self, transport: asyncio.Transport, said: bytes) -> None:
        """Send it when its time has come."""
        if not self._seconds:
            transport.write(said)
            return
        due = self._loop.time() + self._seconds
        if not self._waiting:
            self._loop.call_at(due, self._send_due)
        self._waiting.append((due, transport, said))

    def _send_due(self) -> None:
        now = self._loop.time()
        waiting = self._waiting
        while waiting and waiting[0][0] <= now:
            _, transport, said = waiting.popleft()
            if not transport.is_closing():
                transport.write(said)
        if waiting:
            self._loop.call_at(waiting[0][0], self._send_due)


class Connection(asyncio.Protocol):
    """One connection, kept alive; requests that come together are answered in turn."""

    def __init__(self, stub: Stub, delay: Delay, loop: asyncio.AbstractEventLoop) -> None:
        self._stub = stub
        self._delay = delay
        self._loop = loop
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._stub.connections += 1

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        data = self._rest + data if self._rest else data
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                break
            head = data[: end + 2]
            length = LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(data) < whole:
                break
            now = self._loop.time()
            self._delay.send(self._transport, self._stub.answer(head, data[end + 4 : whole], now))
            data = data[whole:]
            if not data:
                break
        self._rest = data


async def serve(stub: Stub, certificate: Path | None, key: Path | None) -> None:
    """Listen on free ports of 127.0.0.1, say where in a line of JSON, and answer until SIGTERM.

    The second port speaks no TLS and answers as a proxy: S3 Control puts the account before any host, which would have
    to resolve.
    """
    loop = asyncio.get_running_loop()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["http/1.1"])
    delay = Delay(loop, stub.latency)
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(2)]
    for listener in listeners:
        # Small answers must not wait for the acknowledgement of the one before; what is accepted inherits it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    servers = [
        await loop.create_server(lambda: Connection(stub, delay, loop), sock=listener, ssl=tls)
        for listener, tls in zip(listeners, (context, None), strict=True)
    ]
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    scheme = "http" if context is None else "https"
    address, proxy = (f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners)
    print(json.dumps({"url": f"{scheme}://{address}", "proxy": f"http://{proxy}"}), flush=True)
    await stopped.wait()
    for server in servers:
        server.close()


def main(arguments: list[str] | None = None) -> int:
    """Start it."""
    parser = argparse.ArgumentParser(prog="python -m bench.stub", description=__doc__.partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=40, help="workload accounts of the organisation")
    parser.add_argument("--regions", default="us-east-1,eu-west-1", help="regions that every account has")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="from a request to its answer")
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second, by account, region and service")
    parser.add_argument("--burst", type=float, default=50.0, help="how many of them at once")
    parser.add_argument("--page-size", type=int, default=100, help="records on a page at most")
    parser.add_argument("--seed", type=int, default=1, help="of the mix of empty, small and medium")
    parser.add_argument("--certificate", type=Path, help="PEM; without it there is no TLS")
    parser.add_argument("--key", type=Path, help="PEM of the certificate's key")
    asked = parser.parse_args(arguments)
    stub = Stub(
        World(asked.seed, asked.page_size),
        Organisation(asked.accounts),
        asked.regions.split(","),
        latency=asked.latency_ms / 1000,
        rate=asked.rate,
        burst=asked.burst,
    )
    asyncio.run(serve(stub, asked.certificate, asked.key))
    return 0


if __name__ == "__main__":
    sys.exit(main())
