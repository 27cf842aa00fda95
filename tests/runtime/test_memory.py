from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import models_zoo as zoo
import msgspec
import pytest

from qbench.errors import ArtifactError, UnresolvedOperatorError, WorkerCrashedError, WorkerTimeoutError
from qbench.records import RuntimeOptions
from qbench.runtime import memory
from qbench.runtime.preflight import PreflightWorker
from qbench.runtime.process import RuntimeProcess

if TYPE_CHECKING:
    from pathlib import Path

_AMPLE_S = 60.0
_MEGA = 1 << 20

#: What this is about is three times as much, and more.
_TWO_PAGES = 2 * os.sysconf("SC_PAGE_SIZE")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere peak memory is None")


@pytest.fixture
def process():
    process = RuntimeProcess(limit_s=_AMPLE_S)
    process.start()
    yield process
    process.stop()


def _added(process: RuntimeProcess, content: bytes, options: RuntimeOptions | None = None) -> int:
    request = {"do": "memory", **msgspec.to_builtins(options or RuntimeOptions())}
    answer, _ = process.ask(request, content, name="net", doing="counting the memory of net")
    return answer["bytes"]


def test_weights_count_once_where_kernels_use_them_as_they_are(process):
    plain = RuntimeOptions(kernels="reference")
    small, large = zoo.dense_int8(), zoo.dense_int8(2048, 4096)
    grown = _added(process, large, plain) - _added(process, small, plain)
    assert len(large) > 8 * _MEGA
    assert len(large) <= grown < len(large) + _MEGA / 2


def test_weights_that_kernels_pack_count_twice(process):
    grown = _added(process, zoo.dense_float(1024, 2048)) - _added(process, zoo.dense_float())
    assert 1.8 * 8 * _MEGA < grown < 2.5 * 8 * _MEGA


def test_the_code_of_the_runtime_does_not_count(process):
    assert 0 < _added(process, zoo.dense_int8()) < _MEGA / 2


def test_what_the_worker_ran_before_does_not_matter(process):
    counted = [_added(process, zoo.conv_int8(), RuntimeOptions(threads=2)) for _ in range(3)]
    small = [zoo.dense_float(), zoo.dense_int8(), zoo.conv_int8(), zoo.two_inputs_two_outputs()]
    for before in ([], small * 4, [zoo.conv_int8(64), zoo.dense_float(1024, 1024)]):
        with PreflightWorker(RuntimeOptions(threads=2), limit_s=_AMPLE_S) as worker:
            for content in before:
                worker.check(content, name="before")
            counted += [worker.check(zoo.conv_int8(), name="net").peak_memory_bytes for _ in range(3)]
    assert max(counted) - min(counted) <= _TWO_PAGES


def test_a_death_in_a_fork_names_artifact_and_signal(process):
    with pytest.raises(WorkerCrashedError, match="by signal SIGABRT while counting the memory of net"):
        _added(process, zoo.aborting())


def test_a_fork_that_hangs_is_ended(process):
    process.limit_s = 1.0
    with pytest.raises(WorkerTimeoutError, match="within 1 s while counting the memory of net"):
        _added(process, zoo.hanging())


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (zoo.unresolved_custom_operator, UnresolvedOperatorError, "no kernel"),
        (zoo.string_input, ArtifactError, "holds strings"),
    ],
)
def test_a_refusal_in_a_fork_is_named_and_the_worker_goes_on(process, make, error, said):
    with pytest.raises(error, match=said):
        _added(process, make())
    assert _added(process, zoo.dense_int8()) > 0


class TestForks:
    @pytest.fixture
    def counts(self, monkeypatch):
        """Make forks count the given numbers, one after the other; gives the least and what is left of them."""

        def counts(*numbers: int) -> tuple[int, list[int]]:
            left = list(numbers)
            monkeypatch.setattr(memory, "_answer", lambda *_: {"bytes": left[0]})
            found = memory.added_by(_unused, _unused, outcome_of=lambda pid: (os.waitpid(pid, 0), left.pop(0)))
            return found["bytes"], left

        return counts

    @pytest.mark.parametrize(
        ("numbers", "left"),
        [
            ((300, 300, 9), [9]),
            ((504, 300, 300, 9), [9]),
            ((300, 504, 300, 9), [9]),
            ((504, 504, 9), [9]),
            ((340, 330, 320, 310, 300, 9), [9]),
        ],
    )
    def test_the_least_of_two_that_agree_or_of_five(self, counts, numbers, left):
        assert counts(*numbers) == (min(numbers[:-1]), left)

    def test_one_is_enough_of_what_takes_long(self, counts, monkeypatch):
        monkeypatch.setattr(memory, "_ENOUGH_S", -1.0)
        assert counts(504, 300) == (504, [300])

    @pytest.mark.parametrize("path", ["_ROLLUP", "_STATUS", "_CLEAR"])
    def test_none_where_the_system_does_not_tell(self, monkeypatch, tmp_path: Path, path: str):
        monkeypatch.setattr(memory, path, str(tmp_path / "none"))
        monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))
        assert memory.added_by(_unused, _unused, outcome_of=_unused) == {"bytes": None}


def _unused(*_: object) -> None:
    pytest.fail("was called in the parent")
