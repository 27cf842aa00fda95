"""Whatever goes wrong while a baseline is written, a whole one is there afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import qbench.baseline.store as module
from baseline.examples import assert_whole, baseline, content, predictions, write
from qbench.baseline.store import BaselineWriter
from qbench.errors import AcceptRefusedError

TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with version 1."""
    write(tmp_path / "baselines", 1)
    return tmp_path / "baselines"


def accept_second(folder: Path) -> None:
    """Write version 2 and sweep nothing, as somebody does who dies in the middle."""
    writer = BaselineWriter(folder)
    with writer.locked():
        writer.write(baseline(2), content(2), predictions(2))


def assert_nothing_is_left_behind(folder: Path) -> None:
    assert not list(folder.rglob("*.tmp"))
    FileLock(folder / ".lock").acquire(timeout=0).lock.release()
    # Nothing stands in the way of another try.
    write(folder, 2)
    assert_whole(folder, 2)
    assert len(list(folder.glob("artifacts/*"))) == 1


@pytest.mark.parametrize("raised", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("failing", [1, 2, 3])
def test_when_any_of_its_files_is_not_written_the_old_baseline_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: int, raised: type[BaseException]
):
    replace, calls = module.replace_file, []

    def replace_some(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) == failing:
            raise raised("stopped here")
        replace(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(module, "replace_file", replace_some)
        with pytest.raises(AcceptRefusedError if raised is OSError else KeyboardInterrupt, match="stopped here"):
            accept_second(folder)
    assert len(calls) == failing
    assert_whole(folder, 1)
    assert_nothing_is_left_behind(folder)


#: Every call by which a file is replaced, by the object that it is looked up on.
STEPS: list[tuple[Any, str]] = [
    (tempfile, "mkstemp"),
    (os, "fdopen"),
    (os, "fsync"),
    (Path, "chmod"),
    (Path, "replace"),
]


@pytest.mark.parametrize("raised", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_at_every_single_step_there_is_one_whole_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException], moment: str
):
    outcomes = []
    for failing in range(1, 100):
        folder = tmp_path / str(failing)
        write(folder, 1)
        taken = 0

        def step(original, failing=failing):
            def run(*arguments, **options):
                nonlocal taken
                taken += 1
                if taken == failing and moment == "before":
                    raise raised("stopped here")
                result = original(*arguments, **options)
                if taken == failing:
                    raise raised("stopped here")
                return result

            return run

        stopped = False
        with monkeypatch.context() as patch:
            for owner, name in STEPS:
                patch.setattr(owner, name, step(getattr(owner, name)))
            try:
                accept_second(folder)
            except (AcceptRefusedError, KeyboardInterrupt):
                stopped = True
        if taken < failing:
            break
        found = (folder / "tiny" / "int8.json").read_text()
        outcomes.append(2 if "version 2" in found else 1)
        assert stopped or outcomes[-1] == 2
        assert_whole(folder, outcomes[-1])
    assert len(outcomes) >= 3 * len(STEPS)
    assert (outcomes[0], outcomes[-1]) == (1, 2)


# --- folders that cannot be written -----------------------------------------------------------------------

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="tests may run as root, whom only /proc and /sys stop")


@on_linux
@pytest.mark.parametrize("path", ["/proc/qbench/baselines", "/sys/qbench", "/sys/kernel"])
def test_a_read_only_folder_is_refused_with_what_to_do(path: str):
    with pytest.raises(AcceptRefusedError) as caught:
        accept_second(Path(path))
    assert f"baselines cannot be written to {path} (" in str(caught.value)
    assert "what was accepted before is unchanged" in str(caught.value)
    assert "Make the folder writable or free space" in str(caught.value)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "baselines").write_bytes(b"")
    with pytest.raises(AcceptRefusedError, match="baselines cannot be written"):
        accept_second(tmp_path / "baselines")


@on_linux
@pytest.mark.parametrize(
    ("limit_bytes", "what"), [(len(content(2)) - 1, "artifact"), (100, "predictions"), (600, "the JSON file")]
)
def test_a_full_disk_leaves_the_old_baseline(folder: Path, limit_bytes: int, what: str):
    # A file may not grow beyond the limit, which is what a full disk looks like to whoever writes.
    script = f"""
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
from baseline.test_store_failures import accept_second
from qbench.errors import AcceptRefusedError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))
try:
    accept_second(Path({str(folder)!r}))
except AcceptRefusedError as error:
    print(error)
    sys.exit(3)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3, (what, done.stderr)
    assert "File too large" in done.stdout
    assert_whole(folder, 1)
    assert_nothing_is_left_behind(folder)
