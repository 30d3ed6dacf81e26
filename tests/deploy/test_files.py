"""Everything of the set-ups that can be checked without a container engine."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observe import prometheus_config
from tests.deploy.tools import DEPLOY, ROOT, needed, ran

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
README = (DEPLOY / "README.md").read_text("utf-8")

COMPONENTS = {
    "receivers": {"otlp"},
    "processors": {"memory_limiter", "batch"},
    "exporters": {"otlp_http", "nop", "debug"},
    "extensions": {"health_check"},
}
"""Components of the collector's contrib distribution, 0.159, that are known to us."""


def load(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text("utf-8")))


def port_of(url: str) -> tuple[str, int]:
    """Host and port of an address."""
    found = re.search(r"(?:https?://)?([A-Za-z0-9.-]+):(\d+)", url)
    assert found is not None, url
    return found[1], int(found[2])


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.y*ml")), ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_file_is_yaml(path: Path) -> None:
    if "secrets" in path.parts:
        pytest.skip("not ours")
    assert all(document for document in yaml.safe_load_all(path.read_text("utf-8")))


# Compose


def test_compose_is_as_the_specification_says() -> None:
    done = ran(
        sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_mounted_exists() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source, target, *_ = volume.split(":")
            assert target.startswith("/")
            if not source.startswith("."):
                assert source in COMPOSE["volumes"], f"{name}: {source}"
            elif not source.startswith("./secrets"):
                assert (DEPLOY / source).exists(), f"{name}: {source}"


def test_services_refer_to_what_is_defined() -> None:
    for name, service in SERVICES.items():
        for secret in service.get("secrets", ()):
            assert secret in COMPOSE["secrets"], name
        for other in service.get("depends_on", ()):
            assert other in SERVICES, name
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])


def test_only_the_one_with_tls_listens_for_other_machines() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:") == (name != "tls"), f"{name}: {port}"


def test_images_have_exact_tags_that_the_readme_names() -> None:
    images = {service["image"] for service in SERVICES.values()}
    images |= set(re.findall(r"image: (\S+)", (DEPLOY / "kuberay" / "swarmlore.yaml").read_text("utf-8")))
    for image in images:
        assert re.search(r":v?\d+\.\d+", image), image
        assert f"`{image}`" in README, image


def test_our_image_has_the_version_of_the_project() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version is not None
    assert SERVICES["swarmlore"]["image"] == SERVICES["worker"]["image"] == f"swarmlore:{version[1]}"


def test_the_images_ray_and_python_are_those_that_are_tested() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    python = re.search(r"FROM python:(\d+\.\d+)", dockerfile)
    assert python is not None
    assert f">={python[1]}" in (ROOT / "pyproject.toml").read_text("utf-8")
    [job] = [one for one in documents("kuberay/swarmlore.yaml") if one["kind"] == "RayJob"]
    constraints = (ROOT / "constraints.txt").read_text("utf-8")
    assert f"ray=={job['spec']['rayClusterSpec']['rayVersion']}\n" in constraints


