# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection remembers, read from a file that anything may stand in."""

from __future__ import annotations

import contextlib
import functools
import json
import typing as t
from types import SimpleNamespace

from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import Argument
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import Delta, FileRecord
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.record import (
    BootRecord,
    with_record,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.record import (
    read_record as read_boot_record,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.record import (
    read_record as read_gridd_record,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.record import SizeRecord
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.record import entry_of
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.record import (
    read_record as read_qat_record,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_package.record import PackageRecord
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.record import (
    read_record as read_qatlib_record,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UndoEntry, UndoRecord
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.record import (
    recall as recall_binding,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.record import remembered_places
from ansible_collections.hwaccel.virt.tests.fuzz.target import Choices, Target, host_with

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import PciFunction
    from ansible_collections.hwaccel.virt.plugins.module_utils._qat.observe import Pf

_PLACES = ((PciAddress.parse("0000:01:00.0"), PciId.parse("8086:0001")),)


def check_undo(data: bytes) -> None:
    """Check that a record is read or told to be none, and written so that it is the same."""
    try:
        record = UndoRecord.read(host_with(data))
    except HostError:
        return
    again = _written(record)
    assert again.change() == ()
    assert _told(again) == _told(record)
    record.standing()
    list(remembered_places(record))
    for recall in _recalls(record):
        with contextlib.suppress(HostError):
            recall()
    with contextlib.suppress(HostError):
        boot = read_boot_record(record, "bls")
        assert boot is None or read_boot_record(with_record(record, "bls", boot), "bls") == boot
    entry = UndoEntry({"a": 1}, None)
    more = record.with_entry("some_module", "some_thing", entry)
    assert more.entry("some_module", "some_thing") == entry
    if record.entry("some_module", "some_thing") is None and "some_module" not in record.modules:
        assert more.without_entry("some_module", "some_thing").modules == record.modules


def _recalls(record: UndoRecord) -> Iterator[Callable[[], object]]:
    """Yield what reads the entries of each module."""
    for path in record.modules.get("gridd_license", {}):
        yield functools.partial(read_gridd_record, record, path)
    for path in record.modules.get("qat_config", {}):
        yield functools.partial(read_qat_record, record, path)
    yield functools.partial(read_qatlib_record, record)
    for place, pci_id in _PLACES:
        function = SimpleNamespace(address=place, id=pci_id)
        pf = SimpleNamespace(address=place, function=function)
        yield functools.partial(recall_binding, record, t.cast("PciFunction", function))
        yield functools.partial(entry_of, t.cast("Pf", pf), record)


def _told(record: UndoRecord) -> str:
    """Return all that a record says, also where it says what is not the same as itself (NaN)."""
    modules = {
        module: {thing: entry.as_document() for thing, entry in things.items()}
        for module, things in record.modules.items()
    }
    return json.dumps(modules, sort_keys=True)


def _written(record: UndoRecord) -> UndoRecord:
    """Return what is read after a record was written."""
    changes = record.change()
    if not changes:
        return record
    return UndoRecord.read(host_with(changes[0].after))


def check_boot_record(data: bytes) -> None:
    """Check that what is remembered of boot files is read as it was written, to the byte."""
    choices = Choices(data)
    contents = [None, *(choices.text(12).encode("utf-8", "surrogateescape") for _each in range(3))]
    words = [choices.text(6) for _each in range(3)]
    files = {
        f"/a/{number}": FileRecord(choices.pick(contents), choices.pick(contents))
        for number in range(choices.number(3))
    }
    told = [
        tuple(Argument(word) for word in choices.some(lambda: choices.pick(words), 2))
        for _each in range(4)
    ]
    record = BootRecord(files, Delta(*told[:3]), asked=told[3], due=choices.flag(), boot="x")
    undo = _written(with_record(UndoRecord(None, {}), "bls", record))
    assert read_boot_record(undo, "bls") == record


def check_sizes(data: bytes) -> None:
    """Check that a record of payload sizes is read or told to be none."""
    try:
        record = SizeRecord.read(host_with(data))
    except HostError:
        return
    changes = record.change()
    if changes:
        assert SizeRecord.read(host_with(changes[0].after)).sizes == record.sizes


def check_package(data: bytes) -> None:
    """Check that a record of the driver package is read or told to be none."""
    try:
        record = PackageRecord.read(host_with(data))
    except HostError:
        return
    assert record.entry is not None
    changes = record.change(record.entry)
    if changes:
        assert PackageRecord.read(host_with(changes[0].after)).entry == record.entry


TARGETS = (
    Target(
        "undo",
        "a record is read or told to be none; the same when it is written and read again",
        check_undo,
        runs=800,
        words=(
            '{"modules": {"vfio_passthrough": {"0000:01:00.0": ',
            '{"found": {"driver": null, "id": "8086:0001", "override": null}, "set": null}',
            '"found": {}',
            '"set": {}',
            '"version": 1',
            '"iommu_kernel_arg": {"bls": ',
            '"files": {"/a": "b"}',
            '"added": []',
            '"removed": []',
            '"beside": []',
            '"asked": []',
            '"due": false',
            '"boot": null',
            "}}",
            '"gridd_license": {"/etc/nvidia/gridd.conf": ',
            '"qat_sriov": {"0000:01:00.0": ',
            '"content": "a=b", "permissions": [0, 0, 420]',
            "[[[[[[[[",
            "\\ud800",
            "NaN",
        ),
    ),
    Target(
        "boot_record",
        "what is remembered of boot files is read as it was written, to the byte",
        check_boot_record,
        runs=800,
        longest=128,
    ),
    Target(
        "mps_record",
        "payload sizes are read or told to be none; the same when written and read again",
        check_sizes,
        runs=800,
        words=(
            '{"devices": {"0000:01:00.0": {"id": "8086:0001", "mps": 256}}, "version": 1}',
            "[[[",
        ),
    ),
    Target(
        "package_record",
        "the driver package is read or told to be none; the same when written and read again",
        check_package,
        runs=800,
        words=('{"package": {', '"version": 1', "[[[", '"a": null'),
    ),
)
