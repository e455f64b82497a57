"""Alert rules and dashboard name what there is, and the rules do what they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from sessiond.ops.metrics.catalogue import CATALOGUE, Kind
from tests.engines import require
from tests.ops.deployed import ALERTS, DASHBOARD, PROMETHEUS, queries

_NAMES: Final = re.compile(r"\b((?:grpc_server|sessiond)_\w+)(?:\{([^}]*)\})?")
_LABELS: Final = re.compile(r"(\w+)\s*(?:=~|!=|!~|=)")
_OF_ALL: Final = {"job", "instance"}
"""What Prometheus adds to each sample."""


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def samples() -> Iterator[tuple[str, set[str]]]:
    """The names of all samples that servers show, with their labels."""
    for metric in CATALOGUE:
        labels = {*metric.labels, *_OF_ALL}
        if metric.kind is Kind.HISTOGRAM:
            yield f"{metric.name}_bucket", labels | {"le"}
            yield f"{metric.name}_count", labels
            yield f"{metric.name}_sum", labels
        else:
            yield metric.name, labels


def wrong(expression: str) -> list[str]:
    """Metrics and labels in an expression that there are not."""
    known = dict(samples())
    found = []
    for name, selector in _NAMES.findall(expression):
        if name not in known:
            found.append(name)
        else:
            named = set(_LABELS.findall(re.sub('"[^"]*"', '""', selector)))
            found += [f"{name}{{{label}}}" for label in sorted(named - known[name])]
    return found


def test_what_there_is_not_would_be_found() -> None:
    """A metric with a slip in its name, a label that it does not have."""
    assert wrong('rate(sessiond_refusal_total{reason="X"}[5m])') == ["sessiond_refusal_total"]
    assert wrong('sessiond_refusals_total{code="X"}') == ["sessiond_refusals_total{code}"]


def test_alerts_name_what_there_is(rules: list[dict[str, Any]]) -> None:
    """Every metric and label of every rule."""
    assert {rule["alert"]: wrong(rule["expr"]) for rule in rules} == {
        rule["alert"]: [] for rule in rules
    }


def test_every_alert_says_what_to_do(rules: list[dict[str, Any]]) -> None:
    """And where to read on; names are unique."""
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert len({rule["alert"] for rule in rules}) == len(rules)


def test_the_dashboard_names_what_there_is() -> None:
    """Every metric and label of every panel and variable; no two panels have the same number."""
    found = {title: wrong(query) for title, query in queries()}
    assert len(found) > 30
    assert not {title: names for title, names in found.items() if names}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_metric_is_on_the_dashboard() -> None:
    """But for the readings that others stand for."""
    text = " ".join(query for _, query in queries())
    unseen = {metric.name for metric in CATALOGUE if metric.name not in text}
    assert unseen == {
        "grpc_server_msg_received_total",
        "grpc_server_msg_sent_total",
        "sessiond_job_last_end_timestamp_seconds",
    }


@pytest.fixture
def promtool() -> str:
    """Of Debian's package prometheus."""
    found = shutil.which("promtool")
    require(None if found else "promtool is not there")
    return str(found)


def test_promtool_finds_no_fault(promtool: str, rules: list[dict[str, Any]]) -> None:
    """In the configuration with its rules; and their own tests pass, which know every alert."""
    for arguments in (("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")):
        done = subprocess.run(
            [promtool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout
    tested = (PROMETHEUS / "alerts_test.yml").read_text()
    assert {r["alert"] for r in rules} == set(re.findall(r'alertname="(\w+)"', tested))
