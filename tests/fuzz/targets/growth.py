# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time: no parser takes much more than four times as long for four times the text."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import CommandLine
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.entries import BlsEntry
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.grub_cfg import parse_menu
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.grub_default import GrubDefault
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.grubenv import Grubenv
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.kernelstub import Configuration
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HwaccelError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.document import GriddDocument
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.events import parse_events
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.state import parse_licenses
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.token import check_token
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.xml import Element
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import SriovRule
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.document import Document
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.environment import Environment
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UndoRecord
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.boot_rules import parse_rules
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.domains import parse_domain
from ansible_collections.hwaccel.virt.tests.fuzz.growth import check_growth
from ansible_collections.hwaccel.virt.tests.fuzz.target import Target, encode, host_with, parts

if t.TYPE_CHECKING:
    from collections.abc import Callable

_WANTED = Wanted.of("any", passthrough=True, extra=[])


def _bls(text: str) -> None:
    entry = BlsEntry("/a/b.conf", encode(text))
    entry.value("version")
    str(entry.line)


def _gridd(text: str) -> None:
    document = GriddDocument.parse(text)
    document.effective()
    document.ignored()
    document.set("ServerAddress", "a")


def _gpus(text: str) -> None:
    for gpu in parse_licenses(text):
        gpu.as_result(0.0)


def _qat(text: str) -> None:
    document = Document.parse(text)
    document.values("GENERAL")
    document.with_value("GENERAL", "a", "b")


def _tolerant(parse: Callable[[str], object]) -> Callable[[str], None]:
    """Return what leaves the errors that a parser declares to other targets."""

    def tried(text: str) -> None:
        with contextlib.suppress(HwaccelError, ValueError):
            parse(text)

    return tried


PARSERS: t.Final = {
    "cmdline": lambda text: _WANTED.settled(CommandLine.parse(text)),
    "grub_default": lambda text: GrubDefault("/a", encode(text)).lines(),
    "grub_cfg": lambda text: parse_menu(text, "/a"),
    "grubenv": lambda text: Grubenv("/a", b"# GRUB Environment Block\n" + encode(text)).variables,
    "bls": _bls,
    "kernelstub": lambda text: Configuration("/a", encode(text)).lines(),
    "gridd_conf": _gridd,
    "nvidia_smi": _gpus,
    "gridd_log": lambda text: parse_events(text.split("\n")),
    "token": lambda text: check_token("a.tok", encode(text)),
    "qat_config": _qat,
    "qatlib_environment": lambda text: Environment("/a", encode(text)).with_policy("1"),
    "libvirt_xml": lambda text: str(Element.parse(text)),
    "libvirt_domain": lambda text: parse_domain(encode(text)),
    "sriov_rules": lambda text: SriovRule.parse(encode(text)),
    "vfio_rules": lambda text: parse_rules(encode(text), early=False),
    "undo": lambda text: UndoRecord.read(host_with(encode(text))),
}


def check_time(data: bytes) -> None:
    """Check one parser with a text in which one part is repeated; none named: all of them."""
    name, start, unit, end = parts(data[:256], 4)
    if not unit or name not in PARSERS:
        return
    check_growth(_tolerant(PARSERS[name]), start, unit, end)


TARGETS = (
    Target(
        "growth",
        "four times the text takes about four times the time",
        check_time,
        runs=30,
        words=(*(f"{name}\n%%\n" for name in PARSERS), "\n%%\n", " ", "\n", "\\\n", "#", "(Info: "),
        longest=128,
    ),
)
