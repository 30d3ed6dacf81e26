"""What doctor looks at, on this machine."""

from __future__ import annotations

import socket
from pathlib import Path

from gateway import probes
from gateway.bench import sink


def test_a_state_directory_is_looked_at_and_not_touched(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    found = probes.state_directory(folder)
    assert (found.exists, found.writable, found.secret_mode) == (False, True, None)
    assert not folder.exists()
    (tmp_path / "secret").write_bytes(bytes(32))
    (tmp_path / "secret").chmod(0o600)
    found = probes.state_directory(tmp_path)
    assert (found.exists, found.secret_mode, found.secret_bytes) == (True, 0o600, 32)
    (tmp_path / "file").touch()
    assert not probes.state_directory(tmp_path / "file").writable


def test_a_collector_answers_or_says_why_not() -> None:
    with sink(wanted=True) as url:
        assert url is not None
        assert probes.collector_error(url) is None
    assert probes.collector_error(url) is not None
    assert probes.collector_error("collector:4318") == "not an http:// or https:// URL"


def test_a_port_answers_or_says_why_not() -> None:
    assert probes.port_error("local") is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert probes.port_error(address) is None
    assert "ConnectionRefusedError" in (probes.port_error(address) or "")
    assert probes.port_error("127.0.0.1:port") is not None


def test_what_is_installed_is_beside_what_is_needed() -> None:
    found = {package.name: package for package in probes.installed()}
    if found:  # nothing is known of a source tree that was never installed
        assert found["ray"].fits
        assert found["ray"].extra == ""
        assert found["scikit-learn"].extra == "demo"
