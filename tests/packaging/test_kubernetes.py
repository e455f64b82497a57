"""The Kubernetes manifests: valid, and of one mind with each other and with sessiond."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from sessiond.assembly.lifetimes import key_lifetimes
from sessiond.rpc.health import LIVENESS
from sessiond.tokens.keymaker import create_keys
from sessiond.tokens.keyring import KeyRing
from tests.packaging.deployed import DEPLOY, ROOT, documents, port, settings_of

FILES = sorted(
    [*(DEPLOY / "kubernetes").glob("*.yaml"), DEPLOY / "kubernetes/secrets.yaml.example"]
)
MANIFESTS: dict[tuple[str, str], dict[str, Any]] = {
    (each["kind"], each["metadata"]["name"]): each for path in FILES for each in documents(path)
}
OLDEST = "1.29"
"""From when on probes over gRPC and pod disruption budgets are what the manifests take them for."""
POD = MANIFESTS["Deployment", "sessiond"]["spec"]["template"]["spec"]
(SERVER,) = POD["containers"]
(KEYS,) = POD["initContainers"]


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The settings of the ConfigMap, as a server takes them."""
    path = tmp_path_factory.mktemp("config") / "sessiond.toml"
    path.write_text(MANIFESTS["ConfigMap", "sessiond"]["data"]["sessiond.toml"])
    return settings_of(path)


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_every_manifest_is_valid(version: str) -> None:
    """By the schemas of Kubernetes, which know every field and refuse others."""
    for manifest in MANIFESTS.values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_there_is_what_production_asks_for() -> None:
    """And applying the folder applies no secret."""
    kinds = {kind for kind, _ in MANIFESTS}
    assert kinds == {
        "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy",
        "PodDisruptionBudget", "Secret", "Service", "ServiceAccount",
    }  # fmt: skip
    applied = (each for path in FILES if path.suffix == ".yaml" for each in documents(path))
    assert "Secret" not in {each["kind"] for each in applied}


def test_ports_are_those_that_the_settings_listen_on(configured: Any) -> None:
    """Of the container, the service and the probes."""
    ports = {each["name"]: each["containerPort"] for each in SERVER["ports"]}
    listened = (configured.listen, configured.health_listen, configured.ops_listen)
    assert [ports["grpc"], ports["health"], ports["ops"]] == [port(each) for each in listened]
    assert all(address.startswith("0.0.0.0:") for address in listened)
    for each in MANIFESTS["Service", "sessiond"]["spec"]["ports"]:
        assert each["port"] == ports[each["targetPort"]]
    for rule in MANIFESTS["NetworkPolicy", "sessiond"]["spec"]["ingress"]:
        assert all(each["port"] in ports for each in rule["ports"])


def test_only_readiness_depends_on_the_store(configured: Any) -> None:
    """Restarting every server while the store is away would only make it longer."""
    services = {}
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert SERVER[name]["grpc"]["port"] == port(configured.health_listen)
        services[name] = SERVER[name]["grpc"].get("service", "")
    assert services == {
        "startupProbe": LIVENESS, "livenessProbe": LIVENESS, "readinessProbe": "",
    }  # fmt: skip


def test_a_stop_leaves_calls_in_flight_their_time(configured: Any) -> None:
    """The grace period is over the wait before SIGTERM and the drain together."""
    (_, waited) = SERVER["lifecycle"]["preStop"]["exec"]["command"]
    needed = int(waited) + configured.drain_time.total_seconds()
    assert POD["terminationGracePeriodSeconds"] > needed + 5


def test_what_is_mounted_is_where_the_settings_look(configured: Any) -> None:
    """Every file that they name lies in a volume that there is, under a name that is in it."""
    volumes = {each["name"]: each for each in POD["volumes"]}
    mounts = {each["mountPath"]: volumes[each["name"]] for each in SERVER["volumeMounts"]}
    contents = {
        "configMap": lambda it: MANIFESTS["ConfigMap", it["name"]]["data"],
        "secret": lambda it: MANIFESTS["Secret", it["secretName"]]["stringData"],
    }
    for name in ("tls_cert_file", "tls_key_file", "store_password_file", "store_ca_file",
                 "callers_file"):  # fmt: skip
        path = getattr(configured, name)
        volume = mounts[str(path.parent)]
        (kind,) = volume.keys() - {"name"}
        assert path.name in contents[kind](volume[kind]), name
    assert "emptyDir" in mounts[str(configured.keys_dir.parent)]


def test_everything_selects_the_pods_of_the_deployment() -> None:
    """By one label; the autoscaler by name."""
    labels = MANIFESTS["Deployment", "sessiond"]["spec"]["template"]["metadata"]["labels"]
    spec = {
        kind: manifest["spec"] for (kind, _), manifest in MANIFESTS.items() if "spec" in manifest
    }
    assert spec["Deployment"]["selector"]["matchLabels"] == labels
    assert spec["PodDisruptionBudget"]["selector"]["matchLabels"] == labels
    assert spec["NetworkPolicy"]["podSelector"]["matchLabels"] == labels
    assert spec["Service"]["selector"] == labels
    target = spec["HorizontalPodAutoscaler"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) in MANIFESTS
    assert "replicas" not in spec["Deployment"]
    assert POD["serviceAccountName"] == MANIFESTS["ServiceAccount", "sessiond"]["metadata"]["name"]


def test_containers_can_do_next_to_nothing() -> None:
    """As the restricted pod security standard asks, and as the user of the image."""
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert f"USER {POD['securityContext']['runAsUser']}:" in (ROOT / "Dockerfile").read_text()
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (SERVER, KEYS):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
    # Else `sessionctl keys rotate` would make a key that one pod has, and no other.
    (state,) = [each for each in SERVER["volumeMounts"] if each["name"] == "state"]
    assert state["readOnly"] is True
    # Else the variables of a Service named sessiond would be refused as unknown settings.
    assert POD["enableServiceLinks"] is False
    assert POD["automountServiceAccountToken"] is False


def test_the_key_ring_of_the_secret_is_laid_out_as_sessiond_wants_it(
    configured: Any, tmp_path: Path
) -> None:
    """By the command of the manifest, from entries named as its comment says; also once more."""
    made, secret, state = tmp_path / "made", tmp_path / "secret", tmp_path / "state"
    secret.mkdir()
    state.mkdir()
    for path in create_keys(made):
        entry = secret / f"{path.parent.name}.{path.name}"
        entry.write_bytes(path.read_bytes())
        entry.chmod(0o440)
    script = KEYS["args"][0]
    for mounted, place in (("/run/secrets/keys", secret), ("/var/lib/sessiond", state)):
        assert mounted in script
        script = script.replace(mounted, str(place))
    # Root would write over what nobody may write, but for this.
    as_anybody = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    for _ in range(2):
        subprocess.run([*as_anybody, *KEYS["command"], script], check=True)
    (mount,) = [each for each in KEYS["volumeMounts"] if each["name"] == "state"]
    assert mount["mountPath"] == str(configured.keys_dir.parent)
    KeyRing.load(state / configured.keys_dir.name, key_lifetimes(configured))
    assert len(list(state.rglob("*.*"))) == len(list(secret.iterdir()))
