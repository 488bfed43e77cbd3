# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The instances of a file, with the rings that they take."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config import services
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.document import Document
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.rings import Section


def test_a_file_that_declares_nonsense() -> None:
    document = Document.parse(
        "[SSL]\nNumberCyInstances = x\nNumberDcInstances = 2\nNumProcesses = y\nDc1IsPolled = 9\n"
    )
    (section,) = Section.read(document, None)
    assert list(section.unreadable()) == ["NumberCyInstances", "NumProcesses"]
    told = section.as_result()
    assert (told["crypto"], told["compression"], told["processes"], told["rings"]) == (0, 2, 1, 4)
    assert [each["polling"] for each in told["instances"]] == [None, "9"]


@pytest.mark.parametrize(
    ("name", "enabled", "arithmetic"),
    [
        ("SSL", "cy;dc", "[SSL] (2 crypto x 4 + 3 compression x 2) x 5 processes = 70"),
        ("SSL", "sym;dc", "[SSL] (2 crypto x 2 + 3 compression x 2) x 5 processes = 50"),
        ("KERNEL", "cy;dc", "[KERNEL] 2 crypto x 4 + 3 compression x 2 = 14"),
        ("KERNEL_QAT", None, "[KERNEL_QAT] 2 crypto x 4 + 3 compression x 2 = 14"),
    ],
)
def test_how_rings_add_up(name: str, enabled: str | None, arithmetic: str) -> None:
    text = f"[{name}]\nNumberCyInstances = 2\nNumberDcInstances = 3\nNumProcesses = 5\n"
    (section,) = Section.read(Document.parse(text), services.parse(enabled))
    assert section.arithmetic == arithmetic
    assert section.has_instances
