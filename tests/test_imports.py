"""What is imported where: the pytest process stays light, and a worker needs no qbench."""

from __future__ import annotations

import json
import subprocess
import sys

import models_zoo as zoo
import pytest

import qbench
from qbench.processes import ChildProcess
from qbench.runtime import process as process_module

_WORKER = process_module._WORKER

#: Runs a script by its path as if qbench were not installed.
_WITHOUT_QBENCH = f"""
import runpy, sys
sys.modules["qbench"] = None
sys.argv = [{str(_WORKER)!r}, sys.argv[1]]
runpy.run_path({str(_WORKER)!r}, run_name="__main__")
"""


def _imported_by(statement):
    """Top-level modules that a new Python process has after `statement`."""
    script = (
        f"import sys\n{statement}\nimport json\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=60)
    return set(json.loads(ended.stdout))


def test_the_plugin_loads_nothing_heavy():
    runtimes = {"tensorflow", "keras", "ai_edge_litert", "litert_quantizer"}
    libraries = {"numpy", "scipy", "hypothesis", "msgspec", "rich"}
    imported = _imported_by("import qbench.plugin")
    assert "pytest" in imported
    assert not imported & (runtimes | libraries)


def test_a_whole_run_loads_no_tensorflow():
    imported = _imported_by("import qbench.plugin_run")
    assert "numpy" in imported
    assert not imported & {"tensorflow", "keras", "litert_quantizer", "hypothesis"}


def test_the_command_line_loads_nothing_optional():
    assert not _imported_by("import qbench.cli") & {"tensorflow", "keras", "litert_quantizer", "optuna", "matplotlib"}


def test_the_conversion_child_loads_no_tensorflow_before_it_needs_it():
    assert not _imported_by("import qbench.conversion.converter") & {"tensorflow", "keras", "ai_edge_litert"}


def test_what_a_project_uses_is_imported_on_first_use():
    heavy = {"numpy", "msgspec"}
    assert not _imported_by("import qbench") & heavy
    assert heavy <= _imported_by("from qbench import Dataset, metric")


def test_what_the_package_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'qbench' has no attribute 'datset'"):
        qbench.datset  # noqa: B018 - asking is the test


def test_a_worker_runs_from_its_path_without_qbench():
    with ChildProcess([sys.executable, "-I", "-c", _WITHOUT_QBENCH]) as worker:
        request = {"do": "preflight", "runtime": "litert", "threads": 1, "kernels": "builtin"}
        answer, _ = worker.ask(request, (zoo.dense_int8(),), doing="a test", limit_s=60)
    assert answer == {"undelegated": [], "batched": True}


def test_a_worker_answers_with_the_standard_library_alone():
    with ChildProcess([sys.executable, "-I", "-S", str(_WORKER)]) as worker:
        request = {"do": "preflight", "runtime": "litert", "threads": 1, "kernels": "builtin"}
        answer, _ = worker.ask(request, (zoo.dense_int8(),), doing="a test", limit_s=60)
    assert answer["error"].startswith("ModuleNotFoundError: No module named 'ai_edge_litert'")
