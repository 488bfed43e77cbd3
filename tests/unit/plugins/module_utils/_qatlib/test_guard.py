# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold before VFs are given to qatlib."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError, RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.guard import check
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.state import State, observe
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.wanted import Wanted
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.qatlib_runs import add_pf

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SECOND = "0000:03:00.0"


def seen(machine: Machine, **options: t.Any) -> tuple[Wanted, State]:
    plain = {"devices": [PF], "vfs": "all", "policy": None, "memlock": "0", "state": "present"}
    wanted = Wanted.parse({**plain, "missing_ok": False, **options})
    return wanted, observe(machine.host, wanted)


def refusal(machine: Machine, **options: t.Any) -> str:
    with pytest.raises(RefusedError) as caught:
        check(*seen(machine, **options))
    return str(caught.value)


def test_what_can_be_given(machine: Machine) -> None:
    add_pf(machine)
    check(*seen(machine))
    check(*seen(machine, vfs="16", policy=16))
    check(*seen(machine, devices=[], policy=512))


def test_a_generation_that_qatlib_does_not_support(machine: Machine) -> None:
    machine.add_pf("c62x", vfs=2)
    assert refusal(machine) == (
        f"{PF}: qatlib does not support c62x (generation 1.7): it is for generation 4 and later; "
        "the vendor's package serves programs on this one"
    )


def test_a_whole_card_of_a_guest(machine: Machine) -> None:
    add_pf(machine, driver="qat_vfio_pci", vfs=0)
    assert refusal(machine).startswith(f"{PF} is on qat_vfio_pci, so that a guest has the whole")


@pytest.mark.parametrize("total", [None, 0])
def test_a_card_without_vfs(machine: Machine, total: int | None) -> None:
    add_pf(machine, total=total, vfs=0)
    assert refusal(machine).startswith(f"{PF}: no SR-IOV capability, so there are no VFs")


def test_more_than_there_can_be(machine: Machine) -> None:
    add_pf(machine, total=4, vfs=4)
    assert refusal(machine, vfs="5").startswith(f"option vfs: 5 is above the 4 VFs that {PF}")


def test_a_place_that_is_not_known(machine: Machine) -> None:
    add_pf(machine, vfs=2)
    machine.write(f"{machine.device(PF)}/config", b"")
    check(*seen(machine, vfs="2"))
    assert refusal(machine, vfs="3").startswith(f"{PF}: where its VFs will be cannot be told")


def test_a_vf_of_a_guest(machine: Machine) -> None:
    vfs = add_pf(machine)
    machine.add_domain("two", vfs[1])
    assert refusal(machine) == (
        f"{vfs[1]} belongs to domain two: a VF is a guest's or qatlib's; take it out of the guest, "
        "or name other PFs or fewer VFs (options devices and vfs)"
    )
    check(*seen(machine, vfs="1"))


def test_a_neighbour_of_a_vf(machine: Machine) -> None:
    add_pf(machine)
    wanted, state = seen(machine, vfs="2")
    first, other = state.pfs[0].vfs or ()
    with pytest.raises(RefusedError, match=rf"{first}: {other} is in its IOMMU group"):
        check(wanted, replace(state, near={first: other}))


def test_every_pf_is_looked_at(machine: Machine) -> None:
    add_pf(machine)
    machine.add_pf("c62x", SECOND)
    told = refusal(machine, devices=[PF, SECOND])
    assert told.startswith(f"{SECOND}: qatlib does not support c62x")


def test_a_policy_above_the_vfs(machine: Machine) -> None:
    add_pf(machine)
    add_pf(machine, address=SECOND)
    check(*seen(machine, devices=["all"], vfs="2", policy=4))
    with pytest.raises(InputError, match="option policy: 5 is not accepted, use at most 4"):
        check(*seen(machine, devices=["all"], vfs="2", policy=5))
