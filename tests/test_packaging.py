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
        packers = {"tools/pack_cog.py", "pam_receiver/data/communes.tsv.gz", "pam_receiver/data/NOTICE"}
        assert {*packers, "hatch_build.py"} <= names

    def test_nothing_is_compiled_unless_asked(self, wheel: Path) -> None:
        """What is built with PAM_COMPILE=1 is tried by `make test-compiled`."""
        assert wheel.name.endswith("-py3-none-any.whl")
        with zipfile.ZipFile(wheel) as archive:
            assert [name for name in archive.namelist() if name.endswith((".so", ".c"))] == []

    def test_each_module_to_compile_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        if importlib.util.find_spec("hatchling") is None:
            pytest.skip("hatchling is not installed: what it calls cannot be read")
        monkeypatch.syspath_prepend(str(ROOT))
        patterns = importlib.import_module("hatch_build").CORE
        assert [each for each in patterns if not list((ROOT / "pam_receiver").glob(each))] == []


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

    def test_the_wheel_is_built_apart_and_installed_with_the_hashes(self) -> None:
        built = " ".join(each.rest for each in self.STAGES[0] if each.name == "RUN")
        assert "pip wheel --no-deps --no-build-isolation" in built
        installs = [part.strip() for part in built.split("&&") if "pip install" in part]
        hashed = "pip install --require-hashes --only-binary=:all: -r"
        assert installs == [
            f"/opt/build/bin/{hashed} build.lock",
            f"/opt/pam-receiver/bin/{hashed} requirements.lock",
            "/opt/pam-receiver/bin/pip install --no-deps --no-index /dist/*.whl",
        ]
        assert built.endswith("/opt/pam-receiver/bin/pip check")  # nothing that it needs is missing from the list
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
            "${METRICS_BIND:-127.0.0.1}:9464:9464",
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
        *PROJECT["project"]["optional-dependencies"]["audit"],
        *PROJECT["project"]["optional-dependencies"]["charts"],
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


