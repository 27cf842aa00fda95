from __future__ import annotations

import platform
import re
from importlib.metadata import version

import msgspec
import pytest

from qbench.records import Fingerprint, RuntimeOptions
from qbench.runtime import fingerprint as fingerprint_module
from qbench.runtime.fingerprint import fingerprint_id, runtime_version, take_fingerprint

_X86 = """\
processor	: 0
vendor_id	: GenuineIntel
cpu family	: 6
model		: 143
model name	: Some Processor
flags		: fpu avx2 sse4_1 avx512_vnni f16c_not hypervisor

processor	: 1
model name	: Another Processor
flags		: fpu
"""
_ARM = """\
processor	: 0
BogoMIPS	: 50.00
Features	: fp asimd asimddp i8mm
CPU implementer	: 0x41
CPU part	: 0xd0c
"""


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    """Make the system describe another processor, or none."""

    def cpuinfo(text):
        path = tmp_path / "cpuinfo"
        if text is not None:
            path.write_text(text)
        monkeypatch.setattr(fingerprint_module, "Path", lambda _: path)

    return cpuinfo


def test_options_and_versions_are_in_it():
    options = RuntimeOptions(runtime="litert", threads=3, kernels="reference")
    taken = take_fingerprint(options)
    assert (taken.runtime, taken.threads, taken.kernels) == ("litert", 3, "reference")
    assert taken.runtime_version == version("ai-edge-litert")
    assert taken.python == ".".join(platform.python_version_tuple()[:2])
    assert taken.system == f"{platform.system()}-{platform.machine()}"
    assert taken.cpu


def test_the_same_machine_has_the_same():
    assert take_fingerprint(RuntimeOptions()) == take_fingerprint(RuntimeOptions())


def test_instruction_sets_that_kernels_ask_for_are_in_it(cpuinfo):
    cpuinfo(_X86)
    taken = take_fingerprint(RuntimeOptions())
    assert taken.instruction_sets == ("sse4_1", "avx2", "avx512_vnni")
    assert taken.cpu == "Some Processor 6 143"


def test_arm_calls_things_otherwise(cpuinfo):
    cpuinfo(_ARM)
    taken = take_fingerprint(RuntimeOptions())
    assert taken.instruction_sets == ("asimd", "asimddp", "i8mm")
    assert taken.cpu == "0x41 0xd0c"


@pytest.mark.parametrize("text", [None, "", "nothing of use\n"])
def test_a_system_that_tells_nothing_has_one_too(cpuinfo, text, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "some-machine")
    monkeypatch.setattr(platform, "processor", lambda: "")
    cpuinfo(text)
    taken = take_fingerprint(RuntimeOptions())
    assert (taken.cpu, taken.instruction_sets) == ("some-machine", ())


def test_the_id_is_short_and_stays_the_same():
    known = Fingerprint(
        cpu="a",
        instruction_sets=("avx2",),
        system="Linux-x86_64",
        python="3.11",
        runtime="litert",
        runtime_version="2.3.0",
        threads=1,
        kernels="builtin",
    )
    assert re.fullmatch("[0-9a-f]{12}", fingerprint_id(known))
    # Baselines keep latencies under it: another id for the same machine would lose them.
    assert fingerprint_id(known) == "37b982499599"


@pytest.mark.parametrize("field", Fingerprint.__struct_fields__)
def test_the_id_changes_with_every_part(field):
    taken = take_fingerprint(RuntimeOptions())
    other = {"instruction_sets": ("none",), "threads": 99}.get(field, "another")
    assert fingerprint_id(msgspec.structs.replace(taken, **{field: other})) != fingerprint_id(taken)


def test_each_runtime_has_its_own_version():
    assert runtime_version(RuntimeOptions(runtime="tf.lite")) == version("tensorflow")


def test_a_runtime_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(fingerprint_module, "_RUNTIME_PACKAGES", {"litert": "qbench-no-such-package"})
    assert runtime_version(RuntimeOptions()) == ""
