"""The chart and the manifests drawn from it: what Kubernetes' own schemas allow, and what the daemon takes."""

import importlib.util
import json
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from pam_receiver import __version__
from pam_receiver.cli.duty import STOP_WITHIN_S, WEB_STOP_WITHIN_S
from pam_receiver.config import load_settings

ROOT: Final = Path(__file__).resolve().parent.parent
CHART: Final = ROOT / "packaging" / "helm" / "pam-receiver"
DRAWN: Final = ROOT / "packaging" / "kubernetes" / "pam-receiver.yaml"
VERSIONS: Final = (
    "1.27",
    "1.31",
    "1.34",
    "1.37",
)  # of Kubernetes: the oldest that the chart names, to the newest known
HOW: Final = "run make charts, or pip install -c constraints.txt -e '.[dev,charts]'"
IN_CLEAR: Final = {
    "tls": {"secret": "", "plain": True},
    "keySecret": "pam-receiver-keys",
    "settings": 'environment = "test"\n\n[[source]]\nname = "chu"\nfacility = "CHU-LYRE"\n',
    "listener": 'source = "chu"\nallowed_networks = ["10.20.0.0/16"]\n',
    "image": {"repository": "registry.example/own", "tag": "2", "pullSecrets": ["registry"]},
    "service": {"type": "LoadBalancer", "annotations": {"a": "b"}, "sourceRanges": ["10.20.0.0/16"]},
    "networkPolicy": {
        "mllpFrom": [{"ipBlock": {"cidr": "10.20.0.0/16"}}],
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
    },
    "strategy": "RollingUpdate",
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}


def _load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_kubernetes", ROOT / "tools" / "draw_kubernetes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL: Final = _load_tool()


def documents(text: str) -> dict[str, dict[str, Any]]:
    """The manifests of a file, by their kind."""
    found = [each for each in yaml.safe_load_all(text) if each is not None]
    assert len({each["kind"] for each in found}) == len(found)
    return {each["kind"]: each for each in found}


@pytest.fixture(scope="module")
def helm() -> ModuleType:
    return pytest.importorskip("helm_python", reason=f"the chart is not rendered without Helm: {HOW}")


@pytest.fixture(scope="module", params=[{}, IN_CLEAR], ids=["as it comes", "all that can be changed"])
def made(request: pytest.FixtureRequest, helm: ModuleType) -> dict[str, dict[str, Any]]:
    """What Helm makes of the chart."""
    return documents("---\n".join(TOOL.render(request.param).values()))


class TestDrawn:
    """packaging/kubernetes/pam-receiver.yaml, which needs no Helm."""

    FOUND: Final = documents(DRAWN.read_text(encoding="utf-8"))
    POD: Final = FOUND["Deployment"]["spec"]["template"]["spec"]

    def test_it_is_as_the_chart_has_it(self, helm: ModuleType) -> None:
        assert TOOL.draw() == DRAWN.read_text(encoding="utf-8"), "run: make kubernetes"

    @pytest.mark.parametrize("version", VERSIONS)
    def test_each_manifest_fits_the_schema_of_kubernetes(self, version: str) -> None:
        for manifest in self.FOUND.values():
            kubernetes_validate.validate(manifest, version, strict=True)

    def test_a_wrong_manifest_would_not(self) -> None:
        wrong = json.loads(json.dumps(self.FOUND["Deployment"]))
        wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)

    def test_it_runs_with_the_least_rights_that_will_do(self) -> None:
        assert self.POD["securityContext"]["runAsNonRoot"] is True
        assert self.POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert self.POD["automountServiceAccountToken"] is False
        for container in (*self.POD["initContainers"], *self.POD["containers"]):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }

    def test_no_variable_of_kubernetes_stops_the_start(self) -> None:
        assert self.POD["enableServiceLinks"] is False

    def test_it_has_time_to_answer_what_it_has_read(self) -> None:
        assert self.POD["terminationGracePeriodSeconds"] > 2 * STOP_WITHIN_S + WEB_STOP_WITHIN_S

    def test_no_daemon_runs_while_the_tables_are_brought_up(self) -> None:
        assert self.FOUND["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}
        assert [each["args"] for each in self.POD["initContainers"]] == [["db", "upgrade"]]
        assert [each["args"] for each in self.POD["containers"]] == [["serve"]]

    def test_the_probes_ask_what_is_open_to_all(self) -> None:
        (container,) = self.POD["containers"]
        asked = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
        assert asked == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}

    def test_no_password_stands_in_it(self) -> None:
        assert "Secret" not in self.FOUND
        (container,) = self.POD["containers"]
        assert {each["name"] for each in container["env"]} == {"PAM_RECEIVER_CONFIG", "PAM_RECEIVER_DATABASE"}


