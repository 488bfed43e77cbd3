# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Payload sizes of whole cards: saved before guests have them, restored after their resets."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._plan import ConfigWrite, Plan
from .decision import decide, is_skipped
from .payload import write_payload
from .state import observe
from .wanted import Wanted

if t.TYPE_CHECKING:
    from .._host import Host
    from .decision import Decision
    from .record import SizeRecord
    from .state import Device, State


class PayloadSizes:
    """The work of the module qat_mps."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.wanted = Wanted.parse(options)

    def observe(self, host: Host) -> State:
        """Read the chosen functions, the ports above them, the record, and who holds them."""
        return observe(host, self.wanted)

    def plan(self, state: State) -> Plan:
        """Decide for every device before any is changed."""
        decisions = decide(self.wanted, state)
        record = _recorded(state, decisions)
        return Plan(
            (
                *(record.change() if record.sizes != state.record.sizes else ()),
                *(
                    _write(device, decision.mps)
                    for device, decision in zip(state.devices, decisions)
                    if decision.mps is not None
                ),
            ),
            warnings=tuple(each.warning for each in decisions if each.warning is not None),
        )

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to."""
        decisions = decide(self.wanted, state)
        record = _recorded(state, decisions)
        devices = tuple(
            replace(
                device,
                payload=replace(device.payload, current=decision.mps or device.payload.current),
                saved=record.size_of(device.function),
            )
            for device, decision in zip(state.devices, decisions)
        )
        return replace(state, devices=devices, record=record)

    def unmet(self, before: State, after: State) -> str | None:
        """Compare what is there now with what was wanted."""
        there = {device.address: device for device in after.devices}
        for device, decision in zip(before.devices, decide(self.wanted, before)):
            if decision.mps is None:
                continue
            now = there.get(device.address)
            if now is None:
                return f"{device.address}: gone since the task began"
            if now.payload.current != decision.mps:
                holder = f", held by {now.holder}" if now.is_held else ""
                return (
                    f"{device.address}: Max Payload Size {decision.mps} was set, and is "
                    f"{now.payload.current or 'not readable'} again{holder}: it was reset "
                    "meanwhile; run again once the guest has started"
                )
        return None

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        written = {
            device.address: decision.mps
            for device, decision in zip(before.devices, decide(self.wanted, before))
        }
        return {
            "devices": [
                device.as_result(
                    repaired=device.payload.current is not None
                    and device.payload.current == written.get(device.address),
                    skipped=is_skipped(device),
                )
                for device in after.devices
            ]
        }


def _recorded(state: State, decisions: tuple[Decision, ...]) -> SizeRecord:
    """Return the record with what is newly saved."""
    record = state.record
    for device, decision in zip(state.devices, decisions):
        if decision.saved is not None:
            record = record.with_entry(device.function, decision.saved)
    return record


def _write(device: Device, mps: int) -> ConfigWrite:
    payload = device.payload
    return ConfigWrite(
        device=str(device.address),
        path=payload.path,
        name="mps",
        value=payload.setpci(mps),
        before=str(payload.current or "reserved"),
        after=str(mps),
        write=lambda host: write_payload(host, payload, mps),
    )
