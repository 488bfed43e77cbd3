# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qat_mps as Ansible calls it."""

from __future__ import annotations

import errno
import json
import typing as t
from dataclasses import dataclass

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.record import RECORD_PATH
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, DEVICES, OTHER, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.mps_runs import (
    CONTROL,
    PORT,
    add_card,
    add_port,
    break_device,
    config,
    lock_kernel,
    set_sizes,
    space,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner, Result

MODULE = "qat_mps"
CONFIG = f"/{DEVICES}/{PF}/config"
SECOND = "0000:03:00.0"
TO_256 = (CONFIG, CONTROL, b"\x20\x00")


@dataclass
class Runs:
    """Runs tasks of the module on a machine that runs."""

    machine: Machine
    running: RunningHost
    run_module: ModuleRunner

    def __call__(self, state: str, *devices: object, **options: t.Any) -> Result:
        """Do a task after a check run that tells the same, and once more without any change."""
        before, done = self.machine.files(), len(self.running.patched)
        check = self.run(state, *devices, check=True, **options)
        assert self.machine.files() == before
        assert len(self.running.patched) == done
        real = self.run(state, *devices, **options)
        assert "failed" not in real, real["msg"]
        assert _told(real) == _told(check)
        after, done = self.machine.files(), len(self.running.patched)
        again = self.run(state, *devices, **options)
        assert (again["changed"], again["diff"]) == (False, [])
        assert self.machine.files() == after
        assert len(self.running.patched) == done
        assert again["warnings"] == real["warnings"]
        assert again["devices"] == [{**each, "repaired": False} for each in real["devices"]]
        assert real["changed"] == bool(real["diff"])
        return real

    def run(self, state: str, *devices: object, check: bool = False, **options: t.Any) -> Result:
        """Run the module once."""
        given: dict[str, t.Any] = {"state": state, **options}
        if devices:
            given["devices"] = list(devices)
        return self.run_module(MODULE, given, check=check, running=self.running)

    def refusal(self, state: str, *devices: object, **options: t.Any) -> str:
        """Return why a task is refused: alike in check mode, and with nothing changed."""
        before = self.machine.files()
        told = []
        for check in (True, False):
            result = self.run(state, *devices, check=check, **options)
            assert result.get("failed"), result
            told.append(str(result["msg"]))
            assert self.machine.files() == before
            assert self.running.patched == []
        assert told[0] == told[1]
        return told[0]

    def save(self, mps: int, pci_id: object = C62X.pf_id, address: str = PF) -> None:
        """Have a record of a size."""
        saved = {"id": str(pci_id), "mps": mps}
        document = {"version": 1, "devices": {address: saved}}
        text = json.dumps(document, indent=2, sort_keys=True)
        self.machine.write(RECORD_PATH, f"{text}\n")

    @property
    def saved(self) -> dict[str, int]:
        """What is recorded, by address."""
        if not self.machine.at(RECORD_PATH).exists():
            return {}
        document = json.loads(self.machine.read(RECORD_PATH))
        return {address: entry["mps"] for address, entry in document["devices"].items()}


@pytest.fixture
def runs(machine: Machine, running: RunningHost, run_module: ModuleRunner) -> Runs:
    return Runs(machine, running, run_module)


def _told(result: Result) -> Result:
    return {key: value for key, value in result.items() if key != "invocation"}


# -- saved -----------------------------------------------------------------------------------


def test_a_size_is_saved(runs: Runs) -> None:
    add_card(runs.machine)
    result = runs("saved")
    assert result["changed"]
    assert [entry["after_header"] for entry in result["diff"]] == [RECORD_PATH]
    assert result["devices"] == [
        {
            "address": PF,
            "id": str(C62X.pf_id),
            "family": "c62x",
            "current": 256,
            "saved": 256,
            "upstream": 256,
            "supported": 256,
            "repaired": False,
            "skipped": False,
            "holder": {"kind": "driver", "name": "c6xx", "pid": None},
        }
    ]
    assert result["warnings"] == []
    assert runs.saved == {PF: 256}
    assert runs.running.patched == []


@pytest.mark.parametrize(
    ("before", "current", "supported", "upstream", "after"),
    [
        # What the path allows now, or more, is worth recording: also in place of more.
        (None, 128, 128, 256, 128),
        (None, 128, 256, 128, 128),
        (128, 256, 256, 256, 256),
        (512, 256, 256, 512, 256),
        (None, 256, 512, 256, 256),
        # Set above the path by hand.
        (None, 512, 512, 256, 512),
        # Where it cannot be told, whatever is not less than before.
        (None, 128, None, 256, 128),
        (128, 256, None, 256, 256),
    ],
)
def test_what_is_recorded(
    runs: Runs, before: int | None, current: int, supported: int | None, upstream: int, after: int
) -> None:
    add_port(runs.machine, mps=upstream)
    add_card(runs.machine, mps=current, supported=supported)
    if before:
        runs.save(before)
    result = runs("saved")
    assert result["warnings"] == []
    assert (result["changed"], result["devices"][0]["saved"]) == (True, after)
    assert runs.saved == {PF: after}


@pytest.mark.parametrize(
    ("before", "current", "supported"),
    [(256, 128, 256), (128, 128, 512), (128, 256, 512), (512, 128, 512), (256, 128, None)],
)
def test_a_record_is_never_worsened(
    runs: Runs, before: int, current: int, supported: int | None
) -> None:
    add_port(runs.machine, mps=512)
    add_card(runs.machine, mps=current, supported=supported)
    runs.save(before)
    result = runs("saved")
    assert not result["changed"]
    assert result["devices"][0]["saved"] == before
    assert len(result["warnings"]) == 1
    assert f"{PF}: its Max Payload Size is {current}, as after a reset" in result["warnings"][0]
    assert result["warnings"][0].endswith(f"the saved {before} stays")
    assert runs.saved == {PF: before}


def test_what_was_lost_already_is_not_saved(runs: Runs) -> None:
    add_card(runs.machine, mps=128)
    result = runs("saved")
    assert not result["changed"]
    assert result["devices"][0]["saved"] is None
    (warning,) = result["warnings"]
    assert warning == (
        f"{PF}: its Max Payload Size is 128, as after a reset, where 256 are possible (the device "
        "supports 256): nothing is saved; mps: auto gives it what the bridge above it has"
    )
    assert not runs.machine.at(RECORD_PATH).exists()


def test_the_record_of_another_card_is_replaced(runs: Runs) -> None:
    add_card(runs.machine)
    runs.save(512, OTHER)
    result = runs("saved")
    assert result["devices"][0]["saved"] == 256
    assert runs.saved == {PF: 256}


def test_the_record_of_another_card_does_not_keep_the_size(runs: Runs) -> None:
    add_card(runs.machine, mps=128)
    runs.save(512, OTHER)
    result = runs("saved")
    assert (result["changed"], result["devices"][0]["saved"]) == (False, None)
    assert "nothing is saved" in result["warnings"][0]


def test_entries_of_others_stay(runs: Runs) -> None:
    add_card(runs.machine)
    runs.save(512, OTHER, "0000:99:00.0")
    runs("saved")
    assert runs.saved == {PF: 256, "0000:99:00.0": 512}


@pytest.mark.parametrize("state", ["saved", "restored"])
def test_a_record_with_other_white_space_stays_as_it_is(runs: Runs, state: str) -> None:
    add_card(runs.machine)
    runs.save(256)
    text = runs.machine.read(RECORD_PATH).replace("\n", "")
    runs.machine.write(RECORD_PATH, text)
    assert not runs(state)["changed"]
    assert runs.machine.read(RECORD_PATH) == text


def test_a_reserved_size_is_not_saved(runs: Runs) -> None:
    add_card(runs.machine, mps=None)
    told = runs.refusal("saved")
    assert f"{PF}: its Max Payload Size is at a reserved encoding, which is no size" in told


@pytest.mark.parametrize("domain", [True, False])
def test_a_held_card_is_skipped_and_refused_by_name(runs: Runs, *, domain: bool) -> None:
    add_card(runs.machine, SECOND, group=2)
    add_card(runs.machine, mps=128, driver="vfio-pci")
    if domain:
        runs.machine.add_domain("guest", PF, pid=4242)
    else:
        runs.machine.hold(PF)
    holder = "domain guest (pid 4242)" if domain else "process qemu-system-x86 (pid 4242)"
    for device in (PF, str(C62X.pf_id), {"address": PF, "id": str(C62X.pf_id)}):
        assert f"{PF}: held by {holder}, which may have reset it" in runs.refusal("saved", device)
    for word in ("all", "qat", "gen1", "c62x"):
        runs.machine.at(RECORD_PATH).unlink(missing_ok=True)
        result = runs("saved", word)
        assert [each["skipped"] for each in result["devices"]] == [True, False]
        assert runs.saved == {SECOND: 256}
        assert result["warnings"] == []


def test_a_held_card_that_does_not_respond_is_skipped(runs: Runs) -> None:
    add_card(runs.machine, driver="vfio-pci")
    runs.machine.add_domain("guest", PF, pid=4242)
    break_device(runs.machine)
    result = runs("saved")
    assert (result["devices"][0]["skipped"], result["devices"][0]["current"]) == (True, None)


def test_a_card_of_a_guest_that_does_not_run_is_saved(runs: Runs) -> None:
    add_card(runs.machine, driver="vfio-pci")
    runs.machine.add_domain("guest", PF)
    result = runs("saved", PF)
    assert result["devices"][0]["holder"] == {"kind": "domain", "name": "guest", "pid": None}
    assert runs.saved == {PF: 256}


# -- restored --------------------------------------------------------------------------------


def test_what_was_saved_comes_back(runs: Runs) -> None:
    add_card(runs.machine)
    runs("saved")
    set_sizes(runs.machine, mps=128)
    result = runs("restored")
    assert result["changed"]
    assert result["diff"] == [
        {
            "before_header": "devices",
            "after_header": "devices",
            "before": f"{PF} mps: 128\n",
            "after": f"{PF} mps: 256\n",
        }
    ]
    assert (result["devices"][0]["current"], result["devices"][0]["repaired"]) == (256, True)
    assert runs.running.patched == [TO_256]
    assert runs.saved == {PF: 256}


@pytest.mark.parametrize(
    ("saved", "supported", "upstream", "target"),
    [
        (None, 256, 256, 256),
        (None, 512, 256, 256),
        (None, 256, 512, 256),
        (512, 512, 1024, 512),
        (256, 1024, 1024, 256),
    ],
)
def test_auto(runs: Runs, saved: int | None, supported: int, upstream: int, target: int) -> None:
    add_port(runs.machine, mps=upstream, supported=4096)
    add_card(runs.machine, mps=128, supported=supported)
    if saved:
        runs.save(saved)
    result = runs("restored")
    assert (result["devices"][0]["current"], result["devices"][0]["saved"]) == (target, saved)
    assert result["warnings"] == []


def test_a_size_above_the_bridges_comes_down(runs: Runs) -> None:
    add_card(runs.machine, mps=512, supported=512)
    assert runs("restored")["devices"][0]["current"] == 256


@pytest.mark.parametrize("mps", [None, 128])
def test_a_root_complex_integrated_endpoint(runs: Runs, mps: int | None) -> None:
    runs.machine.add_function(
        PF, C62X.pf_id, bridge=".", config=space(mps=mps, supported=512, port_type=9)
    )
    result = runs("restored")
    assert (result["devices"][0]["upstream"], result["devices"][0]["current"]) == (None, 512)
    assert result["diff"][0]["before"] == f"{PF} mps: {mps or 'reserved'}\n"


def test_nothing_differs(runs: Runs) -> None:
    add_card(runs.machine)
    result = runs("restored")
    assert (result["changed"], result["devices"][0]["repaired"]) == (False, False)
    assert runs.running.patched == []


@pytest.mark.parametrize(
    ("port", "limit"),
    [
        ({"mps": 256}, f"bridge {PORT} above it is set to 256"),
        ({"mps": 512, "supported": 256}, f"bridge {PORT} above it supports 256"),
    ],
)
def test_what_was_saved_is_above_what_is_possible(
    runs: Runs, port: dict[str, t.Any], limit: str
) -> None:
    add_port(runs.machine, **{"supported": 512, **port})
    add_card(runs.machine, mps=128, supported=512)
    runs.save(512)
    result = runs("restored")
    assert result["devices"][0]["current"] == 256
    (warning,) = result["warnings"]
    assert warning == (
        f"{PF}: a Max Payload Size of 512 was saved, and it may have 256 at most: {limit}; so 256 "
        "it is"
    )
    assert runs.saved == {PF: 512}


def test_the_record_of_another_card_does_not_count(runs: Runs) -> None:
    add_port(runs.machine, mps=512)
    add_card(runs.machine, mps=128, supported=512)
    runs.save(256, OTHER)
    result = runs("restored")
    assert (result["devices"][0]["saved"], result["devices"][0]["current"]) == (None, 512)


@pytest.mark.parametrize("before", [128, 256, 512])
def test_an_explicit_size(runs: Runs, before: int) -> None:
    add_card(runs.machine, mps=before)
    runs.save(128)
    result = runs("restored", mps="256")
    assert result["changed"] == (before != 256)
    assert result["devices"][0]["current"] == 256
    assert runs.saved == {PF: 128}


@pytest.mark.parametrize(
    ("port", "mps", "limit"),
    [
        ({"mps": 128}, 256, f"128 that {PF} may have: bridge {PORT} above it is set to 128"),
        ({"mps": 512}, 512, f"256 that {PF} may have: the device supports 256"),
        ({"supported": 128}, 4096, f"128 that {PF} may have: bridge {PORT} above it supports 128"),
    ],
)
def test_an_explicit_size_above_what_is_possible(
    runs: Runs, port: dict[str, t.Any], mps: int, limit: str
) -> None:
    add_port(runs.machine, **port)
    add_card(runs.machine, mps=128)
    told = runs.refusal("restored", mps=str(mps))
    assert told.startswith(f"option mps: {mps} is above the {limit}; use auto, or ")


def test_a_guest_has_the_card(runs: Runs) -> None:
    add_card(runs.machine)
    runs("saved")
    runs.machine.hold(PF)
    runs.machine.add_domain("guest", PF, pid=4242)
    set_sizes(runs.machine, mps=128)
    for named in (False, True):
        result = runs("restored", *([PF] if named else []))
        assert result["devices"][0]["repaired"] is named
        assert result["devices"][0]["skipped"] is not named
        assert result["devices"][0]["holder"] == {"kind": "domain", "name": "guest", "pid": 4242}


@pytest.mark.parametrize("state", ["saved", "restored"])
@pytest.mark.parametrize("word", ["all", "qat", "c62x", "gen1"])
def test_words_leave_cards_on_a_vfio_driver_alone(runs: Runs, state: str, word: str) -> None:
    add_card(runs.machine, driver="vfio-pci")
    result = runs(state, word)
    assert [device["skipped"] for device in result["devices"]] == [True]
    assert runs.saved == {}


def test_a_card_without_a_known_limit_is_left_alone(runs: Runs) -> None:
    add_card(runs.machine, mps=128, supported=None)
    result = runs("restored")
    assert not result["changed"]
    assert len(result["warnings"]) == 1
    assert (
        f"{PF}: its Max Payload Size is 128, and what it may have cannot be told: what the "
        in (result["warnings"][0])
    )
    for devices, options in (((PF,), {}), ((), {"mps": "256"})):
        told = runs.refusal("restored", *devices, **options)
        assert "cannot be told" in told
        assert "take it out of option devices" in told
    # It has what was asked for.
    assert not runs("restored", mps="128")["changed"]
    runs.save(256)
    assert "cannot be told" in runs.refusal("restored")


def test_a_card_below_a_bridge_that_does_not_tell_is_left_alone(runs: Runs) -> None:
    add_port(runs.machine, config=b"\xff" * 256)
    add_card(runs.machine, mps=256, supported=256)
    result = runs("restored")
    assert (result["changed"], result["devices"][0]["upstream"]) == (False, None)
    (warning,) = result["warnings"]
    assert f"what bridge {PORT} above it supports is not known" in warning


def test_two_cards_and_other_devices(runs: Runs) -> None:
    add_card(runs.machine, mps=128)
    add_card(runs.machine, SECOND, mps=128, group=2)
    add_card(runs.machine, "0000:04:00.0", family="4xxx", mps=128, group=3)
    nic = runs.machine.add_function("0000:41:00.0", OTHER, config=space(mps=128))
    result = runs("restored")
    assert [each["address"] for each in result["devices"]] == [PF, SECOND]
    result = runs("restored", nic, "4xxx")
    assert [(each["family"], each["repaired"]) for each in result["devices"]] == [
        ("4xxx", True),
        (None, True),
    ]


# -- refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["saved", "restored"])
def test_functions_without_a_size(runs: Runs, state: str) -> None:
    add_card(runs.machine, mps=128, vfs=2)
    (vf, _second) = runs.machine.vfs()
    guest_vf, host_bridge = "0000:07:00.0", "0000:00:00.0"
    runs.machine.add_function(guest_vf, C62X.vf_id, bridge=".")
    runs.machine.add_function(host_bridge, OTHER, class_code=0x060000, config=space(port_type=4))
    runs.machine.add_function("0000:08:00.0", OTHER, config=b"\0" * 256)
    for address, told in (
        (vf, f"{C62X.vf_id} is a VF, in which Max Payload Size is reserved; name its PF, {PF}, in"),
        (guest_vf, "is a VF, in which Max Payload Size is reserved; name its PF, on the host, in"),
        (PORT, "is a PCI bridge, whose size the kernel sets; name endpoints in option devices"),
        (host_bridge, "is a PCI Express port, no endpoint"),
        ("0000:08:00.0", "no PCI Express capability in its configuration space"),
    ):
        message = runs.refusal(state, PF, address)
        assert message.startswith(f"{address}: ")
        assert told in message


@pytest.mark.parametrize("state", ["saved", "restored"])
@pytest.mark.parametrize("content", [b"", b"\xff" * 4096, space()[:64]])
def test_a_card_that_does_not_respond(runs: Runs, state: str, content: bytes) -> None:
    add_card(runs.machine)
    runs.machine.write(CONFIG, content)
    told = runs.refusal(state)
    assert told.startswith(f"{PF}: its configuration space cannot be read ({CONFIG})")


@pytest.mark.parametrize("level", ["integrity", "confidentiality"])
def test_a_locked_kernel(runs: Runs, level: str) -> None:
    add_card(runs.machine)
    lock_kernel(runs.machine, level)
    # Nothing has to be written.
    assert not runs("restored")["changed"]
    assert runs("saved")["changed"]
    set_sizes(runs.machine, mps=128)
    told = runs.refusal("restored")
    assert f"{PF}: its Max Payload Size is 128 and should be 256, but the kernel is locked" in told
    assert f"({level})" in told
    assert "kernel_lockdown.7" in told
    assert "Secure Boot" in told


def test_a_kernel_that_is_not_locked(runs: Runs) -> None:
    add_card(runs.machine, mps=128)
    lock_kernel(runs.machine, "none")
    assert runs("restored")["changed"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"state": "saved", "mps": "256"}, "option mps: '256' is not accepted, use auto with"),
        ({"state": "saved", "devices": []}, "option devices: [] is not accepted"),
        ({"state": "saved", "devices": ["c99x"]}, "option devices: 'c99x' is not accepted"),
        ({"state": "absent"}, "value of state must be one of: saved, restored"),
        ({"state": "restored", "mps": "100"}, "value of mps must be one of: auto, 128, "),
        ({}, "missing required arguments: state"),
    ],
)
def test_bad_input(runs: Runs, options: dict[str, t.Any], told: str) -> None:
    for check in (True, False):
        assert told in runs.run_module.failure(MODULE, options, check=check, running=runs.running)


