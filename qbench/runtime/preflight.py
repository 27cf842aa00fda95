"""The first run of an artifact, in a worker process: what may crash or hang does so there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qbench.runtime.process import RuntimeProcess

if TYPE_CHECKING:
    from types import TracebackType

    from qbench.records import RuntimeOptions


#: Counting memory may take so many times what the first run may: it loads the artifact twice at least.
_LIMITS_TO_COUNT = 5


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """What the first run of an artifact in a worker process showed.

    Attributes
    ----------
    batched
        Whether the artifact also runs with several examples at once.
    peak_memory_bytes
        What loading and running it adds to the memory of a process; None where the system does not tell.
    undelegated
        Places of the main subgraph's operators that no delegate took; None where there is no delegate to take them,
        because the artifact is run with other kernels on purpose.
    """

    batched: bool
    peak_memory_bytes: int | None
    undelegated: tuple[int, ...] | None = None


class PreflightWorker:
    """Loads, allocates and invokes artifacts and counts their memory, in a worker that is started again after a death.

    Parameters
    ----------
    options
        Runtime, threads and kernels to run with.
    limit_s
        Seconds that one artifact may take.
    """

    def __init__(self, options: RuntimeOptions, *, limit_s: float) -> None:
        self._options = options
        self._process = RuntimeProcess(limit_s=limit_s)

    def __enter__(self) -> PreflightWorker:
        """Nothing is started before the first artifact."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker."""
        self._process.stop()

    def check(self, content: bytes, *, name: str) -> Preflight:
        """Run the artifact `content` once.

        Raises
        ------
        WorkerCrashedError, WorkerTimeoutError
            If it ends or hangs its process; `name` and the signal are in the message.
        UnresolvedOperatorError
            If the runtime has no kernel for one of its operators.
        InvalidArtifactError
            If the runtime refuses it for another reason.
        ArtifactError
            If it wants inputs that qbench cannot feed.
        """
        if not self._process.running:
            self._process.start()
        options = msgspec.to_builtins(self._options)
        first, _ = self._process.ask(
            {"do": "preflight", **options}, content, name=name, doing=f"running {name} for the first time"
        )
        counted, _ = self._process.ask(
            {"do": "memory", **options},
            content,
            name=name,
            doing=f"counting the memory of {name}",
            limits=_LIMITS_TO_COUNT,
        )
        return Preflight(
            batched=first["batched"],
            peak_memory_bytes=counted["bytes"],
            undelegated=tuple(first["undelegated"]) if expects_delegate(self._options) else None,
        )


def expects_delegate(options: RuntimeOptions) -> bool:
    """Whether artifacts are run with a delegate: XNNPACK, which the kernels ``builtin`` imply, or one that is named."""
    return options.kernels == "builtin" or bool(options.delegate)
