from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qbench.files import replace_file, write_output, write_summary

_FULL_DISK = OSError(errno.ENOSPC, "No space left on device")

#: A process that may write no file larger than 4096 bytes, which is how a full disk looks to it.
_ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from qbench.files import replace_file, write_output
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    replace_file(Path(sys.argv[1]), b"new" * 10_000)
except OSError as error:
    print("refused", error.errno)
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "folder" / "file.json"
    path.parent.mkdir()
    path.write_bytes(b"old")
    return path


def _assert_holds(path, content):
    """Check the content of a file, and that nothing lies beside it."""
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_writes_a_new_file_and_its_folders(tmp_path):
    replace_file(tmp_path / "a" / "b" / "file", b"content")
    _assert_holds(tmp_path / "a" / "b" / "file", b"content")


@pytest.mark.parametrize("content", [b"", b"new", b"longer than a buffer" * 10_000])
def test_replaces_all_of_the_old_content(path, content):
    replace_file(path, content)
    _assert_holds(path, content)


def test_who_has_the_old_file_open_goes_on_reading_the_old_file(path):
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old"


def test_the_content_is_on_the_disk_before_it_gets_the_name(path, monkeypatch):
    steps = []
    sync, rename = os.fsync, Path.replace

    def fsync(descriptor):
        written = [each for each in path.parent.iterdir() if each != path]
        steps.append(("sync", [each.read_bytes() for each in written]))
        sync(descriptor)

    def replace(self, target):
        steps.append(("rename", target))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    replace_file(path, b"new")
    assert steps == [("sync", [b"new"]), ("rename", path), ("sync", [])]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_is_as_readable_as_any_other_new_file(path, umask, mode):
    before = os.umask(umask)
    try:
        replace_file(path, b"new")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("error", [_FULL_DISK, KeyboardInterrupt()], ids=["full disk", "Ctrl-C"])
@pytest.mark.parametrize(("owner", "step"), [(os, "fsync"), (Path, "chmod"), (Path, "replace")])
def test_a_failure_at_any_step_leaves_the_old_file_alone(path, monkeypatch, owner, step, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(owner, step, fail)
    with pytest.raises(type(error)):
        replace_file(path, b"new")
    _assert_holds(path, b"old")


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit of file sizes")
def test_a_disk_that_fills_while_writing_leaves_the_old_file_alone(path):
    ended = subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK, path], capture_output=True, check=True, text=True, timeout=60
    )
    assert ended.stdout == f"refused {errno.EFBIG}\n"
    _assert_holds(path, b"old")


def test_a_folder_that_keeps_its_name_for_itself_is_an_error(path):
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(path, b"new")
    assert list(path.parent.iterdir()) == [path]


def test_a_file_where_a_folder_should_be_is_an_error(path):
    with pytest.raises(OSError, match=r"file\.json"):
        replace_file(path / "below", b"new")
    _assert_holds(path, b"old")


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="needs a folder that is read-only for everybody")
def test_a_folder_that_nobody_may_write_is_an_error():
    with pytest.raises(OSError, match="proc"):
        replace_file(Path("/proc/file.json"), b"new")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_an_error(path):
    path.parent.chmod(0o555)
    try:
        with pytest.raises(PermissionError):
            replace_file(path, b"new")
        _assert_holds(path, b"old")
    finally:
        path.parent.chmod(0o755)


def test_an_output_follows_a_link_and_leaves_it_a_link(tmp_path: Path):
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    target.parent.mkdir()
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_output(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_an_output_to_a_pipe_goes_through_it(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_output(pipe, b"through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_the_summary_of_a_step_is_written_behind_what_is_there(tmp_path, monkeypatch):
    summary, other = tmp_path / "summary.md", tmp_path / "other.md"
    summary.write_bytes(b"")
    other.write_bytes(b"old\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    for content in (b"one\n", b"two\n"):
        write_summary(tmp_path / "." / "summary.md", content)
        write_summary(other, content)
    assert summary.read_bytes() == b"one\n\ntwo\n"
    assert other.read_bytes() == b"two\n"


def test_what_the_same_command_wrote_to_a_summary_may_be_replaced(tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"another's\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    write_summary(summary, b"longer than now\n")
    write_summary(summary, b"one\n", instead_of=b"longer than now\n")
    assert summary.read_bytes() == b"another's\n\none\n"
    write_summary(summary, b"three\n", instead_of=b"two\n")
    assert summary.read_bytes() == b"another's\n\none\n\nthree\n"


def test_a_file_that_is_no_summary_is_replaced(tmp_path, monkeypatch):
    path = tmp_path / "summary.md"
    for value in ("", None, str(tmp_path / "another.md")):
        path.write_bytes(b"old\n")
        if value is None:
            monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        else:
            monkeypatch.setenv("GITHUB_STEP_SUMMARY", value)
        write_summary(path, b"new\n")
        assert path.read_bytes() == b"new\n"
