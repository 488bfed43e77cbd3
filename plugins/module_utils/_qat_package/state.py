# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is there of the package: its sources, what the record has, the kernel and its modules."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._facts.platform import read_kernel
from .._pci.function import read_functions
from .._qat.devices import pf_family
from .._qat_config.state import SERVICE
from .._systemd import ServiceStart, read_start
from .._vfio.holders import is_vfio_driver, read_holders
from .kernel_modules import (
    BLACKLIST_PATH,
    MODULES,
    is_newer,
    is_signed,
    newest_kernel,
    read_installed,
    read_loaded,
)
from .record import PackageRecord
from .version import parse_version

if t.TYPE_CHECKING:
    from .._facts.platform import Kernel
    from .._host import Host
    from .kernel_modules import LoadedModule
    from .wanted import Wanted

LOG_PATH: t.Final = "/var/log/hwaccel/qat-package.log"
# sd_booted(3): systemd runs where it is.
_SYSTEMD = "/run/systemd/system"


@dataclass(frozen=True)
class Source:
    """A folder with an unpacked archive.

    Args:
        version: None where it does not tell one.
        configurable: whether it has C(configure).
        configured: whether it has a C(Makefile), which C(configure) makes.
    """

    path: str
    version: str | None
    configurable: bool
    configured: bool


@dataclass(frozen=True)
class Signing:
    """What modules are signed with; C(missing) are the files of it that are not there."""

    program: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """Everything that the decision needs.

    Args:
        live: whether this is the running machine.
        source: what the task names, None for nothing.
        installed_source: what the record names, None for nothing.
        release: of the kernel that is built for.
        headers: whether what modules are built with is there for this kernel.
        loaded: modules that the running kernel has.
        held: VFs that somebody has open, each with who it is.
        modules: modules from elsewhere than the kernel's tree, with the time of their change.
        unsigned: those of them without a signature.
        newer_kernel: the newest kernel, where it is newer and has none of the package's modules.
        logs: what the logs say.
        systemd: whether services are started here.
        service: when qat_service was started.
        predicted: whether this is what a plan leads to, rather than what was read.
    """

    live: bool
    source: Source | None
    installed_source: Source | None
    record: PackageRecord
    kernel: Kernel
    release: str
    headers: bool
    processors: int
    signing: Signing
    loaded: tuple[LoadedModule, ...]
    held: tuple[str, ...]
    modules: dict[str, float]
    unsigned: tuple[str, ...]
    newer_kernel: str | None
    blacklist: bytes | None
    logs: dict[str, bytes]
    systemd: bool
    service: ServiceStart
    predicted: bool = False

    @property
    def needs_signatures(self) -> bool:
        """Whether the kernel loads none but signed modules, as far as it tells."""
        return self.kernel.signed_modules or self.kernel.secure_boot is True

    @property
    def in_tree(self) -> tuple[LoadedModule, ...]:
        """The loaded modules of the kernel's own tree."""
        return tuple(module for module in self.loaded if module.in_tree)


def observe(host: Host, wanted: Wanted) -> State:
    """Read everything once."""
    record = PackageRecord.read(host)
    kernel = read_kernel(host)
    newest = newest_kernel(host)
    release = kernel.release or newest or ""
    modules = read_installed(host, release)
    program = f"{MODULES}/{release}/build/scripts/sign-file"
    needed = (program, wanted.signing_key, wanted.signing_certificate)
    return State(
        live=host.live,
        source=_read_source(host, wanted.source) if wanted.source else None,
        installed_source=_read_source(host, record.entry.source) if record.entry else None,
        record=record,
        kernel=kernel,
        release=release,
        headers=host.exists(f"{MODULES}/{release}/build"),
        processors=_processors(host),
        signing=Signing(program, tuple(path for path in needed if path and not host.exists(path))),
        loaded=read_loaded(host, release),
        held=tuple(read_held(host)),
        modules=modules,
        unsigned=tuple(path for path in modules if is_signed(host, path) is False),
        newer_kernel=_newer_without(host, newest, release),
        blacklist=host.read_bytes(BLACKLIST_PATH),
        logs={
            path: host.read_bytes(path) or b"" for path in (LOG_PATH, wanted.installer_log) if path
        },
        systemd=host.live and host.exists(_SYSTEMD),
        service=read_start(host, SERVICE),
    )


def _read_source(host: Host, path: str) -> Source:
    return Source(
        path=path,
        version=parse_version(host.read_text(f"{path}/versionfile") or ""),
        configurable=host.exists(f"{path}/configure"),
        configured=host.exists(f"{path}/Makefile"),
    )


def _processors(host: Host) -> int:
    text = host.read_text("/proc/cpuinfo") or ""
    return max(1, sum(line.startswith("processor") for line in text.splitlines()))


def _newer_without(host: Host, newest: str | None, release: str) -> str | None:
    if newest is None or not is_newer(newest, release) or read_installed(host, newest):
        return None
    return newest


def read_held(host: Host) -> list[str]:
    """Return the VFs of this host's QAT drivers that a guest or a process has open."""
    functions = read_functions(host)
    at_stake = []
    for function in functions.values():
        pf = functions.get(function.pf) if function.pf else None
        if pf and pf_family(pf) and pf.driver and not is_vfio_driver(pf.driver):
            at_stake.append(function)
    holders = read_holders(host, at_stake) if at_stake else None
    told = []
    for function in at_stake:
        holder = holders.of(function) if holders else None
        if holder is not None and holder.keeps_it_open:
            told.append(f"{function.address} by {holder}")
    return told
