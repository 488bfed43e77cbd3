# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nvidia-smi -q tells of licences, in every wording that was seen."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.state import (
    GpuLicense,
    all_licensed,
    parse_licenses,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.grid_runs import HEADINGS, PRODUCT, smi
from hypothesis import given
from hypothesis import strategies as st

NOW = 1729270000.0
END = "2024-10-19 6:51:17 GMT"


def test_a_guest_with_one_gpu() -> None:
    (gpu,) = parse_licenses(smi(f"Licensed (Expiry: {END})"))
    assert gpu.as_result(NOW) == {
        "address": "0000:02:00.0",
        "name": "GRID M60-2Q",
        "product": PRODUCT,
        "status": "Licensed",
        "expiry": "2024-10-19T06:51:17Z",
        "remaining": 50677,
        "wording": f"Licensed (Expiry: {END})",
    }


@pytest.mark.parametrize(
    ("wording", "status", "licensed", "expiry", "remaining"),
    [
        ("Licensed", "Licensed", True, None, None),
        (f"Licensed (Expiry: {END})", "Licensed", True, "2024-10-19T06:51:17Z", 50677),
        ("Licensed (Expiry: 2024-1-2 3:4:5 GMT)", "Licensed", True, "2024-01-02T03:04:05Z", 0),
        ("Licensed (Expiry: Permanent)", "Licensed", True, "Permanent", None),
        ("Licensed (Expiry: N/A)", "Licensed", True, None, None),
        (
            "Licensed (Expiry: 2024-13-40 6:51:17 GMT)",
            "Licensed",
            True,
            "2024-13-40 6:51:17 GMT",
            0,
        ),
        ("Unlicensed", "Unlicensed", False, None, None),
        ("Unlicensed (Restricted)", "Unlicensed (Restricted)", False, None, None),
        ("Unlicensed (Unrestricted)", "Unlicensed (Unrestricted)", False, None, None),
        ("N/A", None, False, None, None),
    ],
)
@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("shift", [-4, -2, 0, 2])
def test_wordings(
    wording: str,
    status: str | None,
    expiry: str | None,
    remaining: int | None,
    heading: str,
    shift: int,
    *,
    licensed: bool,
) -> None:
    lines = smi(wording, heading=heading).splitlines()
    # The block alone stands further to the left, or to the right, than the rest.
    at = next(number for number, line in enumerate(lines) if heading in line)
    for number in range(at, at + 3):
        lines[number] = lines[number][-shift:] if shift < 0 else " " * shift + lines[number]
    (gpu,) = parse_licenses("\r\n".join(lines))
    told = gpu.as_result(NOW)
    assert (told["status"], told["expiry"], gpu.is_licensed) == (status, expiry, licensed)
    if wording != "Licensed (Expiry: 2024-13-40 6:51:17 GMT)":
        assert told["remaining"] == remaining
    assert (told["wording"], told["product"], told["name"]) == (wording, PRODUCT, "GRID M60-2Q")
    assert all_licensed((gpu,)) == licensed


def test_no_indentation_at_all() -> None:
    text = "\n".join(line.strip() for line in smi("Unlicensed").splitlines())
    (gpu,) = parse_licenses(text)
    assert (gpu.address, gpu.name, gpu.status) == ("0000:02:00.0", "GRID M60-2Q", "Unlicensed")


def test_several_gpus() -> None:
    text = smi("Licensed") + smi("Unlicensed (Restricted)", gpu="00000000:03:00.0") + smi(None)
    first, second, third = parse_licenses(text)
    assert [gpu.status for gpu in (first, second, third)] == [
        "Licensed",
        "Unlicensed (Restricted)",
        None,
    ]
    assert (third.product, third.name) == (None, "GRID M60-2Q")
    assert not all_licensed((first, second))
    # One that reports nothing is no reason against the others, and no licence either.
    assert all_licensed((first, third))
    assert not all_licensed((third,))
    assert not all_licensed(())


def test_a_domain_with_more_than_four_digits() -> None:
    (gpu,) = parse_licenses(smi(gpu="00010000:0A:00.0"))
    assert gpu.address == "10000:0a:00.0"


@pytest.mark.parametrize("heading", HEADINGS)
def test_parts_that_grep_left(heading: str) -> None:
    block = f"  {heading}\n    Product Name : {{}}\n    License Status   : {{}}\n"
    text = block.format("A", "Licensed") + "--\n" + block.format("B", "Unlicensed")
    assert parse_licenses(text) == (
        GpuLicense(product="A", wording="Licensed"),
        GpuLicense(product="B", wording="Unlicensed"),
    )
    # Without the name of the product, and without anything between two blocks.
    short = f"{heading}\nLicense Status : Licensed\n" * 2
    assert parse_licenses(short) == (GpuLicense(wording="Licensed"),) * 2


def test_the_name_of_a_gpu_that_was_cut_off() -> None:
    text = (
        "Product Name: M60\nGRID Licensed Product\nProduct Name: P\nLicense Status: Licensed\n" * 2
    )
    assert parse_licenses(text) == (GpuLicense(name="M60", product="P", wording="Licensed"),) * 2


@pytest.mark.parametrize(
    "text", ["", "\n", "No devices were found\n", "GPU Link Info\n  PCIe : 1\n"]
)
def test_nothing_to_tell(text: str) -> None:
    assert parse_licenses(text) == ()


@given(st.text(alphabet="GPU License Status:Product Name0.(Expiry)\n\r\t ", max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    for gpu in parse_licenses(text):
        gpu.as_result(NOW)
