from __future__ import annotations

import os
import subprocess
import sys

import pytest

from qbench.errors import ConfigError, WorkerError
from qbench.trial import noise as module
from qbench.trial.noise import neighbour

#: A neighbour that does not end in this time never does.
_HANGS_S = 60.0

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="processes cannot be bound here")


@pytest.fixture
def started(monkeypatch):
    """The neighbours that were started."""
    processes = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            processes.append(self)

    monkeypatch.setattr(module.subprocess, "Popen", Recorded)
    monkeypatch.setattr(module, "_buffer_bytes", lambda: 1 << 20)
    return processes


def _cpu():
    return max(os.sched_getaffinity(0))


def test_a_quiet_trial_has_no_neighbour(started):
    with neighbour("quiet", ()):
        assert started == []


def test_a_neighbour_on_the_contests_processor_works_until_the_end(started):
    with neighbour("core", (_cpu(),)):
        (process,) = started
        assert process.poll() is None
        assert os.sched_getaffinity(process.pid) == {_cpu()}
    assert process.returncode is not None


@pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda _: [])(0)) < 2, reason="needs two processors")
def test_a_neighbour_on_memory_works_elsewhere(started):
    with neighbour("memory", (_cpu(),)):
        (process,) = started
        assert process.poll() is None
        assert os.sched_getaffinity(process.pid).isdisjoint({_cpu()})
    assert process.returncode is not None


def test_a_neighbour_ends_with_an_error(started):
    with pytest.raises(KeyboardInterrupt), neighbour("core", (_cpu(),)):
        raise KeyboardInterrupt
    assert started[0].returncode is not None


@pytest.mark.parametrize("kind", ["core", "memory"])
def test_a_neighbour_ends_when_its_parent_is_gone(kind):
    command = [sys.executable, str(module._NEIGHBOUR), kind, str(_cpu()), str(1 << 20)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.stdin.close()
        assert process.wait(_HANGS_S) == 0


def test_a_neighbour_that_does_not_start_is_an_error(started, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_NEIGHBOUR", tmp_path / "gone.py")
    with pytest.raises(WorkerError, match="ended before it was ready"), neighbour("core", (_cpu(),)):
        pytest.fail("began without its neighbour")
    assert started[0].returncode is not None


def test_noise_on_memory_needs_a_processor_of_its_own(started):
    everything = tuple(sorted(os.sched_getaffinity(0)))
    with pytest.raises(ConfigError, match="expected one more for the neighbour"), neighbour("memory", everything):
        pytest.fail("began without its neighbour")
    assert started == []


def test_a_system_that_binds_no_process_has_no_noise(started):
    with pytest.raises(ConfigError, match="expected Linux, or --noise quiet"), neighbour("core", ()):
        pytest.fail("began without its neighbour")
    assert started == []


def test_a_buffer_is_larger_than_any_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_CACHE_SIZES", tmp_path)
    assert module._buffer_bytes() == 64 << 20
    for index, size in enumerate(["32K", "1024K", "36608K"]):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(f"{size}\n")
    assert module._buffer_bytes() == 4 * (36608 << 10)
