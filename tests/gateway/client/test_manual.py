"""The example of the manual runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.gateway.client.strangers import Stranger


def test_the_first_example_runs(
    server: Stranger, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SWARMLORE_CLIENT_DIR", str(place))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    page = (Path(__file__).parents[3] / "docs" / "client.md").read_text()
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    code = found[1].replace("https://federation.example", server.url).replace("ed25519:...", server.public_key)
    exec(compile(code, "docs/client.md", "exec"), {})
    assert capsys.readouterr().out == "1.0.0 () ()\n"
    assert [path for _, path, _, _ in server.seen] == ["/health", "/register", "/weights/latest"]
