"""Every exception that qbench raises on purpose.

    QbenchError
    ├── ConfigError            [tool.qbench] says something that cannot be used
    ├── DatasetError           a dataset cannot be loaded, or must not be used
    ├── ConversionError        a source could not be turned into an artifact
    ├── ArtifactError          the bytes of an artifact are not what they claim to be
    │   ├── InvalidArtifactError     not a .tflite, truncated or damaged
    │   ├── WeightsLostError         smaller than the weights it should hold
    │   ├── NothingQuantizedError    quantization changed nothing
    │   ├── NotFloatError            "fp32", but not float inside
    │   ├── UnresolvedOperatorError  an operator that no kernel of the runtime resolves
    │   └── NoOracleError            an operator that the int8 specification here does not know
    ├── WorkerError            a worker process did not answer
    │   ├── WorkerCrashedError       it ended by a signal or an exit
    │   ├── WorkerTimeoutError       it did not answer within its time limit
    │   └── WorkerPythonError        the Python to run it in cannot be used, or not be built
    ├── MeasurementError       a measurement has no usable value (NaN, wrong shape, no samples)
    ├── OutOfTimeError         the time that some work may take is over
    ├── RunRecordError         a file is not the record of a run, or of a version this qbench does not know
    ├── PublishError           a run could not be published: no client, or the service refused
    ├── UnspecifiedError       what an operator is given has no result by the int8 specification
    └── BaselineError          baselines/ cannot be read or must not be written
        ├── BaselineFormatError      damaged, or of a version this qbench does not know
        └── AcceptRefusedError       a result that must not become a baseline

Each message says what was found, what was expected and what to do about it.
"""

from __future__ import annotations

import signal as signals


class QbenchError(Exception):
    """Base of all errors that qbench raises on purpose."""


class ConfigError(QbenchError):
    """`[tool.qbench]` says something that cannot be used.

    Parameters
    ----------
    key
        The dotted path of the key, such as ``tool.qbench.models.mnist-mlp.source``.
    found
        What the file says.
    expected
        What would be accepted.
    """

    def __init__(self, key: str, *, found: str, expected: str) -> None:
        super().__init__(f"{key}: found {found}, expected {expected}")
        self.key = key
        self.found = found
        self.expected = expected


class DatasetError(QbenchError):
    """A dataset cannot be loaded, or must not be used for judging."""


class ConversionError(QbenchError):
    """A source could not be turned into an artifact."""


class ArtifactError(QbenchError):
    """The bytes of an artifact are not what they claim to be."""


class InvalidArtifactError(ArtifactError):
    """Not a `.tflite` file, or a truncated or damaged one."""


class WeightsLostError(ArtifactError):
    """The artifact is too small to hold the weights of its model."""


class NothingQuantizedError(ArtifactError):
    """A quantizing recipe left every weight and activation as it was."""


class NotFloatError(ArtifactError):
    """An artifact of the recipe `fp32` computes or stores something else than float32."""


class UnresolvedOperatorError(ArtifactError):
    """The artifact holds an operator for which the runtime has no kernel."""


class NoOracleError(ArtifactError):
    """The artifact holds an operator whose result the int8 specification here cannot tell."""


class WorkerError(QbenchError):
    """A worker process did not answer."""


class WorkerCrashedError(WorkerError):
    """A worker process ended before it answered.

    Parameters
    ----------
    doing
        What the worker had been asked to do.
    returncode
        As `subprocess.Popen.returncode`: negative for a signal.
    stderr
        The last lines that the worker printed on its standard error.
    """

    def __init__(self, doing: str, *, returncode: int, stderr: str = "") -> None:
        self.returncode = returncode
        self.signal_name = signal_name(returncode)
        ended = f"by signal {self.signal_name}" if self.signal_name else f"with exit code {returncode}"
        tail = f"; it last said: {stderr.strip()}" if stderr.strip() else ""
        super().__init__(f"the worker process ended {ended} while {doing}{tail}")


class WorkerTimeoutError(WorkerError):
    """A worker process did not answer within its time limit."""

    def __init__(self, doing: str, *, limit_s: float) -> None:
        super().__init__(f"the worker process gave no answer within {limit_s:g} s while {doing}")
        self.limit_s = limit_s


class WorkerPythonError(WorkerError):
    """The Python that a worker process is to run in cannot be used, or cannot be built."""


class MeasurementError(QbenchError):
    """A measurement has no usable value."""


class OutOfTimeError(QbenchError):
    """The time that some work may take is over."""


class RunRecordError(QbenchError):
    """A file is not the record of a run, or of a version that this qbench does not know."""


class PublishError(QbenchError):
    """A run could not be published: the client is not installed, or the service refused."""


class UnspecifiedError(QbenchError, ValueError):
    """What an operator is given has no result by the int8 specification.

    A wrong argument, or what the runtime refuses or does not survive.
    """


class BaselineError(QbenchError):
    """`baselines/` cannot be read, or must not be written."""


class BaselineFormatError(BaselineError):
    """A baseline file is damaged, or of a version that this qbench does not know."""


class AcceptRefusedError(BaselineError):
    """A result that must not become a baseline."""


class QbenchWarning(UserWarning):
    """Something that works and makes results worse than they could be."""


def signal_name(returncode: int) -> str:
    """Name of the signal in a `Popen.returncode`, such as ``SIGABRT``; empty if it was none."""
    if returncode >= 0:
        return ""
    try:
        return signals.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"
