# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of qatlib's settings, which its unit reads as environment."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .unit import UNIT_FILES

if t.TYPE_CHECKING:
    from .._host import Host

_DEFAULT = "/etc/sysconfig/qat"
_POLICY = "POLICY"


@dataclass(frozen=True)
class Environment:
    """The settings as lines C(KEY=value); of a key that stands twice the last line counts.

    Args:
        content: None where there is no file.
    """

    path: str
    content: bytes | None

    @property
    def policy(self) -> str | None:
        """How many VFs qatmgr gives a process, as the file has it, None without."""
        return self._value(_POLICY)

    @property
    def policy_line(self) -> bytes | None:
        """The line that says so, as it stands, without its end; None without."""
        found = _lines_of(_POLICY, self.content or b"")
        return found[-1][0] if found else None

    @property
    def services(self) -> str | None:
        """What C(qat_init) would have all PFs do, None without."""
        return self._value("ServicesEnabled")

    def _value(self, key: str) -> str | None:
        found = _lines_of(key, self.content or b"")
        return found[-1][1].decode("utf-8", "replace").strip().strip("'\"") if found else None

    def with_policy(self, policy: str | None) -> bytes | None:
        """Return the content with another policy, None taking out the line that counts."""
        return self.with_policy_line(None if policy is None else f"{_POLICY}={policy}".encode())

    def with_policy_line(self, line: bytes | None) -> bytes | None:
        """Return the content with another line in place of the one that counts, or without it.

        All other bytes stay, line endings and a missing end of the last line included.
        """
        content = self.content or b""
        found = _lines_of(_POLICY, content)
        if line is None:
            return _without(content, found[-1]) if found else self.content
        if found:
            start, end = found[-1].span()
            return content[:start] + line + content[end:]
        if content.endswith(b"\r\n"):
            return content + line + b"\r\n"
        if not content or content.endswith(b"\n"):
            return content + line + b"\n"
        # What ends with a bare CR would make a CR LF of an LF, and lose both when it is taken out.
        with_cr = content.endswith(b"\r") or b"\r\n" in content
        return content + (b"\r\n" if with_cr else b"\n") + line


def _without(content: bytes, line: re.Match[bytes]) -> bytes:
    """Take out a line with its end, or with the end before it where it has none."""
    before, after = content[: line.start()], content[line.end() :]
    if after:
        return before + after[2 if after.startswith(b"\r\n") else 1 :]
    return before[: -2 if before.endswith(b"\r\n") else -1]


def _lines_of(key: str, content: bytes) -> list[re.Match[bytes]]:
    pattern = rb"(?m)^[ \t]*" + key.encode() + rb"[ \t]*=([^\r\n]*)"
    return list(re.finditer(pattern, content))


def read_environment(host: Host) -> Environment:
    """Observe the file that the unit names; before the package is there, the usual one."""
    unit = next((text for path in UNIT_FILES if (text := host.read_text(path)) is not None), "")
    named = re.findall(r"(?m)^EnvironmentFile=-?(/\S+)[ \t]*$", unit)
    path = named[-1] if named else _DEFAULT
    return Environment(path, host.read_bytes(path))
