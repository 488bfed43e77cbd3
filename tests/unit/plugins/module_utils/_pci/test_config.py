# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration space: walked and never trusted, since devices go, sleep and break."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.config import (
    ConfigSpace,
    SriovCapability,
    payload_size,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, config_space
from hypothesis import given
from hypothesis import strategies as st

PF = PciAddress.parse("0000:01:00.0")


def changed(data: bytes, **at: int) -> ConfigSpace:
    """Return a space with some bytes changed: C(x34=0) sets the byte at 0x34."""
    content = bytearray(data)
    for place, value in at.items():
        content[int(place[1:], 16)] = value
    return ConfigSpace(bytes(content))


SPACE = config_space(C62X.pf_id, vf_device=C62X.vf_device, total=16, num_vfs=4)


def test_a_c62x() -> None:
    space = ConfigSpace(SPACE)
    assert space.is_readable
    assert space.capabilities() == {0x01: 0xB0, 0x10: 0x74}
    assert space.extended_capabilities() == {0x0001: 0x100, 0x0010: 0x140}
    express = space.express()
    assert express is not None
    assert (express.offset, express.mps_supported, express.mps) == (0x74, 256, 128)
    assert not express.is_root_complex_endpoint
    assert space.sriov() == SriovCapability(0x140, 16, 4, 8, 1, C62X.vf_device)


def test_a_root_complex_integrated_endpoint() -> None:
    express = ConfigSpace(config_space(C62X.pf_id, port_type=9)).express()
    assert express is not None
    assert express.is_root_complex_endpoint


@pytest.mark.parametrize(
    ("code", "size"),
    [(0, 128), (1, 256), (2, 512), (3, 1024), (4, 2048), (5, 4096), (6, None), (7, None)],
)
def test_payload_sizes_and_reserved_encodings(code: int, size: int | None) -> None:
    assert payload_size(code) == size
    express = ConfigSpace(config_space(C62X.pf_id, supported=code, mps=code)).express()
    assert express is not None
    assert (express.mps_supported, express.mps) == (size, size)


def test_no_capability_list() -> None:
    assert changed(SPACE, x06=0).capabilities() == {}
    assert changed(SPACE, x06=0).express() is None


def test_a_list_in_a_loop_ends() -> None:
    space = changed(SPACE, x75=0xB0)
    assert space.capabilities() == {0x01: 0xB0, 0x10: 0x74}


def test_a_capability_that_points_at_itself_ends() -> None:
    assert changed(SPACE, xB1=0xB0).capabilities() == {0x01: 0xB0}


def test_a_capability_that_reads_all_ones_ends_the_list() -> None:
    assert changed(SPACE, x74=0xFF, x75=0xFF).capabilities() == {0x01: 0xB0}
    ones = {f"x{at:x}": 0xFF for at in range(0x140, 0x144)}
    assert changed(SPACE, **ones).extended_capabilities() == {0x0001: 0x100}


def test_an_extended_list_in_a_loop_ends() -> None:
    # The next pointer of the SR-IOV capability leads back to 0x100.
    space = changed(SPACE, x143=0x10)
    assert space.extended_capabilities() == {0x0001: 0x100, 0x0010: 0x140}


def test_the_first_of_two_capabilities_counts() -> None:
    space = changed(SPACE, xB0=0x10)
    assert space.capabilities() == {0x10: 0xB0}


def test_the_low_bits_of_a_pointer_are_reserved() -> None:
    assert changed(SPACE, x34=0xB3).capabilities() == {0x01: 0xB0, 0x10: 0x74}


def test_a_pointer_into_the_header_ends_the_list() -> None:
    assert changed(SPACE, x34=0x3C).capabilities() == {}
    assert changed(SPACE, xB1=0x10).capabilities() == {0x01: 0xB0}


