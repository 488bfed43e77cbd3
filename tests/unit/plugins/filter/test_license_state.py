# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter license_state as playbooks call it."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.filter import license_state as module
from ansible_collections.hwaccel.virt.tests.unit.plugins.grid_runs import NO_POOL, smi


def license_state(text: object, **gathered: t.Any) -> dict[str, t.Any]:
    """Call it by its name."""
    found = module.FilterModule().filters()["license_state"]
    return t.cast("dict[str, t.Any]", found(text, **gathered))


def test_its_documentation_names_what_it_takes() -> None:
    options = yaml.safe_load(module.DOCUMENTATION)["options"]
    given: dict[str, t.Any] = {
        "log": [],
        "settings": {},
        "tokens": [],
        "service": {},
        "servers": [],
        "clock": {},
        "platform": "windows",
    }
    assert set(options) == {"_input", *given}
    assert license_state("", **given)["licensed"] is False


def test_a_guest_with_a_license() -> None:
    told = license_state(smi("Licensed (Expiry: 2026-11-23 6:51:17 GMT)"))
    assert set(told) == {"licensed", "gpus", "events", "diagnosis"}
    assert told["licensed"] is True
    assert told["gpus"][0]["expiry"] == "2026-11-23T06:51:17Z"
    # Nobody said what time it is there.
    assert told["gpus"][0]["remaining"] is None


@pytest.mark.parametrize("text", [None, "", " \r\n", "NVIDIA-SMI has failed"])
def test_a_driver_that_does_not_answer(text: str | None) -> None:
    told = license_state(text)
    assert (told["licensed"], told["gpus"]) == (False, [])
    assert told["diagnosis"][-1]["ok"] is None


@pytest.mark.parametrize("log", [NO_POOL, [NO_POOL], f"a\r\n<1>:{NO_POOL}\r\n"])
def test_a_log_is_lines_or_text(log: str | list[str]) -> None:
    told = license_state(smi("Unlicensed"), log=log, platform="windows")
    assert told["diagnosis"][-1]["ok"] is False
    assert module.license_state(smi("Unlicensed"), log, platform="windows") == told


def test_what_cannot_be_right_is_told() -> None:
    with pytest.raises(AnsibleFilterError, match="license_state: option servers"):
        license_state("", servers="license.example.com")
