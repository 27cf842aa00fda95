"""Several processes that write baselines at once lose nothing."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

from baseline.examples import assert_whole, write
from qbench.records import Subject

if TYPE_CHECKING:
    from pathlib import Path

_PROCESSES = 3
_ROUNDS = 8


def accept_rounds(folder: Path, recipe: str, barrier) -> None:
    """Accept version after version of one recipe, each round at the same time as the others."""
    for version in range(1, _ROUNDS + 1):
        barrier.wait(timeout=60)
        write(folder, version, Subject(model="tiny", recipe=recipe))


def test_processes_that_accept_different_recipes_do_not_disturb_each_other(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(_PROCESSES)
    recipes = [f"recipe{index}" for index in range(_PROCESSES)]
    processes = [context.Process(target=accept_rounds, args=(tmp_path, recipe, barrier)) for recipe in recipes]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0] * _PROCESSES
    for recipe in recipes:
        assert_whole(tmp_path, _ROUNDS, Subject(model="tiny", recipe=recipe))
    # All of them have the same artifact in the end, and the older ones are gone.
    assert len(list(tmp_path.glob("artifacts/*"))) == 1
    assert len(list(tmp_path.glob("tiny/*"))) == 2 * _PROCESSES
