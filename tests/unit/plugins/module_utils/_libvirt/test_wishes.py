# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task may ask for, and how it is told that it may not."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.wishes import Wanted, Wish, fits
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import PciFunction
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import guest, new, xml
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import GEN4, OTHER
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import GuestTasks

OPTIONS = {"max_functions": 32, "allow_hot_remove": False, "accept_mps_loss": False}
ENTRY = "guests[].accelerators[]"
FORMS = "a mapping with family, or one with address"
KEYS = f"{FORMS}; keys of the first: count, family, kind, numa_node, same_numa_node"
DOMAIN = "a libvirt domain with name one and devices, without host devices of type pci"
ADDRESS = "0000:01:01.0"


def parse(*guests: dict[str, t.Any], **options: t.Any) -> Wanted:
    whole = [{"accelerators": [], "xml": None, "shared_bus": False, **each} for each in guests]
    return Wanted.parse({"guests": whole, **OPTIONS, **options})


def refused(*guests: dict[str, t.Any], **options: t.Any) -> str:
    with pytest.raises(InputError) as caught:
        parse(*guests, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("entry", "option", "value", "accepted"),
    [
        ("c62x", ENTRY, "c62x", FORMS),
        (3, ENTRY, 3, FORMS),
        (None, ENTRY, None, FORMS),
        (["c62x"], ENTRY, ["c62x"], FORMS),
        ({}, ENTRY, {}, KEYS),
        ({"count": 2}, ENTRY, {"count": 2}, KEYS),
        ({"id": "8086:37c9"}, ENTRY, {"id": "8086:37c9"}, KEYS),
        ({"family": None}, ENTRY, {"family": None}, KEYS),
        (
            {"family": "c62x", "address": ADDRESS},
            ENTRY,
            {"family": "c62x", "address": ADDRESS},
            KEYS,
        ),
        ({"family": "c62x", "id": "1:2"}, ENTRY, {"family": "c62x", "id": "1:2"}, KEYS),
        ({"address": ADDRESS, "count": 1}, ENTRY, {"address": ADDRESS, "count": 1}, KEYS),
        ({"family": "c62x", "number": 1}, ENTRY, {"family": "c62x", "number": 1}, KEYS),
        (
            {"address": "1:2"},
            f"{ENTRY}.address",
            "1:2",
            "a PCI address such as 0000:03:00.0 or 03:00.0",
        ),
        (
            {"address": ADDRESS, "id": "8086"},
            f"{ENTRY}.id",
            "8086",
            "vendor:device, four hexadecimal digits each",
        ),
        (
            {"family": "c63x"},
            f"{ENTRY}.family",
            "c63x",
            f"one of {', '.join(sorted(FAMILIES))}",
        ),
        ({"family": "gen4"}, f"{ENTRY}.family", "gen4", f"one of {', '.join(sorted(FAMILIES))}"),
        ({"family": "c62x", "kind": "gpu"}, f"{ENTRY}.kind", "gpu", "one of vf, pf"),
        ({"family": "c62x", "same_numa_node": "yes"}, f"{ENTRY}.same_numa_node", "yes", None),
        ({"family": "c62x", "same_numa_node": 1}, f"{ENTRY}.same_numa_node", 1, None),
        *(
            (
                {"family": "c62x", "count": value},
                f"{ENTRY}.count",
                value,
                "a whole number from 1 on",
            )
            for value in (0, "0", -1, "-1", 1.0, 1.5, "1.5", True, False, "", "two", " 2", "²", [2])
        ),
        *(
            (
                {"family": "c62x", "numa_node": value},
                f"{ENTRY}.numa_node",
                value,
                "a whole number from 0 on",
            )
            for value in (-1, "-1", 0.0, True, "one", "٣")
        ),
    ],
)
def test_a_wish_that_cannot_be(
    entry: object, option: str, value: object, accepted: str | None
) -> None:
    expected = f"option {option}: {value!r} is not accepted, use {accepted or 'true or false'}"
    assert refused({"name": "one", "accelerators": [entry]}) == expected


@pytest.mark.parametrize(
    ("entry", "wish"),
    [
        ({"family": "c62x"}, Wish("c62x")),
        ({"family": "C62X", "kind": "PF", "count": "12"}, Wish("c62x", "pf", 12)),
        ({"family": "4xxx", "numa_node": "0"}, Wish("4xxx", numa_node=0)),
        ({"family": "4xxx", "numa_node": 3, "count": None}, Wish("4xxx", numa_node=3)),
        ({"family": "4xxx", "same_numa_node": True}, Wish("4xxx", same_numa_node=True)),
        ({"family": "4xxx", "address": None, "id": None}, Wish("4xxx")),
        ({"address": "01:01.0", "family": None}, Wish(address=PciAddress(0, 1, 1, 0))),
        (
            {"address": "10000:01:01.7", "id": "8086:37C9"},
            Wish(address=PciAddress(0x10000, 1, 1, 7), id=PciId(0x8086, 0x37C9)),
        ),
    ],
)
def test_a_wish(entry: dict[str, t.Any], wish: Wish) -> None:
    (guest_wish,) = parse({"name": "one", "accelerators": [entry]}).guests
    assert guest_wish.wishes == (wish,)


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "a b", "a/b", "a\n", "é", "a'b", "a<b", "x" * 201, "../a"]
)
def test_a_name_that_cannot_be(name: str) -> None:
    assert refused({"name": name}) == (
        f"option guests[].name: {name!r} is not accepted, use letters, digits and _.+:@-, the "
        "first a letter or digit, 200 at most"
    )


