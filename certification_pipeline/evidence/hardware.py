"""The kind of machine a figure was measured on: coarse, so that it is stable and names no person or host."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from pydantic import Field

from certification_pipeline.evidence.artifact import Model
from certification_pipeline.evidence.provenance import environment

_CPUINFO = Path("/proc/cpuinfo")


class Hardware(Model):
    """What figures must have in common to be compared at all.

    Coarse on purpose: a key that changes with each reboot of a virtual machine makes all figures strangers.
    """

    cpu: str = Field(examples=["AuthenticAMD family 26"])
    cores: int
    memory_class_gib: int | None = Field(description="rounded up to a power of two")
    platform: str = Field(examples=["Linux-x86_64"])

    @property
    def key(self) -> str:
        """One line: machines of the same key may be compared."""
        memory = "unknown memory" if self.memory_class_gib is None else f"{self.memory_class_gib} GiB"
        return f"{self.cpu}, {self.cores} cores, {memory}, {self.platform}"


@cache
def hardware() -> Hardware:
    """This machine's kind."""
    here = environment()
    memory = here.memory_bytes
    return Hardware(
        cpu=_cpu(),
        cores=here.cpu_count,
        memory_class_gib=None if memory is None else 1 << max(0, (memory - 1) >> 30).bit_length(),
        platform=here.platform,
    )


def _cpu() -> str:
    """Vendor and family; model names and steppings differ between hosts of one cloud machine type."""
    try:
        text = _CPUINFO.read_text(errors="replace")
    except OSError:
        return platform.processor() or platform.machine() or "unknown"
    lines = [line.partition(":") for line in text.split("\n\n")[0].splitlines()]
    found = {name.strip(): value.strip() for name, _, value in lines}
    vendor, family = found.get("vendor_id"), found.get("cpu family")
    return f"{vendor} family {family}" if vendor and family else platform.machine() or "unknown"
