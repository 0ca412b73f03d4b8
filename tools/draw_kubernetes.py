"""Draw packaging/kubernetes/ from the chart with its default values; ``tests/test_kubernetes.py`` says when it is old.

It needs Helm as a library: ``make kubernetes`` brings it.
"""

import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CHART: Final = ROOT / "packaging" / "helm" / "pam-receiver"
DRAWN: Final = ROOT / "packaging" / "kubernetes" / "pam-receiver.yaml"
NAME: Final = "pam-receiver"
_HEAD: Final = """\
# Drawn by tools/draw_kubernetes.py from packaging/helm/pam-receiver with its default values: the receiver without Helm.
# Put in your own image, database, Secrets and settings; docs/how-to/scale.md says which.
"""


def render(values: dict[str, object] | None = None) -> dict[str, str]:
    """Return the manifests that Helm makes of the chart, by template; ``values``: other than the defaults."""
    import helm_python  # noqa: PLC0415 - 240 MB that only this needs

    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        made = chart.render(values, name=NAME)
    return {name.rpartition("/")[2]: text for name, text in sorted(made.items())}


def draw() -> str:
    """Return the one file of all manifests."""
    return _HEAD + "".join(f"---\n{text.strip()}\n" for text in render().values())


if __name__ == "__main__":
    DRAWN.write_text(draw(), encoding="utf-8")
    sys.stdout.write(f"{DRAWN.relative_to(ROOT)}\n")