def test_cut_off_at_64_bytes_as_for_an_ordinary_user() -> None:
    space = ConfigSpace(SPACE[:64])
    assert space.is_readable
    assert space.capabilities() == {}
    assert space.extended_capabilities() == {}
    assert space.express() is None
    assert space.sriov() is None


def test_256_bytes_have_no_extended_capabilities() -> None:
    space = ConfigSpace(SPACE[:256])
    assert space.express() is not None
    assert space.extended_capabilities() == {}
    assert space.sriov() is None


@pytest.mark.parametrize("size", [0, 64, 256, 4096])
def test_all_ones_tell_nothing(size: int) -> None:
    space = ConfigSpace(b"\xff" * size)
    assert not space.is_readable
    assert space.capabilities() == {}
    assert space.extended_capabilities() == {}
    assert space.express() is None
    assert space.sriov() is None


def test_the_ids_of_a_vf_read_all_ones_and_the_rest_counts() -> None:
    assert ConfigSpace(config_space(PciId(0xFFFF, 0xFFFF))).express() is not None


@pytest.mark.parametrize(
    ("start", "express", "sriov"),
    [
        (0x40, False, False),
        (0x74, False, False),
        (0x76, False, False),
        (0x100, True, False),
        (0x140, True, False),
        (0x144, True, False),
    ],
)
def test_all_ones_from_some_offset_on(start: int, *, express: bool, sriov: bool) -> None:
    space = ConfigSpace(SPACE[:start] + b"\xff" * (4096 - start))
    assert (space.express() is not None) == express
    assert (space.sriov() is not None) == sriov


@given(st.binary(max_size=600))
def test_any_bytes_are_walked_to_an_end(data: bytes) -> None:
    space = ConfigSpace(data)
    for offset in (*space.capabilities().values(), *space.extended_capabilities().values()):
        assert 64 <= offset < len(data)
    space.express()
    space.sriov()


@given(st.integers(0, len(SPACE)))
def test_a_space_cut_off_anywhere_is_no_error(size: int) -> None:
    space = ConfigSpace(SPACE[:size])
    assert space.express() is None or size >= 0x7E
    assert space.sriov() is None or size >= 0x15C


@pytest.mark.parametrize(
    ("pf", "offset", "stride", "index", "vf"),
    [
        ("0000:3d:00.0", 8, 1, 0, "0000:3d:01.0"),
        ("0000:3d:00.0", 8, 1, 15, "0000:3d:02.7"),
        ("0000:6b:00.0", 1, 1, 15, "0000:6b:02.0"),
        ("0000:01:00.0", 128, 2, 1, "0000:01:10.2"),
        ("0000:01:00.0", 128, 2, 64, "0000:02:00.0"),
        ("10000:01:1f.7", 1, 1, 0, "10000:02:00.0"),
        ("0000:ff:1f.0", 7, 1, 0, "0000:ff:1f.7"),
    ],
)
def test_where_a_vf_will_be(pf: str, offset: int, stride: int, index: int, vf: str) -> None:
    capability = SriovCapability(0x140, 64, 0, offset, stride, 0)
    assert str(capability.vf_address(PciAddress.parse(pf), index)) == vf


@pytest.mark.parametrize(
    ("pf", "offset", "stride", "index"),
    [
        ("0000:01:00.0", 0, 1, 0),
        ("0000:01:00.0", 8, 0, 1),
        ("0000:ff:1f.0", 8, 1, 0),
        ("0000:ff:1f.0", 7, 1, 1),
    ],
)
def test_where_a_vf_will_be_cannot_be_told(pf: str, offset: int, stride: int, index: int) -> None:
    capability = SriovCapability(0x140, 64, 0, offset, stride, 0)
    assert capability.vf_address(PciAddress.parse(pf), index) is None


def test_one_vf_needs_no_stride() -> None:
    assert str(SriovCapability(0x140, 1, 0, 8, 0, 0).vf_address(PF, 0)) == "0000:01:01.0"
