# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Memory that users of VFIO may lock."""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.gather import gather
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.limits import Limits, read_limits
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

CONF = "etc/security/limits.conf"
DROP_IN = "etc/security/limits.d/90-qat.conf"
MANAGER = "etc/systemd/system.conf"


def test_nothing_tells(machine: Machine) -> None:
    machine.write(CONF, "# *  soft  memlock  64\n#@qat - memlock 1\n")
    assert read_limits(machine.host) == Limits(None, None, None)


def test_the_entries_that_vfio_maps(machine: Machine) -> None:
    machine.write("sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "65535\n")
    assert read_limits(machine.host).dma_entry_limit == 65535


@pytest.mark.parametrize(
    ("text", "memlock"),
    [
        ("@qat - memlock 500000\n", 512_000_000),
        ("@qat soft memlock 4 # little\n", 4096),
        ("@qat hard memlock 4\n", None),
        ("@other - memlock 4\nroot - memlock 5\n", None),
        ("* - memlock unlimited\n", -1),
        ("* - memlock infinity\n", -1),
        ("* - memlock -1\n", -1),
        # The group's line wins wherever it stands; of two the last.
        ("@qat - memlock 8\n* - memlock unlimited\n", 8192),
        ("* - memlock 4\n* - memlock 8\n", 8192),
        ("* - nofile 4\n* - memlock\n@qat\n\n", None),
        ("* - memlock many\n* - memlock 2²\n", None),
    ],
)
def test_limits_of_logins(machine: Machine, text: str, memlock: int | None) -> None:
    machine.write(CONF, text)
    source = None if memlock is None else f"/{CONF}"
    assert read_limits(machine.host) == Limits(memlock, source, None)


def test_drop_ins_come_after_the_file(machine: Machine) -> None:
    machine.write(CONF, "@qat - memlock 4\n")
    machine.write(DROP_IN, "@qat - memlock 8\n")
    machine.write("etc/security/limits.d/99-other.txt", "@qat - memlock 16\n")
    assert read_limits(machine.host) == Limits(8192, f"/{DROP_IN}", None)


@pytest.mark.parametrize(
    ("text", "memlock"),
    [
        ("[Manager]\nDefaultLimitMEMLOCK=64M\n", 64 << 20),
        ("[Manager]\nDefaultLimitMEMLOCK = 8388608:infinity\n", 8 << 20),
        ("DefaultLimitMEMLOCK=infinity\n", -1),
        ("#DefaultLimitMEMLOCK=8M\n", None),
        ("DefaultLimitMEMLOCK=8M\nDefaultLimitMEMLOCK=\n", None),
        ("DefaultLimitMEMLOCK=8 elephants\nDefaultLimitNOFILE=1\n", None),
    ],
)
def test_the_default_of_services(machine: Machine, text: str, memlock: int | None) -> None:
    machine.write(MANAGER, text)
    source = None if memlock is None else f"/{MANAGER}"
    assert read_limits(machine.host) == Limits(memlock, source, None)


def test_drop_ins_of_systemd(machine: Machine) -> None:
    machine.write(MANAGER, "DefaultLimitMEMLOCK=1M\n")
    machine.write("usr/lib/systemd/system.conf.d/50-a.conf", "DefaultLimitMEMLOCK=2M\n")
    machine.write("usr/lib/systemd/system.conf.d/60-b.conf", "DefaultLimitMEMLOCK=3M\n")
    machine.write("etc/systemd/system.conf.d/60-b.conf", "DefaultLimitMEMLOCK=4M\n")
    source = "/etc/systemd/system.conf.d/60-b.conf"
    assert read_limits(machine.host) == Limits(4 << 20, source, None)
    # What a login sets counts before.
    machine.write(CONF, "* - memlock 64\n")
    assert read_limits(machine.host).memlock_source == f"/{CONF}"


def test_files_that_may_not_be_read(
    machine: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> t.NoReturn:
        raise HostError.from_os("read", path, errno.EACCES)

    machine.write(CONF, "* - memlock 64\n")
    machine.write(DROP_IN, "* - memlock 64\n")
    monkeypatch.setattr(running, "read_text", refuse)
    monkeypatch.setattr(running, "attribute", lambda _path: None)
    assert read_limits(running) == Limits(None, None, None)
    monkeypatch.setattr(running, "names", refuse)
    assert read_limits(running) == Limits(None, None, None)


# -- where they matter -----------------------------------------------------------------------


@pytest.fixture
def qatlib(machine: Machine) -> Machine:
    machine.add_iommu()
    machine.add_service("qat.service")
    for number in (1, 2):
        machine.add_pf("4xxx", f"0000:0{number}:00.0", vfs=16, group=number, vf_driver="vfio-pci")
    return machine


def problems(machine: Machine) -> list[dict[str, str]]:
    found: list[dict[str, str]] = gather(machine.host)["problems"]
    return found


def test_qatlib_on_a_host_as_it_is_installed(qatlib: Machine) -> None:
    (problem,) = problems(qatlib)
    assert problem["check"] == "limits"
    assert "the 32 MB that qatlib needs" in problem["what"]
    assert "no file raises the default (8 MiB" in problem["why"]
    assert "a process gets 2 VFs" in problem["why"]
    assert "@qat - memlock" in problem["remedy"]


@pytest.mark.parametrize(
    ("memlock", "needed"),
    [("500000", None), ("32000", None), ("unlimited", None), ("31249", "32 MB"), ("64", "32 MB")],
)
def test_limits_that_are_set(qatlib: Machine, memlock: str, needed: str | None) -> None:
    qatlib.write(DROP_IN, f"@qat - memlock {memlock}\n")
    found = problems(qatlib)
    assert len(found) == (0 if needed is None else 1)
    for problem in found:
        assert f"/{DROP_IN} lets them lock" in problem["why"]


@pytest.mark.parametrize(
    ("path", "policy", "needed"),
    [
        ("etc/sysconfig/qat", "POLICY=0", 32),
        ("etc/sysconfig/qat", "POLICY=1", 16),
        ("etc/default/qat", 'POLICY="4"', 64),
        ("etc/default/qat", "POLICY=512", 512),
        ("etc/default/qat", "#POLICY=4\nPOLICY=many\n", 32),
    ],
)
def test_the_policy_of_qatmgr(qatlib: Machine, path: str, policy: str, needed: int) -> None:
    qatlib.write(path, f"ServicesEnabled=sym\n{policy}\n")
    (problem,) = problems(qatlib)
    assert f"the {needed} MB that" in problem["what"]


def test_vfs_of_guests_are_libvirts_business(qatlib: Machine) -> None:
    qatlib.add_domain("one", *qatlib.vfs(PF))
    (problem,) = problems(qatlib)
    assert "the 16 MB that" in problem["what"]
    qatlib.add_domain("two", *qatlib.vfs("0000:02:00.0"))
    assert problems(qatlib) == []


def test_hosts_without_qatlib(machine: Machine) -> None:
    machine.add_iommu()
    machine.add_pf("4xxx", vfs=16, vf_driver="vfio-pci")
    assert problems(machine) == []
    machine.add_service("qat_service.service")
    assert problems(machine) == []


def test_no_vfs_for_qatlib(machine: Machine) -> None:
    machine.add_iommu()
    machine.add_service("qat.service")
    machine.add_pf("4xxx", vfs=16)
    assert problems(machine) == []
