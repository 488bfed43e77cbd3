# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI addresses and ids: every accepted form, and none of the others."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from hypothesis import given
from hypothesis import strategies as st

ADDRESSES = st.builds(
    PciAddress,
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFF),
    st.integers(0, 0x1F),
    st.integers(0, 7),
)


@given(ADDRESSES)
def test_a_full_address_is_written_as_it_is_read(address: PciAddress) -> None:
    assert PciAddress.parse(str(address)) == address
    assert str(PciAddress.parse(str(address))) == str(address)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("03:00.0", "0000:03:00.0"),
        ("0000:03:00.0", "0000:03:00.0"),
        ("0000:AF:1F.7", "0000:af:1f.7"),
        ("af:1F.7", "0000:af:1f.7"),
        ("10000:e1:00.0", "10000:e1:00.0"),
        ("ABCDEF01:00:00.0", "abcdef01:00:00.0"),
        ("00000001:02:03.4", "0001:02:03.4"),
    ],
)
def test_forms_of_an_address(text: str, full: str) -> None:
    assert str(PciAddress.parse(text)) == full
    assert PciAddress.looks_like(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3:00.0",
        "03:00",
        "03:00.8",
        "03:20.0",
        "000:03:00.0",
        "123456789:03:00.0",
        "0000:03:00.0\n",
        " 03:00.0",
        "0000:03:00.0.0",
        "g0:00.0",
        "\u0660\u0663:00.0",
        "8086:37c8",
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert not PciAddress.looks_like(text)
    with pytest.raises(InputError) as caught:
        PciAddress.parse(text, option="devices")
    assert f"option devices: {text!r}" in str(caught.value)
    assert "0000:03:00.0 or 03:00.0" in str(caught.value)


def test_addresses_sort_by_number_not_by_text() -> None:
    texts = ["10000:00:00.0", "0000:10:00.0", "0000:02:00.0", "ffff:00:00.0", "0000:02:00.1"]
    assert [str(at) for at in sorted(map(PciAddress.parse, texts))] == [
        "0000:02:00.0",
        "0000:02:00.1",
        "0000:10:00.0",
        "ffff:00:00.0",
        "10000:00:00.0",
    ]


@given(ADDRESSES, st.integers(0, 0xFFFF))
def test_a_routing_id_names_a_function_of_the_same_domain(
    address: PciAddress, routing_id: int
) -> None:
    other = address.with_routing_id(routing_id)
    assert other.routing_id == routing_id
    assert other.domain == address.domain
    assert address.with_routing_id(address.routing_id) == address
    assert PciAddress.parse(str(other)) == other


@given(st.builds(PciId, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)))
def test_an_id_is_written_as_it_is_read(pci_id: PciId) -> None:
    assert PciId.parse(str(pci_id)) == pci_id
    assert PciId.parse(str(pci_id).upper()) == pci_id
    assert PciId.looks_like(str(pci_id))


@pytest.mark.parametrize("text", ["", "8086", "8086:1", "80866:1234", "0x8086:0x1234", "8086-1234"])
def test_what_is_no_id(text: str) -> None:
    assert not PciId.looks_like(text)
    with pytest.raises(InputError, match="four hexadecimal digits each"):
        PciId.parse(text)
