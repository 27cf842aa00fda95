from __future__ import annotations

import signal

import pytest

from qbench import errors
from qbench.errors import ConfigError, WorkerCrashedError, WorkerTimeoutError, signal_name

_ERRORS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
}


def test_every_error_can_be_caught_as_one():
    assert len(_ERRORS) > 10
    assert [name for name, kind in _ERRORS.items() if not issubclass(kind, errors.QbenchError)] == []


def test_the_tree_in_the_module_names_every_error():
    assert [name for name in _ERRORS if name not in errors.__doc__] == []


def test_config_error_says_where_what_and_what_else():
    error = ConfigError("tool.qbench.threads", found="0", expected="a number above 0")
    assert str(error) == "tool.qbench.threads: found 0, expected a number above 0"
    assert (error.key, error.found, error.expected) == ("tool.qbench.threads", "0", "a number above 0")


@pytest.mark.parametrize(
    ("returncode", "name"),
    [(0, ""), (3, ""), (-signal.SIGABRT, "SIGABRT"), (-signal.SIGSEGV, "SIGSEGV"), (-200, "signal 200")],
)
def test_signals_have_names(returncode, name):
    assert signal_name(returncode) == name


def test_crash_by_signal_is_told_from_exit():
    crashed = WorkerCrashedError("running a", returncode=-signal.SIGSEGV, stderr="last words\n")
    assert str(crashed) == "the worker process ended by signal SIGSEGV while running a; it last said: last words"
    assert crashed.signal_name == "SIGSEGV"
    exited = WorkerCrashedError("running a", returncode=7, stderr=" \n")
    assert str(exited) == "the worker process ended with exit code 7 while running a"
    assert (exited.signal_name, exited.returncode) == ("", 7)


def test_timeout_says_the_limit():
    error = WorkerTimeoutError("running a", limit_s=0.5)
    assert str(error) == "the worker process gave no answer within 0.5 s while running a"
    assert error.limit_s == 0.5
