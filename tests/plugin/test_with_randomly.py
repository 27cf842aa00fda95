"""pytest-randomly: the order of tests changes nothing of what is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import models_zoo
from small_project import outcomes, rows

if TYPE_CHECKING:
    from small_project import Project


def _said(project: Project) -> list[tuple[Any, ...]]:
    """What the record of the last run says, but for times."""
    record = json.loads((project.path / "run.json").read_bytes())
    return sorted(
        (each["subject"]["recipe"], each["metric"], each["against"], each["verdict"], each.get("sentence"))
        for each in record["verdicts"]
        if each["kind"] != "latency"
    )


def test_any_order_says_the_same(accepted_project: Project):
    project = accepted_project
    project.use_plugin("randomly", "pytest-randomly")
    # int8 is to be faster than fp32, whichever of them is timed first.
    project.declare("tiny", settings="tolerance.min_speedup = 0.0001")
    project.write("tiny.int8.tflite", models_zoo.dense_int8(seed=1) + bytes(40))
    orders, said, table = set(), [], []
    for arguments in (["-p", "no:randomly"], ["--randomly-seed=2"]):
        result = project.run("--benchmark-compare", "--qbench-json=run.json", "-v", *arguments)
        assert result.ret == 1
        result.assert_outcomes(passed=6, failed=2)
        orders.add(tuple(outcomes(result)))
        said.append(_said(project))
        table.append(rows(result))
    assert len(orders) == 2
    assert said[0] == said[1]
    assert table[0] == table[1]
    assert table[0]["tiny-int8"].startswith("fail (accuracy accuracy_drop size)")
