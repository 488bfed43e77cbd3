# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel answers, and what it did not take although it answered nothing."""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError, NotTakenError
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.sriov_runs import (
    AUTOPROBE,
    COUNT,
    RULE_PATH,
    job,
    perform,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EINVAL, "without a working IOMMU"),
        (errno.ENOMEM, "Above 4G Decoding"),
        (errno.ENOENT, "its driver makes no VFs"),
        (errno.EBUSY, "crypto users"),
        (errno.EPERM, "lockdown"),
    ],
)
def test_making_fails(machine: Machine, running: RunningHost, number: int, remedy: str) -> None:
    machine.add_pf()
    running.answers[COUNT, "16"] = number
    with pytest.raises(HostError, match=remedy) as caught:
        perform(running)
    assert caught.value.number == number
    assert COUNT in str(caught.value)
    assert not machine.at(RULE_PATH).exists()


def test_a_failure_at_the_second_pf_puts_the_rule_of_the_first_back(
    machine: Machine, running: RunningHost
) -> None:
    machine.add_pf()
    machine.add_pf(address="0000:02:00.0", group=2)
    running.answers[COUNT.replace(PF, "0000:02:00.0"), "16"] = errno.ENOMEM
    with pytest.raises(HostError) as caught:
        perform(running)
    assert f"{PF} sriov_numvfs=16" in str(caught.value)
    assert not machine.at(RULE_PATH).exists()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (COUNT, "sriov_numvfs was set to 16, reads 0, and 0 VFs are there"),
        (AUTOPROBE, "sriov_drivers_autoprobe was set to 0, reads 1; see the kernel log"),
    ],
)
def test_a_write_that_the_kernel_did_not_take(
    machine: Machine, running: RunningHost, path: str, told: str
) -> None:
    machine.add_pf()
    running.deaf.add(path)
    with pytest.raises(NotTakenError, match=told) as caught:
        perform(running)
    assert PF in str(caught.value)


def test_an_attribute_that_goes_meanwhile(machine: Machine, running: RunningHost) -> None:
    """As when the card is pulled between the write and the look at what came of it."""
    machine.add_pf()
    work = job()
    before = work.observe(running)
    for change in work.plan(before).changes:
        change.apply(running)
    machine.at(AUTOPROBE).unlink()
    told = str(work.unmet(before, work.observe(running)))
    assert "sriov_drivers_autoprobe was set to 0, reads nothing" in told


def test_a_count_without_the_vfs(
    machine: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.add_pf(autoprobe=False)
    monkeypatch.setattr(machine.kernel, "write", machine.write)
    with pytest.raises(NotTakenError, match="reads 16, and 0 VFs are there"):
        perform(running)


def test_a_rule_that_something_else_changes(
    machine: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.add_pf()
    write = running.write_file

    def meddle(path: str, content: bytes, mode: int) -> None:
        write(path, content + b"# mine\n" if path == RULE_PATH else content, mode)

    monkeypatch.setattr(running, "write_file", meddle)
    with pytest.raises(NotTakenError, match="something else changes it"):
        perform(running)


def test_a_pf_that_blocks_meanwhile(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    work = job()
    before = work.observe(running)
    running.blocked.add(COUNT)
    told = str(work.unmet(before, work.observe(running)))
    assert f"{PF}: blocked" in told
    # Something was.
    assert "Nothing was changed" not in told


def test_a_pf_without_a_group_explains_the_iommu(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(group=None)
    machine.write("proc/cmdline", "ro intel_iommu=off\n")
    machine.add_iommu(units=())
    (problem,) = perform(running)["problems"]
    assert "intel_iommu=off" in problem["why"]
