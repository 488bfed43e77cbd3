# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task may ask of the package."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_package.wanted import Wanted

OPTIONS: dict[str, t.Any] = {
    "source": "/usr/src/qat",
    "checksum": None,
    "sriov": "host",
    "configure_options": [],
    "jobs": None,
    "timeout": 3600,
    "signing_key": None,
    "signing_certificate": None,
    "installer_log": None,
    "log_errors": "fail",
    "state": "present",
}


def parse(**options: t.Any) -> Wanted:
    return Wanted.parse({**OPTIONS, **options})


def test_what_is_not_given() -> None:
    wanted = parse(source="/usr//src/qat/")
    assert (wanted.source, wanted.installer_log) == (
        "/usr/src/qat",
        "/usr/src/qat/InstallerLog.txt",
    )
    assert wanted.configure_arguments == ("--enable-icp-sriov=host",)
    assert (wanted.jobs, wanted.seconds, wanted.strict) == (None, 3600, True)
    assert parse(state="absent", source=None).installer_log == ""


@pytest.mark.parametrize("prefix", ["sha256:", ""])
def test_checksums(prefix: str) -> None:
    assert parse(checksum=f"{prefix}{'AB' * 32}").checksum == f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    "option",
    [
        "--enable-qat-lkcf",
        "--disable-param-check",
        "--enable-icp-log-syslog=yes",
        "--prefix=/opt/q a t",
        '--with-x="a b"',
        "CFLAGS=-O2 -g",
        "CFLAGS=-DA='b' -I/opt/a,b:c@d%e+f~g(h)[i]{j}#k*l?m!n\\é",
        "CC=",
    ],
)
def test_options_of_configure(option: str) -> None:
    assert parse(sriov="none", configure_options=[option]).configure_arguments == (option,)


@pytest.mark.parametrize("start", ["CFLAGS=-O2 ", "--with-x="])
@pytest.mark.parametrize("character", [*"`$;&|<>", *"\0\t\n\r\x7f\x85\u2028\u2029"])
def test_what_stands_apart_in_scripts_is_no_option(start: str, character: str) -> None:
    for value in (f"{start}a{character}b", f"{start}a{character}", f"{start}{character}b"):
        with pytest.raises(InputError) as caught:
            parse(configure_options=["--enable-qat-lkcf", value])
        message = str(caught.value)
        assert message.startswith(f"option configure_options: {value!r} is not accepted, use opt")
        assert message.endswith("without line breaks, control characters and any of ` $ ; & | < >")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("configure_options", ["-v"]),
        ("configure_options", ["help"]),
        ("configure_options", ["--a=b\nc"]),
        ("configure_options", ["--disable-icp-sriov"]),
        ("configure_options", ["--enable-icp-sriov"]),
        ("configure_options", [""]),
        ("checksum", "sha256:abc"),
        ("checksum", "sha1:" + "a" * 64),
        ("source", "usr/src"),
        ("source", "/usr/src\n/etc"),
        ("source", ""),
        ("installer_log", "log"),
        ("signing_certificate", "/cert"),
        ("jobs", -1),
        ("jobs", 1025),
        ("timeout", 86401),
    ],
)
def test_what_cannot_be(name: str, value: object) -> None:
    with pytest.raises(InputError):
        parse(**{name: value})