def test_missing_ok(runs: Runs) -> None:
    assert "no QAT PF of generation 1 on this host" in runs.refusal("restored")
    for state in ("saved", "restored"):
        result = runs(state, missing_ok=True)
        assert (result["changed"], result["devices"]) == (False, [])


@pytest.mark.parametrize("state", ["saved", "restored"])
def test_a_record_of_somebody_else(runs: Runs, state: str) -> None:
    add_card(runs.machine, mps=128)
    runs.machine.write(RECORD_PATH, "mine\n")
    assert runs.refusal(state).startswith(f"{RECORD_PATH}: no record of payload sizes (")
    assert runs.machine.read(RECORD_PATH) == "mine\n"


# -- what the kernel does --------------------------------------------------------------------


def test_the_kernel_refuses(runs: Runs) -> None:
    add_card(runs.machine, mps=128)
    runs.running.answers[CONFIG, "*"] = errno.EPERM
    result = runs.run("restored")
    assert result["failed"]
    assert "EPERM" in result["msg"]
    assert "man kernel_lockdown.7" in result["msg"]
    assert (result["devices"][0]["current"], result["devices"][0]["repaired"]) == (128, False)


def test_the_device_does_not_take_it(runs: Runs) -> None:
    add_card(runs.machine, mps=128)
    runs.running.deaf.add(CONFIG)
    result = runs.run("restored")
    assert (
        f"{PF}: Max Payload Size 256 was written to Device Control at 0x7c and reads 128"
        in (result["msg"])
    )
    assert not result["devices"][0]["repaired"]


