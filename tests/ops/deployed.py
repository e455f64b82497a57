"""What is deployed beside sessiond to watch it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import yaml

from sessiond.store import embedded_host
from tests.rpc.serving import eventually

_DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
PROMETHEUS: Final = _DEPLOY / "prometheus"
ALERTS: Final = PROMETHEUS / "alerts.yml"
DASHBOARD: Final = _DEPLOY / "grafana" / "dashboards" / "sessiond.json"


@contextmanager
def watching(directory: Path, *targets: str) -> Iterator[str]:
    """Prometheus with the alert rules, which scrapes these addresses as fast as it can; its URL."""
    shutil.copy(ALERTS, directory)
    configuration = {
        "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
        "rule_files": ["alerts.yml"],
        "scrape_configs": [
            {"job_name": "sessiond", "static_configs": [{"targets": list(targets)}]}
        ],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            embedded_host.ends_with_parent(
                [
                    str(shutil.which("prometheus")),
                    f"--config.file={directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={directory / 'data'}",
                    f"--web.listen-address={address}",
                ]
            ),
            stdout=log,
            stderr=log,
        )
    try:
        eventually(lambda: _is_ready(address), within_s=60)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://{address}/-/ready", timeout=5):
        return True
    return False


def ask(url: str, path: str, **parameters: str) -> Any:
    """What Prometheus' HTTP API answers.

    Raises:
        AssertionError: it refuses, and says why.
    """
    query = urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}", timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{parameters}: {error.read().decode()}") from None


def queries() -> Iterator[tuple[str, str]]:
    """Each query of the dashboard, by where it is."""
    dashboard = json.loads(DASHBOARD.read_text())
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["definition"]
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]
