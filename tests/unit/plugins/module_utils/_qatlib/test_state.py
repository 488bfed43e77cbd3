# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What qatlib's service finds on a host."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.rules import render_rules
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.state import (
    Node,
    Settings,
    State,
    observe,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.wanted import Wanted
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.qatlib_runs import (
    DROP_IN,
    ENVIRONMENT,
    GID,
    LIMITS,
    MASK,
    RULES,
    QatlibHost,
    add_pf,
    add_qatlib,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SECOND = "0000:03:00.0"


def look(host: Host, *devices: str, vfs: str = "all", **options: t.Any) -> State:
    """Observe what a task sees."""
    plain: dict[str, t.Any] = {"policy": None, "memlock": "0", "state": "present"}
    given = {"devices": list(devices), "vfs": vfs, "missing_ok": False, **plain, **options}
    return observe(host, Wanted.parse(given))


def texts(addresses: t.Iterable[PciAddress]) -> list[str]:
    return [str(address) for address in addresses]


def test_a_bare_host(machine: Machine) -> None:
    state = look(machine.host)
    assert (state.pfs, state.skipped, state.own_vfs) == ((), (), ())
    assert (state.former, state.nodes, state.near, state.holders) == (frozenset(), {}, {}, {})
    assert (state.gid, state.start.since, state.modified) == (None, None, None)
    assert set(state.settings.contents.values()) == {None}


def test_its_files(machine: Machine) -> None:
    contents = {DROP_IN: b"1", RULES: b"2", MASK: b"5", LIMITS: b"3", ENVIRONMENT: b"4"}
    for at, (path, content) in enumerate(contents.items()):
        machine.write(path, content)
        os.utime(machine.at(path), (0, 100 + at))
    state = look(machine.host)
    assert state.settings.contents == contents
    assert state.settings.read_at_start == (b"1", b"2", b"4")
    assert state.modified == pytest.approx(104)
    # The limit is not read at the start.
    os.utime(machine.at(LIMITS), (0, 500))
    assert look(machine.host).modified == pytest.approx(104)


def test_files_that_are_left_out_are_not_there(machine: Machine) -> None:
    environment = look(machine.host).settings.environment
    settings = Settings({DROP_IN: b"1"}, environment).with_environment(b"4")
    nothing = dict.fromkeys((RULES, MASK, LIMITS))
    assert settings.contents == {DROP_IN: b"1", **nothing, ENVIRONMENT: b"4"}


@pytest.mark.parametrize(
    ("text", "gid"),
    [
        (f"root:x:0:\nqat:x:{GID}:\n", GID),
        (f"qat:x:{GID}", GID),
        ("qatar:x:5:\nqat2:x:6:\n", None),
        ("qat\nqat:\nqat:x\nqat:x:\nqat:x:-1:\nqat:x:two:\n", None),
        ("", None),
        (None, None),
    ],
)
def test_the_group_of_users(machine: Machine, text: str | None, gid: int | None) -> None:
    if text is not None:
        machine.write("etc/group", text)
    assert look(machine.host).gid == gid


def test_the_first_vfs_of_pfs(machine: Machine) -> None:
    one, two = add_pf(machine), add_pf(machine, "420xx", SECOND, vfs=4)
    state = look(machine.host, "all", vfs="2")
    assert texts(state.own_vfs) == [*one[:2], *two[:2]]
    assert [(str(pf.address), pf.named, pf.family.name) for pf in state.pfs] == [
        (PF, False, "4xxx"),
        (SECOND, False, "420xx"),
    ]
    # Six of which four are there: where the others will be is told by the PF.
    state = look(machine.host, SECOND, vfs="6")
    assert texts(state.own_vfs)[:4] == two
    assert len(state.own_vfs) == 6
    assert state.pfs[0].named


def test_vfs_of_which_not_all_can_be_placed(machine: Machine) -> None:
    add_pf(machine, address="0000:ff:1f.0", vfs=0)
    assert look(machine.host, "all", vfs="1").pfs[0].vfs is None
    machine.write(f"{machine.device('0000:ff:1f.0')}/config", b"")
    assert look(machine.host, "all", vfs="1").pfs[0].vfs is None


def test_what_is_a_guests(machine: Machine) -> None:
    vfs = add_pf(machine)
    add_pf(machine, address=SECOND, vfs=0, driver="vfio-pci")
    machine.add_domain("one", vfs[3], pid=7)
    state = look(machine.host, "all")
    assert texts(pf.address for pf in state.pfs) == [PF]
    assert texts(pf.address for pf in state.skipped) == [SECOND]
    assert {str(vf): str(holder) for vf, holder in state.holders.items()} == {
        vfs[3]: "domain one (pid 7)"
    }
    # By its address it is not skipped, so that it can be refused.
    assert texts(pf.address for pf in look(machine.host, SECOND).pfs) == [SECOND]


def test_a_process_that_has_a_vf_open_is_no_holder(machine: Machine) -> None:
    vfs = add_pf(machine)
    machine.hold(vfs[0])
    assert look(machine.host, "all").holders == {}


def test_what_is_in_the_same_group(machine: Machine) -> None:
    vfs = add_pf(machine, vfs=4)
    add_pf(machine, "c62x", SECOND, vfs=0, group=machine.group(vfs[0]))
    group = machine.at(machine.device(vfs[2])) / "iommu_group"
    group.unlink()
    group.symlink_to(machine.at(machine.device(vfs[1])) / "iommu_group")
    assert machine.host.link_name(f"/{machine.device(vfs[2])}/iommu_group") == "iommu_group"
    group.unlink()
    group.symlink_to(machine.at(f"sys/kernel/iommu_groups/{machine.group(vfs[1])}"))
    near = look(machine.host, PF, vfs="2").near
    assert {str(vf): str(other) for vf, other in near.items()} == {vfs[1]: vfs[2]}
    assert look(machine.host, PF, vfs="3").near == {}
    # Without an IOMMU nothing has a group, and nothing shares one.
    for vf in vfs:
        (machine.at(machine.device(vf)) / "iommu_group").unlink()
    assert look(machine.host, PF, vfs="2").near == {}


def test_nodes_of_what_qatlib_could_use(machine: Machine) -> None:
    add_qatlib(machine)
    host = QatlibHost(machine)
    vfs, earlier = add_pf(machine), add_pf(machine, "c62x", SECOND)
    host.bind(*vfs[:2], *earlier[:1])
    host.bind(vfs[1], gid=GID)
    # On VFIO, and its node not there yet.
    machine.bind(vfs[3], "vfio-pci")
    machine.write(host.node(vfs[4]), "")
    nodes = look(host).nodes
    assert {str(vf): node for vf, node in nodes.items()} == {
        vfs[0]: Node(host.node(vfs[0]), 0),
        vfs[1]: Node(host.node(vfs[1]), GID),
    }
    (first, _second) = nodes.values()
    assert first.device == f"/sys/class/vfio/{machine.group(vfs[0])}"
    # A tree has no nodes, whatever lies there.
    assert look(machine.host).nodes == {}


def test_variants_of_vfio_pci(machine: Machine) -> None:
    host = QatlibHost(machine)
    vfs = add_pf(machine)
    machine.bind(vfs[0], "qat_vfio_pci")
    machine.write(host.node(vfs[0]), "")
    assert texts(look(host).nodes) == vfs[:1]


def test_what_was_meant_before(machine: Machine) -> None:
    vfs = [PciAddress.parse(vf) for vf in add_pf(machine)]
    machine.write(RULES, render_rules(vfs[2:4]) or b"")
    assert look(machine.host, "all", vfs="1").former == set(vfs[2:4])


def test_words_and_generations(machine: Machine) -> None:
    machine.add_pf("c62x")
    add_pf(machine, address=SECOND)
    assert texts(pf.address for pf in look(machine.host, "all").pfs) == [SECOND]
    assert texts(pf.address for pf in look(machine.host, "all", "c62x").pfs) == [PF, SECOND]
    assert texts(pf.address for pf in look(machine.host, "gen4", PF).pfs) == [PF, SECOND]
    with pytest.raises(RefusedError, match=r"option devices: gen1: .*does not support c62x"):
        look(machine.host, "all", "gen1")
    assert look(machine.host, "gen1", missing_ok=True).pfs == ()


def test_what_is_chosen_does_not_matter_for_the_way_back(machine: Machine) -> None:
    add_pf(machine)
    state = look(machine.host, "all", "0000:09:00.0", state="absent")
    assert (state.pfs, state.own_vfs) == ((), ())


def test_when_the_service_was_started(machine: Machine) -> None:
    host = QatlibHost(machine)
    host.started = 5000.0
    assert look(host).start.since == pytest.approx(5000)