def test_the_second_of_two_fails(runs: Runs) -> None:
    add_card(runs.machine, mps=128)
    add_card(runs.machine, SECOND, mps=128, group=2)
    runs.running.answers[f"/{DEVICES}/{SECOND}/config", "*"] = errno.EIO
    result = runs.run("restored")
    assert result["msg"].startswith(f"{SECOND}: its Max Payload Size is not 256: ")
    assert result["msg"].endswith(f"Already done and left as it is: {PF} mps=256")
    assert [each["repaired"] for each in result["devices"]] == [True, False]


class Meanwhile:
    """Lets something happen to a device once a size was written to another one."""

    def __init__(self, runs: Runs, happen: t.Callable[[], None]) -> None:
        """Stand in for what writes."""
        self.running, self.happen, self.write = runs.running, happen, runs.running.write_piece

    def __call__(self, path: str, offset: int, data: bytes, *, seconds: float) -> None:
        """Write, and let it happen."""
        self.write(path, offset, data, seconds=seconds)
        if SECOND in path:
            self.happen()


@pytest.mark.parametrize(
    ("devices", "pulled", "told"),
    [
        ((), False, f"{PF}: Max Payload Size 256 was set, and is 128 again, held by domain guest"),
        ((), True, f"{PF}: gone since the task began"),
        ((PF, SECOND), True, f"option devices: {PF}: no PCI function at this address"),
    ],
)
def test_what_happens_meanwhile(
    runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
    devices: tuple[str, ...],
    told: str,
    *,
    pulled: bool,
) -> None:
    add_card(runs.machine, mps=128)
    add_card(runs.machine, SECOND, mps=128, group=2)
    runs.machine.add_domain("guest", PF, pid=4242)

    def happen() -> None:
        if pulled:
            runs.machine.remove(PF)
        else:
            set_sizes(runs.machine, mps=128)

    monkeypatch.setattr(runs.running, "write_piece", Meanwhile(runs, happen))
    result = runs.run("restored", *devices)
    assert result["failed"]
    assert told in result["msg"]


