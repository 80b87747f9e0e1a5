"""The object store where it cannot be used: what is missing is said in a sentence, and nothing is requested."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from nights import REPOSITORY
from test_scaleout_copy import Coordinator

from resources.objects.errors import ObjectMissing, ObjectStoreError
from resources.objects.object_store import ObjectStore

PLAIN = ObjectStore("s3://acme-cmdb/nights", "us-east-1", "http://127.0.0.1:9", patience=0.0)


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither keys nor the role of a machine, which would be waited for."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@contextmanager
def server(status: int, code: str) -> Iterator[str]:
    """A server that responds to every request with one error of S3 or STS; yields its address."""
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>".encode()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = respond

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def published_here_alone(tmp_path: Path, objects: ObjectStore) -> ObjectStoreError:
    """A run that publishes here and cannot be copied to an object store: the error of the copy."""
    here = Coordinator.new(tmp_path / "w", objects)
    with pytest.raises(ObjectStoreError) as failed:
        here.night("run-1")
    assert here.store.database.exists(), "it is published here all the same"
    assert failed.value.exit_code == 2
    return failed.value


def test_a_bucket_that_does_not_exist_is_named_and_no_other_coordinator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with server(404, "NoSuchBucket") as address:
        error = published_here_alone(tmp_path, ObjectStore(PLAIN.url, PLAIN.region, address, patience=0.0))
    assert isinstance(error, ObjectMissing)
    assert str(error).startswith("The bucket of s3://acme-cmdb/nights does not exist")


def test_without_the_extra_a_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "obstore" else found(name, *a))
    with pytest.raises(ObjectStoreError) as refused:
        PLAIN.put("a", b"")
    assert str(refused.value) == (
        "s3://acme-cmdb/nights needs obstore, which is not installed, so nothing was requested there. "
        "`pip install 'aws-org-cmdb[scaleout]'` installs it; or unset CMDB_OBJECTS_URL."
    )
    assert refused.value.exit_code == 2


def test_nothing_of_the_extra_is_loaded_by_settings_that_name_an_object_store() -> None:
    program = (
        "import sys; from pipelines.settings import read_settings\n"
        "assert read_settings({'CMDB_OBJECTS_URL': 's3://acme-cmdb'}).objects is not None\n"
        "print(sorted({'obstore', 'celery', 'psycopg2', 'botocore'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_the_profile_of_the_workload_role_is_not_taken_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile with keys is named by AWS_PROFILE, and there is a default one: neither is for the object store."""
    files = {"AWS_CONFIG_FILE": tmp_path / "config", "AWS_SHARED_CREDENTIALS_FILE": tmp_path / "credentials"}
    keys = "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = x\n"
    files["AWS_CONFIG_FILE"].write_text(f"[profile acme-pay]\n{keys}[default]\n{keys}")
    files["AWS_SHARED_CREDENTIALS_FILE"].write_text(f"[acme-pay]\n{keys}[default]\n{keys}")
    for name, path in files.items():
        monkeypatch.setenv(name, str(path))
    monkeypatch.setenv("AWS_PROFILE", "acme-pay")
    with pytest.raises(ObjectStoreError, match="neither access keys in the environment nor a role of this machine"):
        PLAIN.get("a")
    # The other way round it is found, and the server is asked.
    with pytest.raises(ObjectStoreError, match="cannot be used: HTTP error: error sending request"):
        ObjectStore(PLAIN.url, PLAIN.region, PLAIN.endpoint, "acme-pay", patience=0.0).get("a")


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("credential_process = /nonexistent/helper --x", "(FileNotFoundError)"),
        ("credential_process = /bin/echo SECRET-TOKEN", "(JSONDecodeError)"),
        ("credential_process = /bin/sh -c 'echo SECRET-TOKEN >&2; exit 1'", "(CredentialRetrievalError)"),
        ("role_arn = arn:aws:iam::222222222222:role/objects\nsource_profile = base", "AssumeRole with"),
        (
            "role_arn = arn:aws:iam::222222222222:role/objects\nsource_profile = base\n"
            "mfa_serial = arn:aws:iam::222222222222:mfa/me",
            "wants an MFA code",
        ),
    ],
    ids=["no program", "no JSON", "program fails", "refused role", "MFA"],
)
def test_a_profile_without_credentials_keeps_nobody_from_publishing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, why: str
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with server(403, "AccessDenied") as sts:
        (tmp_path / "config").write_text(
            "[profile base]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = x\n"
            f"[profile objects]\nendpoint_url = {sts}\n{lines}\n"
        )
        error = published_here_alone(tmp_path, replace(PLAIN, profile="objects"))
    assert str(error).startswith("There are no credentials for s3://acme-cmdb/nights: ")
    assert why in str(error)
    assert "Grant s3" not in str(error)
    assert "SECRET-TOKEN" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("code", "remedy"), [("AccessDenied", "Grant s3:GetObject"), ("ExpiredToken", "Correct or renew these credentials")]
)
def test_what_the_server_refuses_has_its_remedy(monkeypatch: pytest.MonkeyPatch, code: str, remedy: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with server(403, code) as address, pytest.raises(ObjectStoreError, match=remedy):
        replace(PLAIN, endpoint=address).get("a")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"profile": "nobody"}, ("no credentials for s3://acme-cmdb/nights", "(nobody) could not be found")),
        ({"url": "http://acme"}, ("http://acme is no address of an object store", "Nothing was requested")),
    ],
)
def test_a_setting_that_leads_nowhere_is_named(changed: dict[str, Any], words: tuple[str, ...]) -> None:
    values = {"url": PLAIN.url, "region": PLAIN.region, "endpoint": PLAIN.endpoint, "patience": 0.0} | changed
    with pytest.raises(ObjectStoreError) as refused:
        ObjectStore(**values).get("a")
    assert refused.value.exit_code == 2
    assert [word for word in words if word not in str(refused.value)] == []
