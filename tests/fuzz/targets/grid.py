# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the licensing daemon of NVIDIA reads and says."""

from __future__ import annotations

import json
import re

from ansible_collections.hwaccel.virt.plugins.module_utils._grid.document import (
    GriddDocument,
    is_key,
    is_value,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.events import (
    complaints,
    has_license,
    is_pending,
    parse_events,
    present,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.state import (
    GpuLicense,
    all_licensed,
    parse_licenses,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.token import (
    TokenError,
    check_token,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.tests.fuzz.target import (
    Choices,
    Target,
    decode,
    encode,
    has_returns,
    parts,
)

_NOW = 1_800_000_000.0


def check_gridd_conf(data: bytes) -> None:
    """Check that a key is set once, read back, and put back as it was."""
    text, key, value = parts(data, 3)
    document = GriddDocument.parse(text)
    assert str(document) == text
    effective = document.effective([key])
    # Each line is blank, a comment, or counts, or is told as ignored.
    spoken = [
        line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")
    ]
    assert len(effective) + len(document.ignored([key])) == len(spoken)
    if not is_key(key) or not is_value(value):
        return
    made = document.set(key, value)
    assert GriddDocument.parse(str(made)) == made
    assert made.effective([key])[key] == GriddDocument.parse(f"{key}={value}").effective([key])[key]
    assert made.set(key, value) == made
    assert _others(made, key) == _others(document, key)
    assert has_returns(str(made)) or not has_returns(text)
    gone = made.comment_out(key)
    assert gone.raw(key) is None
    assert gone.comment_out(key) == gone
    if _keys(document).count(key.lower()) <= 1:
        assert str(made.put_back(key, document)) == text


def _keys(document: GriddDocument) -> list[str]:
    return [pair.key.lower() for _place, pair in document._pairs()]


def _others(document: GriddDocument, key: str) -> list[str]:
    """Return the lines that have nothing to do with a key, without their ends."""
    return [
        line.rstrip("\r") for line in document.lines if key.lower() not in line.lower() and line
    ]


def check_nvidia_smi(data: bytes) -> None:
    """Check that what is rendered is read, and that anything can be."""
    kind, text = parts(data, 2)
    if kind == "gpus":
        gpus = _gpus(Choices(encode(text)))
        assert parse_licenses("".join(map(_rendered, gpus))) == tuple(gpus)
        return
    found = parse_licenses(decode(data))
    all_licensed(found)
    for each in found:
        result = each.as_result(_NOW)
        json.dumps(result)
        assert each.address is None or str(PciAddress.parse(each.address)) == each.address
        assert not each.has_expired(_NOW) or result["remaining"] == 0


def _gpus(choices: Choices) -> list[GpuLicense]:
    """Return GPUs as a driver may tell of them."""
    gpus = []
    while choices.left:
        at = PciAddress(0, choices.number(255), choices.number(31), choices.number(7))
        product = choices.pick((None, "NVIDIA Virtual Applications", "NVIDIA RTX vWS"))
        wording = choices.pick(
            ("Licensed", "Unlicensed", "Licensed (Expiry: 2026-1-1 0:0:0 GMT)", "Unlicensed (x)")
        )
        gpus.append(GpuLicense(str(at), "NVIDIA A40", product, wording if product else None))
    return gpus


def _rendered(gpu: GpuLicense) -> str:
    text = f"GPU 0000{str(gpu.address).upper()}\n    Product Name           : {gpu.name}\n"
    if gpu.product is not None:
        text += f"    vGPU Software Licensed Product\n        Product Name : {gpu.product}\n"
        text += f"        License Status : {gpu.wording}\n    Fan Speed : N/A\n"
    return text


def check_gridd_log(data: bytes) -> None:
    """Check that any line is an event or none, in order, and only once."""
    text = decode(data)
    lines = text.split("\n")
    events = parse_events(lines)
    assert len(events) <= len(lines)
    runs = [event.run for event in events]
    assert runs == sorted(runs)
    assert parse_events([f"{line}\r\n" for line in lines]) == events
    for event in events:
        assert event.message in text
        json.dumps(event.as_result())
    assert len(complaints(events)) <= len(present(events)) <= len(events)
    assert not (has_license(events) and not events)
    is_pending(events)


def check_token_file(data: bytes) -> None:
    """Check that a token is never refused, and that nothing of a file is told."""
    refused = ""
    try:
        check_token(_NAME, data)
    except TokenError as error:
        refused = str(error)
    assert bool(refused) <= (_COMPACT.fullmatch(data.strip()) is None)
    assert not refused or _REFUSED.fullmatch(refused), refused
    assert refused or data.strip()


_NAME = "client_configuration_token.tok"
_REFUSED = re.compile(
    re.escape(_NAME)
    + r": (?:the file is empty|a saved web page \(HTML or XML\)|a saved answer of a "
    r"program \(JSON\)|a certificate or a key \(PEM\)|a text of several words, such as an error "
    r"message|a file of \d+ bytes, which are too few), and no token; get it again from the license "
    r"server or the licensing portal"
)
# Three parts of base64url, of the length that tokens have.
_COMPACT = re.compile(rb"eyJ[\w-]{34,}\.[\w-]{34,}\.[\w-]{34,}", re.ASCII)

TARGETS = (
    Target(
        "gridd_conf",
        "kept to the byte; a key is set once, read back, and put back as it was",
        check_gridd_conf,
        runs=800,
        words=(
            "ServerAddress=",
            "# ServerPort=7070",
            "#FeatureType=0 # type",
            "IgnoreSP=TRUE",
            "\n%%\n",
            "\r\n",
            "'",
            '"',
            " # ",
            "serveraddress = ",
        ),
    ),
    Target(
        "nvidia_smi",
        "GPUs are read as the driver tells of them; any text is read, and tells true addresses",
        check_nvidia_smi,
        runs=1000,
        words=(
            "gpus\n%%\n",
            "GPU 00000000:65:00.0\n",
            "Product Name : ",
            "vGPU Software Licensed Product\n",
            "GRID Licensed Product\n",
            "License Status : Licensed (Expiry: 2026-11-22 10:11:12 GMT)\n",
            "Permanent",
            "N/A",
        ),
    ),
    Target(
        "gridd_log",
        "a line is one event or none, in the order of runs, with words of its own line",
        check_gridd_log,
        runs=800,
        words=(
            "nvidia-gridd[7]: ",
            "Nov 22 10:11:12 vm ",
            "2026-11-22T10:11:12+0000 vm ",
            "Sun Nov 22 10:11:12 2026:<7>:",
            "systemd[1]: Started ",
            "Started (7)",
            "NLS initialized",
            "License acquired successfully. (Info: a.b, NVIDIA RTX; Expiry: 2026-1-1 0:0:0 GMT)",
            "Acquiring license. (Info: ",
            "Failed to acquire license from ",
            " - Error: ",
            "Valid GRID license not found",
            "\n",
        ),
    ),
    Target(
        "token",
        "no token is refused, and nothing that a file holds is told",
        check_token_file,
        runs=1000,
        words=(
            "eyJhbGciOiJSUzI1NiJ9",
            ".",
            "<html>",
            "{",
            "-----BEGIN ",
            "\xef\xbb\xbf",
            "no token",
        ),
    ),
)