def test_a_card_that_goes_before_it_is_written(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    add_card(runs.machine, mps=128)
    add_card(runs.machine, "0000:00:1f.0", mps=128, group=2)
    write = runs.running.write_piece

    def then_break(path: str, offset: int, data: bytes, *, seconds: float) -> None:
        write(path, offset, data, seconds=seconds)
        break_device(runs.machine)

    monkeypatch.setattr(runs.running, "write_piece", then_break)
    result = runs.run("restored")
    assert f"{PF}: its configuration space is not readable now" in result["msg"]
    assert "Already done and left as it is: 0000:00:1f.0 mps=256" in result["msg"]
    assert config(runs.machine) == b"\xff" * 4096


# -- another root ----------------------------------------------------------------------------


def test_a_tree(machine: Machine, run_module: ModuleRunner) -> None:
    add_card(machine)
    before = machine.files()
    saved = run_module(MODULE, {"state": "saved"})
    assert saved["changed"]
    assert saved["pending_writes"] == []
    assert set(machine.files()) - set(before) == {RECORD_PATH.lstrip("/")}
    set_sizes(machine, mps=128)
    before = machine.files()
    check = run_module(MODULE, {"state": "restored"}, check=True)
    real = run_module(MODULE, {"state": "restored"})
    assert _told(check) == _told(real)
    assert real["changed"]
    assert real["pending_writes"] == [{"path": CONFIG, "value": "7c.w=0020:00e0"}]
    assert real["pending_commands"] == []
    assert (real["devices"][0]["current"], real["devices"][0]["repaired"]) == (256, True)
    assert machine.files() == before


@pytest.mark.parametrize("family", [row.name for row in FAMILIES.values() if row.generation < 2])
def test_every_family_that_loses_its_size(runs: Runs, family: str) -> None:
    add_card(runs.machine, family=family, mps=128)
    result = runs("restored")
    assert [each["family"] for each in result["devices"]] == [family]
    assert result["devices"][0]["repaired"]
