"""The object store against a real S3 server, SeaweedFS: what is put is there whole, once, and swapped by one."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest
from scaleout_services import BUCKET, S3, objects_of

from resources.objects.errors import ObjectMissing, ObjectStoreError
from resources.objects.object_store import PIECE, ObjectStore

pytestmark = pytest.mark.scaleout


@pytest.fixture
def objects(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A prefix of its own; AWS_PROFILE names a profile that does not exist, which nothing may look for."""
    monkeypatch.setenv("AWS_PROFILE", "acme-pay")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    return objects_of(s3, f"{tmp_path.name}/x", monkeypatch)


def test_what_is_put_is_there_for_any_client(objects: ObjectStore, s3: S3, tmp_path: Path) -> None:
    objects.put("a/b.json", b"one")
    objects.put("a/b.json", b"two")
    assert objects.get("a/b.json") == b"two"
    found = s3.client().get_object(Bucket=BUCKET, Key=f"{tmp_path.name}/x/a/b.json")
    assert found["Body"].read() == b"two"


def test_of_those_who_put_one_name_the_first_is_right(objects: ObjectStore) -> None:
    assert objects.put_once("manifest", b"one")
    assert not objects.put_once("manifest", b"two")
    assert objects.get("manifest") == b"one"
    # Whose response was lost on its way asks again, and is still the first.
    assert objects.put_once("manifest", b"one")


def test_of_twenty_who_put_one_name_at_once_one_is_right(objects: ObjectStore) -> None:
    ours: list[bytes] = []

    def put(data: bytes) -> None:
        if objects.put_once("manifest", data):
            ours.append(data)

    threads = [threading.Thread(target=put, args=(str(number).encode(),)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ours == [objects.get("manifest")]


def test_only_who_knows_what_is_there_swaps_it(objects: ObjectStore) -> None:
    assert objects.swap("current", b"one", None)
    assert not objects.swap("current", b"two", None)
    seen = objects.read("current")
    assert objects.swap("current", b"two", seen.e_tag)
    assert not objects.swap("current", b"three", seen.e_tag)
    assert objects.get("current") == b"two"
    objects.delete("current")
    assert not objects.swap("current", b"three", seen.e_tag)
    assert objects.names() == set()


def test_a_prefix_ends_where_a_part_of_a_name_does(objects: ObjectStore) -> None:
    for name in ("parts/1", "parts/1/a", "parts/1/b/c", "parts/12/a", "other"):
        objects.put(name, b"")
    assert objects.names("parts/1") == {"parts/1/a", "parts/1/b/c"}
    objects.delete("parts/1")
    assert objects.names() == {"parts/12/a", "other"}
    objects.delete("parts/1")


@pytest.mark.parametrize("size", [0, 1, PIECE, 2 * PIECE + 1])
def test_a_file_comes_back_as_it_was(objects: ObjectStore, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "put").write_bytes(content)
    objects.put_file("file", tmp_path / "put")
    digest = objects.get_file("file", tmp_path / "got")
    assert digest == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "got").read_bytes() == content


def test_what_is_not_there_is_missing_and_not_empty(objects: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing, match="nothing is not there, or its bucket is not"):
        objects.get("nothing")
    with pytest.raises(ObjectMissing):
        objects.get_file("nothing", tmp_path / "got")
    elsewhere = ObjectStore("s3://no-such-bucket", "us-east-1", objects.endpoint)
    with pytest.raises(ObjectStoreError, match="404 Not Found, NoSuchBucket"):
        elsewhere.names()


def test_who_may_not_is_told_and_nothing_passes_for_empty(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    stranger = ObjectStore(objects.url, objects.region, objects.endpoint)
    for ask in (
        stranger.names,
        lambda: stranger.get("a"),
        lambda: stranger.put_once("a", b""),
        lambda: stranger.delete(""),
    ):
        with pytest.raises(
            ObjectStoreError, match="is refused to the credentials of the environment: the server respon"
        ):
            ask()


def test_a_server_that_is_gone_for_some_seconds_is_waited_for(objects: ObjectStore, s3: S3) -> None:
    objects.put("before", b"1")
    s3.kill()
    waiting = threading.Timer(4, s3.start)
    waiting.start()
    began = time.monotonic()
    assert objects.put_once("during", b"2")
    assert time.monotonic() - began > 4
    waiting.join()
    assert (objects.get("before"), objects.get("during")) == (b"1", b"2")


def test_a_server_that_stays_away_is_named_in_a_sentence(objects: ObjectStore, s3: S3) -> None:
    impatient = ObjectStore(objects.url, objects.region, "http://127.0.0.1:9", patience=1.0)
    for ask in (impatient.names, lambda: impatient.get("a"), lambda: impatient.swap("a", b"", None)):
        with pytest.raises(ObjectStoreError, match=r"at http://127.0.0.1:9 cannot be used: HTTP error.*run again\.$"):
            ask()
