"""From the options of `federation serve` to what is started with them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from federation.errors import SettingError
from federation.rollout import STAGES
from gateway.federation.opening import Opening, stages_of
from telemetry import TelemetryConfig

SILENT = TelemetryConfig()


def opening(folder: Path, **changes: Any) -> Opening:
    return Opening(**{"host": "127.0.0.1", "port": 0, "workers": 1, "state_dir": folder, **changes})


@pytest.fixture(autouse=True)
def no_secrets_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SWARMLORE_OPERATOR_TOKEN", "SWARMLORE_ENROLMENT_CODE"):
        monkeypatch.delenv(name, raising=False)


def test_what_is_not_said_is_in_the_state_directory_and_as_the_architecture_says(tmp_path: Path) -> None:
    made = opening(tmp_path / "state")
    door, config, hours = made.door(SILENT), made.swarm(SILENT), made.clerk()
    assert door.storage == f"sqlite:///{tmp_path}/state/federation.db"
    assert door.releases == f"file://{tmp_path}/state/releases"
    assert (door.operator_token, door.enrolment_code, made.tls) == (None, None, None)
    assert (door.limits.submissions, door.limits.behind, door.limits.windows) == (4, 5, 12)
    assert (hours.interval_s, hours.min_participants, hours.stages) == (21_600, 10, STAGES)
    assert config.federation is not None
    assert config.federation.storage == door.storage
    assert config.privacy is not None
    assert (config.privacy.epsilon_round, config.privacy.epsilon_period) == (1.0, 8.0)
    assert (tmp_path / "state" / "secret").stat().st_mode & 0o077 == 0
    assert made.door(SILENT).public_key == door.public_key
    assert "secret" not in repr(door)


def test_a_relative_path_means_the_same_to_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert opening(tmp_path, storage="sqlite:///here.db").storage_url == f"sqlite:///{tmp_path}/here.db"
    assert opening(tmp_path, storage="sqlite:////there.db").storage_url == "sqlite:////there.db"
    assert opening(tmp_path, storage="postgresql://db/x").storage_url == "postgresql://db/x"


def test_secrets_come_from_files_or_the_environment_and_are_kept_as_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, code = "an-operator-token-that-is-long", "let-me-in"
    (tmp_path / "token").write_text(token + "\n")
    (tmp_path / "code").write_text(code + "\n")
    made = opening(tmp_path, operator_token_file=tmp_path / "token", enrolment_code_file=tmp_path / "code")
    door = made.door(SILENT)
    assert door.operator_token == hashlib.sha256(token.encode()).digest()
    assert door.enrolment_code == hashlib.sha256(code.encode()).digest()
    monkeypatch.setenv("SWARMLORE_OPERATOR_TOKEN", token)
    assert opening(tmp_path).door(SILENT).operator_token == door.operator_token
    (tmp_path / "code").write_text("short")
    with pytest.raises(SettingError, match="8 to 200"):
        made.door(SILENT)
    with pytest.raises(SettingError, match="can be read"):
        opening(tmp_path, operator_token_file=tmp_path / "none").door(SILENT)


def test_plain_http_stays_on_this_machine(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="--tls-cert"):
        _ = opening(tmp_path, host="0.0.0.0").tls
    assert opening(tmp_path, host="0.0.0.0", insecure=True).tls is None
    with pytest.raises(SettingError, match="together"):
        _ = opening(tmp_path, tls_cert=tmp_path / "c").tls
    with pytest.raises(SettingError, match="client-ca"):
        _ = opening(tmp_path, client_ca=tmp_path / "c").tls
    tls = opening(tmp_path, host="0.0.0.0", tls_cert=tmp_path / "c", tls_key=tmp_path / "k").tls
    assert tls is not None
    assert (tls.certificate, tls.key) == (tmp_path / "c", tmp_path / "k")


def test_stages_are_read_as_they_are_shown() -> None:
    text = "canary:0.01:7200,staged:0.1:21600:approve,general:0.5:43200,full:1:0"
    assert stages_of(text) == STAGES
    assert [stage.name for stage in stages_of("full:1")] == ["full"]


@pytest.mark.parametrize(
    "text",
    ["", "a", "a:x:1", "a:0.5:1", "a:0.5:1,b:0.2:1,c:1", "a:1:1:maybe", "a:0:1,b:1", ":1", "a:0.1:1,a:1", "a:1:x"],
)
def test_stages_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SettingError):
        stages_of(text)


def test_without_epsilon_there_is_no_privacy_and_regions_have_doors(tmp_path: Path) -> None:
    made = opening(tmp_path, epsilon=0.0, regions=("eu", "us"), otlp="http://127.0.0.1:4318")
    config = made.swarm(made.telemetry())
    assert config.privacy is None
    assert config.federation is not None
    assert config.federation.regions == made.door(SILENT).regions == ("eu", "us")
    assert config.telemetry.prometheus
    with pytest.raises(SettingError, match="otlp"):
        opening(tmp_path, otlp="no url").telemetry()


@pytest.mark.parametrize("proxies", ["10.0.0.5", "10.0.0.0/8, fd00::1", "*", ""])
def test_proxies_are_addresses(tmp_path: Path, proxies: str) -> None:
    assert opening(tmp_path, proxies=proxies).door(SILENT).storage


@pytest.mark.parametrize("proxies", ["300.1", "proxy.example", "10.0.0.5,,"])
def test_what_would_never_be_a_proxy_is_refused(tmp_path: Path, proxies: str) -> None:
    with pytest.raises(SettingError, match="proxy is"):
        opening(tmp_path, proxies=proxies).door(SILENT)


def test_privacy_is_set_as_for_other_swarms(tmp_path: Path) -> None:
    privacy = opening(tmp_path, clip=4.0, unscreened=True).swarm(SILENT).privacy
    assert privacy is not None
    assert (privacy.radius, privacy.screened) == (4.0, False)
    for alone in ({"clip": 4.0}, {"unscreened": True}):
        with pytest.raises(SettingError, match="--clip or --unscreened"):
            opening(tmp_path, epsilon=0.0, **alone).swarm(SILENT)
