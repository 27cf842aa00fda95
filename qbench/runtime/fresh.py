"""An artifact that is loaded anew, in a new process, as often as one likes and within milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qbench.records import BlockTime, RuntimeOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.runtime.process import RuntimeProcess


class FreshProcesses:
    """Forks of a worker that has imported the runtime, of which each loads the artifact for itself.

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
        The worker, which runs. Others may hold artifacts in it too, and then take turns: it has one fork at a time.
    place
        Number of the artifact among those that the worker holds.
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
        place: int = 0,
        cpus: Sequence[int] = (),
        inputs: Sequence[bytes] = (),
    ) -> None:
        self.name = name
        self._process = process
        self._place = place
        self._held = (content, *inputs)
        self._request = {"do": "hold", "place": place, "cpus": list(cpus), **msgspec.to_builtins(options)}
        self._renewing = False

    def hold(self) -> None:
        """Hand the artifact over; needed once, before the first `renew`.

        Raises
        ------
        QbenchError
            As `RuntimeProcess.ask`.
        """
        doing = f"importing the runtime for {self.name}"
        self._process.ask(self._request, *self._held, name=self.name, doing=doing)

    def renew(self) -> None:
        """End the worker's present fork and load the artifact in a new one; `time` waits for it.

        Raises
        ------
        QbenchError
            As `RuntimeProcess.ask`.
        """
        self._wait()
        self._process.send({"do": "fork", "place": self._place}, doing=self._loading)
        self._renewing = True

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
        self._wait()
        request = {"do": "time", "invokes": invokes, "blocks": blocks, "discard": discard, "stretch": stretch}
        answer, _ = self._process.ask(request, name=self.name, doing=f"timing {self.name}")
        return tuple(BlockTime(wall_ns=wall, cpu_ns=cpu, waits=waits) for wall, cpu, waits in answer["blocks"])

    def limit(self, limit_s: float) -> None:
        """Give each request from now on so many seconds."""
        self._process.limit_s = limit_s

    def _wait(self) -> None:
        """Until what was last begun is loaded, so that its answer is not taken for another one."""
        if self._renewing:
            self._renewing = False
            self._process.receive(name=self.name, doing=self._loading)

    @property
    def _loading(self) -> str:
        return f"loading {self.name}"
