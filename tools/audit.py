"""Look for known weaknesses: in our code with bandit, in what we install with pip-audit. Exit code 1: something found.

The list of known vulnerabilities is asked for over the network. Where it cannot be reached, or knows nothing of our
packages, that is said in a line and is no failure: the next machine that can reach it will tell.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
LISTS: Final = ("packaging/requirements.lock", "packaging/build.lock")
_PATIENCE_S: Final = 300


def main() -> int:
    code = subprocess.run(
        [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r", "pam_receiver"], cwd=ROOT, check=False
    ).returncode
    print("bandit: nothing found in pam_receiver" if code == 0 else "bandit: see above")
    lines, found = judge([ask(name) for name in LISTS])
    print("\n".join(lines))
    return 1 if code or found else 0


def ask(name: str) -> str:
    """Return what pip-audit says of a list, as JSON; ``""`` when it could not ask."""
    command = [sys.executable, "-m", "pip_audit", "-r", name, "--disable-pip", "--require-hashes", "-f", "json"]
    try:
        told = subprocess.run(
            [*command, "--progress-spinner=off"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return told.stdout


def judge(answers: list[str]) -> tuple[list[str], bool]:
    """Return what is to be said of the answers of pip-audit, and whether a vulnerability is known."""
    packages = [package for answer in answers for package in _packages_of(answer)]
    asked = [each for each in packages if "skip_reason" not in each]
    if not asked:
        return ["pip-audit: the list of vulnerabilities cannot be reached from here; nothing was looked up"], False
    lines = [
        f"pip-audit: {each['name']} {each['version']}: {fault['id']}, mended in {' '.join(fault['fix_versions'])}"
        for each in asked
        for fault in each["vulns"]
    ]
    found = bool(lines)
    unknown = sorted(each["name"] for each in packages if "skip_reason" in each)
    if unknown:
        lines.append(f"pip-audit: nothing is known of {', '.join(unknown)}")
    lines.append(f"pip-audit: {len(asked)} packages looked up, {len(lines) - bool(unknown)} vulnerabilities known")
    return lines, found


def _packages_of(answer: str) -> Iterator[dict[str, Any]]:
    try:
        yield from json.loads(answer)["dependencies"]
    except ValueError:
        return


if __name__ == "__main__":
    sys.exit(main())
