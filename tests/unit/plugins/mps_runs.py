# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Payload sizes of devices and of the ports above them, for tests of them."""

from __future__ import annotations

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciId
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import (
    C62X,
    DEVICES,
    PF,
    config_space,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

PORT = "0000:00:01.0"
PORT_ID = PciId(0x8086, 0x2030)
# Where Device Control of these configuration spaces is.
CONTROL = 0x7C


def code(size: int | None) -> int:
    """Return the encoding of a size, a reserved one for None."""
    return 7 if size is None else (size // 128).bit_length() - 1


def space(
    pci_id: PciId = C62X.pf_id,
    *,
    mps: int | None = 256,
    supported: int | None = 256,
    port_type: int = 0,
    **rest: t.Any,
) -> bytes:
    """Return a configuration space with payload sizes in bytes."""
    return config_space(
        pci_id, mps=code(mps), supported=code(supported), port_type=port_type, **rest
    )


def add_port(
    machine: Machine,
    address: str = PORT,
    *,
    mps: int | None = 256,
    supported: int | None = 512,
    below: str = ".",
    config: bytes | None = None,
) -> None:
    """Add a bridge, below another one or on the root bus."""
    if config is None:
        config = space(PORT_ID, mps=mps, supported=supported, port_type=4)
    machine.add_function(address, PORT_ID, class_code=0x060400, bridge=below, config=config)


def add_card(
    machine: Machine,
    address: str = PF,
    *,
    family: str = "c62x",
    mps: int | None = 256,
    supported: int | None = 256,
    port: bool = True,
    **options: t.Any,
) -> str:
    """Add a QAT PF with payload sizes, below a port of its own unless told."""
    if port and not machine.at(f"{DEVICES}/{PORT}").is_dir():
        add_port(machine)
    machine.add_pf(family, address, **options)
    set_sizes(machine, address, mps=mps, supported=supported)
    return address


def set_sizes(
    machine: Machine,
    address: str = PF,
    *,
    mps: int | None = 256,
    supported: int | None = 256,
) -> None:
    """Give a device other payload sizes, as a reset of it does."""
    content = bytearray(config(machine, address))
    control = int.from_bytes(content[CONTROL : CONTROL + 2], "little")
    control = control & ~0xE0 | code(mps) << 5
    content[CONTROL : CONTROL + 2] = control.to_bytes(2, "little")
    content[CONTROL - 4] = content[CONTROL - 4] & ~7 | code(supported)
    machine.write(f"{DEVICES}/{address}/config", bytes(content))


def config(machine: Machine, address: str = PF) -> bytes:
    """Return the configuration space of a device."""
    return machine.at(f"{DEVICES}/{address}/config").read_bytes()


def break_device(machine: Machine, address: str = PF) -> None:
    """Let a device read all ones, as one does that is in reset."""
    machine.write(f"{DEVICES}/{address}/config", b"\xff" * 4096)


def lock_kernel(machine: Machine, level: str = "integrity") -> None:
    """Lock the kernel down."""
    machine.write("sys/kernel/security/lockdown", f"none [{level}]\n")
