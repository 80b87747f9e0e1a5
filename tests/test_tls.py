"""Certificates and proxies: what botocore trusts is trusted, what it refuses is refused, by the same name."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from listeners import Listener, requests_of
from scripted_aws import static, write_profiles

from resources.aws.client import AwsClient
from resources.aws.fast.transport import FastTransport
from resources.aws.listing import Listing
from resources.aws.messages import Request, Response
from resources.aws.retry import Retry
from resources.aws.transport import OperationModels
from simulator.client import is_foreign

OWN = "111122223333"
NOW = datetime.now(UTC)
VPCS = Listing("ec2_vpc", "ec2:DescribeVpcs", roles=("workload",), zero="witnessed", records="Vpcs", owner="OwnerId")
XML = (
    b'<DescribeVpcsResponse xmlns="x"><vpcSet><item><vpcId>vpc-1</vpcId><ownerId>%s</ownerId></item></vpcSet>'
    b"</DescribeVpcsResponse>" % OWN.encode()
)
IDENTITY = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>%s</Account>"
    b"<Arn>arn:aws:sts::%s:assumed-role/R/x</Arn><UserId>u</UserId></GetCallerIdentityResult>"
    b"</GetCallerIdentityResponse>" % (OWN.encode(), OWN.encode())
)


class Signed(NamedTuple):
    """A key, its certificate, and the file of both."""

    key: Any
    certificate: Any
    file: Path


def certificate(
    folder: Path,
    name: str,
    issuer: Signed | None = None,
    names: tuple[str, ...] = (),
    days: tuple[int, int] = (-1, 10),
    is_authority: bool = False,
) -> Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signing_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if is_authority:
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    if names:
        general = [
            x509.IPAddress(ipaddress.ip_address(each)) if each[0].isdigit() else x509.DNSName(each) for each in names
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    made = builder.sign(signing_key, hashes.SHA256())
    file = folder / f"{made.serial_number}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return Signed(key, made, file)


class Aws(Listener):
    """Answers over TLS."""

    def __init__(
        self, known: Signed, client_authority: Signed | None = None, newest: ssl.TLSVersion | None = None
    ) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(known.file)
        if client_authority is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_authority.file)
        if newest is not None:
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.maximum_version = newest
        self.names: list[str | None] = []
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self.heads: list[bytes] = []
        super().__init__(self._answer)

    def _answer(self, plain: socket.socket) -> None:
        with self.context.wrap_socket(plain, server_side=True) as connection:
            for head, asked in requests_of(connection):
                self.heads.append(head)
                body = IDENTITY if b"GetCallerIdentity" in asked else XML
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


class Proxy(Listener):
    """Opens tunnels to this machine, for who knows the word."""

    def __init__(self, word: bytes = b"", status: bytes = b"200 OK") -> None:
        self.word, self.status = word, status
        self.heads: list[bytes] = []
        super().__init__(self._tunnel)

    def _tunnel(self, connection: socket.socket) -> None:
        head, _ = next(requests_of(connection), (b"", b""))
        self.heads.append(head)
        is_known = not self.word or b"Basic " + base64.b64encode(self.word) in head
        status = self.status if is_known else b"407 Proxy Authentication Required"
        if not status.startswith(b"200"):
            connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
            return
        port = int(head.split()[1].rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port)) as there:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=pump, args=(there, connection), daemon=True).start()
            pump(connection, there)


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


class Authorities(NamedTuple):
    """Two authorities, and a certificate of the first."""

    known: Signed
    other: Signed
    server: Signed
    folder: Path


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    folder = tmp_path_factory.mktemp("certificates")
    known = certificate(folder, "test authority", is_authority=True)
    other = certificate(folder, "another authority", is_authority=True)
    server = certificate(folder, "server", known, ("localhost", "127.0.0.1"))
    return Authorities(known, other, server, folder)


@pytest.fixture
def listeners() -> Iterator[Callable[[Any], Any]]:
    opened: list[Listener] = []

    def keep(listener: Any) -> Any:
        opened.append(listener)
        return listener

    yield keep
    for listener in opened:
        listener.close()


Enter = Callable[[str, Mapping[str, str], Mapping[str, str]], None]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Enter:
    def enter(url: str, environment: Mapping[str, str], profile: Mapping[str, str]) -> None:
        for name in [name for name in os.environ if is_foreign(name) or name.lower().endswith("_proxy")]:
            monkeypatch.delenv(name)
        monkeypatch.setattr("resources.aws.sessions.CONNECT_SECONDS", 3)
        monkeypatch.setattr("resources.aws.sessions.READ_SECONDS", 3)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        write_profiles(tmp_path, url, {"w": {**static(OWN), **profile}})
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return enter


def ways(url: str) -> tuple[str, str]:
    """What botocore and the fast transport make of a request: `found`, or the class of the error."""
    made = []
    for transport in (None, FastTransport(lambda *_: None, lambda: None, lambda _: None, OperationModels())):
        session = botocore.session.Session(profile="w")
        once = {"mode": "legacy", "total_max_attempts": 1}
        session.set_default_client_config(Config(connect_timeout=3, read_timeout=3, retries=once))
        if transport is not None:
            transport.watch(session)
        try:
            client = session.create_client("ec2", region_name="us-east-1")
            if transport is None:
                answer = client.describe_vpcs()
            else:
                request = transport.prepare(client, "DescribeVpcs", {})
                answer = transport.send(request, ReadOnlyCredentials(f"ASIA{OWN}", "s", "t"))
            made.append("found" if len(answer["Vpcs"]) == 1 else "?")
        except BotoCoreError as error:
            made.append(type(error).__name__)
    return made[0], made[1]


def asked() -> Response:
    reach = AwsClient("workload", home_region="us-east-1", retry=Retry(transient_attempts=1))
    try:
        return reach.fetch(Request("w", OWN, "us-east-1", VPCS, "workload"))
    finally:
        reach.close()


BUNDLES = {
    "by variable": ("AWS_CA_BUNDLE", "known", "found"),
    "by the variable of requests": ("REQUESTS_CA_BUNDLE", "known", "found"),
    "none": ("", "", "SSLError"),
    "of another authority": ("AWS_CA_BUNDLE", "other", "SSLError"),
    "missing": ("AWS_CA_BUNDLE", "missing", "CaBundleUnreadable"),
    "a folder": ("AWS_CA_BUNDLE", "folder", "CaBundleUnreadable"),
    "empty": ("AWS_CA_BUNDLE", "empty", "CaBundleUnreadable"),
    "garbage": ("AWS_CA_BUNDLE", "garbage", "CaBundleUnreadable"),
}


@pytest.mark.parametrize("name", [*BUNDLES, "by profile"])
def test_the_bundle_of_certificates_is_the_one_that_botocore_takes(
    name: str, authorities: Authorities, listeners: Any, world: Enter
) -> None:
    aws = listeners(Aws(authorities.server))
    variable, kind, expected = BUNDLES.get(name, ("", "", "found"))
    folder = authorities.folder
    (folder / "empty.pem").write_text("")
    (folder / "garbage.pem").write_text("no certificate")
    files = {
        "known": authorities.known.file,
        "other": authorities.other.file,
        "missing": folder / "nowhere.pem",
        "folder": folder,
        "empty": folder / "empty.pem",
        "garbage": folder / "garbage.pem",
    }
    environment = {variable: str(files[kind])} if variable else {}
    profile = {"ca_bundle": str(authorities.known.file)} if name == "by profile" else {}
    url = f"https://localhost:{aws.port}"
    world(url, environment, profile)
    assert ways(url) == ("SSLError" if expected == "CaBundleUnreadable" else expected, expected)
    # Never out of the question: a cell has a sentence.
    answer = asked()
    if expected == "CaBundleUnreadable":
        assert str(files[kind]) in str(answer.error_message)
    elif expected == "found":
        assert answer.outcome == "found"
        assert set(aws.names) == {"localhost"}
    else:
        assert (answer.outcome, answer.records) == ("failed", [])
        assert "certificate" in str(answer.error_message)


def test_an_address_that_is_none_is_a_sentence_too(world: Enter) -> None:
    world("https://aws.test:port", {}, {})
    answer = asked()
    assert (answer.outcome, answer.records) == ("failed", [])
    assert answer.error_code == "wrong_endpoint"


def test_a_bundle_without_a_name_is_a_sentence_too(authorities: Authorities, listeners: Any, world: Enter) -> None:
    aws = listeners(Aws(authorities.server))
    world(f"https://localhost:{aws.port}", {"AWS_CA_BUNDLE": " "}, {})
    answer = asked()
    assert (answer.outcome, answer.records) == ("failed", [])
    # Which one depends on the version of botocore.
    assert re.search("CA bundle|TLS certificate", str(answer.error_message))


CERTIFICATES: dict[str, tuple[tuple[str, ...], tuple[int, int], str, str]] = {
    "name of another": (("other.example",), (-1, 10), "localhost", "SSLError"),
    "name without alternatives": ((), (-1, 10), "localhost", "found"),
    "address that is not named": (("localhost",), (-1, 10), "127.0.0.1", "SSLError"),
    "address that is named": (("127.0.0.1",), (-1, 10), "127.0.0.1", "found"),
    "over": (("localhost",), (-9, -1), "localhost", "SSLError"),
    "not yet": (("localhost",), (1, 9), "localhost", "SSLError"),
}


@pytest.mark.parametrize("name", [*CERTIFICATES, "of nobody"])
def test_a_certificate_is_trusted_where_botocore_trusts_it(
    name: str, authorities: Authorities, listeners: Any, world: Enter
) -> None:
    names, days, host, expected = CERTIFICATES.get(name, (("localhost",), (-1, 10), "localhost", "SSLError"))
    issuer = None if name == "of nobody" else authorities.known
    aws = listeners(Aws(certificate(authorities.folder, "localhost", issuer, names, days)))
    url = f"https://{host}:{aws.port}"
    world(url, {"AWS_CA_BUNDLE": str(authorities.known.file)}, {})
    assert ways(url) == (expected, expected)
    assert asked().outcome == ("found" if expected == "found" else "failed")


@pytest.mark.parametrize("name", ["TLS 1.1", "certificate of the client"])
def test_what_the_other_side_wants_is_not_given_and_said(
    name: str, authorities: Authorities, listeners: Any, world: Enter
) -> None:
    newest = ssl.TLSVersion.TLSv1_1 if name == "TLS 1.1" else None
    wanted = None if newest else authorities.known
    aws = listeners(Aws(authorities.server, wanted, newest))
    url = f"https://localhost:{aws.port}"
    world(url, {"AWS_CA_BUNDLE": str(authorities.known.file)}, {})
    theirs, ours = ways(url)
    assert theirs == ours or {theirs, ours} <= {"SSLError", "ConnectionClosedError"}
    assert asked().outcome == "failed"


PROXIES: dict[str, tuple[dict[str, str], bytes, bytes, str, int]] = {
    "tunnel": ({"HTTPS_PROXY": "http://127.0.0.1:{}"}, b"", b"200 OK", "found", 1),
    "tunnel with a word": ({"HTTPS_PROXY": "http://me:s%20e@127.0.0.1:{}"}, b"me:s e", b"200 OK", "found", 1),
    "tunnel with a wrong word": (
        {"HTTPS_PROXY": "http://me:no@127.0.0.1:{}"}, b"me:se", b"200 OK", "ProxyConnectionError", 1
    ),
    "tunnel refused": ({"HTTPS_PROXY": "http://127.0.0.1:{}"}, b"", b"403 No", "ProxyConnectionError", 1),
    "not for this host": ({"HTTPS_PROXY": "http://127.0.0.1:{}", "NO_PROXY": "localhost"}, b"", b"200 OK", "found", 0),
    "nobody there": ({"HTTPS_PROXY": "http://127.0.0.1:1"}, b"", b"200 OK", "ProxyConnectionError", 0),
    "without a scheme": ({"https_proxy": "127.0.0.1:{}"}, b"", b"200 OK", "found", 1),
    "for another scheme": ({"HTTP_PROXY": "http://127.0.0.1:1"}, b"", b"200 OK", "found", 0),
}  # fmt: skip


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_is_requested_as_botocore_requests_it(
    name: str, authorities: Authorities, listeners: Any, world: Enter
) -> None:
    variables, word, status, expected, tunnels = PROXIES[name]
    aws, proxy = listeners(Aws(authorities.server)), listeners(Proxy(word, status))
    environment = {key: value.format(proxy.port) for key, value in variables.items()}
    url = f"https://localhost:{aws.port}"
    world(url, {"AWS_CA_BUNDLE": str(authorities.known.file), **environment}, {})
    is_refused = expected != "found" and tunnels > 0
    assert ways(url) == (expected, "TunnelRefused" if is_refused else expected)
    assert len(proxy.heads) == 2 * tunnels
    answer = asked()
    assert answer.outcome == ("found" if expected == "found" else "failed")
    words = "the proxy refuses a tunnel to localhost: 40" if is_refused else "the proxy does not respond."
    assert (words in str(answer.error_message)) is (expected != "found")
    # The word is the proxy's: neither AWS nor a sentence has it.
    assert not any(b"roxy-Auth" in head for head in aws.heads)
    assert "s%20e" not in str(answer.error_message)
    assert ":no@" not in str(answer.error_message)


@pytest.mark.parametrize("place", ["environment", "profile"])
def test_sessions_are_of_sts_in_the_home_region_whatever_is_set(place: str, listeners: Any, world: Enter) -> None:
    """Regions that are opted into refuse tokens of the global endpoint, which `legacy` requests."""
    proxy = listeners(Proxy(status=b"403 No"))
    environment = {"HTTPS_PROXY": proxy.url, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    legacy = {"environment": "AWS_STS_REGIONAL_ENDPOINTS", "profile": "sts_regional_endpoints"}[place]
    profile: dict[str, str] = {}
    (environment if place == "environment" else profile)[legacy] = "legacy"
    for role in ({}, {"role_arn": f"arn:aws:iam::{OWN}:role/R", "source_profile": "w"}):
        world("https://aws.test", environment, profile | role)
        assert asked().outcome == "failed"
    assert {head.split()[1] for head in proxy.heads} == {b"sts.us-east-1.amazonaws.com:443"}


def test_a_proxy_that_speaks_tls_itself_is_left_to_botocore(
    authorities: Authorities, listeners: Any, world: Enter
) -> None:
    aws = listeners(Aws(authorities.server))
    url = f"https://localhost:{aws.port}"
    world(url, {"AWS_CA_BUNDLE": str(authorities.known.file), "HTTPS_PROXY": "https://127.0.0.1:1"}, {})
    assert ways(url) == ("ProxyConnectionError", "ProxyConnectionError")