def test_a_guest_twice() -> None:
    told = "option guests[].name: 'one' is not accepted, use each guest once"
    assert refused({"name": "two"}, {"name": "one"}, {"name": "one"}) == told


def test_two_guests_for_one_address() -> None:
    one = {"name": "one", "accelerators": [{"address": ADDRESS}]}
    two = {"name": "two", "accelerators": [{"address": "01:01.0"}]}
    told = "is not accepted, use each function for one guest, once"
    assert refused(one, two) == (f"option {ENTRY}.address: '{ADDRESS} for one and for two' {told}")
    twice = {"name": "one", "accelerators": [{"address": ADDRESS}] * 2}
    assert refused(twice) == f"option {ENTRY}.address: '{ADDRESS} for one and for one' {told}"


@pytest.mark.parametrize("number", [0, -3])
def test_a_limit_that_cannot_be(number: int) -> None:
    told = f"option max_functions: {number} is not accepted, use a number from 1 on"
    assert refused(max_functions=number) == told


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (xml("two"), "one: domain"),
        ("<network><name>one</name></network>", "one: network"),
        ("<domain><devices/></domain>", "one: domain"),
        ("<domain><name>one</name></domain>", "one"),
        (xml("one", "<hostdev mode='subsystem' type='pci'><source/></hostdev>"), "one"),
    ],
)
def test_a_definition_that_cannot_be(text: str, value: str) -> None:
    told = refused({"name": "one", "xml": text})
    assert told == f"option guests[].xml: {value!r} is not accepted, use {DOMAIN}"


@pytest.mark.parametrize("text", ["", "<domain>", "<!DOCTYPE a [<!ENTITY b 'c'>]><domain/>"])
def test_a_definition_that_is_no_xml(text: str) -> None:
    told = refused({"name": "one", "xml": text})
    assert told.startswith("option guests[].xml: 'one: ")
    assert told.endswith(f"is not accepted, use {DOMAIN}")


def test_other_host_devices_may_be_in_a_definition() -> None:
    devices = "<hostdev mode='subsystem' type='usb'><source/></hostdev>"
    (wish,) = parse({"name": "one", "xml": xml("one", devices)}).guests
    assert wish.definition is not None
    assert wish.definition.find("devices", "hostdev") is not None


@pytest.mark.parametrize(
    "entry",
    [
        guest("a b"),
        guest("one", {"family": "none"}),
        guest("one", "01:00"),
        guest("one", xml="<domain>"),
        new("one", {"family": "c62x", "count": 0}),
    ],
)
def test_nothing_is_read_before_it_is_right(guests: GuestTasks, entry: dict[str, t.Any]) -> None:
    guests.machine.write("etc/libvirt/qemu/broken.xml", "<domain>")
    assert guests.refusal(entry).startswith("option guests[]")


@given(st.integers(1, 10**9))
def test_numbers_may_be_text(number: int) -> None:
    for count in (number, str(number), f"00{number}"):
        assert Wish.parse({"family": "c62x", "count": count}).count == number


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda each: (
            st.lists(each, max_size=2)
            | st.dictionaries(
                st.sampled_from(["family", "kind", "count", "numa_node", "address", "id", "x"]),
                each | st.sampled_from(["c62x", "pf", ADDRESS, "8086:37c9"]),
                max_size=4,
            )
        ),
    )
)
def test_any_entry_is_a_wish_or_refused(entry: object) -> None:
    try:
        wish = Wish.parse(entry)
    except InputError:
        return
    assert (wish.family in FAMILIES) != (wish.address is not None)
    assert wish.count >= 1


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (Wish("c62x", count=3), "3 VF of c62x"),
        (Wish("c62x", "pf"), "1 PF of c62x"),
        (Wish("4xxx", numa_node=0, count=2), "2 VF of 4xxx at NUMA node 0"),
        (Wish(address=PciAddress(0, 1, 1, 0)), ADDRESS),
    ],
)
def test_how_a_wish_is_told(wish: Wish, told: str) -> None:
    assert str(wish) == told


@pytest.mark.parametrize(
    ("wish", "fitting"),
    [
        (Wish("4xxx"), ["vf0", "vf1"]),
        (Wish("4xxx", "pf"), ["pf"]),
        (Wish("4xxx", numa_node=1), ["vf1"]),
        (Wish("4xxx", numa_node=2), []),
        (Wish("401xx"), []),
        (Wish(address=PciAddress(0, 9, 0, 0)), ["other"]),
    ],
)
def test_what_fits_a_wish(wish: Wish, fitting: list[str]) -> None:
    functions = {
        "pf": PciFunction(PciAddress(0, 1, 0, 0), GEN4.pf_id, 0, numa_node=0),
        "vf0": PciFunction(PciAddress(0, 1, 1, 0), GEN4.vf_id, 0, numa_node=0),
        "vf1": PciFunction(PciAddress(0, 1, 1, 1), GEN4.vf_id, 0, numa_node=1),
        "other": PciFunction(PciAddress(0, 9, 0, 0), OTHER, 0),
    }
    assert [name for name, function in functions.items() if fits(wish, function)] == fitting
