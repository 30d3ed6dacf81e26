"""Which token Ray would show, and who is refused before Ray is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors import cluster


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without a token, and an environment without Ray's settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_token_is_in_the_environment_in_a_named_file_or_at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not cluster.token_at_hand()
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("t")
    assert cluster.token_at_hand()
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "elsewhere"))
    assert not cluster.token_at_hand(), "the file that is named comes before the one at home"
    (home / "elsewhere").write_text("t")
    assert cluster.token_at_hand()
    (home / "elsewhere").unlink()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t")
    assert cluster.token_at_hand()


def test_token_mode_without_a_token_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster._check_token("10.0.0.1:6379")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(cluster.ClusterError, match="RAY_AUTH_TOKEN_PATH") as refused:
        cluster._check_token("10.0.0.1:6379")
    assert refused.value.fields["found"] == "RAY_AUTH_MODE=token, but there is no token here"


def test_where_nobody_listens_is_said_at_once() -> None:
    for address in ("127.0.0.1:1", "127.0.0.1:99999", "nowhere"):
        with pytest.raises(cluster.ClusterError) as refused:
            cluster._knock(address)
        assert refused.value.fields["address"] == address
