# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What binds functions again at every boot: udev rules, with all that they need beside them.

udev sees a function at C(add): when its bus is scanned, when its PF makes it, and once more when
systemd-udev-trigger replays what came before udev. The rules check that the same device still
sits at the address, set C(driver_override), and let the driver probe. One that is not loaded yet
finds the function as soon as it is, since the override says so. A driver of the host that was
first has to let go, but none of a disk, which may be in use by then.

Some initramfs tools copy all of C(/etc/udev/rules.d) whenever they run (initramfs-tools, hook
udev). A copy that is older than the rules would set overrides that nobody wants any more, so the
rules act only beside a file that no initramfs has: dracut copies those of modules-load.d and
modprobe.d too, where it is made for the host alone.

Whatever stands here follows from the functions alone, so every file is made from the same list.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .._pci.address import PciAddress, PciId
from .._pci.function import OVERRIDE
from .denylist import OPTION
from .variants import VFIO_PCI, module_of

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._host import Host

RULES = "/etc/udev/rules.d/81-hwaccel-vfio.rules"
# Those of functions that a driver in the initramfs would take: it has a copy of them.
EARLY_RULES = "/etc/udev/rules.d/81-hwaccel-vfio-early.rules"
MODULES = "/etc/modules-load.d/hwaccel-vfio.conf"
OPTIONS = "/etc/modprobe.d/hwaccel-vfio.conf"
# Services that start guests wait until udev has worked off what the boot brought.
UNIT = "/etc/systemd/system/hwaccel-vfio.service"
WANTS = "/etc/systemd/system/multi-user.target.wants/hwaccel-vfio.service"
_SERVICES = ("libvirtd.service", "virtqemud.service", "libvirt-guests.service")

COMMENT = (
    "# Written by hwaccel.virt.vfio_passthrough; state: absent or persistent: false removes it.\n"
)
# Two files with one name would set each other off.
_DRIVER, _EARLY_DRIVER = "HWACCEL_VFIO_DRIVER", "HWACCEL_VFIO_EARLY_DRIVER"
_LINE = re.compile(
    r'KERNEL=="([^"]+)", ATTR\{vendor\}=="0x([0-9a-f]{4})", '
    rf'ATTR\{{device\}}=="0x([0-9a-f]{{4}})", ENV\{{(?:{_DRIVER}|{_EARLY_DRIVER})\}}="([\w.-]+)"',
    re.ASCII,
)
_TEXT = """\
{comment}ACTION!="add", GOTO="{end}"
SUBSYSTEM!="pci", GOTO="{end}"
{real_root}{lines}ENV{{{driver}}}!="?*", GOTO="{end}"
ATTR{{{override}}}="$env{{{driver}}}"
DRIVER=="?*", DRIVER!="*vfio*", ATTR{{class}}!="{disks}", ATTR{{driver/unbind}}="$kernel"
{initramfs}ATTR{{[subsystem/pci]drivers_probe}}="$kernel"
LABEL="{end}"
"""
_DISKS = "0x01*"
# Nothing is mounted there yet.
_IN_INITRAMFS = (
    f'DRIVER=="?*", DRIVER!="*vfio*", ATTR{{class}}=="{_DISKS}", TEST!="{UNIT}", '
    'ATTR{driver/unbind}="$kernel"\n'
)


@dataclass(frozen=True)
class Rule:
    """What one function gets at boot.

    Args:
        early: whether the initramfs has to see to it.
    """

    address: PciAddress
    id: PciId
    driver: str
    early: bool = False

    @property
    def path(self) -> str:
        """The file that it stands in."""
        return EARLY_RULES if self.early else RULES

    def render(self) -> str:
        """Return its line."""
        variable = _EARLY_DRIVER if self.early else _DRIVER
        return (
            f'KERNEL=="{self.address}", ATTR{{vendor}}=="0x{self.id.vendor:04x}", '
            f'ATTR{{device}}=="0x{self.id.device:04x}", ENV{{{variable}}}="{self.driver}"\n'
        )


def render_rules(rules: Iterable[Rule], *, early: bool) -> bytes | None:
    """Return the content of a file of rules, None where it has none."""
    own = sorted((rule for rule in rules if rule.early == early), key=lambda rule: rule.address)
    if not own:
        return None
    end = "hwaccel_vfio_early_end" if early else "hwaccel_vfio_end"
    text = _TEXT.format(
        comment=COMMENT,
        lines="".join(rule.render() for rule in own),
        driver=_EARLY_DRIVER if early else _DRIVER,
        override=OVERRIDE,
        disks=_DISKS,
        real_root="" if early else f'TEST!="{UNIT}", GOTO="{end}"\n',
        initramfs=_IN_INITRAMFS if early else "",
        end=end,
    )
    return text.encode()


def parse_rules(content: bytes, *, early: bool) -> list[Rule]:
    """Return the rules of a file; lines of others are none."""
    found = []
    for line in content.decode("utf-8", "replace").splitlines():
        told = _LINE.fullmatch(line)
        if told is None:
            continue
        try:
            address = PciAddress.parse(told[1])
        except InputError:
            continue
        found.append(Rule(address, PciId(int(told[2], 16), int(told[3], 16)), told[4], early))
    return found


def read_rules(host: Host) -> tuple[Rule, ...]:
    """Return the rules that stand on a host, sorted by address."""
    found = [
        *parse_rules(host.read_bytes(RULES) or b"", early=False),
        *parse_rules(host.read_bytes(EARLY_RULES) or b"", early=True),
    ]
    return tuple(sorted(found, key=lambda rule: rule.address))


def render_files(rules: Iterable[Rule], *, without_denylist: bool) -> dict[str, bytes | None]:
    """Return every file with its content, None where it is not to be.

    Args:
        without_denylist: whether vfio-pci is to be loaded without its denylist.
    """
    standing = tuple(rules)
    drivers = sorted({rule.driver for rule in standing})
    files = {
        RULES: render_rules(standing, early=False),
        EARLY_RULES: render_rules(standing, early=True),
        MODULES: _lines(module_of(driver) for driver in drivers),
        OPTIONS: _lines([f"options {VFIO_PCI} {OPTION}"] if without_denylist and drivers else []),
    }
    return {**files, UNIT: _unit() if drivers else None}


def read_files(host: Host, paths: Iterable[str]) -> Mapping[str, bytes | None]:
    """Return what stands in files now."""
    return {path: host.read_bytes(path) for path in paths}


def _lines(lines: Iterable[str]) -> bytes | None:
    text = "".join(f"{line}\n" for line in lines)
    return (COMMENT + text).encode() if text else None


def _unit() -> bytes:
    return (
        f"{COMMENT}[Unit]\n"
        "Description=Wait for the functions that guests have on VFIO\n"
        f"Before={' '.join(_SERVICES)}\n"
        "\n"
        "[Service]\n"
        "Type=oneshot\n"
        "RemainAfterExit=yes\n"
        "ExecStart=/usr/bin/udevadm settle --timeout=120\n"
        "TimeoutStartSec=150\n"
        "\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    ).encode()
