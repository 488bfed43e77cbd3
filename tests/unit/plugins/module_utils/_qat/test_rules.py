# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The udev rule of a PF: read back as it was written, and nothing else taken for one."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HwaccelError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import (
    HostVfs,
    SriovRule,
    read_rules,
    rule_path,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.services import SERVICES, in_order
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, PF
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

RULE = SriovRule(PciAddress.parse(PF), C62X.pf_id, str(C62X.driver), 16, autoprobe=False)

ADDRESSES = st.builds(
    PciAddress,
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFF),
    st.integers(0, 0x1F),
    st.integers(0, 7),
)
IDS = st.builds(PciId, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
DRIVERS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1)
SWITCHES = st.sampled_from([None, False, True])
SETS = st.lists(st.sampled_from(SERVICES), min_size=1, max_size=3, unique=True).map(in_order)
RULES = st.builds(
    SriovRule,
    ADDRESSES,
    IDS,
    DRIVERS,
    st.integers(0, 0xFFFF),
    SWITCHES,
    st.none() | SETS,
    SWITCHES,
    st.none()
    | st.builds(HostVfs, st.lists(ADDRESSES, min_size=1, max_size=16).map(tuple), IDS, DRIVERS),
)


def tells_of_a_pf(rule: SriovRule) -> bool:
    """Tell whether there is anything to write to the PF itself; no other rule is written."""
    return bool(rule.num_vfs or rule.services or rule.auto_reset is not None)


@given(RULES.filter(tells_of_a_pf))
def test_a_rule_is_read_as_it_was_written(rule: SriovRule) -> None:
    # Without VFs there is nothing that autoprobe could act on, and it is not written.
    wanted = rule if rule.num_vfs else replace(rule, autoprobe=None)
    assert SriovRule.parse(rule.render()) == wanted


@pytest.mark.parametrize("driver", ['c6xx", RUN+="/bin/x', "c6xx\nRUN", "", "c 6"])
def test_a_name_that_would_be_another_rule(driver: str) -> None:
    with pytest.raises(HwaccelError, match="no name that a udev rule can hold"):
        replace(RULE, driver=driver).render()
    host_vfs = HostVfs((RULE.address,), RULE.id, driver)
    with pytest.raises(HwaccelError, match=f"^{PF}: driver"):
        replace(RULE, host_vfs=host_vfs).render()
    written = RULE.render().replace(b'DRIVER=="c6xx"', f'DRIVER=="{driver}"'.encode())
    assert SriovRule.parse(written) is None


def split_line(line: str) -> tuple[list[str], list[str]]:
    """Return what a line matches and what it writes."""
    parts = line.split(", ")
    written = [part for part in parts if not re.search(r'[=!]="', part)]
    return [part for part in parts if part not in written], written


def test_what_a_rule_says() -> None:
    comment, line, end = RULE.render().decode().split("\n")
    assert comment.startswith("# Written by hwaccel.virt.qat_sriov")
    assert line.split(", ") == [
        'ACTION=="add|bind"',
        'SUBSYSTEM=="pci"',
        f'KERNEL=="{PF}"',
        f'DRIVER=="{C62X.driver}"',
        'ATTR{vendor}=="0x8086"',
        f'ATTR{{device}}=="0x{C62X.pf_device:04x}"',
        'ATTR{sriov_numvfs}=="0"',
        f'TEST!="/run/hwaccel/working-on-{PF}"',
        'ATTR{sriov_drivers_autoprobe}="0"',
        'ATTR{sriov_numvfs}="16"',
    ]
    assert end == ""
    assert RULE.path == rule_path(RULE.address) == f"/etc/udev/rules.d/80-hwaccel-qat-{PF}.rules"


def test_a_kernel_without_autoprobe() -> None:
    rule = SriovRule(RULE.address, RULE.id, RULE.driver, 4, None)
    assert b"autoprobe" not in rule.render()


def test_services_are_set_while_the_pf_is_down() -> None:
    rule = replace(RULE, services=("sym", "dc"), auto_reset=True, num_vfs=4)
    _comment, services, others = rule.render().decode().splitlines()
    matches, written = split_line(services)
    assert written == [
        'ATTR{qat/state}="down"',
        'ATTR{qat/cfg_services}="sym;dc"',
        'ATTR{qat/state}="up"',
    ]
    assert matches.pop() == 'ATTR{qat/cfg_services}!="sym;dc|dc;sym"'
    assert split_line(others) == (
        matches,
        [
            'ATTR{qat/auto_reset}="on"',
            'ATTR{sriov_drivers_autoprobe}="0"',
            'ATTR{sriov_numvfs}="4"',
        ],
    )


@pytest.mark.parametrize(
    ("services", "same"),
    [
        (("dcc",), "dcc"),
        (("sym", "asym"), "sym;asym|asym;sym"),
        (
            ("sym", "dc", "decomp"),
            "sym;dc;decomp|sym;decomp;dc|dc;sym;decomp|dc;decomp;sym|decomp;sym;dc|decomp;dc;sym",
        ),
    ],
)
def test_services_in_any_order_are_right(services: tuple[str, ...], same: str) -> None:
    rule = replace(RULE, num_vfs=0, services=services).render().decode()
    assert f', ATTR{{qat/cfg_services}}!="{same}", ' in rule


def test_without_vfs_none_are_made() -> None:
    assert b"}=" not in replace(RULE, num_vfs=0).render().replace(b"}==", b"")
    rule = replace(RULE, num_vfs=0, auto_reset=False).render()
    assert b'ATTR{qat/auto_reset}="off"\n' in rule
    assert b"autoprobe" not in rule


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# only a comment\n",
        b"\xff\xfe\n",
        RULE.render() + b"\n",
        RULE.render()[:-1],
        RULE.render() * 2,
        RULE.render().replace(b"Written", b"Edited"),
        RULE.render().replace(b'="16"', b'="many"'),
        RULE.render().replace(b'="16"', b'="016"'),
        RULE.render().replace(b'KERNEL=="0000:01:00.0"', b'KERNEL=="0000:*"'),
        RULE.render().replace(b'KERNEL=="0000:01:00.0", ', b""),
        RULE.render().replace(b"0x8086", b"intel"),
        RULE.render().replace(b"\n", b', RUN+="/bin/true"\n'),
        b'ACTION=="add", KERNEL=="sda", MODE="0600"\n',
    ],
)
def test_foreign_content_is_none(content: bytes) -> None:
    assert SriovRule.parse(content) is None


@given(st.binary())
def test_any_content_is_read_without_an_error(content: bytes) -> None:
    assert SriovRule.parse(content) is None


def test_the_rules_of_a_host_sorted_by_address(machine: Machine) -> None:
    addresses = ["10000:01:00.0", "0000:81:00.0", PF]
    rules = [
        SriovRule(PciAddress.parse(at), C62X.pf_id, "c6xx", 16, autoprobe=True) for at in addresses
    ]
    for rule in rules:
        machine.write(rule.path, rule.render())
    machine.write("etc/udev/rules.d/80-hwaccel-qat-mine.rules", "# an operator's\n")
    machine.write("etc/udev/rules.d/70-other.rules", rules[0].render())
    machine.write(f"{rules[0].path}.bak", rules[0].render())
    assert read_rules(machine.host) == rules[::-1]


def test_no_rules(machine: Machine) -> None:
    assert read_rules(machine.host) == []
    (machine.root / "etc/udev/rules.d").rmdir()
    assert read_rules(machine.host) == []
