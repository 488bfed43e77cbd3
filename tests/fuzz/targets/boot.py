# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel command lines and the files of boot loaders that hold them."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import (
    Argument,
    CommandLine,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.entries import (
    BlsEntry,
    Grub,
    newest,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.grub_cfg import parse_menu
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.grub_default import (
    LINUX,
    LINUX_DEFAULT,
    GrubDefault,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.grubenv import KERNELOPTS, Grubenv
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.kernel_cmdline import KernelCmdline
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.kernelstub import Configuration
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import Delta
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HwaccelError, InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._shell.evaluate import Dialect, evaluate
from ansible_collections.hwaccel.virt.plugins.module_utils._shell.values import LONGEST
from ansible_collections.hwaccel.virt.tests.fuzz.readers.lines import (
    environment_block,
    kernel_parameters,
)
from ansible_collections.hwaccel.virt.tests.fuzz.target import (
    Choices,
    Target,
    decode,
    encode,
    parts,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import LineFile

_WORDS = (
    "intel_iommu=on",
    "intel_iommu=off",
    "amd_iommu=off",
    "iommu=pt",
    "iommu=off",
    "iommu.passthrough=0",
    "console=ttyS0,115200n8",
    "quiet",
    "pci=nomsi,noats",
    'dyndbg="file a +p"',
    " -- ",
    '"',
    "=",
    "\t",
    "\n%%\n",
)
_SIGNATURE = b"# GRUB Environment Block\n"
_GRUB = Grub(
    {"kernelopts": "ro quiet", "default_kernelopts": "ro", "tuned_params": "iommu=off nohz=on"}
)


def check_cmdline(data: bytes) -> None:
    """Check reading, insertion and removal of arguments."""
    text, more = parts(data, 2)
    line = CommandLine.parse(text)
    assert str(line) == text
    expected = kernel_parameters(text)
    assert [argument.text for argument in line.arguments] == [each.text for each in expected]
    for argument, parameter in zip(line.arguments, expected):
        assert argument.name == parameter.name.replace("-", "_")
        assert argument.value == parameter.value
    wanted = _wanted(more)
    made = wanted.settled(line)
    assert wanted.met(made), str(made)
    assert wanted.settled(made) == made
    # As it is read again, where a quote without an end takes what comes behind it.
    assert CommandLine.parse(str(made)).arguments == made.arguments
    delta = Delta.between(line, made)
    back = delta.taken_back(made)
    if not delta.removed:
        assert back == line
    is_open = any(argument.is_open for argument in line.arguments)
    assert wanted.off(line) or is_open or not delta.removed


def _wanted(extra: str) -> Wanted:
    """Return what a task may ask for; an argument that it may not ask for is left out."""
    try:
        return Wanted.of("any", passthrough=True, extra=[extra] if extra else [])
    except InputError:
        return Wanted.of("any", passthrough=True, extra=[])


def _check_file(file: LineFile, extra: str) -> LineFile | None:
    """Check that a file is set once, and return it so; None for one that cannot be."""
    wanted = _wanted(extra)
    try:
        assert file.with_lines(file.lines()) == encode(file.text)
        content = file.settled(wanted)
    except HwaccelError:
        return None
    made = replace(file, content=content)
    assert made.settled(wanted) == content
    return made


def check_grub_default(data: bytes) -> None:
    """Check that one value is set in its own assignment, or below all others."""
    choices, text, more = parts(data, 3)
    dialect = Dialect.DASH if "dash" in choices else Dialect.BASH
    file = GrubDefault("/etc/default/grub", encode(text), dialect, "recovery" in choices)
    _check_file(file, more)
    try:
        lines = file.lines()
        found = evaluate([(file.path, text)], dialect)
    except HwaccelError:
        return
    assert all(len(value.known or "") <= LONGEST for value in found.variables.values())
    for place, name in enumerate((LINUX, LINUX_DEFAULT)):
        wanted = [*lines]
        wanted[place] = lines[place].with_arguments([Argument("a=$b'c")])
        try:
            made = replace(file, content=file.with_lines(wanted))
        except HwaccelError:
            continue
        assert list(made.lines()) == wanted
        assert made.with_lines(wanted) == made.content
        spans = [each for each in found.assignments if each.name == name]
        ended = text if not text or text.endswith("\n") else f"{text}\n"
        if not made.text.startswith(ended):
            last = spans[-1]
            assert made.text.startswith(text[: last.start])
            assert made.text.endswith(text[last.end :])


def check_grubenv(data: bytes) -> None:
    """Check that a block is read as GRUB reads it, and keeps its size and all else."""
    text, more = parts(data, 2)
    content = (_SIGNATURE + encode(text)).ljust(1024, b"#")
    block = Grubenv("/boot/grub2/grubenv", content)
    known = {decode(name): decode(value) for name, value in environment_block(content).items()}
    # In bytes: without a backslash between them, two odd ones may be a letter.
    told = {encode(name): encode(value) for name, value in block.variables.items()}
    assert told == environment_block(content)
    made = _check_file(block, more)
    if made is None:
        return
    assert len(made.content or b"") == len(content)
    after = environment_block(made.content or b"")
    kept = {name: value for name, value in known.items() if name != KERNELOPTS}
    assert {
        decode(name): decode(value) for name, value in after.items() if decode(name) != KERNELOPTS
    } == kept


def check_bls(data: bytes) -> None:
    """Check that nothing but options change in an entry."""
    choices, text, more = parts(data, 3)
    grub = None if "systemd" in choices else _GRUB
    entry = BlsEntry("/boot/loader/entries/a.conf", encode(f"linux /vmlinuz\n{text}"), grub=grub)
    newest([entry, replace(entry, path="/boot/loader/entries/b.conf")])
    made = _check_file(entry, more)
    if made is not None:
        assert _other_lines(made) == _other_lines(entry)


def _other_lines(entry: LineFile) -> list[str]:
    return [
        text
        for text in entry.text.split("\n")
        if text.strip(" \t\r").split(None, 1)[:1] != ["options"]
    ]


def check_kernel_cmdline(data: bytes) -> None:
    """Check that comments stay."""
    choices, text, more = parts(data, 3)
    file = KernelCmdline(
        "/etc/kernel/cmdline",
        None if "none" in choices else encode(text),
        b"root=/dev/sda1 ro\n",
        first_only="first" in choices,
    )
    made = _check_file(file, more)
    if made is not None and not file.first_only:
        comments = [each for each in file.text.split("\n") if each.lstrip().startswith("#")]
        assert [each for each in made.text.split("\n") if each.lstrip().startswith("#")] == comments


def check_kernelstub(data: bytes) -> None:
    """Check that options are put in once, and that what is no configuration is told."""
    text, more = parts(data, 2)
    file = Configuration("/etc/kernelstub/configuration", encode(text))
    try:
        lines = file.lines()
        if not file.foretold:
            return
        made = replace(file, content=file.with_lines(lines))
    except HwaccelError:
        return
    assert made.lines() == lines
    assert made.with_lines(made.lines()) == made.content
    wanted = _wanted(more)
    settled = replace(made, content=made.settled(wanted))
    assert settled.settled(wanted) == settled.content


def check_grub_cfg(data: bytes) -> None:
    """Check that a menu is read as it was written, whatever stands around it."""
    kind, text = parts(data, 2)
    if kind != "menu":
        names = [entry.id for entry in parse_menu(decode(data), "grub.cfg")]
        assert len(set(names)) == len(names)
        return
    choices = Choices(encode(text))
    written: list[tuple[str, list[str]]] = []
    script = "set default=0\nif [ -s x ]; then\n  load_env\nfi\n"
    while choices.left:
        name, words = choices.text(8), choices.some(lambda: choices.text(12), 4)
        if any(name == known for known, _words in written):
            continue
        written.append((name, words))
        line = " ".join(map(_quoted, words))
        script += f"menuentry 'Linux' --class os $menuentry_id_option {_quoted(name)} {{\n"
        script += f"\tlinux\t/vmlinuz {line}\n\tinitrd /initrd\n}}\n"
    found = parse_menu(script, "grub.cfg")
    assert [entry.id for entry in found] == [name for name, _words in written]
    for entry, (_name, words) in zip(found, written):
        plain = [word.replace('"', "").strip() for word in words]
        if not any('"' in word or "--" in word for word in words):
            told = " ".join(argument.plain for argument in entry.line.arguments)
            assert told.split() == " ".join(plain).split()


def _quoted(text: str) -> str:
    """Return a word in single quotes, as grub-mkconfig writes it (C(grub_quote))."""
    return "'" + text.replace("'", "'\\''") + "'"


TARGETS = (
    Target(
        "cmdline",
        "read as the kernel does, kept to the byte; what was put in comes out again",
        check_cmdline,
        runs=1000,
        words=_WORDS,
    ),
    Target(
        "grub_default",
        "values are set in their own assignment, once, and read back the same",
        check_grub_default,
        runs=500,
        words=(
            *_WORDS,
            "GRUB_CMDLINE_LINUX=",
            "GRUB_CMDLINE_LINUX_DEFAULT=",
            "GRUB_CMDLINE_LINUX+=",
            "$GRUB_CMDLINE_LINUX",
            "${GRUB_CMDLINE_LINUX:-",
            "export ",
            "unset ",
            "if [ -n ",
            "; then",
            "\nelse",
            "\nfi\n",
            "$(cat x)",
            "\\\n",
            "'",
            "dash",
            "recovery",
        ),
    ),
    Target(
        "grub_cfg",
        "a generated menu is read as it was written; any text is a menu, no name twice",
        check_grub_cfg,
        runs=800,
        words=(
            "menu\n%%\n",
            "menuentry ",
            "submenu ",
            "$menuentry_id_option ",
            "--id=",
            "linux /vmlinuz ",
            "### BEGIN /etc/grub.d/10_linux ###",
            "### END /etc/grub.d/10_linux ###",
            "{\n",
            "\n}\n",
            "${a}",
            "\\\n",
            "'",
            '"',
        ),
    ),
    Target(
        "grubenv",
        "read as GRUB does; of the same size when set, all other variables as they were",
        check_grubenv,
        runs=800,
        words=(*_WORDS, "kernelopts=", "saved_entry=", "\\\n", "\\\\", "\n"),
    ),
    Target(
        "bls",
        "set once; no line but options changes",
        check_bls,
        runs=800,
        words=(
            *_WORDS,
            "options ",
            "\noptions ",
            "$kernelopts",
            "$tuned_params",
            "version 6.1",
            "title ",
            "\r\n",
            "systemd\n%%\n",
        ),
    ),
    Target(
        "kernel_cmdline",
        "set once; comments stay",
        check_kernel_cmdline,
        runs=800,
        words=(*_WORDS, "#", "\n", "first\n%%\n", "none\n%%\n"),
    ),
    Target(
        "kernelstub",
        "options are put in once; what is no configuration is told",
        check_kernelstub,
        runs=800,
        words=(
            '{"user": {"kernel_options": ["quiet", "a=b"], "live_mode": false, "esp_path": "/x"}}',
            '"kernel_options": ',
            '"live_mode": true',
            "[[[[[[",
            "\n%%\n",
            "\\u0020",
            "123456789",
        ),
    ),
)
