# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services as sets, with the rings that they take."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config import services


@pytest.mark.parametrize(
    ("text", "found", "rings"),
    [
        ("cy;dc", {"sym", "asym", "dc"}, 4),
        (" dc ; sym ", {"sym", "dc"}, 2),
        ("asym", {"asym"}, 2),
        ("cy;sym", {"sym", "asym"}, 4),
        ("dc", {"dc"}, 4),
        ("", None, 4),
        (None, None, 4),
    ],
)
def test_parse(text: str | None, found: set[str] | None, rings: int) -> None:
    parsed = services.parse(text)
    assert parsed == found
    assert services.rings_of_crypto(parsed) == rings


@pytest.mark.parametrize(
    ("text", "generation", "possible"),
    [
        ("cy;dc", 1.7, True),
        ("sym;asym;dc", 1.7, True),
        ("cy", 4, False),
        ("sym;asym;dc", 4, False),
        ("asym;dc", 4, True),
        ("cy", None, True),
    ],
)
def test_what_a_generation_can_have(text: str, generation: float | None, *, possible: bool) -> None:
    assert services.is_possible(text, generation) is possible


def test_told_in_the_vendors_order() -> None:
    assert services.told({"dc", "other", "asym", "sym"}) == "sym;asym;dc;other"
