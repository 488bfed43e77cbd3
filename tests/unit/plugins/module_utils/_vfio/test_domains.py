# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host devices of libvirt's domains, from libvirt's own XML."""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.domains import (
    Domain,
    parse_domain,
    read_domains,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

ADDRESS = "<address domain='0x0000' bus='0x3d' slot='0x01' function='0x2'/>"
SOURCE = f"<source>{ADDRESS}</source>"
HOSTDEV = f"<hostdev mode='subsystem' type='pci'>{SOURCE}</hostdev>"


def parse(devices: str, name: str = "<name>one</name>") -> Domain | None:
    return parse_domain(f"<domain>{name}<devices>{devices}</devices></domain>".encode())


def test_a_host_device() -> None:
    assert parse(HOSTDEV) == Domain("one", None, (PciAddress.parse("0000:3d:01.2"),))


def test_numbers_in_decimal_and_a_missing_domain() -> None:
    found = parse(HOSTDEV.replace(ADDRESS, "<address bus='61' slot='1' function='2'/>"))
    assert found is not None
    assert [str(at) for at in found.functions] == ["0000:3d:01.2"]


@pytest.mark.parametrize(
    "devices",
    [
        f"<interface type='hostdev' managed='yes'>{SOURCE}</interface>",
        # Taken from a network's pool while the domain runs.
        f"<interface type='network'><actual type='hostdev'>{SOURCE}</actual></interface>",
        f"<disk type='nvme'><source type='pci' namespace='1'>{ADDRESS}</source></disk>",
        f"<hostdev type='pci'><driver name='vfio'/>{SOURCE}<address type='pci'/></hostdev>",
    ],
)
def test_everything_that_hands_over_a_function(devices: str) -> None:
    found = parse(devices + "<disk type='file'><source file='/a'/></disk>")
    assert found is not None
    assert found.functions == (PciAddress.parse("0000:3d:01.2"),)


@pytest.mark.parametrize(
    "devices",
    [
        # Where the guest sees a device is no address of the host.
        "<hostdev type='pci'><source/><address type='pci' bus='0x3d' slot='0x01'/></hostdev>",
        HOSTDEV.replace("'pci'", "'usb'"),
        "<hostdev type='mdev'><source><address uuid='1'/></source></hostdev>",
        f"<interface type='bridge'><source>{ADDRESS}</source></interface>",
        f"<interface type='network'><source>{ADDRESS}</source></interface>",
        "<interface type='hostdev'><source/><address type='pci' bus='0x3d'/></interface>",
        f"<interface type='network'><actual type='bridge'>{SOURCE}</actual></interface>",
        f"<disk type='block'><source dev='/dev/sda'>{ADDRESS}</source></disk>",
        "<disk type='nvme'><source type='pci'/><address type='pci' bus='0x3d'/></disk>",
        f"{HOSTDEV.replace(ADDRESS, '')}<memory><source>{ADDRESS}</source></memory>",
        f"<controller>{ADDRESS}</controller>",
    ],
)
def test_other_addresses_do_not_count(devices: str) -> None:
    found = parse(devices)
    assert found is not None
    assert found.functions == ()


def test_the_name_is_that_of_the_domain_itself() -> None:
    found = parse("<disk><name>two</name></disk>", "<name>a &amp; b</name>")
    assert found is not None
    assert found.name == "a & b"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"not XML",
        b"<domain><name>cut off",
        b"<?xml version='1.0' encoding='none'?><domain><name>one</name></domain>",
        b"<?xml version='1.0' encoding='utf-7'?><domain><name>one</name></domain>",
        b"<domain/>",
        b"<network><name>default</name></network>",
        b"<domstatus pid='many'><domain><name>one</name></domain></domstatus>",
        f"<domain><name>one</name>{HOSTDEV.replace('0x3d', 'x')}</domain>".encode(),
    ],
)
def test_what_is_no_domain(document: bytes) -> None:
    assert parse_domain(document) is None


@given(st.binary())
def test_any_bytes_are_read_without_an_error(document: bytes) -> None:
    parse_domain(document)


def test_defined_ones_then_running_ones(machine: Machine) -> None:
    machine.add_domain("running", PF, pid=77)
    machine.add_domain("stopped")
    machine.write("etc/libvirt/qemu/networks/default.xml", "<network/>")
    machine.write("etc/libvirt/qemu/broken.xml", "<domain>")
    machine.write("run/libvirt/qemu/running.pid", "77")
    function = (PciAddress.parse(PF),)
    assert read_domains(machine.host) == [
        Domain("running", None, function),
        Domain("stopped", None, ()),
        Domain("running", 77, function),
    ]


def test_a_status_without_a_process_does_not_run(machine: Machine) -> None:
    machine.add_domain("one", pid=0)
    assert [domain.pid for domain in read_domains(machine.host)] == [None, None]


def test_domains_that_only_root_may_read(
    machine: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> list[str]:
        raise HostError.from_os("list", path, errno.EACCES)

    machine.add_domain("guest", PF)
    monkeypatch.setattr(running, "names", refuse)
    running.privileged = False
    assert read_domains(running) == []
    # Root would go on as if no guest had anything.
    running.privileged = True
    with pytest.raises(HostError):
        read_domains(running)


def test_a_domain_that_only_root_may_read(
    machine: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Debian lets everybody list the folders, and root alone read what is in them.
    def refuse(path: str) -> bytes:
        raise HostError.from_os("read", path, errno.EACCES)

    machine.add_domain("guest", PF, pid=7)
    monkeypatch.setattr(running, "read_bytes", refuse)
    running.privileged = False
    assert read_domains(running) == []
    running.privileged = True
    with pytest.raises(HostError, match=r"cannot read /etc/libvirt/qemu/guest\.xml"):
        read_domains(running)


def test_a_transient_domain(machine: Machine) -> None:
    machine.add_domain("guest", PF, pid=7)
    machine.at("etc/libvirt/qemu/guest.xml").unlink()
    assert read_domains(machine.host) == [Domain("guest", 7, (PciAddress.parse(PF),))]


def test_no_libvirt(machine: Machine) -> None:
    assert read_domains(machine.host) == []
