# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors in logs: what is one, and what only looks like one."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_package.log import find_errors
from hypothesis import given
from hypothesis import strategies as st

ERRORS = [
    "*** Error:usdm_drv module not installed ***",
    "modprobe: ERROR: could not insert 'qat_c62x': Exec format error",
    "modprobe: FATAL: Module usdm_drv not found in directory /lib/modules/6.1.0",
    "depmod: ERROR: could not open directory /lib/modules/6.1.0: No such file or directory",
    "adf_init.c:42:5: error: implicit declaration of function 'f'",
    "adf_init.c:3:10: fatal error: linux/x.h: No such file or directory",
    "adf_init.c:1: internal compiler error: Segmentation fault",
    "configure: error: Missing libudev-dev",
    "make: *** [Makefile:12: all] Error 2",
    "make[2]: *** [scripts/Makefile.build:243: adf_init.o] Error 1",
    "/usr/bin/ld: adf_ctl.o: undefined reference to `udev_new'",
    "cp: error writing 'a': No space left on device",
    "Error copying firmware",
    "Starting QAT service failed",
    "QAT install FAILED",
]
HARMLESS = [
    "*** No issue detected in InstallerLog.txt file ***",
    "*** Acceleration install Complete ***",
    "make: [Makefile:12: clean] Error 1 (ignored)",
    "checking whether to enable error: no",
    "Failed to stop device",
    "  CC [M]  qat_common/adf_error.o",
    "gcc -Werror -c adf_failed_devices.c -o adf_failed_devices.o",
    "  CC      adf_error_failed.o",
    "0 errors, 2 warnings",
    "0 failed",
    "adf.c:3: warning: the check failed at compile time",
    "adf.c:3: note: template argument deduction failed",
    "Warning: modules_install: missing 'System.map' file. Skipping depmod.",
    "$ make CFLAGS=-Werror=failed",
    "There is 0 QAT acceleration device(s) in the system:",
    "sign-file: certs/signing_key.pem: No such file or directory",
    "At main.c:160:",
    "- SSL error:02001002:system library:fopen:No such file or directory: bss_file.c:69",
    "",
]


@pytest.mark.parametrize("line", ERRORS)
def test_errors(line: str) -> None:
    assert find_errors(f"before\n\t{line}  \nafter\n".encode()) == (line,)


@pytest.mark.parametrize("line", HARMLESS)
def test_harmless_lines(line: str) -> None:
    assert find_errors(f"before\n{line}\nafter\n".encode()) == ()


def test_each_once_and_in_order() -> None:
    log = "Error b\nError a\nfine\nError b\nError \udcff\n".encode("utf-8", "surrogateescape")
    assert find_errors(log) == ("Error b", "Error a", "Error \udcff")


def test_what_an_older_installation_says_when_it_goes_is_none() -> None:
    log = "$ make\nError a\n$ make uninstall\nError b\n$ make install\nError c\n"
    assert find_errors(log.encode()) == ("Error a", "Error c")


@given(
    st.lists(st.sampled_from([*ERRORS, *HARMLESS]), max_size=20), st.sampled_from(["\n", "\r\n"])
)
def test_lines_do_not_change_one_another(lines: list[str], end: str) -> None:
    found = find_errors(end.join(lines).encode())
    assert set(found) == set(lines) & set(ERRORS)


@given(st.binary())
def test_any_bytes_can_be_looked_through(content: bytes) -> None:
    find_errors(content)
