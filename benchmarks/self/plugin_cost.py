"""What the installed plugin adds to `pytest --collect-only` of a project that does not use it.

    python -m benchmarks.self.plugin_cost

Pairs of runs in turns, with and without the plugin, in an empty folder with one test; the order within a pair
alternates. Reported are medians and the median of the differences pair by pair.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PAIRS = 25
_COMMAND = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
_WITHOUT = ["-p", "no:qbench"]


def run_once(folder: Path, arguments: list[str]) -> float:
    """Seconds of one run."""
    started = time.perf_counter()
    subprocess.run([*_COMMAND, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text('[project]\nname = "unrelated"\n')
        (folder / "test_unrelated.py").write_text("def test_nothing():\n    pass\n")
        run_once(folder, [])
        run_once(folder, _WITHOUT)
        rows = []
        for pair in range(PAIRS):
            arguments: list[list[str]] = [[], _WITHOUT]
            order = (0, 1) if pair % 2 else (1, 0)
            times = {side: run_once(folder, arguments[side]) for side in order}
            rows.append((times[0], times[1]))
    with_s, without_s = median(row[0] for row in rows), median(row[1] for row in rows)
    added_s = median(row[0] - row[1] for row in rows)
    print(f"with {with_s * 1e3:.1f} ms, without {without_s * 1e3:.1f} ms, added {added_s * 1e3:.1f} ms ({PAIRS} pairs)")


if __name__ == "__main__":
    main()
