"""The registry is what Weaver takes, and the reader refuses what it would not."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY

from telemetry import semconv
from telemetry.checker.diagnostics import RegistryError
from telemetry.checker.registry import Registry
from telemetry.conventions import ROOT, bounded, prefix_faults, prometheus_name, read

HOME = Path(__file__).resolve().parents[2] / "registry"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return read(HOME)


def test_names_of_the_specification_are_kept(registry: Registry) -> None:
    attributes = [
        "round",
        "agent_id",
        "gradient.byzantine",
        "convergence.kl_divergence",
        "convergence.status",
        "batch_size",
        "num_epochs",
        "loss",
        "gradient_dimension",
        "gradient_norm",
        "byzantine_agent_ids",
        "detection_method",
        "threshold",
        "model_size_bytes",
        "agents_synchronized",
    ]
    metrics = [
        "local_loss",
        "global_loss",
        "gradient_transmission_count",
        "byzantine_detection_count",
        "convergence_rounds",
        "round_duration",
        "local_training_duration",
        "aggregation_duration",
    ]
    events = [
        "local_training_started",
        "local_training_completed",
        "gradients_computed",
        "byzantine_detected",
        "convergence_checked",
        "model_synchronized",
    ]
    assert {f"{ROOT}.{name}" for name in attributes} <= set(registry.attributes)
    assert {f"{ROOT}.{name}" for name in metrics} <= set(registry.metrics)
    assert {f"{ROOT}.{name}" for name in events} <= set(registry.events)
    assert [member.value for member in registry.attributes[f"{ROOT}.gradient.byzantine"].members] == [
        "clean",
        "poisoned",
        "detected_and_rejected",
    ]


def test_what_tells_members_apart_is_unbounded(registry: Registry) -> None:
    names = (
        "run_id",
        "round",
        "agent_id",
        "host_id",
        "release.version",
        "release.digest",
        "byzantine_agent_ids",
        "detail",
    )
    assert not any(bounded(registry.attributes[f"{ROOT}.{name}"]) for name in names)
    for metric in registry.metrics.values():
        assert all(bounded(attribute) for attribute in metric.attributes), metric.name


def test_every_phase_has_a_span(registry: Registry) -> None:
    spans = {span.name for span in registry.spans.values()}
    for phase in semconv.Phase:
        assert f"{ROOT}.{'local_training' if phase is semconv.Phase.LEARN else phase}" in spans


def test_prometheus_names_are_the_exporters() -> None:
    """The real exporter translates each metric as `prometheus_name` says, but for units in braces of counters."""
    reader = PrometheusMetricReader(disable_target_info=True)
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test")
    try:
        for spec in semconv.METRICS.values():
            match spec.instrument:
                case "counter":
                    meter.create_counter(spec.name, spec.unit).add(1)
                case "gauge":
                    meter.create_gauge(spec.name, spec.unit).set(1)
                case _:
                    meter.create_histogram(spec.name, spec.unit).record(1)
        samples = {sample.name for family in REGISTRY.collect() for sample in family.samples}
    finally:
        reader.shutdown()
    for spec in semconv.METRICS.values():
        flat = prometheus_name(spec.name, spec.instrument, spec.unit)
        assert (f"{flat}_bucket" if spec.instrument == "histogram" else flat) in samples


_FIRST = "    attributes:\n      - id: federated.learning.run_id\n"


def _with(definition: str) -> str:
    return _FIRST.replace("      - id", f"      - {definition}\n      - id")


FAULTS = [
    (
        "attributes.yaml",
        _FIRST,
        _with("{id: federated.learning, type: int, stability: stable, brief: B., examples: [1]}"),
        "attribute federated.learning is a dotted prefix of federated.learning.abort_reason",
    ),
    (
        "attributes.yaml",
        _FIRST,
        _with("{id: federated.Run-id, type: int, stability: stable, brief: B., examples: [1]}"),
        "name federated.Run-id is not lower case words",
    ),
    (
        "attributes.yaml",
        _FIRST,
        _with("{id: federated.learning.spare, type: int, stability: stable, brief: B., examples: [1]}"),
        "attributes.yaml: nothing refers to federated.learning.spare",
    ),
    (
        "attributes.yaml",
        _FIRST,
        _with("{id: round, type: int, stability: stable, brief: B., examples: [1]}"),
        "attribute round has no namespace",
    ),
    (
        "attributes.yaml",
        _FIRST,
        _with("{id: federated.learning.round, type: int, stability: stable, brief: B.}"),
        "The attribute id `federated.learning.round` is declared multiple times",
    ),
    (
        "attributes.yaml",
        _FIRST,
        _with("{id: federated.learning_round, type: int, stability: stable, brief: B., examples: [1]}"),
        "Prometheus label federated_learning_round occurs 2 times",
    ),
    ("attributes.yaml", "examples: [1, 17]", "examples: [one]", "All examples MUST be of type `int`"),
    ("attributes.yaml", "examples: [1, 17]", "examples: [true]", "All examples MUST be of type `int`"),
    ("attributes.yaml", 'examples: ["run-7f3a9c"]', "examples: run-7f3a9c", "run_id: examples must be a list"),
    ("attributes.yaml", 'examples: ["run-7f3a9c"]', "tag: x", "does not contain any examples"),
    (
        "attributes.yaml",
        "        type: string\n",
        "        type: text\n",
        'Value "text" is not among the allowed options',
    ),
    (
        "attributes.yaml",
        "        type: string\n",
        "        type: template[string]\n",
        "knows no attribute of type template",
    ),
    ("attributes.yaml", "stability: stable", "stability: sturdy", 'Value "sturdy" is not among the allowed options'),
    ("attributes.yaml", "stability: stable", "sampling_relevant: true", "Missing stability field"),
    ("attributes.yaml", "{id: host, value: host,", "{id: host, value: agent,", "value agent occurs 2 times"),
    (
        "attributes.yaml",
        "{id: host, value: host,",
        "{id: host, value: 3,",
        "host: a member has a brief, and its value is a string",
    ),
    ("attributes.yaml", "brief: Number of the round, from 1.", "briefly: Number.", "unexpected properties: briefly"),
    ("spans.yaml", "ref: federated.learning.rule,", "ref: federated.learning.ruler,", "reference is not resolved"),
    ("spans.yaml", "span_kind: producer", "span_kind: maker", r'spans.yaml:\d+: Value "maker" is not among'),
    ("spans.yaml", "    span_kind: producer\n", "", "the span_kind is not set"),
    ("spans.yaml", "requirement_level: required", "requirement_level: needed", 'Value "needed" is not among'),
    ("spans.yaml", "type: span\n", "type: spam\n", 'Value "spam" is not among'),
    ("spans.yaml", "    type: span\n    span_kind: producer", "    type: scope", "the type scope has no place here"),
    (
        "spans.yaml",
        "id: span.federated.learning.round\n",
        "id: federated.learning.round\n",
        "the id of a span is span. and its name",
    ),
    (
        "spans.yaml",
        "- {ref: federated.learning.rule,",
        "- {id: federated.learning.own, type: int, brief: B., stability: stable,",
        "federated.learning.own is not defined in an attribute group",
    ),
    ("events.yaml", "name: federated.learning.round_opened", "name: federated.learning.round", "occurs 2 times"),
    ("events.yaml", "name: federated.learning.round_opened", "name: round_opened", "does not start with"),
    ("events.yaml", "[service]", "[servant]", "The following entity association is not resolved"),
    (
        "metrics.yaml",
        "ref: federated.learning.workload",
        "ref: federated.learning.agent_id",
        "may take any number of values",
    ),
    ("metrics.yaml", 'unit: "{loss}"', 'unit: "1"', "unit 1"),
    ("metrics.yaml", 'unit: "s"', 'unit: "ms"', "ends in _duration when its unit is s"),
    ("metrics.yaml", "instrument: histogram", "instrument: gauge", "a histogram has the annotation buckets"),
    ("metrics.yaml", "buckets: [0.005, 0.01,", "buckets: [0.01, 0.005,", "buckets must rise"),
    (
        "metrics.yaml",
        "metric_name: federated.learning.rounds_aborted",
        "metric_name: federated.learning.rounds_total",
        "Prometheus name",
    ),
    ("manifest.yaml", "schema_url: https://", "schema_url: ", "Invalid schema URL"),
]


@pytest.mark.parametrize(("file", "old", "new", "fault"), FAULTS)
def test_faults_are_found(tmp_path: Path, file: str, old: str, new: str, fault: str) -> None:
    folder = tmp_path / "registry"
    shutil.copytree(HOME, folder)
    text = (folder / file).read_text("utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(RegistryError, match=fault) as caught:
        read(folder)
    assert pickle.loads(pickle.dumps(caught.value)).faults == caught.value.faults


def test_no_number_is_a_string_to_an_older_yaml_parser() -> None:
    """YAML 1.1 takes 5e-05 for a string; Weaver's parser takes it for a number."""
    for group in yaml.safe_load((HOME / "metrics.yaml").read_text("utf-8"))["groups"]:
        assert all(isinstance(edge, int | float) for edge in group.get("annotations", {}).get("buckets", ()))


NAMES = st.lists(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(".".join), max_size=8)


@given(names=NAMES)
def test_prefixes_are_found_and_nothing_else(names: list[str]) -> None:
    """Against the definition, pair by pair."""
    expected = {f"attribute {a} is a dotted prefix of {b}" for a in names for b in names if b.startswith(f"{a}.")}
    expected |= {f"attribute {name} has no namespace" for name in names if "." not in name}
    found = list(prefix_faults(names))
    assert set(found) == expected
    assert len(found) == len(expected)
