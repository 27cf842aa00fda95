"""The environment as far as it changes results."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from qbench.files import canonical_json, digest_bytes
from qbench.records import Fingerprint, RuntimeOptions

#: Instruction sets by which the runtime's kernels choose their code.
_KERNEL_RELEVANT = (
    *("sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni", "amx_int8"),
    *("asimd", "asimddp", "asimdhp", "fphp", "i8mm", "bf16", "sve", "sve2", "sme"),
)

_ID_DIGITS = 12
_RUNTIME_PACKAGES = {"litert": "ai-edge-litert", "tf.lite": "tensorflow"}


def take_fingerprint(options: RuntimeOptions) -> Fingerprint:
    """The fingerprint of this machine and Python with a runtime and its options."""
    cpu, flags = _processor()
    return Fingerprint(
        cpu=cpu,
        instruction_sets=tuple(name for name in _KERNEL_RELEVANT if name in flags),
        system=f"{platform.system()}-{platform.machine()}",
        python=python_version(),
        runtime=options.runtime,
        runtime_version=runtime_version(options),
        threads=options.threads,
        kernels=options.kernels,
    )


def fingerprint_id(fingerprint: Fingerprint) -> str:
    """A short name for a fingerprint: the first digits of its SHA-256."""
    return digest_bytes(canonical_json(msgspec.to_builtins(fingerprint)))[:_ID_DIGITS]


def python_version() -> str:
    """Version of this Python without its third number, which changes no speed worth mentioning."""
    return ".".join(platform.python_version_tuple()[:2])


def runtime_package(options: RuntimeOptions) -> str:
    """The package that the runtime comes in."""
    return _RUNTIME_PACKAGES[options.runtime]


def runtime_version(options: RuntimeOptions) -> str:
    """Installed version of the runtime, without importing it; empty if it is not installed."""
    try:
        return version(runtime_package(options))
    except PackageNotFoundError:
        return ""


def _processor() -> tuple[str, frozenset[str]]:
    """Name of the processor and its instruction sets, as far as the system tells."""
    fields: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    except OSError:
        return _brand_string() or platform.processor() or platform.machine(), frozenset()
    flags = fields.get("flags") or fields.get("Features") or ""
    # Virtual machines often hide the name; family and model still tell processors apart.
    parts = [fields.get(name, "") for name in ("model name", "cpu family", "model", "CPU implementer", "CPU part")]
    return " ".join(part for part in parts if part) or platform.machine(), frozenset(flags.split())


def _brand_string() -> str:
    try:
        done = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"],  # noqa: S607 - macOS's own
            capture_output=True,
            check=False,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip()
