# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that bring one PF into the state that is wanted, in order.

VFs gone, state down, services, state up, VFs made, VFs of the host on their driver, rules:
C(cfg_services) is taken only while the PF is down, and going down destroys its VFs.
"""

from __future__ import annotations

import errno
import typing as t
from dataclasses import replace
from itertools import chain

from .._pci.function import AUTOPROBE, COUNT, DRIVERS
from .._plan import AttributeWrite, Change, Command, FileChange, Marker
from .._vfio.binding import Binding, give_back
from .rules import marker_path, rule_path
from .services import AUTO_RESET, CFG_SERVICES, DOWN, STATE, UP, join_services, switch_word

if t.TYPE_CHECKING:
    from .observe import Pf, Vf
    from .target import Target

# Making 125 VFs was seen to take 65 s (sriov-network-operator #1015).
_WRITE_SECONDS, _WRITE_SECONDS_PER_VF = 30.0, 1.0
# udev works off the events of the device before its rules may act again.
_SETTLE = Command(
    ("udevadm", "settle", "--timeout=180"),
    seconds=200,
    hint="udev is busy with some device: see its log (journalctl -u systemd-udevd), then run again",
)

_IN_USE = (
    "something uses the PF itself: the kernel's own crypto users count (dm-crypt, IPsec, TLS), "
    "and so do programs of the host"
)
_MAKE_HINTS = {
    errno.EBUSY: _IN_USE,
    errno.EINVAL: "in-tree drivers of Linux 6.12 to 6.15 make no VFs without a working IOMMU: turn "
    "it on in the firmware setup and on the kernel command line (accelerator_info tells how)",
    errno.ENOMEM: "the firmware left no room for the VFs' memory: turn on Above 4G Decoding in the "
    "firmware setup, or add pci=realloc to the kernel command line",
    errno.ENOENT: "the PF is gone, or its driver makes no VFs",
}
_REMOVE_HINTS = {errno.EBUSY: _IN_USE}
_STATE_HINTS = {
    errno.EBUSY: _IN_USE,
    errno.EFAULT: "the device did not start: see the kernel log",
}
_SERVICES_HINTS = {
    errno.EINVAL: "the driver does not take these services: Linux before 6.5 takes sym with asym, "
    "or dc alone, and dcc needs Linux 6.7",
}
_BIND_HINTS = {
    0: "the PF stands without its driver now, and has no VFs: see the kernel log for its probe",
}


def steps(pf: Pf, rule: bytes | None, target: Target, *, marked: bool) -> list[Change]:
    """Return what is to do for one PF, nothing where all is as wanted.

    Args:
        rule: the udev rules that stand for it now.
        marked: whether an earlier run was killed while it worked on this PF.
    """
    marker = marker_path(pf.address)
    devices = _device_steps(pf, target)
    before: list[Change] = []
    after: list[Change] = []
    if devices and rule is not None:
        before, after = [Marker(marker, standing=True)], [_SETTLE]
    if before:
        after.append(Marker(marker, standing=False))
    elif marked:
        # Until it is gone the rule stands aside at the next bind: a change that is shown.
        after.append(FileChange(marker, b"", None))
    if target.rule != rule:
        after.insert(len(before), FileChange(rule_path(pf.address), rule, target.rule))
    return [*before, *devices, *after]


def _device_steps(pf: Pf, target: Target) -> list[Change]:
    there = pf.service_state
    remakes, changes_services = target.remakes(pf), target.changes_services(pf)
    up_again = there is not None and there.state == DOWN and (target.num_vfs or target.services)
    result: list[Change] = []
    if remakes and pf.num_vfs:
        result.append(_remove_vfs(pf))
    if there and changes_services:
        result += _change_services(pf, target)
    elif up_again:
        result.append(_write_state(pf, UP))
    if there and target.auto_reset not in (None, there.auto_reset):
        result.append(_write_auto_reset(pf, target))
    quietly = target.makes_vfs_quietly(pf)
    first = False if quietly else target.autoprobe
    if first not in (None, pf.autoprobe):
        result.append(_write_autoprobe(pf, on=bool(first)))
    if remakes and target.num_vfs:
        result.append(_make_vfs(pf, target.num_vfs))
    result += _keep_vfs(pf, target)
    return [*result, _write_autoprobe(pf, on=True)] if quietly else result


def _write_autoprobe(pf: Pf, *, on: bool) -> AttributeWrite:
    return _write(pf, AUTOPROBE, f"{on:d}", f"{pf.autoprobe:d}")


def _remove_vfs(pf: Pf) -> AttributeWrite:
    """Write 0; in-tree drivers before Linux 6.12 refuse that with EINVAL."""
    if pf.service_state:
        instead: tuple[Change, ...] = (_write_state(pf, DOWN), _write_state(pf, UP))
    else:
        address, driver = str(pf.address), f"{DRIVERS}/{pf.function.driver}"
        instead = (
            AttributeWrite(address, f"{driver}/unbind", address, None, seconds=_seconds(pf)),
            AttributeWrite(
                address,
                f"{driver}/bind",
                address,
                None,
                seconds=_seconds(pf),
                hints=_BIND_HINTS,
            ),
        )
    return AttributeWrite(
        device=str(pf.address),
        path=pf.attribute(COUNT),
        value="0",
        before=str(pf.num_vfs),
        seconds=_seconds(pf),
        hints=_REMOVE_HINTS,
        instead={errno.EINVAL: instead},
    )


def _make_vfs(pf: Pf, number: int) -> AttributeWrite:
    return _write(pf, COUNT, str(number), str(pf.num_vfs), hints=_MAKE_HINTS)


def _change_services(pf: Pf, target: Target) -> list[Change]:
    """Take the PF down, set its services, and bring it up; on a failure it is as it was."""
    there = pf.service_state
    services = there.services if there else None
    up = _write_state(pf, UP)
    vfs = _as_before(pf)
    result: list[Change] = []
    was_up = there is not None and there.state != DOWN
    if was_up:
        result.append(_write_state(pf, DOWN, rescue=vfs))
    result.append(
        AttributeWrite(
            device=str(pf.address),
            path=pf.attribute(CFG_SERVICES),
            value=join_services(target.services or ()),
            before=join_services(services or ()),
            hints=_SERVICES_HINTS,
            rescue=(up, *vfs) if was_up else (),
        ),
    )
    return [*result, up]


def _as_before(pf: Pf) -> tuple[AttributeWrite, ...]:
    """Make the VFs that there were, with those that the host keeps on their driver."""
    if not pf.num_vfs:
        return ()
    native, anew = pf.family.vf_driver, Binding(None, None)
    # With autoprobe they come up on their driver, and a bind would be refused.
    kept = Binding(native, native, chosen=pf.autoprobe is not False)
    reserved = [vf.address for vf in pf.vfs if vf.reserved and vf.address is not None]
    moves = [give_back(address, anew, kept) for address in reserved]
    return (_make_vfs(pf, pf.num_vfs), *chain.from_iterable(moves))


def _write_state(pf: Pf, state: str, rescue: tuple[AttributeWrite, ...] = ()) -> AttributeWrite:
    there = pf.service_state
    return AttributeWrite(
        device=str(pf.address),
        path=pf.attribute(STATE),
        value=state,
        before=there.state if there else None,
        seconds=_seconds(pf),
        hints=_STATE_HINTS,
        rescue=rescue,
    )


def _write_auto_reset(pf: Pf, target: Target) -> AttributeWrite:
    there = pf.service_state
    before = switch_word(on=bool(there and there.auto_reset))
    return _write(pf, AUTO_RESET, switch_word(on=bool(target.auto_reset)), before)


def _keep_vfs(pf: Pf, target: Target) -> list[Change]:
    """Put the first VFs on their native driver, and give back those that were kept before."""
    vfs, native = target.vfs(pf), pf.family.vf_driver
    kept = {vf.address: Binding(native, native) for vf in vfs[: target.host_vfs]}
    wanted = {**target.given_back, **kept}
    result: list[AttributeWrite] = []
    for vf in vfs:
        if vf.address is not None and vf.address in wanted:
            after = wanted[vf.address]
            chosen = after.driver == native and _comes_by_itself(pf, target, vf)
            result += give_back(vf.address, vf.binding, replace(after, chosen=chosen))
    bound = {write.after for write in result if write.name == "driver"}
    if native in bound and not pf.vf_driver_known:
        return [Command(("modprobe", str(pf.family.vf_module))), *result]
    return [*result]


def _comes_by_itself(pf: Pf, target: Target, vf: Vf) -> bool:
    """Tell whether a VF is on its native driver before we write: a bind would be refused then.

    The kernel puts it there as it makes the VF, or as the driver is loaded.
    """
    if vf.driver is not None or (pf.vf_driver_known and not target.remakes(pf)):
        return False
    on = pf.autoprobe if target.autoprobe is None else target.autoprobe
    probes = on is not False and not target.makes_vfs_quietly(pf)
    return probes or vf.override == pf.family.vf_driver


def _write(
    pf: Pf,
    name: str,
    value: str,
    before: str,
    hints: dict[int, str] | None = None,
) -> AttributeWrite:
    return AttributeWrite(
        device=str(pf.address),
        path=pf.attribute(name),
        value=value,
        before=before,
        seconds=_seconds(pf),
        hints=hints or {},
    )


def _seconds(pf: Pf) -> float:
    return _WRITE_SECONDS + _WRITE_SECONDS_PER_VF * pf.total_vfs
