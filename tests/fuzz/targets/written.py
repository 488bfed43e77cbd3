# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written for udev, modprobe and systemd, as they read it."""

from __future__ import annotations

import contextlib
import io
import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HwaccelError, InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.log import to_journal
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.unit import PROGRAM, render_unit
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import HostVfs, SriovRule
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.services import SERVICES, in_order
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib import rules as qatlib
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio import boot_rules
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.denylist import _configured
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.variants import parse_driver
from ansible_collections.hwaccel.virt.tests.fuzz.readers.lines import command_words, module_options
from ansible_collections.hwaccel.virt.tests.fuzz.readers.udev import (
    GLOB,
    SUBSTITUTION,
    Pair,
    read_rules,
)
from ansible_collections.hwaccel.virt.tests.fuzz.target import Choices, Target, decode

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host

_DRIVERS = ("c6xx", "4xxx", "vfio-pci", "mlx5_vfio_pci", "a.b")
_HOSTILE = ('"', "\n", "\\", "$env{X}", "%k", 'a", RUN+="/bin/x', "a|b", "a*", "#", " ", "\r", "'")


def _address(choices: Choices) -> PciAddress:
    domain = choices.pick((0, 1, 0x10000, 0xFFFFFFFF))
    return PciAddress(domain, choices.number(255), choices.number(31), choices.number(7))


def _id(choices: Choices) -> PciId:
    return PciId(choices.number(0xFFFF), choices.number(0xFFFF))


def _name(choices: Choices) -> str:
    """Return a name of a driver, good or hostile."""
    kind = choices.number(7)
    if kind == 0:
        return choices.text(12)
    if kind == 1:
        return choices.pick(_DRIVERS) + choices.pick(_HOSTILE)
    return choices.pick(_DRIVERS)


def _keys(pairs: list[Pair]) -> list[str]:
    return [f"{pair.key}{pair.operator}" for pair in pairs]


def check_sriov_rules(data: bytes) -> None:
    """Check that udev gets exactly the keys that are meant, and that the rule is read back."""
    choices = Choices(data)
    kept = None
    if choices.flag():
        addresses = [_address(choices), *choices.some(lambda: _address(choices), 3)]
        kept = HostVfs(tuple(addresses), _id(choices), _name(choices))
    services = in_order(dict.fromkeys(choices.some(lambda: choices.pick(SERVICES), 3)))
    rule = SriovRule(
        _address(choices),
        _id(choices),
        _name(choices),
        choices.number(0xFFFF),
        choices.pick((None, False, True)),
        services or None,
        choices.pick((None, False, True)),
        kept,
    )
    try:
        content = rule.render()
    except HwaccelError:
        return
    rules = read_rules(decode(content))
    match = ["ACTION==", "SUBSYSTEM==", "KERNEL==", "DRIVER==", "ATTR{vendor}==", "ATTR{device}=="]
    match += ["ATTR{sriov_numvfs}==", "TEST!="]
    meant = []
    if rule.services:
        written = ["ATTR{qat/cfg_services}!=", "ATTR{qat/state}=", "ATTR{qat/cfg_services}="]
        meant.append([*match, *written, "ATTR{qat/state}="])
    own = ["ATTR{qat/auto_reset}="] if rule.auto_reset is not None else []
    if rule.num_vfs:
        own += ["ATTR{sriov_drivers_autoprobe}="] if rule.autoprobe is not None else []
        own += ["ATTR{sriov_numvfs}="]
    if own:
        meant.append([*match, *own])
    if kept is not None:
        keys = ["ACTION==", "SUBSYSTEM==", "KERNEL==", "ATTR{vendor}==", "ATTR{device}==", "TEST!="]
        meant.append([*keys, "ATTR{driver_override}=", "ATTR{[subsystem/pci]drivers_probe}="])
    assert [_keys(pairs) for pairs in rules] == meant
    for pairs in rules:
        _check_values(pairs, ("ACTION", "KERNEL", "ATTR{qat/cfg_services}"), ("$kernel",))
    if meant and len(meant) > (kept is not None):
        again = SriovRule.parse(content)
        assert again is not None
        assert again.render() == content


def _check_values(pairs: list[Pair], lists: tuple[str, ...], meant: tuple[str, ...]) -> None:
    """Check that nothing in a value is a pattern or a substitution that was not meant."""
    for pair in pairs:
        if pair.operator in {"==", "!="} and pair.key not in lists:
            assert not GLOB & set(pair.value), pair
        if pair.operator == "=" and pair.value not in meant:
            assert not SUBSTITUTION & set(pair.value), pair