def read_lock(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the version and the hashes of each package that a list of packaging/ names."""
    text = (ROOT / "packaging" / name).read_text(encoding="utf-8")
    entries = re.sub(r" \\\n\s+", " ", text).splitlines()
    found = {}
    for entry in entries:
        if entry.startswith("#"):
            continue
        pin, *hashes = entry.split()
        package, version = pin.split("==")
        found[package] = (version, frozenset(each.removeprefix("--hash=sha256:") for each in hashes))
    return found


class TestLock:
    """packaging/*.lock: what the image installs is what constraints.txt names, file by file, and nothing is missing."""

    @pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
    def test_each_package_is_at_its_pin_with_a_hash_of_each_file(self, name: str) -> None:
        pins, lock = read_pins(), read_lock(name)
        assert {package: version for package, (version, _) in lock.items()} == {each: pins[each] for each in lock}
        for hashes in (hashes for _, hashes in lock.values()):
            assert hashes
            assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in hashes)

    @pytest.mark.parametrize(
        ("name", "declared"),
        [
            ("requirements.lock", PROJECT["project"]["dependencies"]),
            (
                "build.lock",
                [*PROJECT["build-system"]["requires"], *PROJECT["project"]["optional-dependencies"]["compile"]],
            ),
        ],
    )
    def test_nothing_is_missing_and_nothing_too_much(
        self, name: str, declared: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if name == "build.lock" and importlib.util.find_spec("hatchling") is None:
            pytest.skip("hatchling is not installed: what it needs cannot be read")
        monkeypatch.syspath_prepend(str(ROOT / "tools"))
        lock_requirements = importlib.import_module("lock_requirements")
        assert sorted(read_lock(name)) == lock_requirements.find_closure(declared)

    def test_no_address_is_written(self) -> None:
        for name in ("requirements.lock", "build.lock"):
            text = (ROOT / "packaging" / name).read_text(encoding="utf-8")
            assert re.search(r"://|index-url|find-links", text) is None

    def test_the_python_is_that_of_the_image(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(ROOT / "tools"))
        lock_requirements = importlib.import_module("lock_requirements")
        tags = {stage[0].rest.split()[0] for stage in read_stages()}
        assert tags == {f"python:{lock_requirements.PYTHON}-slim"}


class TestAudit:
    """tools/audit.py: a known vulnerability fails; a list that cannot be reached is said and fails nothing."""

    @pytest.fixture(autouse=True)
    def _importable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(ROOT / "tools"))

    def judge(self, *packages: dict[str, Any]) -> tuple[list[str], bool]:
        lines, found = importlib.import_module("audit").judge([json.dumps({"dependencies": packages, "fixes": []})])
        return lines, found

    def test_a_vulnerability_is_found_and_named(self) -> None:
        fault = {"id": "PYSEC-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
        lines, found = self.judge(
            {"name": "one", "version": "1.0", "vulns": [fault]}, {"name": "two", "version": "1.0", "vulns": []}
        )
        assert found
        assert lines == [
            "pip-audit: one 1.0: PYSEC-1, mended in 2.0",
            "pip-audit: 2 packages looked up, 1 vulnerabilities known",
        ]

    def test_what_nothing_is_known_of_is_named(self) -> None:
        lines, found = self.judge(
            {"name": "one", "version": "1.0", "vulns": []}, {"name": "two", "skip_reason": "not found"}
        )
        assert not found
        assert lines[0] == "pip-audit: nothing is known of two"
        assert lines[1].endswith("1 packages looked up, 0 vulnerabilities known")

    @pytest.mark.parametrize("answer", ["", "no JSON", '{"dependencies": [{"name": "one", "skip_reason": "x"}]}'])
    def test_a_list_that_cannot_be_reached_is_said(self, answer: str) -> None:
        lines, found = importlib.import_module("audit").judge([answer, answer])
        assert not found
        assert lines == ["pip-audit: the list of vulnerabilities cannot be reached from here; nothing was looked up"]

    def test_each_nosec_names_its_rule(self) -> None:
        """A bare one would silence every rule of its line."""
        texts = [path.read_text(encoding="utf-8") for path in (ROOT / "pam_receiver").rglob("*.py")]
        lines = [line for text in texts for line in text.splitlines() if "nosec" in line]
        assert lines
        assert [line for line in lines if not re.search(r"# .+ # nosec B\d{3}$", line)] == []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed: nothing is built")
    folders = []
    for mask in ("022", "077"):
        folder = tmp_path_factory.mktemp("release") / "dist"
        words = f"umask {mask}; exec {sys.executable} tools/release.py --without-sbom --into {folder}"
        told = run("sh", "-c", words, SOURCE_DATE_EPOCH="1700000000")
        assert told.returncode == 0, told.stderr
        folders.append(folder)
    return folders


class TestRelease:
    """tools/release.py: the same tree gives the same bytes, wherever and whenever it is built."""

    def test_the_same_bytes_each_time(self, built: list[Path]) -> None:
        one, other = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in built)
        assert {name.split("-")[-1].split(".", 1)[-1] for name in one} >= {"whl"}
        assert len(one) == 3
        assert one == other

    def test_the_checksums_are_those_of_the_files(self, built: list[Path]) -> None:
        if shutil.which("sha256sum") is None:
            pytest.skip("sha256sum is not on this machine: the sums are not checked")
        told = run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=built[0])
        assert told.returncode == 0, told.stdout + told.stderr
        assert len(told.stdout.splitlines()) == 2

    def test_the_time_in_the_archives_is_the_one_given(self, built: list[Path]) -> None:
        (sdist,) = built[0].glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            assert {member.mtime for member in archive.getmembers() if member.isfile()} == {1700000000}

    def test_other_bytes_are_noticed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(ROOT / "tools"))
        compare = importlib.import_module("release").compare
        for name, content in (("one", b"1"), ("other", b"2")):
            (tmp_path / name).mkdir()
            (tmp_path / name / "same").write_bytes(b"")
            (tmp_path / name / "wheel").write_bytes(content)
        (tmp_path / "other" / "more").write_bytes(b"")
        assert compare(tmp_path / "one", tmp_path / "other") == ["more", "wheel"]


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
            line
            for line in told.stdout.splitlines()
            if re.match(r"\.venv/bin/(ruff|mypy|lint|bandit|python -m pytest)", line)
        ]
        assert [line.removeprefix(".venv/bin/").strip() for line in commands] == [
            "ruff check .",
            "ruff format --check .",
            "mypy",
            "mypy bench",
            "lint-imports",
            "bandit -q -c pyproject.toml -r pam_receiver",
            "python -m pytest -n 2 --dist worksteal",
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
