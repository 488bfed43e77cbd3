# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks of the package."""

from __future__ import annotations

import posixpath
import re
import typing as t
from dataclasses import dataclass

from .._errors import InputError

_CHECKSUM = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})", re.ASCII)
# What makes commands of its own in the scripts and makefiles that configure writes.
_APART = "`$;&|<>"
# What ends a line for one reader or another, and other control characters.
_VALUE = rf"[^\x00-\x1f\x7f\x85\u2028\u2029{_APART}]*"
# An option of configure, or a variable such as CFLAGS.
_OPTION = re.compile(rf"--[a-z][a-z0-9-]*(?:={_VALUE})?|[A-Z_]+={_VALUE}", re.ASCII)
_SRIOV_OPTION = re.compile(r"--(?:enable|disable)-icp-sriov(?:=.*)?")
_MOST_JOBS = 1024
INSTALLER_LOG: t.Final = "InstallerLog.txt"


@dataclass(frozen=True)
class Wanted:
    """What the task asks for, parsed.

    Args:
        present: whether the package is to be installed.
        source: the folder of the unpacked archive, empty where none is given.
        checksum: of the archive, None where it is not told.
        sriov: C(host), C(guest) or C(none).
        jobs: how many steps of the build run at once, None for as many as there are processors.
        seconds: the bound for each step.
        signing_key: what modules are signed with, empty for nothing.
        signing_certificate: the certificate of the key.
        strict: whether errors in the logs fail.
    """

    present: bool
    source: str
    checksum: str | None
    sriov: str
    configure_options: tuple[str, ...]
    jobs: int | None
    seconds: float
    signing_key: str
    signing_certificate: str
    installer_log: str
    strict: bool

    @classmethod
    def parse(cls, options: dict[str, t.Any]) -> Wanted:
        """Parse module options.

        Raises:
            InputError: naming the option that cannot be right.
        """
        present = options["state"] == "present"
        source = _path("source", options["source"])
        if present and not source:
            raise InputError("source", options["source"], "the folder of the unpacked archive")
        key = _path("signing_key", options["signing_key"])
        certificate = _path("signing_certificate", options["signing_certificate"])
        if bool(key) != bool(certificate):
            missing = "signing_certificate" if key else "signing_key"
            raise InputError(
                missing, options[missing], "a path: key and certificate belong together"
            )
        seconds = _number("timeout", options["timeout"], 24 * 3600)
        jobs = options["jobs"]
        return cls(
            present=present,
            source=source,
            checksum=_checksum(options["checksum"]),
            sriov=options["sriov"],
            configure_options=tuple(map(_configure_option, options["configure_options"])),
            jobs=None if jobs is None else _number("jobs", jobs, _MOST_JOBS),
            seconds=seconds,
            signing_key=key,
            signing_certificate=certificate,
            installer_log=_path("installer_log", options["installer_log"])
            or (posixpath.join(source, INSTALLER_LOG) if source else ""),
            strict=options["log_errors"] == "fail",
        )

    @property
    def configure_arguments(self) -> tuple[str, ...]:
        """What C(configure) is called with."""
        side = () if self.sriov == "none" else (f"--enable-icp-sriov={self.sriov}",)
        return (*side, *self.configure_options)


def _path(option: str, value: str | None) -> str:
    if not value:
        return ""
    if not value.startswith("/") or "\n" in value:
        raise InputError(option, value, "an absolute path on the host")
    return posixpath.normpath(value)


def _number(option: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise InputError(option, value, f"a number from 1 to {most}")
    return value


def _checksum(value: str | None) -> str | None:
    if value is None:
        return None
    found = _CHECKSUM.fullmatch(value)
    if not found:
        raise InputError("checksum", value, "sha256: and 64 hexadecimal digits")
    return f"sha256:{found[1].lower()}"


def _configure_option(value: str) -> str:
    if _SRIOV_OPTION.fullmatch(value):
        raise InputError("configure_options", value, "option sriov for this")
    if not _OPTION.fullmatch(value):
        accepted = (
            "options such as --enable-qat-lkcf, and variables such as CFLAGS=-O2, without line "
            f"breaks, control characters and any of {' '.join(_APART)}"
        )
        raise InputError("configure_options", value, accepted)
    return value
