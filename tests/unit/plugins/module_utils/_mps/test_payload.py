# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Payload sizes: read from what cannot be trusted, written bit by bit or not at all."""

from __future__ import annotations

import errno
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import (
    BlockedError,
    HostError,
    NotTakenError,
    RefusedError,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.payload import (
    SIZES,
    Payload,
    read_payload,
    write_payload,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_function
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import (
    DEVICES,
    PF,
    Machine,
    RunningHost,
    config_space,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.mps_runs import (
    CONTROL,
    PORT,
    PORT_ID,
    add_card,
    add_port,
    break_device,
    code,
    config,
    set_sizes,
    space,
)
from hypothesis import given
from hypothesis import strategies as st

CONFIG = f"/{DEVICES}/{PF}/config"


def payload_of(machine: Machine, address: str = PF) -> Payload:
    function = read_function(machine.host, PciAddress.parse(address))
    assert function is not None
    return read_payload(machine.host, function)


def with_bytes(content: bytes, at: dict[int, int]) -> bytes:
    changed = bytearray(content)
    for offset, value in at.items():
        changed[offset] = value
    return bytes(changed)


# -- reading ---------------------------------------------------------------------------------


def test_the_sizes_that_there_are() -> None:
    assert SIZES == (128, 256, 512, 1024, 2048, 4096)


def test_a_card_below_a_port(machine: Machine) -> None:
    add_card(machine, mps=128)
    assert payload_of(machine) == Payload(
        address=PciAddress.parse(PF),
        offset=CONTROL,
        current=128,
        supported=256,
        upstream=256,
        ceiling=256,
        limit="the device supports 256",
        bridge=PciAddress.parse(PORT),
    )
    assert payload_of(machine).path == CONFIG
    assert payload_of(machine).setpci(256) == "7c.w=0020:00e0"


@pytest.mark.parametrize("current", [*SIZES, None])
@pytest.mark.parametrize("supported", [*SIZES, None])
def test_every_encoding(machine: Machine, current: int | None, supported: int | None) -> None:
    add_port(machine, mps=4096, supported=4096)
    add_card(machine, mps=current, supported=supported)
    payload = payload_of(machine)
    assert (payload.current, payload.supported) == (current, supported)
    assert payload.ceiling == supported
    assert payload.readable
    if supported is None:
        assert payload.limit.startswith("what the device supports is not known")


@pytest.mark.parametrize("encoding", [6, 7])
def test_reserved_encodings_are_no_sizes(machine: Machine, encoding: int) -> None:
    add_port(machine, config=config_space(PORT_ID, mps=encoding, supported=2))
    add_card(machine)
    assert (payload_of(machine).upstream, payload_of(machine).ceiling) == (None, None)
    machine.write(CONFIG, config_space(PORT_ID, mps=encoding, supported=encoding))
    payload = payload_of(machine)
    assert (payload.current, payload.supported, payload.offset) == (None, None, CONTROL)


@pytest.mark.parametrize(
    ("port", "ceiling", "limit"),
    [
        ({"mps": 128}, 128, f"bridge {PORT} above it is set to 128"),
        ({"mps": 128, "supported": 128}, 128, f"bridge {PORT} above it supports 128"),
        ({"mps": 512}, 256, "the device supports 256"),
        ({"supported": None}, None, f"what bridge {PORT} above it supports is not known"),
        ({"mps": None}, None, f"what bridge {PORT} above it is set to is not known"),
        ({"config": b"\xff" * 256}, None, f"what bridge {PORT} above it supports is not known"),
        # A bridge of conventional PCI has no capability list at all.
        ({"config": b"\0" * 256}, None, f"what bridge {PORT} above it supports is not known"),
    ],
)
def test_what_the_port_above_allows(
    machine: Machine, port: dict[str, t.Any], ceiling: int | None, limit: str
) -> None:
    add_port(machine, **port)
    add_card(machine)
    payload = payload_of(machine)
    assert payload.ceiling == ceiling
    assert payload.limit.startswith(limit)
    assert payload.bridge == PciAddress.parse(PORT)


@pytest.mark.parametrize(
    ("root_port", "up", "down", "ceiling", "limit"),
    [
        # What counts of ports further up is what they can do, not what they are set to.
        ((128, 512), (128, 512), (512, 512), 512, "the device supports 512"),
        ((256, 256), (512, 512), (512, 512), 256, "bridge 0000:00:01.0 above it supports 256"),
        ((512, 512), (128, 128), (512, 512), 128, "bridge 0000:01:00.0 above it supports 128"),
        ((512, 512), (512, 512), (256, 512), 256, "bridge 0000:02:04.0 above it is set to 256"),
        ((512, None), (512, 512), (512, 512), None, "what bridge 0000:00:01.0 above it supports"),
    ],
)
def test_several_bridges_above(
    machine: Machine,
    root_port: tuple[int, int | None],
    up: tuple[int, int],
    down: tuple[int, int],
    ceiling: int | None,
    limit: str,
) -> None:
    switch, card = ("0000:01:00.0", "0000:02:04.0"), "0000:03:00.0"
    add_port(machine, PORT, mps=root_port[0], supported=root_port[1])
    add_port(machine, switch[0], mps=up[0], supported=up[1], below=PORT)
    add_port(machine, switch[1], mps=down[0], supported=down[1], below=f"{PORT}/{switch[0]}")
    machine.add_function(
        card,
        PORT_ID,
        bridge=f"{PORT}/{switch[0]}/{switch[1]}",
        config=space(mps=128, supported=512),
    )
    payload = payload_of(machine, card)
    assert (payload.upstream, str(payload.bridge)) == (down[0], switch[1])
    assert payload.ceiling == ceiling
    assert payload.limit.startswith(limit)


def test_a_bridge_that_has_vanished(machine: Machine) -> None:
    add_card(machine)
    (machine.root / DEVICES / PORT).unlink()
    payload = payload_of(machine)
    assert (payload.upstream, payload.ceiling) == (None, None)


def test_a_root_complex_integrated_endpoint(machine: Machine) -> None:
    machine.add_function(PF, PORT_ID, bridge=".", config=space(supported=512, port_type=9))
    payload = payload_of(machine)
    assert (payload.bridge, payload.upstream) == (None, None)
    assert (payload.ceiling, payload.limit) == (512, "the device supports 512")
    assert payload.is_endpoint


@pytest.mark.parametrize(
    ("port_type", "endpoint"), [(0, True), (1, True), (9, True), (4, False), (5, False), (7, False)]
)
def test_what_is_an_endpoint(machine: Machine, port_type: int, *, endpoint: bool) -> None:
    machine.add_function(PF, PORT_ID, config=space(port_type=port_type))
    assert payload_of(machine).is_endpoint == endpoint


@pytest.mark.parametrize(
    ("content", "readable"),
    [
        # Of a C62x whose list goes from 0xb0 to 0x74.
        (b"", False),
        (b"\xff" * 64, False),
        (b"\xff" * 4096, False),
        (space()[:64], False),
        # No list, a loop without the capability, one that points at itself, a cut-off list.
        (with_bytes(space(), {0x06: 0}), True),
        (with_bytes(space(), {0xB1: 0xB0}), True),
        (with_bytes(space(), {0x74: 0x05, 0x75: 0xB0}), True),
        (with_bytes(space(), {0x34: 0x3C}), True),
        (space()[:0x76], True),
        (space()[:0x74] + b"\xff" * (4096 - 0x74), True),
        # Capabilities read all ones.
        (with_bytes(space(), dict.fromkeys(range(0x78, 0x7C), 0xFF)), True),
    ],
)
def test_without_a_capability(machine: Machine, content: bytes, *, readable: bool) -> None:
    add_port(machine)
    machine.add_function(PF, PORT_ID, config=content)
    payload = payload_of(machine)
    assert (payload.offset, payload.current, payload.supported) == (None, None, None)
    assert (payload.ceiling, payload.readable, payload.is_endpoint) == (None, readable, False)


def elsewhere(offset: int) -> bytes:
    """Return a space whose PCI Express capability starts at another place."""
    content = bytearray(space(mps=128, supported=512))
    capability = bytes(content[0x74:0xB0])
    content[0x74:0xB0] = bytes(0x3C)
    content[offset : offset + len(capability)] = capability
    content[0x34] = offset
    return bytes(content)


@pytest.mark.parametrize("offset", [0x40, 0x70, 0xC0])
def test_the_offset_of_the_vendor_is_not_used(
    machine: Machine, running: RunningHost, offset: int
) -> None:
    add_port(machine, mps=512)
    machine.add_function(PF, PORT_ID, config=elsewhere(offset))
    payload = payload_of(machine)
    assert (payload.offset, payload.current, payload.ceiling) == (offset + 8, 128, 512)
    assert payload.setpci(512) == f"{offset + 8:x}.w=0040:00e0"
    write_payload(running, payload, 512)
    assert running.patched == [(CONFIG, offset + 8, b"\x40\x00")]
    assert payload_of(machine).current == 512


# -- writing ---------------------------------------------------------------------------------


@given(
    word=st.integers(0, 0xFFFE),
    size=st.sampled_from(SIZES),
    around=st.binary(min_size=64, max_size=64),
)
def test_only_three_bits_change(word: int, size: int, around: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder) / "root")
        running = RunningHost(machine)
        add_port(machine, mps=4096, supported=4096)
        content = bytearray(space(supported=4096))
        content[0xC0:0x100] = around
        content[CONTROL : CONTROL + 2] = word.to_bytes(2, "little")
        machine.add_function(PF, PORT_ID, config=bytes(content))
        write_payload(running, payload_of(machine), size)
        after = config(machine)
        found = int.from_bytes(after[CONTROL : CONTROL + 2], "little")
        assert found == word & 0xFF1F | code(size) << 5
        assert after[:CONTROL] == content[:CONTROL]
        assert after[CONTROL + 2 :] == content[CONTROL + 2 :]
        # Nothing is written where nothing differs.
        assert len(running.patched) == (found != word)
        assert all((at, len(data)) == (CONTROL, 2) for _path, at, data in running.patched)


def test_the_word_is_read_again_just_before(machine: Machine, running: RunningHost) -> None:
    add_card(machine, mps=128)
    payload = payload_of(machine)
    machine.write(CONFIG, with_bytes(config(machine), {CONTROL: 0x1F, CONTROL + 1: 0x28}))
    write_payload(running, payload, 256)
    assert running.patched == [(CONFIG, CONTROL, b"\x3f\x28")]


@pytest.mark.parametrize(("size", "port"), [(512, 512), (256, 128), (4096, 256)])
def test_never_above_the_ceiling(
    machine: Machine, running: RunningHost, size: int, port: int
) -> None:
    add_port(machine, mps=port)
    add_card(machine, mps=128)
    with pytest.raises(
        RefusedError, match=rf"{PF}: a Max Payload Size of {size} is not set: "
    ) as e:
        write_payload(running, payload_of(machine), size)
    assert payload_of(machine).limit in str(e.value)
    assert running.patched == []


def test_never_without_a_known_ceiling(machine: Machine, running: RunningHost) -> None:
    add_card(machine, mps=128, supported=None)
    with pytest.raises(RefusedError, match="what the device supports is not known"):
        write_payload(running, payload_of(machine), 128)
    assert running.patched == []


def in_reset(machine: Machine) -> None:
    break_device(machine)


def asleep(machine: Machine) -> None:
    machine.write(CONFIG, with_bytes(config(machine), {CONTROL: 0xFF, CONTROL + 1: 0xFF}))


def identity_gone(machine: Machine) -> None:
    machine.write(CONFIG, with_bytes(config(machine), dict.fromkeys(range(4), 0xFF)))


def pulled(machine: Machine) -> None:
    machine.remove(PF)


@pytest.mark.parametrize("happen", [in_reset, asleep, identity_gone, pulled])
def test_what_is_not_readable_is_not_written(
    machine: Machine, running: RunningHost, happen: t.Callable[[Machine], None]
) -> None:
    add_card(machine, mps=128)
    payload = payload_of(machine)
    happen(machine)
    with pytest.raises(NotTakenError, match=rf"{PF}: its configuration space is not readable"):
        write_payload(running, payload, 256)
    assert running.patched == []


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EPERM, "EPERM); a locked down kernel refuses writes to configuration space"),
        (errno.EACCES, "only root"),
        (errno.ENODEV, "the device is gone"),
        (errno.EIO, "(EIO)"),
    ],
)
def test_what_the_kernel_answers(
    machine: Machine, running: RunningHost, number: int, told: str
) -> None:
    add_card(machine, mps=128)
    running.answers[CONFIG, "*"] = number
    with pytest.raises(HostError) as caught:
        write_payload(running, payload_of(machine), 256)
    assert str(caught.value).startswith(f"{PF}: its Max Payload Size is not 256: cannot write")
    assert told in str(caught.value)
    assert caught.value.number == number


def test_a_write_that_does_not_end(machine: Machine, running: RunningHost) -> None:
    add_card(machine, mps=128)
    running.blocked.add(CONFIG)
    with pytest.raises(BlockedError, match=rf"{PF}: .* did not answer"):
        write_payload(running, payload_of(machine), 256)


def test_a_device_that_does_not_take_it(machine: Machine, running: RunningHost) -> None:
    add_card(machine, mps=128)
    running.deaf.add(CONFIG)
    with pytest.raises(
        NotTakenError, match=rf"{PF}: Max Payload Size 256 was written .* reads 128"
    ):
        write_payload(running, payload_of(machine), 256)
    set_sizes(machine, mps=None)
    with pytest.raises(NotTakenError, match="reads a reserved encoding"):
        write_payload(running, payload_of(machine), 256)


def test_a_tree_is_not_written(machine: Machine) -> None:
    add_card(machine, mps=128)
    before = machine.files()
    with pytest.raises(HostError, match="devices are not written below"):
        write_payload(machine.host, payload_of(machine), 256)
    assert machine.files() == before
