"""What is around the package holds to its promises: the wheel, the image, the services, the unit, the pins, make."""

import fnmatch
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VOLUME = "/var/lib/pam-receiver"
MAKE_VARIABLES = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEFILES", "ARGS", "KEEP"}
READY = "http://127.0.0.1:8080/readyz"


def run(*command: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command outside any make that may run the tests; a time-out fails."""
    inherited = {name: value for name, value in os.environ.items() if name not in MAKE_VARIABLES}
    return subprocess.run(
        command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=120, check=False
    )


def files_of(folder: str) -> set[str]:
    """Return the paths of what travels from a folder of the tree, relative to it."""
    top = ROOT / folder
    found = (path.relative_to(top) for path in top.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed: the wheel is not built")
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("pam_receiver-*.whl")
    return wheel


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


class TestWheel:
    """The wheel holds the package with its profiles and migrations, and works from any folder."""

    @pytest.mark.parametrize(
        ("folder", "inside", "ending"), [("profiles", "_profiles", ".toml"), ("migrations", "_migrations", ".py")]
    )
    def test_profiles_and_migrations_travel_whole(self, names: set[str], folder: str, inside: str, ending: str) -> None:
        prefix = f"pam_receiver/{inside}/"
        packed = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        assert packed == files_of(folder)
        assert any(name.endswith(ending) for name in packed)

    def test_every_file_of_the_package_travels_and_nothing_from_beside_it(self, names: set[str]) -> None:
        beside = ("pam_receiver/_profiles/", "pam_receiver/_migrations/")
        own = {name for name in names if not name.startswith(beside) and ".dist-info/" not in name}
        assert own == {f"pam_receiver/{name}" for name in files_of("pam_receiver")}
        assert "pam_receiver/py.typed" in own

    def test_the_lists_of_birth_places_travel_with_their_licence_and_stay_small(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            sizes = {item.filename: item.file_size for item in archive.infolist()}
        lists = {name: size for name, size in sizes.items() if name.startswith("pam_receiver/data/")}
        assert {name.rsplit("/", 1)[1] for name in lists} == {"communes.tsv.gz", "places.tsv", "NOTICE"}
        assert sum(lists.values()) < 500_000
        assert any(name.endswith(".dist-info/licenses/pam_receiver/data/NOTICE") for name in sizes)

    def test_the_command_and_the_licence_are_declared(self, wheel: Path, names: set[str]) -> None:
        with zipfile.ZipFile(wheel) as archive:
            (entry_points,) = (archive.read(name).decode() for name in names if name.endswith("/entry_points.txt"))
        assert "pam-receiver = pam_receiver.cli:main" in entry_points
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)

    def test_installed_it_finds_its_own_profiles_and_migrations(self, wheel: Path, tmp_path: Path) -> None:
        site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
        elsewhere.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        code = "from pam_receiver.resources import MIGRATIONS, PROFILES; print(PROFILES); print(MIGRATIONS)"
        answer = run(sys.executable, "-c", code, cwd=elsewhere, PYTHONPATH=str(site))
        assert answer.returncode == 0, answer.stderr
        profiles, migrations = map(Path, answer.stdout.splitlines())
        assert profiles == site.resolve() / "pam_receiver" / "_profiles"
        assert migrations == site.resolve() / "pam_receiver" / "_migrations"
        assert profiles.is_dir()
        assert migrations.is_dir()

    def test_installed_it_finds_its_own_lists_of_birth_places(self, wheel: Path, tmp_path: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path / "site")
        code = "from pam_receiver.identity.birth_place import find_place; print(find_place('44109').name)"
        answer = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
        assert (answer.stdout, answer.stderr) == ("Nantes\n", "")

    def test_the_sdist_has_the_packer_too(self, tmp_path: Path) -> None:
        if importlib.util.find_spec("hatchling") is None:
            pytest.skip("hatchling is not installed: the sdist is not built")
        built = run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path))
        assert built.returncode == 0, built.stderr
        (sdist,) = tmp_path.glob("pam_receiver-*.tar.gz")
        with tarfile.open(sdist) as archive:
            names = {name.split("/", 1)[-1] for name in archive.getnames()}
        assert {"tools/pack_cog.py", "pam_receiver/data/communes.tsv.gz", "pam_receiver/data/NOTICE"} <= names


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile: its name in capitals, and the rest with its lines joined."""

    name: str
    rest: str


def read_stages() -> list[list[Instruction]]:
    """Return the instructions of the Dockerfile, one list per stage, each beginning with its FROM."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    stages: list[list[Instruction]] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, rest = line.split(maxsplit=1)
        if name.upper() == "FROM":
            stages.append([])
        stages[-1].append(Instruction(name.upper(), rest))
    return stages


class TestImage:
    """The image runs as nobody in particular, writes in its volume alone, and tells whether it is ready."""

    STAGES = read_stages()

    def value(self, name: str) -> str:
        (instruction,) = (each for each in self.STAGES[-1] if each.name == name)
        return instruction.rest

    def test_both_stages_are_slim_pythons_that_the_project_supports(self) -> None:
        allowed = SpecifierSet(PROJECT["project"]["requires-python"])
        bases = [stage[0].rest.split()[0] for stage in self.STAGES]
        assert len(bases) == 2
        for base in bases:
            name, tag = base.split(":")
            assert name == "python"
            assert tag.endswith("-slim")
            assert tag.removesuffix("-slim") in allowed

    def test_the_wheel_is_built_apart_and_installed_with_the_pins(self) -> None:
        built = " ".join(each.rest for each in self.STAGES[0] if each.name == "RUN")
        assert "pip wheel --no-deps --no-build-isolation" in built
        assert "/opt/pam-receiver/bin/pip install -c constraints.txt /dist/*.whl" in built
        kept = [each.rest for each in self.STAGES[-1] if each.name in {"COPY", "ADD"}]
        assert kept == ["--from=build /opt/pam-receiver /opt/pam-receiver"]

    def test_it_does_not_run_as_root(self) -> None:
        assert self.value("USER") == "10001:10001"
        names = [each.name for each in self.STAGES[-1]]
        assert "RUN" not in names[names.index("USER") :]

    def test_data_lie_in_the_volume_which_the_user_owns(self) -> None:
        assert json.loads(self.value("VOLUME")) == [VOLUME]
        assert self.value("WORKDIR") == VOLUME
        assert f"install -d -o 10001 -g 10001 -m 0700 {VOLUME}" in self.value("RUN")
        assert f"PAM_RECEIVER_DATABASE=sqlite:///{VOLUME}/" in self.value("ENV")
        assert "PYTHONDONTWRITEBYTECODE=1" in self.value("ENV")

    def test_it_serves_mllp_and_http_and_gets_the_signals_itself(self) -> None:
        assert self.value("EXPOSE").split() == ["2575", "8080"]
        assert json.loads(self.value("ENTRYPOINT")) == ["pam-receiver"]
        assert json.loads(self.value("CMD")) == ["serve", "--mllp", "0.0.0.0:2575", "--http", "0.0.0.0:8080"]
        assert self.value("STOPSIGNAL") == "SIGTERM"

    def test_its_health_is_what_readyz_says(self) -> None:
        command = json.loads(self.value("HEALTHCHECK").split("CMD", 1)[1])
        assert command[:2] == ["python", "-c"]
        compile(command[2], "HEALTHCHECK", "exec")
        assert f"urlopen('{READY}'" in command[2]

    def test_what_is_copied_exists_and_is_not_kept_from_the_build(self) -> None:
        rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
        let_in = {rule[1:] for rule in rules if rule.startswith("!")}
        sources = {
            source.rstrip("/") for each in self.STAGES[0] if each.name == "COPY" for source in each.rest.split()[:-1]
        }
        assert "*" in rules
        assert sources == let_in
        assert [source for source in sorted(sources) if not (ROOT / source).exists()] == []

    @pytest.mark.parametrize(
        "path", ["pam_receiver/__pycache__", "pam_receiver/x.db", "profiles/x.db-wal", "profiles/.env"]
    )
    def test_databases_and_secrets_stay_out_of_the_build(self, path: str) -> None:
        rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
        assert any(fnmatch.fnmatch(path, rule) for rule in rules if rule.startswith("**/"))


class TestServices:
    """docker-compose.yml: PostgreSQL, then the schema, then the receiver, each with the least rights that will do."""

    TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
    SERVICES: dict[str, Any] = COMPOSE["services"]

    def test_the_services_and_their_volumes(self) -> None:
        assert set(self.SERVICES) == {"database", "migrate", "receiver"}
        assert set(self.COMPOSE["volumes"]) == {"database", "receiver"}
        assert self.SERVICES["database"]["volumes"] == ["database:/var/lib/postgresql/data"]
        assert self.SERVICES["receiver"]["volumes"] == [f"receiver:{VOLUME}"]

    def test_no_password_is_written_and_none_is_the_default(self) -> None:
        asked = "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}"
        assert self.SERVICES["database"]["environment"]["POSTGRES_PASSWORD"] == asked
        for name in ("migrate", "receiver"):
            assert self.SERVICES[name]["environment"]["PGPASSWORD"] == asked
        used = re.findall(r"\$\{POSTGRES_PASSWORD[^}]*\}", self.TEXT)
        assert set(used) == {asked}
        assert "POSTGRES_HOST_AUTH_METHOD" not in self.TEXT

    @pytest.mark.parametrize("name", ["migrate", "receiver"])
    def test_our_services_cannot_write_their_root_nor_gain_rights(self, name: str) -> None:
        service = self.SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp"]
        assert "user" not in service  # the image's own, not root
        assert "privileged" not in service

    @pytest.mark.parametrize("name", ["migrate", "receiver"])
    def test_our_services_use_the_database_of_the_file(self, name: str) -> None:
        url = self.SERVICES[name]["environment"]["PAM_RECEIVER_DATABASE"]
        database = self.SERVICES["database"]["environment"]
        assert url == f"postgresql+psycopg://{database['POSTGRES_USER']}@database:5432/{database['POSTGRES_DB']}"

    def test_each_starts_when_what_it_needs_is_there(self) -> None:
        healthy = {"condition": "service_healthy"}
        assert self.SERVICES["migrate"]["depends_on"] == {"database": healthy}
        assert self.SERVICES["receiver"]["depends_on"] == {
            "database": healthy,
            "migrate": {"condition": "service_completed_successfully"},
        }
        assert self.SERVICES["migrate"]["command"] == ["db", "upgrade"]
        assert self.SERVICES["migrate"]["restart"] == "no"

    def test_the_database_and_the_receiver_tell_their_health(self) -> None:
        assert self.SERVICES["database"]["image"] == "postgres:16"
        assert self.SERVICES["database"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
        probe = self.SERVICES["receiver"]["healthcheck"]["test"]
        assert probe[:3] == ["CMD", "python", "-c"]
        assert f"urlopen('{READY}'" in probe[3]
        assert self.SERVICES["migrate"]["healthcheck"] == {"disable": True}

    def test_only_the_receiver_is_reached_and_from_this_machine_alone(self) -> None:
        assert self.SERVICES["receiver"]["ports"] == [
            "${MLLP_BIND:-127.0.0.1}:2575:2575",
            "${HTTP_BIND:-127.0.0.1}:8080:8080",
        ]
        assert [name for name, service in self.SERVICES.items() if "ports" in service] == ["receiver"]

    def test_the_receiver_comes_back_and_has_time_to_answer_before_it_stops(self) -> None:
        assert self.SERVICES["receiver"]["restart"] == "unless-stopped"
        assert self.SERVICES["receiver"]["stop_grace_period"] == "15s"
        assert self.SERVICES["receiver"]["command"] == ["serve", "--mllp", "0.0.0.0:2575", "--http", "0.0.0.0:8080"]


@pytest.fixture(scope="module")
def service() -> dict[str, list[str]]:
    keys: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in (ROOT / "packaging/systemd/pam-receiver.service").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            key, value = line.split("=", 1)
            keys[key].append(value)
    return dict(keys)


class TestUnit:
    """The systemd unit: no root, nothing to write but its own folder, time to answer before it stops."""

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("Type", "exec"),
            ("User", "pam-receiver"),
            ("DynamicUser", "yes"),
            ("StateDirectory", "pam-receiver"),
            ("StateDirectoryMode", "0700"),
            ("WorkingDirectory", VOLUME),
            ("KillSignal", "SIGTERM"),
            ("TimeoutStopSec", "15"),
            ("Restart", "on-failure"),
            ("RestartPreventExitStatus", "2"),
            ("NoNewPrivileges", "yes"),
            ("CapabilityBoundingSet", ""),
            ("ProtectSystem", "strict"),
            ("ProtectHome", "yes"),
            ("PrivateTmp", "yes"),
            ("PrivateDevices", "yes"),
        ],
    )
    def test_each_promise_is_said_once(self, service: dict[str, list[str]], key: str, value: str) -> None:
        assert service[key] == [value]

    def test_it_serves_with_the_database_in_its_own_folder_unless_told_otherwise(
        self, service: dict[str, list[str]]
    ) -> None:
        assert service["ExecStart"] == ["/opt/pam-receiver/bin/pam-receiver serve"]
        assert f"PAM_RECEIVER_DATABASE=sqlite:///{VOLUME}/pam-receiver.db" in service["Environment"]
        assert service["EnvironmentFile"] == ["-/etc/pam-receiver/environment"]

    def test_systemd_understands_it(self, tmp_path: Path) -> None:
        if shutil.which("systemd-analyze") is None:
            pytest.skip("systemd-analyze is not on this machine: the unit is not verified by systemd")
        text = (ROOT / "packaging/systemd/pam-receiver.service").read_text(encoding="utf-8")
        unit = tmp_path / "pam-receiver.service"
        unit.write_text(
            text.replace("/opt/pam-receiver/bin/pam-receiver", shutil.which("true") or ""), encoding="utf-8"
        )
        verified = run("systemd-analyze", "verify", str(unit))
        complaints = [line for line in verified.stderr.splitlines() if unit.name in line]
        assert complaints == []


def read_pins() -> dict[str, str]:
    """Return the version of each package that constraints.txt names, under its canonical name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    pins = {str(canonicalize_name(name)): version for name, version in pairs}
    assert len(pins) == len(pairs), "a package is named twice"
    return pins


class TestPins:
    """constraints.txt: what the project is installed with is said to the last package, and said in one place."""

    PINS = read_pins()
    DECLARED = (
        *PROJECT["build-system"]["requires"],
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["dev"],
    )

    def test_each_line_is_a_name_and_a_version_and_never_an_address(self) -> None:
        lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        odd = [line for line in lines if not re.fullmatch(r"#.*|[a-z0-9-]+==[0-9][0-9a-z.]*", line)]
        assert odd == []
        assert not any("://" in line for line in lines)

    @pytest.mark.parametrize("declared", DECLARED)
    def test_what_is_declared_is_pinned_in_its_range(self, declared: str) -> None:
        requirement = Requirement(declared)
        assert self.PINS[canonicalize_name(requirement.name)] in requirement.specifier

    def test_the_extras_of_a_declared_package_are_pinned_too(self) -> None:
        assert self.PINS["psycopg-binary"] == self.PINS["psycopg"]


class TestMake:
    """The Makefile: sets itself up with any Python that will do, and says what is missing when none does."""

    @pytest.fixture(autouse=True)
    def _needs_make(self) -> None:
        if shutil.which("make") is None:
            pytest.skip("make is not on this machine: its targets are not tried")

    @pytest.fixture
    def tools(self, tmp_path: Path) -> Path:
        """Return a folder for PATH that holds make and a shell, and no Python yet."""
        folder = tmp_path / "tools"
        folder.mkdir()
        for name in ("make", "sh"):
            (folder / name).symlink_to(shutil.which(name) or "")
        return folder

    def offer(self, tools: Path, name: str, script: str) -> None:
        path = tools / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    @pytest.mark.parametrize(("keep", "last"), [("", "demo"), ("KEEP=0", "demo"), ("KEEP=1", "demo --keep")])
    def test_demo_is_the_command_and_keep_leaves_it_running(self, keep: str, last: str) -> None:
        told = run("make", "-n", "demo", *keep.split())
        assert told.returncode == 0, told.stderr
        assert told.stdout.splitlines()[-1] == f".venv/bin/pam-receiver {last}"

    def test_check_is_every_check_and_the_tests(self) -> None:
        told = run("make", "-n", "check")
        commands = [
            line for line in told.stdout.splitlines() if re.match(r"\.venv/bin/(ruff|mypy|lint|python -m pytest)", line)
        ]
        assert [line.removeprefix(".venv/bin/").strip() for line in commands] == [
            "ruff check .",
            "ruff format --check .",
            "mypy",
            "lint-imports",
            "python -m pytest",
        ]

    def test_no_python_at_all_is_said_with_the_versions_that_will_do(self, tools: Path) -> None:
        told = run("make", "find-python", PATH=str(tools))
        assert told.returncode != 0
        assert "needs Python 3.11 or newer" in told.stderr

    def test_a_python_that_is_too_old_or_a_stub_is_passed_over(self, tools: Path) -> None:
        self.offer(tools, "python3.13", "exit 127")
        self.offer(tools, "python3.12", "exit 1")
        (tools / "python3").symlink_to(sys.executable)
        told = run("make", "-s", "find-python", PATH=str(tools))
        assert (told.returncode, told.stdout) == (0, "python3\n"), told.stderr

    def test_a_python_without_ensurepip_is_said_with_the_package_to_install(self, tools: Path) -> None:
        script = f'case "$2" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"'
        self.offer(tools, "python3", script)
        told = run("make", "find-python", PATH=str(tools))
        version = ".".join(map(str, sys.version_info[:2]))
        assert told.returncode != 0
        assert f"sudo apt install python{version}-venv" in told.stderr


class TestCoverageGate:
    """.ci/branch_coverage.py: a folder under the least allowed fails, and so does one that was not measured."""

    @pytest.mark.parametrize(
        ("covered_branches", "covered_lines", "code"),
        [(95, 100, 0), (94, 100, 1), (100, 94, 1)],
    )
    def test_lines_and_branches_must_both_reach_the_least(
        self, tmp_path: Path, covered_branches: int, covered_lines: int, code: int
    ) -> None:
        summary = {
            "num_branches": 100,
            "covered_branches": covered_branches,
            "num_statements": 100,
            "covered_lines": covered_lines,
        }
        report = tmp_path / "coverage.json"
        report.write_text(json.dumps({"files": {"pam_receiver/hl7/er7.py": {"summary": summary}}}), encoding="utf-8")
        told = run(sys.executable, ".ci/branch_coverage.py", str(report), "95", "pam_receiver/hl7/")
        assert told.returncode == code, told.stdout + told.stderr
        assert f"branches {covered_branches}.0 % of 100" in told.stdout

    def test_a_folder_that_was_not_measured_fails(self, tmp_path: Path) -> None:
        report = tmp_path / "coverage.json"
        report.write_text('{"files": {}}', encoding="utf-8")
        told = run(sys.executable, ".ci/branch_coverage.py", str(report), "95", "pam_receiver/hl7/")
        assert (told.returncode, told.stdout.split()) == (
            1,
            ["pam_receiver/hl7/", "nothing", "(at", "least", "95", "%", "is", "asked)"],
        )


class TestCi:
    """.ci/run: plain bash that reads no input and stops at the first failure."""

    SCRIPT = ROOT / ".ci" / "run"

    def test_bash_can_read_it(self) -> None:
        read = run("bash", "-n", str(self.SCRIPT))
        assert (read.returncode, read.stderr) == (0, "")

    def test_it_may_be_run_as_it_is(self) -> None:
        assert os.access(self.SCRIPT, os.X_OK)

    def test_it_stops_at_the_first_failure_and_waits_for_nobody(self) -> None:
        lines = self.SCRIPT.read_text(encoding="utf-8").splitlines()
        assert "set -euo pipefail" in lines
        assert "exec </dev/null" in lines
