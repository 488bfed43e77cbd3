# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors name what they are about."""

from __future__ import annotations

import errno

from ansible_collections.hwaccel.virt.plugins.module_utils._errors import (
    BlockedError,
    HostError,
    HwaccelError,
    InputError,
    NotTakenError,
    Problem,
    RefusedError,
)


def test_an_input_error_names_option_value_and_what_is_accepted() -> None:
    error = InputError("num_vfs", "-1", "max or a whole number")
    assert str(error) == "option num_vfs: '-1' is not accepted, use max or a whole number"


def test_an_error_of_a_system_call() -> None:
    error = HostError.from_os("write 'x' to", "/sys/a", errno.EBUSY)
    assert str(error) == "cannot write 'x' to /sys/a: Device or resource busy (EBUSY)"
    assert error.number == errno.EBUSY
    assert "(99999)" in str(HostError.from_os("read", "/sys/a", 99999))
    assert HostError("without a number").number == 0
    assert isinstance(BlockedError.from_os("read", "/sys/a", errno.EIO), BlockedError)


def test_one_tree_of_errors() -> None:
    for kind in (InputError, RefusedError, NotTakenError, HostError, BlockedError):
        assert issubclass(kind, HwaccelError)
    # What is a bug stays a traceback.
    assert not issubclass(ValueError, HwaccelError)


def test_a_problem_as_it_is_returned() -> None:
    problem = Problem("iommu", "seen", "cause", "do this")
    assert problem.as_result() == {
        "check": "iommu",
        "what": "seen",
        "why": "cause",
        "remedy": "do this",
    }
