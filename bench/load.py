"""How many requests the stub answers a second of its own CPU: many connections, one request at a time on each.

The client is a process of its own, so that what it costs does not count.

    python -m bench.load URL CERT [REQUESTS] [CONNECTIONS]
"""

import asyncio
import json
import ssl
import sys
import time
from urllib.parse import urlsplit

ACTIONS = ("DescribeInstances", "DescribeVolumes", "DescribeSubnets", "DescribeAddresses")


def request(number: int) -> bytes:
    """A request as an SDK sends it, of another account and listing each time."""
    body = f"Action={ACTIONS[number % len(ACTIONS)]}&Version=2016-11-15&MaxResults=1000".encode()
    account = 400000000000 + number % 200
    return (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\n"
        "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
        "User-Agent: Boto3/1.44.8 md/Botocore#1.44.8 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.13.5\r\n"
        f"X-Amz-Date: 20261125T000000Z\r\nX-Amz-Security-Token: {'t' * 360}\r\nAuthorization: AWS4-HMAC-SHA256 "
        f"Credential=ASIA{account}/20261125/us-east-1/ec2/aws4_request, "
        f"SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature={'0' * 64}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def ask(host: str, port: int, context: ssl.SSLContext | None, requests: list[bytes]) -> int:
    """Send requests one after the other on one connection, and return how many were answered well."""
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    good = 0
    for wanted in requests:
        writer.write(wanted)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        good += head.startswith(b"HTTP/1.1 200")
    writer.close()
    return good


async def load(url: str, certificate: str | None, requests: int, connections: int) -> int:
    """All of them, over so many connections."""
    where = urlsplit(url)
    context = ssl.create_default_context(cafile=certificate) if where.scheme == "https" else None
    assert where.hostname is not None and where.port is not None
    own = requests // connections
    wanted = [[request(worker * own + number) for number in range(own)] for worker in range(connections)]
    return sum(await asyncio.gather(*(ask(where.hostname, where.port, context, part) for part in wanted)))


def main() -> int:
    """Send them, and print how many were answered and how long it took."""
    url, certificate, *rest = sys.argv[1:]
    requests, connections = [int(number) for number in rest] or [5000, 32]
    began = time.monotonic()
    answered = asyncio.run(load(url, certificate, requests, connections))
    print(json.dumps({"answered": answered, "seconds": time.monotonic() - began}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
