"""How much of a warm `make bench` is measuring.

    python -m benchmarks.self.measuring_share

Measuring is what happens inside the test functions: benchmark rounds, evaluations, reading structures. All else
(make, the start of pytest, finding artifacts in the cache, first runs in the worker, fixtures, the table) is not.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree as ET

_RUNS = 2


def run_once(report: Path) -> tuple[float, float]:
    """Seconds of one `make bench` from outside, and seconds inside its test functions."""
    started = time.perf_counter()
    subprocess.run(
        ["make", "--silent", "bench"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTEST_ADDOPTS": f"--junit-xml={report} -o junit_duration_report=call"},
    )
    wall_s = time.perf_counter() - started
    cases = ET.parse(report).iter("testcase")
    return wall_s, sum(float(case.attrib["time"]) for case in cases)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "report.xml"
        run_once(report)
        for _ in range(_RUNS):
            wall_s, inside_s = run_once(report)
            print(f"wall {wall_s:.1f} s, measuring {inside_s:.1f} s, share {inside_s / wall_s:.0%}", flush=True)


if __name__ == "__main__":
    main()
