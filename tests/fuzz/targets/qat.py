# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of QAT: its configuration, and the environment of qatlib."""

from __future__ import annotations

from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HwaccelError, InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.document import (
    Document,
    unquoted,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.edit import edited, without
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.keys import is_name, written
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.environment import Environment
from ansible_collections.hwaccel.virt.tests.fuzz.target import (
    Choices,
    Target,
    decode,
    encode,
    has_returns,
    parts,
)


def check_qat_config(data: bytes) -> None:
    """Check that a value is set once, where it stands, and all else stays."""
    text, section, key, given = parts(data, 4)
    document = Document.parse(text)
    assert str(document) == text
    for name in document.sections():
        document.values(name)
    try:
        value = written("general.x", given)
    except InputError:
        return
    if not is_name(section) or not is_name(key):
        return
    made = document.with_value(section, key, value)
    assert Document.parse(str(made)) == made
    assert made.value(section, key) == unquoted(value)
    assert made.with_value(section, key, value) == made
    assert _others(made, section, key) == _others(document, section, key)
    assert has_returns(str(made)) or not has_returns(text)
    gone = made.without_value(section, key)
    assert gone.value(section, key) is None
    if document.value(section, key) is None and not text.endswith("\r"):
        back = gone if section in document.sections() else gone.without_section(section)
        assert str(back) == text


def _others(document: Document, section: str, key: str) -> list[tuple[str, str, str]]:
    """Return what all other keys are."""
    return [
        (name, each, value)
        for name in document.sections()
        for each, value in document.values(name).items()
        if (name, each) != (section, key)
    ]


def check_qat_instances(data: bytes) -> None:
    """Check that declared instances are written once, and leave no trace when they go."""
    choices, text = parts(data, 2)
    wanted = _wanted(Choices(encode(choices)))
    try:
        made = edited(wanted, text)
    except HwaccelError:
        return
    assert edited(wanted, made) == made
    without(wanted, made)


def _wanted(choices: Choices) -> Wanted:
    """Return what a task may ask for."""
    section = {
        "crypto": choices.pick((None, 0, 1, 3)),
        "compression": choices.pick((None, 0, 2)),
        "polling": choices.pick((None, "poll", "interrupt", "epoll")),
        "processes": choices.pick((None, 1, 4)),
    }
    options = {
        "path": "/etc/c6xx_dev0.conf",
        "devices": None,
        "kind": None,
        "general": {
            "ServicesEnabled": choices.pick(("sym;dc", "cy", None)),
            choices.pick(("ProcDebug", "statsDc")): choices.flag(),
        },
        "sections": {
            choices.pick(("SSL", "SHIM")): section,
            choices.pick(("NONE", "KERNEL")): None,
        },
        "state": "present",
        "backup": False,
        "missing_ok": False,
    }
    return Wanted.parse(options)


def check_qatlib_environment(data: bytes) -> None:
    """Check that a policy is put in, read and taken out again to the byte."""
    text, policy = parts(data, 2)
    content = encode(text)
    file = Environment("/etc/sysconfig/qat", content)
    line = file.policy_line
    assert file.with_policy_line(line) == content or line is None
    if not policy.isdecimal() or not policy.isascii():
        return
    made = Environment(file.path, file.with_policy(policy))
    assert made.policy == policy
    assert made.with_policy(policy) == made.content
    assert made.services == file.services
    assert has_returns(decode(made.content or b"")) or not has_returns(text)
    if line is None:
        assert (made.with_policy(None) or b"") == content
    else:
        assert made.with_policy_line(line) == content


TARGETS = (
    Target(
        "qat_config",
        "kept to the byte; a value is set once, where it stands; what was put in goes again",
        check_qat_config,
        runs=800,
        words=(
            "[GENERAL]\n",
            "[KERNEL]\n",
            "\n%%\n",
            "NumberCyInstances = 1\n",
            'Cy0Name = "SSL0"\n',
            "#",
            '"',
            " = ",
            "\r\n",
            "\n\n",
        ),
    ),
    Target(
        "qat_instances",
        "declared instances are written once: a second task changes nothing",
        check_qat_instances,
        runs=500,
        words=(
            "[SSL]\n",
            "[KERNEL]\n",
            "\n%%\n",
            "NumberCyInstances = 2\n",
            "NumberDcInstances = 1\n",
            "NumProcesses = 1\n",
            'Cy0Name = "SSL0"\n',
            "Cy0IsPolled = 1\n",
            "Cy0CoreAffinity = 0\n",
            "Dc0Name = X\n",
            "\r\n",
        ),
    ),
    Target(
        "qatlib_environment",
        "a policy is put in, read back and taken out again to the byte",
        check_qatlib_environment,
        runs=1000,
        words=("POLICY=", "\n%%\n", "ServicesEnabled=", "\r\n", "#", "'", "1"),
    ),
)
