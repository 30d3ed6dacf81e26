"""The figures that Weaver's own tests expect of its attribute checks (weaver_live_check, August 2026)."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.checker import Registry, load
from telemetry.checker.live_check import LiveCheck
from telemetry.checker.sample_reader import sample_of_line

MODEL = """
groups:
  - id: test
    type: attribute_group
    brief: Test.
    stability: stable
    attributes:
      - {id: test.string, type: string, stability: stable, brief: A string., examples: [a]}
      - {id: test.template, type: "template[string]", stability: stable, brief: A template., examples: [a]}
      - id: test.deprecated
        type: string
        stability: development
        brief: Old.
        examples: [a]
        deprecated: {reason: uncategorized, note: note}
      - id: test.enum
        stability: stable
        brief: An enum.
        type:
          members:
            - {id: one, value: example_variant1, stability: stable, brief: One.}
            - {id: two, value: example_variant2, stability: stable, brief: Two.}
"""

LINES: dict[str, list[str]] = {
    "test.string=value": [],
    "testString2": ["missing_attribute", "invalid_format", "missing_namespace"],
    "test.deprecated=42": ["deprecated", "not_stable", "type_mismatch"],
    "aws.s3.bucket.name": ["missing_attribute"],
    "test.enum=foo": ["undefined_enum_variant"],
    "test.enum=example_variant1": [],
    "test.enum=42.42": ["type_mismatch"],
    "test.string.not.allowed=example_value": ["missing_attribute", "extends_namespace", "illegal_namespace"],
    "test.extends=new_value": ["missing_attribute", "extends_namespace"],
    "test.template.my.key=42": ["template_attribute", "type_mismatch"],
    "test.deprecated.allowed=42": ["missing_attribute", "extends_namespace"],
    "test.enum=17": ["undefined_enum_variant"],
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder: Path = tmp_path_factory.mktemp("model")
    (folder / "model.yaml").write_text(MODEL)
    return load(folder)


def test_twelve_attributes(registry: Registry) -> None:
    check = LiveCheck(registry)
    for line, expected in LINES.items():
        sample = sample_of_line(line)
        assert sample is not None
        advice = check.check(sample)["attribute"]["live_check_result"]["all_advice"]
        assert sorted(finding["id"] for finding in advice) == sorted(expected), line
    statistics = check.statistics.as_node()
    assert statistics["total_entities"] == 12
    assert statistics["total_advisories"] == 19
    assert statistics["advice_level_counts"] == {"information": 6, "improvement": 2, "violation": 11}
    assert statistics["highest_advice_level_counts"] == {"information": 2, "violation": 8}
    assert statistics["no_advice_count"] == 2
    assert len(statistics["seen_registry_attributes"]) == 3
    assert statistics["seen_registry_attributes"]["test.enum"] == 4
    assert len(statistics["seen_non_registry_attributes"]) == 6
    assert statistics["registry_coverage"] == 1.0
