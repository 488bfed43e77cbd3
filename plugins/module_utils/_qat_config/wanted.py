# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks of configuration files."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .._qat.selectors import Selector, parse_selectors
from .instances import COMPRESSION, CRYPTO, Declaration
from .keys import parse_general
from .numbers import PF, FileName
from .services import KEY

if t.TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Wanted:
    """What the task asks for, parsed.

    Args:
        path: the one file that is meant, None where C(selectors) mean devices.
        kind: C(pf) or C(vf).
        general: keys of C([GENERAL]), None for one that is to go.
    """

    path: str | None
    selectors: tuple[Selector, ...]
    kind: str
    general: Mapping[str, str | None]
    sections: tuple[Declaration, ...]
    present: bool
    backup: bool
    missing_ok: bool

    @classmethod
    def parse(cls, options: Mapping[str, t.Any]) -> Wanted:
        """Parse module options.

        Raises:
            InputError: naming the option that cannot be right.
        """
        path, devices = options["path"], options["devices"]
        if (path is None) == (devices is None):
            raise InputError("path", path, "path for one file, or devices for those of devices")
        if path is not None and (not path.startswith("/") or path.endswith("/")):
            raise InputError("path", path, "the absolute path of a file")
        sections = options["sections"] or {}
        return cls(
            path=path,
            selectors=() if devices is None else parse_selectors(devices),
            kind=_kind(path, options["kind"]),
            general=parse_general(options["general"] or {}),
            sections=tuple(Declaration.parse(str(name), sections[name]) for name in sections),
            present=options["state"] == "present",
            backup=options["backup"],
            missing_ok=options["missing_ok"],
        )

    @property
    def services(self) -> str | None:
        """The services that are asked for, None for none."""
        return self.general.get(KEY)

    @property
    def asks_for_crypto(self) -> bool:
        """Whether crypto instances are asked for."""
        return any(section.asks_for(CRYPTO) for section in self.sections)

    @property
    def asks_for_compression(self) -> bool:
        """Whether compression instances are asked for."""
        return any(section.asks_for(COMPRESSION) for section in self.sections)


def _kind(path: str | None, given: str | None) -> str:
    """Return the kind: the name of the driver's own files tells it, too."""
    name = None if path is None else FileName.parse(path)
    if given is None:
        return name.kind if name else PF
    if name is not None and name.kind != given and given == PF:
        raise InputError("kind", given, f"{name.kind} with path {path}, which is of a VF")
    return given