def check_vfio_rules(data: bytes) -> None:
    """Check that udev gets one line a function, with exactly the keys that are meant."""
    choices = Choices(data)
    early = choices.flag()
    rules = []
    while choices.left:
        try:
            driver = parse_driver(_name(choices))
        except InputError:
            driver = "vfio-pci"
        rules.append(boot_rules.Rule(_address(choices), _id(choices), driver, early))
    content = boot_rules.render_rules(rules, early=early)
    assert (content is None) == (not rules)
    if content is None:
        return
    ordered = sorted(rules, key=lambda rule: rule.address)
    assert boot_rules.parse_rules(content, early=early) == ordered
    own = [pairs for pairs in read_rules(decode(content)) if pairs[0].key == "KERNEL"]
    variable = "ENV{HWACCEL_VFIO_EARLY_DRIVER}" if early else "ENV{HWACCEL_VFIO_DRIVER}"
    assert own == [
        [
            Pair("KERNEL", "==", str(rule.address)),
            Pair("ATTR{vendor}", "==", f"0x{rule.id.vendor:04x}"),
            Pair("ATTR{device}", "==", f"0x{rule.id.device:04x}"),
            Pair(variable, "=", rule.driver),
        ]
        for rule in ordered
    ]
    for pairs in own:
        _check_values(pairs, (), ())


def check_qatlib_rules(data: bytes) -> None:
    """Check that udev gets one line a VF, and that the VFs are read back."""
    choices = Choices(data)
    vfs = []
    while choices.left:
        vfs.append(_address(choices))
    content = qatlib.render_rules(vfs)
    if content is None:
        assert not vfs
        return
    rules = read_rules(decode(content))
    keys = ["SUBSYSTEM==", "KERNEL==", "TEST==", "GROUP=", "MODE="]
    assert [_keys(pairs) for pairs in rules] == [keys] * len(vfs)
    assert qatlib.read_own_vfs(_text_host(content)) == frozenset(vfs)


class _Texts:
    """A host with a file of one text, in the first folder that is looked into."""

    def __init__(self, content: bytes) -> None:
        """Put it there."""
        self._text = decode(content)

    def read_text(self, path: str) -> str | None:
        return self._text if path.startswith("/etc/") else None

    def attribute(self, path: str) -> str | None:
        return None if path else ""

    def names(self, folder: str) -> list[str]:
        return ["a.conf"] if folder == "/etc/modprobe.d" else []


def _text_host(content: bytes) -> Host:
    return t.cast("Host", _Texts(content))


def check_modprobe(data: bytes) -> None:
    """Check that options of vfio-pci are read as modprobe does."""
    text = decode(data)
    expected = [option for module, option in module_options(text) if module == "vfio_pci"]
    assert list(_configured(_text_host(data))) == expected
    for flag in (False, True):
        rule = boot_rules.Rule(PciAddress(0, 1, 0, 0), PciId(1, 2), "vfio-pci")
        files = boot_rules.render_files([rule], without_denylist=flag)
        options = list(module_options(decode(files[boot_rules.OPTIONS] or b"")))
        assert options == [("vfio_pci", "disable_denylist=1")] * flag


def check_unit(data: bytes) -> None:
    """Check that systemd starts the interpreter that is named, and a line is one line."""
    text = decode(data)
    if text.startswith("/") and text.isprintable():
        unit = decode(render_unit(text))
        command = [line for line in unit.split("\n") if line.startswith("ExecStart=")]
        assert len(command) == 1
        words = command_words(command[0][len("ExecStart=") :])
        assert [word.replace("%%", "%") for word in words] == [text, "-I", PROGRAM]
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", errors="strict")
    with contextlib.redirect_stdout(out):
        to_journal(4, text)
    out.flush()
    said = raw.getvalue()
    assert said.startswith(b"<4>")
    assert said.count(b"\n") == 1
    assert said.endswith(b"\n")


TARGETS = (
    Target(
        "sriov_rules",
        "udev gets exactly the keys that are meant, for any name of a driver; read back the same",
        check_sriov_rules,
        runs=800,
        longest=128,
    ),
    Target(
        "vfio_rules",
        "udev gets one line a function, with the keys that are meant; read back the same",
        check_vfio_rules,
        runs=800,
        longest=128,
    ),
    Target(
        "qatlib_rules",
        "udev gets one line a VF; read back the same",
        check_qatlib_rules,
        runs=800,
        longest=64,
    ),
    Target(
        "modprobe",
        "options of vfio-pci are read as modprobe reads them",
        check_modprobe,
        runs=1000,
        words=("options ", "vfio-pci", "vfio_pci ", "disable_denylist=1", "\\\n", "#", "\t", "\r"),
    ),
    Target(
        "unit",
        "systemd starts the interpreter that is named; what is logged is one line",
        check_unit,
        runs=1000,
        words=("/usr/bin/python3", "%", "$", "\\", '"', "'", " ", "\n", "\u2028"),
    ),
)
