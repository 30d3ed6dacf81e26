"""Files of releases: written once, never changed, in a folder, in memory and on a server that speaks S3."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from actors.storage import ReleaseStore, StorageUnavailableError, StorageUrlError, StoredReleaseError
from federation.errors import SettingError
from tests.conftest import PASSWORD, S3Server


@pytest.fixture(params=["file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ReleaseStore:
    """An empty store of each kind."""
    match request.param:
        case "file":
            return ReleaseStore(f"file://{tmp_path}/new folder/releases")
        case "memory":
            return ReleaseStore("memory:///")
        case _:
            server: S3Server = request.getfixturevalue("s3")
            return ReleaseStore(f"s3://lore/{tmp_path.name}", **server.options())


def test_what_is_put_is_there_and_nothing_else(store: ReleaseStore) -> None:
    assert store.get("v1.0.0.json") is None
    assert store.put_once("v1.0.0.json", b"\x00first")
    store.put_once("v1.0.0.frontend.json", b"")
    assert store.get("v1.0.0.json") == b"\x00first"
    assert store.get("v1.0.0.frontend.json") == b""


def test_a_release_never_changes(store: ReleaseStore) -> None:
    assert store.put_once("v1.0.0.json", b"first")
    assert not store.put_once("v1.0.0.json", b"first")
    with pytest.raises(StoredReleaseError, match=r"v1\.0\.0\.json is stored already"):
        store.put_once("v1.0.0.json", b"second")
    assert store.get("v1.0.0.json") == b"first"


def test_the_latest_does(store: ReleaseStore) -> None:
    store.put("latest.json", b"first, and longer")
    store.put("latest.json", b"second")
    assert store.get("latest.json") == b"second"


@pytest.mark.parametrize("name", ["", "../secret", "a/b", ".hidden", "x" * 129, "a b", "a\n"])
def test_names_that_lead_elsewhere_are_refused(store: ReleaseStore, name: str) -> None:
    for attempt in (lambda: store.get(name), lambda: store.put(name, b""), lambda: store.put_once(name, b"")):
        with pytest.raises(SettingError):
            attempt()


def test_files_are_plain_files_that_a_web_server_can_serve(tmp_path: Path) -> None:
    ReleaseStore(f"file://{tmp_path}").put_once("v1.0.0.json", b"first")
    assert (tmp_path / "v1.0.0.json").read_bytes() == b"first"
    assert ReleaseStore(f"file://{tmp_path}").get("v1.0.0.json") == b"first"


def test_caches_are_told_how_long(s3: S3Server, tmp_path: Path) -> None:
    store = ReleaseStore(f"s3://lore/{tmp_path.name}/", **s3.options())
    store.put_once("v1.0.0.json", b"{}")
    store.put("latest.json", b"{}", max_age_s=60)
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=swarmlore/20260101/us-east-1/s3/aws4_request"}
    for name, caching in (
        ("v1.0.0.json", "public, max-age=31536000, immutable"),
        ("latest.json", "public, max-age=60"),
    ):
        found = requests.get(f"{s3.endpoint}/lore/{tmp_path.name}/{name}", headers=signed, timeout=30)
        assert found.headers["Cache-Control"] == caching
        assert found.headers["Content-Type"] == "application/json"


def test_the_environment_says_where_and_who(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.options().items():
        monkeypatch.setenv(f"AWS_{name.upper()}", value)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    ReleaseStore(f"s3://lore/{tmp_path.name}").put("latest.json", b"{}")
    assert ReleaseStore(f"s3://lore/{tmp_path.name}", **s3.options()).get("latest.json") == b"{}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "releases",
        "file://releases",
        "file:///",
        "http://example.org/",
        "gs://bucket",
        "s3://",
        f"s3://key:{PASSWORD}@bucket/releases",
        f"s3://bucket/releases?secret={PASSWORD}",
    ],
)
def test_urls_that_name_no_store_are_refused(url: str) -> None:
    with pytest.raises(StorageUrlError) as caught:
        ReleaseStore(url)
    assert PASSWORD not in str(caught.value)


def test_settings_that_a_store_has_not_are_refused() -> None:
    with pytest.raises(StorageUrlError, match="settings that are refused") as caught:
        ReleaseStore("s3://bucket/releases", colour="red", secret_access_key=PASSWORD)
    assert PASSWORD not in str(caught.value)
    with pytest.raises(StorageUrlError):
        ReleaseStore("memory:///", endpoint="http://127.0.0.1")


def test_a_store_that_is_not_there_is_one_clear_error(s3: S3Server, tmp_path: Path) -> None:
    away = ReleaseStore("s3://lore/releases", **s3.options() | {"endpoint": "http://127.0.0.1:9"})
    bucket = ReleaseStore("s3://no-such-bucket/releases", **s3.options())
    folder = ReleaseStore(f"file://{tmp_path}/releases")
    (tmp_path / "releases").rmdir()
    (tmp_path / "releases").write_text("a file where the folder was")
    for store in (away, bucket, folder):
        with pytest.raises(StorageUnavailableError) as caught:
            store.put_once("v1.0.0.json", b"{}")
        assert caught.value.code == "storage.unavailable"
        assert PASSWORD not in f"{caught.value} {caught.value.__cause__} {store!r}"


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailableError):
        ReleaseStore(f"file://{tmp_path}/file/releases")
