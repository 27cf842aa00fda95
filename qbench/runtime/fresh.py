"""An artifact that is loaded anew, in a new process, as often as one likes and within milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qbench.records import BlockTime, RuntimeOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from qbench.runtime.process import RuntimeProcess


class FreshProcesses:
    """One worker that has imported the runtime, and forks of it of which each loads the artifact for itself.

    Where weights, code and stack lie in memory decides over a few per cent of speed, and no number of
    invokes in one process averages that out. A fork with the runtime already in it costs
    milliseconds, a process from scratch a tenth of a second, so that every few blocks can have their own.

    Parameters
    ----------
    content, options
        The artifact's bytes, and how it is run.
    name
        What errors call it.
    process
        The worker, started or not; it is ended with the context.
    cpus
        Processors to stay on; empty to go where the system wants.
    inputs
        The bytes of each input tensor; empty for zeros.
    """

    def __init__(
        self,
        content: bytes,
        options: RuntimeOptions,
        *,
        name: str,
        process: RuntimeProcess,
        cpus: Sequence[int] = (),
        inputs: Sequence[bytes] = (),
    ) -> None:
        self.name = name
        self._process = process
        self._held = (content, *inputs)
        self._request = {"do": "hold", "cpus": list(cpus), **msgspec.to_builtins(options)}
        self._forked = False

    def __enter__(self) -> FreshProcesses:
        """Start the worker, and do not wait for it."""
        if not self._process.running:
            self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker and its fork."""
        self._process.stop()

    def hold(self) -> None:
        """Hand the artifact over; needed once, before the first `renew`.

        Raises
        ------
        QbenchError
            As `RuntimeProcess.ask`.
        """
        self._ask(self._request, *self._held, doing=f"importing the runtime for {self.name}")

    def renew(self) -> None:
        """End the present process and load the artifact in a new one.

        Raises
        ------
        QbenchError
            As `RuntimeProcess.ask`.
        """
        if self._forked:
            self._ask({"do": "exit"}, doing=f"ending {self.name}")
        self._ask({"do": "fork"}, doing=f"loading {self.name}")
        self._forked = True

    def time(self, *, invokes: int, blocks: int = 1, discard: int = 0, stretch: float = 0.0) -> tuple[BlockTime, ...]:
        """Run `blocks` blocks of `invokes` invokes in the present process, after `discard` that nobody times.

        Parameters
        ----------
        stretch
            Makes each invoke take 1 + `stretch` times as long: a known slowdown, to test with.

        Raises
        ------
        QbenchError
            As `RuntimeProcess.ask`.
        """
        request = {"do": "time", "invokes": invokes, "blocks": blocks, "discard": discard, "stretch": stretch}
        answer, _ = self._ask(request, doing=f"timing {self.name}")
        return tuple(BlockTime(wall_ns=wall, cpu_ns=cpu, waits=waits) for wall, cpu, waits in answer["blocks"])

    def limit(self, limit_s: float) -> None:
        """Give each request from now on so many seconds."""
        self._process.limit_s = limit_s

    def _ask(self, request: dict[str, Any], *blobs: bytes, doing: str) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        return self._process.ask(request, *blobs, name=self.name, doing=doing)
