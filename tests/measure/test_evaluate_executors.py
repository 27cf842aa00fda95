"""Shards run wherever a caller wants, finish in any order, and stop when there is no point in going on."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import qbench.measure.evaluate as module
from measure.evaluation_cases import COUNT, MODELS, OPTIONS, assert_same, plain_loop, spoil
from qbench.errors import MeasurementError
from qbench.measure.evaluate import evaluate

if TYPE_CHECKING:
    import numpy as np

    from qbench.measure.evaluate import Shard


class Inline(Executor):
    """Runs everything at once in the caller's thread, and remembers what it was asked."""

    def __init__(self) -> None:
        self.shards: list[Shard] = []
        self.was_shut_down = False

    def submit(self, function, /, *arguments):
        self.shards += arguments
        future: Future = Future()
        future.set_result(function(*arguments))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - its interface
        self.was_shut_down = True


@pytest.mark.parametrize("name", ["two inputs and outputs", "int8 from pixels"])
def test_shards_merge_in_any_order(monkeypatch: pytest.MonkeyPatch, name: str):
    # The last one that was submitted finishes first.
    monkeypatch.setattr(module, "as_completed", lambda futures: reversed(list(futures)))
    content, dataset = MODELS[name]
    executor = Inline()
    evaluation = evaluate(content, dataset, OPTIONS, executor=executor, workers=9)
    assert len(executor.shards) > 1
    assert_same(evaluation, plain_loop(content, dataset))
    assert not executor.was_shut_down


def test_a_thread_pool_of_the_callers_stays_open():
    content, dataset = MODELS["int8"]
    with ThreadPoolExecutor(2) as executor:
        for _ in range(2):
            assert_same(evaluate(content, dataset, OPTIONS, executor=executor), plain_loop(content, dataset))
        assert executor.submit(int, "3").result() == 3


def test_a_process_pool_gives_the_same_bits_and_stays_open():
    # Spawned, because the runtime's threads do not survive a fork.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        for name in ("int8 from pixels", "two inputs and outputs"):
            content, dataset = MODELS[name]
            evaluation = evaluate(content, dataset, OPTIONS, executor=executor, workers=4)
            assert_same(evaluation, plain_loop(content, dataset))
        assert executor.submit(int, "3").result(timeout=60) == 3


def test_progress_grows_to_the_number_of_examples(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_SHARD_S", 1e-9)
    seen: list[tuple[int, int]] = []
    evaluate(*MODELS["conv"], OPTIONS, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) > 1
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (COUNT, COUNT)
    assert {total for _, total in seen} == {COUNT}


@pytest.mark.parametrize("own_pool", [True, False])
@pytest.mark.parametrize("raised", [KeyboardInterrupt, MeasurementError])
def test_ctrl_c_and_errors_do_not_wait_for_all_shards(monkeypatch: pytest.MonkeyPatch, raised, *, own_pool: bool):
    monkeypatch.setattr(module, "_SHARD_S", 1e-9)
    monkeypatch.setattr(module, "_choose_batch", lambda *_: (1, 1e-6))
    ran = []

    def slow(shard: Shard, _: tuple[np.ndarray, ...]) -> None:
        ran.append(shard.first)
        time.sleep(0.01)

    def stop(*_: int) -> None:
        raise raised

    spoil(monkeypatch, slow)
    with ThreadPoolExecutor(1) as executor:
        given = None if own_pool else executor
        with pytest.raises(raised):
            evaluate(*MODELS["int8"], OPTIONS, executor=given, workers=1, progress=stop)
    assert 1 <= len(ran) < COUNT / 2