class TestChart:
    """packaging/helm/pam-receiver, rendered by Helm itself."""

    def test_helm_finds_nothing_wrong(self, helm: ModuleType) -> None:
        found = helm.lint(CHART, strict=True)
        assert found["errors"] == []
        assert [each for each in found["messages"] if each["severity"] > 1] == []  # 1: an icon is recommended

    def test_its_program_is_this_version(self) -> None:
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
        assert chart["appVersion"] == chart["version"] == __version__

    @pytest.mark.parametrize("version", VERSIONS)
    def test_each_manifest_fits_the_schema_of_kubernetes(self, made: dict[str, dict[str, Any]], version: str) -> None:
        for manifest in made.values():
            kubernetes_validate.validate(manifest, version, strict=True)

    def test_the_daemon_takes_its_settings(
        self, made: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = made["ConfigMap"]["data"]["settings.toml"].replace("/etc/pam-receiver/", f"{tmp_path}/")
        assert tomllib.loads(text)["listener"][0]["address"] == "0.0.0.0:2575"
        (tmp_path / "settings.toml").write_text(text, encoding="utf-8")
        (tmp_path / "database").mkdir()
        (tmp_path / "database" / "password").write_text("secret\n", encoding="utf-8")
        (container,) = made["Deployment"]["spec"]["template"]["spec"]["containers"]
        given = {each["name"]: each["value"] for each in container["env"]}
        monkeypatch.setenv("PAM_RECEIVER_DATABASE", given["PAM_RECEIVER_DATABASE"])
        for name in ("HTTP_BEHIND_PROXY", "MLLP_PLAIN"):  # as the image sets them
            monkeypatch.setenv(f"PAM_RECEIVER_{name}", "true")
        settings = load_settings(config=tmp_path / "settings.toml")
        assert "pam_receiver:secret@" in settings.database
        assert settings.http is not None
        assert settings.http.port == 8080
        (listener,) = settings.listeners
        assert (listener.tls is None) == ("tls" not in text)

    def test_each_file_that_the_settings_name_is_mounted(self, made: dict[str, dict[str, Any]]) -> None:
        pod = made["Deployment"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        mounted = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        assert set(mounted.values()) == {each["name"] for each in pod["volumes"]}
        parts = [each for each in made["ConfigMap"]["data"]["settings.toml"].split('"') if each.startswith("/")]
        assert parts
        assert {each.rpartition("/")[0] for each in parts} <= mounted.keys()

    @pytest.mark.parametrize(
        "values",
        [
            {"tls": {"secret": ""}},
            {"tls": {"secret": "a", "plain": True}},
            {"database": {"url": "sqlite:///a.db"}},
            {"database": {"url": "postgresql://pam:secret@db/pam"}},
            {"settings": "[[listener]]\n"},
            {"replica": 3},
            {"service": {"type": "NodePort"}},
        ],
        ids=str,
    )
    def test_what_would_not_serve_is_refused_before_anything_is_installed(
        self, helm: ModuleType, values: dict[str, object]
    ) -> None:
        with pytest.raises(helm.HelmError):
            TOOL.render(values)
