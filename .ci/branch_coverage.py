"""Tell how much of some folders a coverage report covers; fail when one of them is below the least allowed."""

import json
import sys
from pathlib import Path


def share(covered: int, total: int) -> float:
    """Return how much of ``total`` is covered, in percent; nothing to cover is covered whole."""
    return 100.0 * covered / total if total else 100.0


def main(report: str, least: str, *folders: str) -> int:
    """Print one line per folder (a path prefix ending in ``/``); return 1 when lines or branches fall short, else 0."""
    files = json.loads(Path(report).read_text(encoding="utf-8"))["files"]
    enough = True
    for folder in folders:
        summaries = [file["summary"] for name, file in files.items() if name.startswith(folder)]
        branches = sum(summary["num_branches"] for summary in summaries)
        lines = sum(summary["num_statements"] for summary in summaries)
        of_branches = share(sum(summary["covered_branches"] for summary in summaries), branches)
        of_lines = share(sum(summary["covered_lines"] for summary in summaries), lines)
        passes = lines > 0 and min(of_branches, of_lines) >= float(least)
        enough = enough and passes
        measured = (
            f"branches {of_branches:.1f} % of {branches}, lines {of_lines:.1f} % of {lines}" if lines else "nothing"
        )
        print(f"{folder:<24} {measured} ({'enough' if passes else f'at least {least} % is asked'})")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
