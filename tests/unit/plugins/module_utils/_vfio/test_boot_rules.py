# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands at boot: rules and the files beside them, all from one list."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.boot_rules import (
    EARLY_RULES,
    MODULES,
    OPTIONS,
    RULES,
    UNIT,
    WANTS,
    Rule,
    parse_rules,
    read_files,
    read_rules,
    render_files,
    render_rules,
)
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine


COMMENT = (
    "# Written by hwaccel.virt.vfio_passthrough; state: absent or persistent: false removes it.\n"
)
VF = Rule(PciAddress.parse("0000:3d:01.2"), PciId(0x8086, 0x37C9), "vfio-pci")
NIC = Rule(PciAddress.parse("10000:01:00.1"), PciId(0x15B3, 0x101E), "mlx5_vfio_pci")
GPU = Rule(PciAddress.parse("0000:01:00.0"), PciId(0x10DE, 0x21C4), "vfio-pci", early=True)
CARD = Rule(PciAddress.parse("0000:02:00.0"), GPU.id, "vfio-pci")

REAL_ROOT = """\
ACTION!="add", GOTO="hwaccel_vfio_end"
SUBSYSTEM!="pci", GOTO="hwaccel_vfio_end"
TEST!="/etc/systemd/system/hwaccel-vfio.service", GOTO="hwaccel_vfio_end"
KERNEL=="0000:3d:01.2", ATTR{vendor}=="0x8086", ATTR{device}=="0x37c9", \
ENV{HWACCEL_VFIO_DRIVER}="vfio-pci"
KERNEL=="10000:01:00.1", ATTR{vendor}=="0x15b3", ATTR{device}=="0x101e", \
ENV{HWACCEL_VFIO_DRIVER}="mlx5_vfio_pci"
ENV{HWACCEL_VFIO_DRIVER}!="?*", GOTO="hwaccel_vfio_end"
ATTR{driver_override}="$env{HWACCEL_VFIO_DRIVER}"
DRIVER=="?*", DRIVER!="*vfio*", ATTR{class}!="0x01*", ATTR{driver/unbind}="$kernel"
ATTR{[subsystem/pci]drivers_probe}="$kernel"
LABEL="hwaccel_vfio_end"
"""
INITRAMFS = """\
ACTION!="add", GOTO="hwaccel_vfio_early_end"
SUBSYSTEM!="pci", GOTO="hwaccel_vfio_early_end"
KERNEL=="0000:01:00.0", ATTR{vendor}=="0x10de", ATTR{device}=="0x21c4", \
ENV{HWACCEL_VFIO_EARLY_DRIVER}="vfio-pci"
ENV{HWACCEL_VFIO_EARLY_DRIVER}!="?*", GOTO="hwaccel_vfio_early_end"
ATTR{driver_override}="$env{HWACCEL_VFIO_EARLY_DRIVER}"
DRIVER=="?*", DRIVER!="*vfio*", ATTR{class}!="0x01*", ATTR{driver/unbind}="$kernel"
DRIVER=="?*", DRIVER!="*vfio*", ATTR{class}=="0x01*", \
TEST!="/etc/systemd/system/hwaccel-vfio.service", ATTR{driver/unbind}="$kernel"
ATTR{[subsystem/pci]drivers_probe}="$kernel"
LABEL="hwaccel_vfio_early_end"
"""
SERVICE = """\
[Unit]
Description=Wait for the functions that guests have on VFIO
Before=libvirtd.service virtqemud.service libvirt-guests.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/udevadm settle --timeout=120
TimeoutStartSec=150

[Install]
WantedBy=multi-user.target
"""

