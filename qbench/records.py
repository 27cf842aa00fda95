"""Frozen records that cross a process or reach the disk, in the words of docs/architecture.md."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

Direction = Literal["higher", "lower"]
RuntimeName = Literal["litert", "tf.lite"]
KernelSet = Literal["builtin", "reference", "no-delegates"]


class Subject(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One model under one recipe: what a test is parametrized over."""

    model: str
    recipe: str

    @property
    def id(self) -> str:
        """The readable test id, such as ``mnist-mlp-int8``."""
        return f"{self.model}-{self.recipe}"


class RuntimeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How an artifact is run: with its bytes, the identity of what is measured.

    `delegate` is the path of a delegate's shared library, empty for none.
    """

    runtime: RuntimeName = "litert"
    threads: int = 1
    kernels: KernelSet = "builtin"
    delegate: str = ""


class TensorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of an artifact: its type and how integers in it stand for real values.

    ``real = (stored - zero_point) * scale``; `scales` is empty for a tensor that is not quantized and
    has one entry per index of `quantized_dimension` for a per-channel one. A dimension whose size is
    not fixed is -1.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    quantized_dimension: int = 0

    @property
    def quantized(self) -> bool:
        """Whether the stored values are integers that stand for real values."""
        return bool(self.scales)


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """The `.tflite` file that a recipe made of a model, addressed by the SHA-256 of its bytes."""

    subject: Subject
    path: Path
    sha256: str
    size_bytes: int


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A measured quantity: how it is called, printed and compared.

    `relative` says that a tolerance is a share of the reference (0.01 is one per cent) instead of a
    distance in the metric's own unit.
    """

    name: str
    unit: str
    direction: Direction
    relative: bool = False
    exact: bool = True


class LatencySample(msgspec.Struct, frozen=True, kw_only=True):
    """Latency of one invoke as one run measured it, in nanoseconds.

    Quartiles and Tukey whiskers are kept as pytest-benchmark computes them, so that its comparison
    table can be filled from the baseline store alone.
    """

    median_ns: float
    mean_ns: float
    stddev_ns: float
    min_ns: float
    max_ns: float
    q1_ns: float
    q3_ns: float
    whisker_low_ns: float
    whisker_high_ns: float
    rounds: int
    iterations: int
    outliers: str


class BlockTime(msgspec.Struct, frozen=True, kw_only=True):
    """How long one block of invokes took on two clocks, and how often its thread gave way to wait for something."""

    wall_ns: int
    cpu_ns: int
    waits: int


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """The environment as far as it changes results."""

    cpu: str
    instruction_sets: tuple[str, ...]
    system: str
    python: str
    runtime: str
    runtime_version: str
    threads: int
    kernels: str
