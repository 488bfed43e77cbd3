# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What devices tell of themselves."""

from __future__ import annotations

from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.config import ConfigSpace
from ansible_collections.hwaccel.virt.tests.fuzz.target import Choices, Target, decode

_EXPRESS, _SRIOV = 0x10, 0x10
_VFS = 64


def check_config_space(data: bytes) -> None:
    """Check that capabilities are found where they are, in any bytes."""
    space = ConfigSpace(data)
    for offset in space.capabilities().values():
        assert 0x40 <= offset < min(len(data), 0x100)
        assert offset % 4 == 0
    for offset in space.extended_capabilities().values():
        assert 0x100 <= offset < len(data)
        assert offset % 4 == 0
    express, sriov = space.express(), space.sriov()
    assert express is None or express.mps in {None, 128, 256, 512, 1024, 2048, 4096}
    if sriov is not None:
        pf = PciAddress(0, 0x10, 0, 0)
        places = [sriov.vf_address(pf, index) for index in range(_VFS)]
        known = [place for place in places if place is not None]
        assert len(set(known)) == len(known)
        assert all(PciAddress.parse(str(place)) == place for place in known)
    _check_built(Choices(data))


def _check_built(choices: Choices) -> None:
    """Check that what is built at chosen places is found there."""
    data = bytearray(4096)
    data[0:4] = b"\x86\x80\x01\x00"
    data[6] = 0x10
    standard: dict[int, int] = {}
    extended: dict[int, int] = {}
    last = 0x34
    for slot in dict.fromkeys(choices.some(lambda: choices.number(11), 6)):
        number, offset = choices.number(0xFE), 0x40 + 16 * slot
        data[last] = offset | choices.number(3)
        data[offset] = number
        standard.setdefault(number, offset)
        last = offset + 1
    last = 0x100
    for slot in [0, *dict.fromkeys(1 + choices.number(50) for _each in range(choices.number(6)))]:
        number, offset = 1 + choices.number(0x2F), 0x100 + 64 * slot
        if slot:
            data[last + 2 : last + 4] = (offset << 4 | 1).to_bytes(2, "little")
        data[offset : offset + 4] = (number | 1 << 16).to_bytes(4, "little")
        extended.setdefault(number, offset)
        last = offset
    space = ConfigSpace(bytes(data))
    assert space.capabilities() == standard
    assert space.extended_capabilities() == extended
    for size in (64, 256):
        short = ConfigSpace(bytes(data[:size]))
        assert short.extended_capabilities() == {}
        assert short.capabilities() == (standard if size > 64 else {})


def check_pci_address(data: bytes) -> None:
    """Check that an address or an id is one value, however it is written."""
    text = decode(data)
    try:
        address = PciAddress.parse(text)
    except InputError:
        assert not PciAddress.looks_like(text)
    else:
        assert PciAddress.looks_like(text)
        assert PciAddress.parse(str(address)) == address
        assert address.with_routing_id(address.routing_id) == address
        assert text.isascii()
    try:
        pci_id = PciId.parse(text)
    except InputError:
        assert not PciId.looks_like(text)
    else:
        assert str(pci_id) == text.lower()


TARGETS = (
    Target(
        "config_space",
        "capabilities are found where they were put; any bytes are read to an end",
        check_config_space,
        runs=800,
        longest=4096,
    ),
    Target(
        "pci_address",
        "an address is one value, however it is written",
        check_pci_address,
        runs=1000,
        words=("0000:", "3d:01.2", "8086:", "10000:"),
        longest=32,
    ),
)