addresses = st.builds(
    PciAddress,
    st.one_of(st.integers(0, 0xFFFF), st.integers(0x10000, 0xFFFFFFFF)),
    st.integers(0, 0xFF),
    st.integers(0, 0x1F),
    st.integers(0, 7),
)
ids = st.builds(PciId, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
drivers = st.sampled_from(["vfio-pci", "mlx5_vfio_pci", "xe-vfio-pci", "hisi_acc_vfio_pci"])
rules = st.lists(
    st.builds(Rule, addresses, ids, drivers, st.booleans()),
    unique_by=lambda rule: rule.address,
    max_size=8,
)


def rendered(*standing: Rule, without_denylist: bool = False) -> dict[str, str | None]:
    files = render_files(standing, without_denylist=without_denylist)
    return {path: None if text is None else text.decode() for path, text in files.items()}


# -- the content ---------------------------------------------------------------------------------


def test_all_files() -> None:
    assert rendered(NIC, GPU, VF, without_denylist=True) == {
        RULES: COMMENT + REAL_ROOT,
        EARLY_RULES: COMMENT + INITRAMFS,
        MODULES: f"{COMMENT}mlx5_vfio_pci\nvfio_pci\n",
        OPTIONS: f"{COMMENT}options vfio-pci disable_denylist=1\n",
        UNIT: COMMENT + SERVICE,
    }


def test_where_they_stand() -> None:
    assert (RULES, EARLY_RULES, MODULES, OPTIONS, UNIT, WANTS) == (
        "/etc/udev/rules.d/81-hwaccel-vfio.rules",
        "/etc/udev/rules.d/81-hwaccel-vfio-early.rules",
        "/etc/modules-load.d/hwaccel-vfio.conf",
        "/etc/modprobe.d/hwaccel-vfio.conf",
        "/etc/systemd/system/hwaccel-vfio.service",
        "/etc/systemd/system/multi-user.target.wants/hwaccel-vfio.service",
    )


def test_no_functions_no_files() -> None:
    paths = {RULES, EARLY_RULES, MODULES, OPTIONS, UNIT}
    assert rendered() == rendered(without_denylist=True) == dict.fromkeys(paths)


def test_the_denylist_stays_unless_it_is_to_go() -> None:
    assert rendered(VF)[OPTIONS] is None


@pytest.mark.parametrize("rule", [VF, GPU])
def test_one_kind_of_rules_alone(rule: Rule) -> None:
    files = rendered(rule)
    other = RULES if rule.early else EARLY_RULES
    assert files[other] is None
    assert files[rule.path]
    # The driver is loaded and guests wait in both cases.
    assert files[MODULES] == f"{COMMENT}vfio_pci\n"
    assert files[UNIT] == COMMENT + SERVICE


@given(rules)
def test_rules_of_the_real_root_do_nothing_in_an_initramfs(standing: list[Rule]) -> None:
    # An initramfs may have an old copy of them, and has no unit of ours.
    files = render_files(standing, without_denylist=False)
    guard = f'TEST!="{UNIT}", GOTO="hwaccel_vfio_end"\n'.encode()
    real, early = files[RULES], files[EARLY_RULES]
    assert real is None or guard in real
    # Those of the initramfs act in both; what they do to a disk is all that depends on it.
    assert early is None or f'TEST!="{UNIT}", GOTO'.encode() not in early
    # What the guard looks for is there whenever there are rules.
    assert (files[UNIT] is not None) == bool(standing)


@given(rules)
def test_every_file_follows_from_the_functions_alone(standing: list[Rule]) -> None:
    files = render_files(standing, without_denylist=True)
    assert files == render_files(reversed(standing), without_denylist=True)
    assert (files[RULES] is None) == all(rule.early for rule in standing)
    assert (files[EARLY_RULES] is None) == (not any(rule.early for rule in standing))
    for path in (MODULES, OPTIONS, UNIT):
        assert (files[path] is None) == (not standing)
    for content in files.values():
        assert content is None or content.startswith(COMMENT.encode())


@given(rules)
def test_labels_are_there_once_for_every_jump(standing: list[Rule]) -> None:
    labels = []
    for early in (False, True):
        text = (render_rules(standing, early=early) or b"").decode()
        jumps = {line.split('GOTO="')[1][:-1] for line in text.splitlines() if "GOTO=" in line}
        ends = [line[7:-1] for line in text.splitlines() if line.startswith('LABEL="')]
        assert jumps == set(ends)
        labels += ends
    assert len(labels) == len(set(labels))


def test_the_guard_is_no_file_that_an_initramfs_has() -> None:
    # dracut, made for the host alone, copies *.rules and *.conf of these folders.
    copied = ("/etc/udev/", "/etc/modules-load.d/", "/etc/modprobe.d/")
    for early in (False, True):
        text = (render_rules([VF, GPU], early=early) or b"").decode()
        (guard,) = re.findall(r'TEST!="([^"]+)"', text)
        assert not guard.startswith(copied)


# -- what udev does ------------------------------------------------------------------------------


@pytest.fixture
def playing(machine: Machine) -> Machine:
    """Return a machine with vfio-pci, and with a rule in each of the files."""
    machine.add_vfio()
    for path, content in render_files([CARD, GPU], without_denylist=False).items():
        if content is not None:
            machine.write(path, content)
    return machine


def driver_of(
    playing: Machine, rule: Rule, class_code: int, *, initramfs: bool = False
) -> tuple[str | None, list[str]]:
    """Return which driver a function has after udev saw it, and what its rules wrote."""
    address = str(rule.address)
    playing.add_card(address, rule.id, class_code, "native", "native", group=1)
    if initramfs:
        playing.at(UNIT).unlink()
    playing.kernel.trigger()
    assert {value for _path, value in playing.kernel.by_udev} <= {address, rule.driver}
    written = [
        path.removeprefix(f"/sys/bus/pci/devices/{address}/")
        for path, _value in playing.kernel.by_udev
    ]
    return playing.driver(address), written


PROBE = "/sys/bus/pci/drivers_probe"
TAKEN = ("vfio-pci", ["driver_override", "driver/unbind", PROBE])
LEFT = ("native", ["driver_override", PROBE])


@pytest.mark.parametrize("rule", [CARD, GPU])
def test_rules_of_one_file_do_not_set_off_those_of_the_other(playing: Machine, rule: Rule) -> None:
    assert driver_of(playing, rule, 0x030000) == TAKEN


@pytest.mark.parametrize(("rule", "expected"), [(CARD, ("native", [])), (GPU, TAKEN)])
def test_an_initramfs_obeys_its_own_rules_alone(
    playing: Machine, rule: Rule, expected: tuple[str, list[str]]
) -> None:
    assert driver_of(playing, rule, 0x030000, initramfs=True) == expected


@pytest.mark.parametrize("rule", [CARD, GPU])
def test_a_disk_is_not_taken_from_its_driver(playing: Machine, rule: Rule) -> None:
    # It may be mounted by the time udev replays what came before it.
    assert driver_of(playing, rule, 0x010802) == LEFT


def test_a_disk_is_taken_in_the_initramfs(playing: Machine) -> None:
    assert driver_of(playing, GPU, 0x010802, initramfs=True) == TAKEN


@pytest.mark.parametrize("rule", [CARD, GPU])
def test_another_device_at_the_address_is_left_alone(playing: Machine, rule: Rule) -> None:
    assert driver_of(playing, replace(rule, id=NIC.id), 0x030000) == ("native", [])


# -- and back ------------------------------------------------------------------------------------


@given(rules)
def test_what_is_rendered_is_read(standing: list[Rule]) -> None:
    for early in (False, True):
        own = sorted((rule for rule in standing if rule.early == early), key=lambda r: r.address)
        assert parse_rules(render_rules(standing, early=early) or b"", early=early) == own


def test_rules_of_a_host(machine: Machine) -> None:
    assert read_rules(machine.host) == ()
    for path, content in render_files([VF, NIC, GPU], without_denylist=True).items():
        machine.write(path, content or b"")
    assert read_rules(machine.host) == (GPU, VF, NIC)


@given(st.binary())
def test_any_bytes_are_read(content: bytes) -> None:
    assert parse_rules(content, early=False) == []


@pytest.mark.parametrize(
    "line",
    [
        f"# {VF.render()}",
        VF.render().replace("HWACCEL_VFIO", "OTHER"),
        VF.render().replace("0000:3d:01.2", "*"),
        VF.render().replace("0000:3d:01.2", "0000:3d:21.2"),
        VF.render().replace("0x37c9", "0x37C9*"),
        VF.render().rstrip() + ", GOTO=somewhere",
        VF.render().replace('="vfio-pci"', '=""'),
    ],
)
def test_lines_of_others(line: str) -> None:
    assert parse_rules(line.encode(), early=False) == []
    assert parse_rules(f"{line.rstrip()}\n{VF.render()}".encode(), early=False) == [VF]


def test_files_as_they_stand(machine: Machine) -> None:
    machine.write(MODULES, "vfio_pci\n")
    assert read_files(machine.host, [MODULES, RULES]) == {MODULES: b"vfio_pci\n", RULES: None}