def test_the_image_is_built_from_what_is_let_in() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    let_in = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").split() if line[0] == "!"}
    copied: set[str] = set()
    for line in re.findall(r"^COPY (?:--\S+ )?(.+)$", dockerfile, re.MULTILINE):
        copied |= set(line.split()[:-1])
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)
    wheel = re.search(r"^packages = (\[.+\])$", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert wheel is not None
    assert set(json.loads(wheel[1])) <= copied


def test_the_options_of_the_service_exist(cli_options: set[str]) -> None:
    command = SERVICES["swarmlore"]["command"]
    assert command[0] == "head"
    assert {word.partition("=")[0] for word in command[1:]} <= cli_options
    [job] = [one for one in documents("kuberay/swarmlore.yaml") if one["kind"] == "RayJob"]
    assert set(re.findall(r"--[a-z-]+", job["spec"]["entrypoint"])) <= cli_options


@pytest.fixture
def cli_options() -> set[str]:
    from typer.main import get_command

    from gateway.cli import app

    commands: Any = get_command(app)
    return {
        option for name in ("serve", "up") for parameter in commands.commands[name].params for option in parameter.opts
    }


# Who listens where


def listening() -> set[tuple[str, int]]:
    """(service, port) of everything that listens in compose's network."""
    collector, tempo, loki = load("collector/collector.yaml"), load("tempo/tempo.yaml"), load("loki/loki.yaml")
    protocols = collector["receivers"]["otlp"]["protocols"]
    [reader] = collector["service"]["telemetry"]["metrics"]["readers"]
    options = dict(word[2:].split("=") for word in SERVICES["swarmlore"]["command"][1:])
    return {
        ("swarmlore", int(options["port"])),
        ("swarmlore", 6379),
        *(("collector", port_of(protocol["endpoint"])[1]) for protocol in protocols.values()),
        ("collector", reader["pull"]["exporter"]["prometheus"]["port"]),
        ("tempo", tempo["server"]["http_listen_port"]),
        ("tempo", port_of(tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"])[1]),
        ("loki", loki["server"]["http_listen_port"]),
        ("prometheus", 9090),
    }


def test_whoever_is_spoken_to_listens_there() -> None:
    spoken = [SERVICES["swarmlore"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"], SERVICES["worker"]["command"][1]]
    spoken += [one["endpoint"] for one in load("collector/collector.yaml")["exporters"].values() if one]
    spoken += [one["url"] for one in load("grafana/provisioning/datasources/swarmlore.yaml")["datasources"]]
    for job in load("prometheus/prometheus.yml")["scrape_configs"]:
        spoken += [target for group in job["static_configs"] for target in group["targets"]]
    found = re.search(r"proxy_pass (\S+);", (DEPLOY / "nginx" / "gateway.conf").read_text("utf-8"))
    assert found is not None
    for url in [*spoken, found[1]]:
        assert port_of(url) in listening(), url


def test_published_ports_are_listened_on() -> None:
    elsewhere = {("grafana", 3000), ("tls", 8443), ("swarmlore", 8265)}
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert (name, int(port.split(":")[-1])) in listening() | elsewhere, f"{name}: {port}"
    assert f"listen {8443} ssl;" in (DEPLOY / "nginx" / "gateway.conf").read_text("utf-8")
    for port in re.findall(r"(?:localhost|127\.0\.0\.1):(\d+)", README):
        published = {int(p.split(":")[-2]) for service in SERVICES.values() for p in service.get("ports", ())}
        assert int(port) in published | {6379}, port


# Collector, Prometheus, Tempo, Loki, Grafana


def test_the_collectors_pipelines_use_components_that_are_defined_and_known() -> None:
    config = load("collector/collector.yaml")
    assert set(config) == {*COMPONENTS, "service"}
    for section, known in COMPONENTS.items():
        assert {name.partition("/")[0] for name in config[section]} <= known
    used: dict[str, set[str]] = {section: set() for section in COMPONENTS}
    for kind, pipeline in config["service"]["pipelines"].items():
        assert kind in {"traces", "metrics", "logs"}
        assert pipeline["receivers"]
        assert pipeline["exporters"]
        for section, names in pipeline.items():
            used[section] |= set(names)
            assert set(names) <= set(config[section]), f"{kind}: {section}"
        processors = pipeline.get("processors", [])
        assert "memory_limiter" not in processors or processors[0] == "memory_limiter"
    used["extensions"] = set(config["service"]["extensions"])
    assert used == {section: set(config[section]) for section in COMPONENTS}


def test_the_collector_takes_all_signals() -> None:
    """A signal without a pipeline is refused, and a refusal makes the sender's breaker hold back the others."""
    assert set(load("collector/collector.yaml")["service"]["pipelines"]) == {"traces", "metrics", "logs"}


def test_metrics_come_one_way_only() -> None:
    assert SERVICES["swarmlore"]["environment"]["OTEL_METRICS_EXPORTER"] == "prometheus"
    assert load("collector/collector.yaml")["service"]["pipelines"]["metrics"]["exporters"] == ["nop"]


@pytest.mark.parametrize("own", [False, True])
def test_prometheus_takes_its_configuration(own: bool, tmp_path: Path) -> None:
    promtool = needed("promtool", "prometheus")
    config = prometheus_config("127.0.0.1:8080") if own else load("prometheus/prometheus.yml")
    if not own:  # as if it were mounted
        config["rule_files"] = [str(ROOT / "dashboards/generated/prometheus/*.yml")]
        (tmp_path / "token").write_text("x")
        config["scrape_configs"][0]["authorization"]["credentials_file"] = str(tmp_path / "token")
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    done = ran(promtool, "check", "config", tmp_path / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout


def test_prometheus_reads_what_is_mounted() -> None:
    [rules] = load("prometheus/prometheus.yml")["rule_files"]
    mounts = dict(volume.split(":")[1::-1] for volume in SERVICES["prometheus"]["volumes"])
    assert mounts[str(Path(rules).parent)] == "../dashboards/generated/prometheus"
    assert "--enable-feature=exemplar-storage" in SERVICES["prometheus"]["command"]
    first = load("prometheus/prometheus.yml")["scrape_configs"][0]
    assert first["honor_labels"] is True
    assert Path(first["authorization"]["credentials_file"]).name in SERVICES["prometheus"]["secrets"]


def test_grafana_finds_its_dashboards_and_sources() -> None:
    [provider] = load("grafana/provisioning/dashboards/swarmlore.yaml")["providers"]
    folder = provider["options"]["path"]
    mounts = dict(volume.split(":")[1::-1] for volume in SERVICES["grafana"]["volumes"])
    assert mounts[folder] == "../dashboards/generated/grafana"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).parent == Path(folder)
    assert (ROOT / "dashboards/generated/grafana" / Path(home).name).exists()
    sources = {one["uid"]: one for one in load("grafana/provisioning/datasources/swarmlore.yaml")["datasources"]}
    assert {uid: one["type"] for uid, one in sources.items()} == {uid: uid for uid in ("prometheus", "tempo", "loki")}
    [exemplars] = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplars["name"] == "trace_id"
    assert exemplars["datasourceUid"] in sources
    assert sources["tempo"]["jsonData"]["tracesToLogsV2"]["datasourceUid"] in sources
    interval = load("prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert sources["prometheus"]["jsonData"]["timeInterval"] == interval


def test_stores_write_to_their_volumes() -> None:
    for name, paths in (
        (
            "tempo",
            [one["path"] for one in load("tempo/tempo.yaml")["storage"]["trace"].values() if isinstance(one, dict)],
        ),
        ("loki", [load("loki/loki.yaml")["common"]["path_prefix"]]),
    ):
        targets = [volume.split(":")[1] for volume in SERVICES[name]["volumes"]]
        assert all(any(path.startswith(target) for target in targets) for path in paths), name
        config = SERVICES[name]["command"][0].partition("=")[2]
        assert config in targets


# Kubernetes


def test_the_manifest_holds_together() -> None:
    found = {one["kind"]: one for one in documents("kuberay/swarmlore.yaml")}
    assert set(found) == {"PersistentVolumeClaim", "RayJob", "Service"}
    spec = found["RayJob"]["spec"]
    cluster = spec["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["resources"]["limits"]["memory"]
    head = cluster["headGroupSpec"]["template"]
    [container] = head["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    [port] = found["Service"]["spec"]["ports"]
    assert ports[port["targetPort"]] == port["port"] == 8080
    assert f"--port {port['port']} " in (DEPLOY / "entrypoint.sh").read_text("utf-8")
    assert re.fullmatch(r"swarmlore-node job [a-z0-9 -]+", spec["entrypoint"])  # a shell reads it before Ray does
    assert head["metadata"]["annotations"]["prometheus.io/port"] == str(port["port"])
    assert found["Service"]["spec"]["selector"].items() <= head["metadata"]["labels"].items()
    claims = {volume["name"]: volume for volume in head["spec"]["volumes"]}
    assert claims["state"]["persistentVolumeClaim"]["claimName"] == found["PersistentVolumeClaim"]["metadata"]["name"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    settings = {setting["name"]: setting.get("value") for setting in container["env"]}
    assert settings["SWARMLORE_STATE_DIR"] == mounts["state"]
    assert settings["SWARMLORE_TOKEN_FILE"] == f"{mounts['gateway']}/token"
    workers = cluster["workerGroupSpecs"][0]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
