# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much memory users of VFIO may lock.

A guest's limit is libvirt's business, which raises it by the guest's size. A process that is not
root and uses a VF itself is held to its own: qatlib wants 16 MB for each VF beside what the
application needs (qatlib C(INSTALL), "Set maximum amount of locked memory").
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import HostError, Problem
from .._pci.function import number
from .._vfio.holders import is_vfio_driver

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .._host import Host
    from .._qat.observe import Pf, Vf
    from .._systemd import Service

_LOGIN = "/etc/security/limits.conf"
_LOGIN_FOLDER = "/etc/security/limits.d"
# Of files with the same name the first one counts: man systemd-system.conf.
_MANAGER = tuple(
    f"{folder}/systemd/system.conf" for folder in ("/etc", "/run", "/usr/local/lib", "/usr/lib")
)
_QATLIB = ("/etc/sysconfig/qat", "/etc/default/qat")
_DMA_ENTRIES = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"

_QATLIB_UNIT = "qat.service"
_QATLIB_GROUP = "@qat"
_BYTES_PER_VF = 16_000_000
_UNLIMITED: t.Final = -1
# By rising precedence: man limits.conf.
_DOMAINS = ("*", _QATLIB_GROUP)
_SOFT = ("soft", "-")
_NO_LIMIT = ("unlimited", "infinity", "-1")
_LOGIN_UNIT = 1024
_SUFFIXES = {"": 1, **{suffix: 1024**power for power, suffix in enumerate("KMGTPE", start=1)}}


@dataclass(frozen=True)
class Limits:
    """What holds for a process of a user in group C(qat).

    Args:
        memlock: bytes that it may lock, -1 for any number, None where no file sets it.
        memlock_source: the file that sets it.
        dma_entry_limit: mappings that a VFIO container takes, None while VFIO is not loaded.
    """

    memlock: int | None
    memlock_source: str | None
    dma_entry_limit: int | None


def read_limits(host: Host) -> Limits:
    """Observe the limits, as files set them for logins and else for services."""
    memlock, source = _read_login(host) or _read_manager(host) or (None, None)
    return Limits(memlock, source, number(host, _DMA_ENTRIES))


def _read_login(host: Host) -> tuple[int, str] | None:
    """Read what pam_limits sets: the group's line wins over everybody's, else the last one."""
    paths = [_LOGIN, *_drop_ins(host, _LOGIN_FOLDER)]
    found: dict[str, tuple[int, str]] = {}
    for path in paths:
        for line in _lines(host, path):
            domain, kind, item, value, *_rest = [*line.split(), "", "", "", ""]
            limit = _login_limit(value)
            if domain in _DOMAINS and kind in _SOFT and item == "memlock" and limit is not None:
                found[domain] = (limit, path)
    return next((found[domain] for domain in reversed(_DOMAINS) if domain in found), None)


def _login_limit(value: str) -> int | None:
    if value in _NO_LIMIT:
        return _UNLIMITED
    return int(value) * _LOGIN_UNIT if value.isascii() and value.isdecimal() else None


def _read_manager(host: Host) -> tuple[int, str] | None:
    """Read DefaultLimitMEMLOCK of systemd, which sessions inherit too; the last one counts."""
    main = next((path for path in _MANAGER if host.exists(path)), None)
    drop_ins: dict[str, str] = {}
    for path in reversed(_MANAGER):
        drop_ins.update((own.rpartition("/")[2], own) for own in _drop_ins(host, f"{path}.d"))
    found = None
    for path in [*filter(None, [main]), *(drop_ins[name] for name in sorted(drop_ins))]:
        for line in _lines(host, path):
            key, _equals, value = (part.strip() for part in line.partition("="))
            limit = _manager_limit(value.partition(":")[0])
            if key == "DefaultLimitMEMLOCK":
                found = None if limit is None else (limit, path)
    return found


def _manager_limit(value: str) -> int | None:
    if value in _NO_LIMIT:
        return _UNLIMITED
    told = re.fullmatch(r"([0-9]+)([KMGTPE]?)", value, re.ASCII)
    return int(told[1]) * _SUFFIXES[told[2]] if told else None


def _drop_ins(host: Host, folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in host.names(folder) if name.endswith(".conf")]
    except HostError:
        return []


def _lines(host: Host, path: str) -> Iterator[str]:
    """Yield the lines of a file without comments; one that may not be read has none."""
    try:
        text = host.read_text(path) or ""
    except HostError:
        return
    for line in text.splitlines():
        yield line.partition("#")[0]


def limit_problems(
    host: Host,
    limits: Limits,
    services: Mapping[str, Service],
    pfs: Iterable[Pf],
) -> list[Problem]:
    """Tell where qatlib's users may not lock enough memory for the VFs that a process gets."""
    own = [sum(map(_is_qatlibs, pf.vfs)) for pf in pfs]
    if services["qat"].unit != _QATLIB_UNIT or not any(own):
        return []
    vfs = min(_policy(host) or sum(map(bool, own)), sum(own))
    needed = vfs * _BYTES_PER_VF
    if limits.memlock == _UNLIMITED or (limits.memlock or 0) >= needed:
        return []
    if limits.memlock is None:
        why = "no file raises the default (8 MiB since Linux 5.16, 64 KiB before)"
    else:
        why = f"{limits.memlock_source} lets them lock {limits.memlock} bytes"
    return [
        Problem(
            "limits",
            f"users of group qat cannot lock the {needed // 1_000_000} MB that qatlib needs",
            f"{why}; a process gets {vfs} VFs, and qatlib locks 16 MB for each beside what the "
            "application needs",
            "add a line such as: @qat - memlock 500000 to a file in /etc/security/limits.d, and "
            "LimitMEMLOCK= to units that use QAT; root is not limited",
        ),
    ]


def _is_qatlibs(vf: Vf) -> bool:
    """Tell whether a VF stands ready for processes of the host rather than for a guest."""
    for_guest = vf.holder is not None and vf.holder.kind == "domain"
    return is_vfio_driver(vf.driver) and not for_guest


def _policy(host: Host) -> int:
    """Return how many VFs qatmgr gives a process; 0, its default, is one of each PF."""
    policy = 0
    for path in _QATLIB:
        for line in _lines(host, path):
            key, _equals, value = (part.strip() for part in line.partition("="))
            value = value.strip("'\"")
            if key == "POLICY" and value.isascii() and value.isdecimal():
                policy = int(value)
    return policy
