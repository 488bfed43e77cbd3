# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Import the values that license Windows guests into Wine's registry, and read them back.

Wine is another implementation of the same registry, with the same program regedit and the same
files. That types and names survive there says that they are well formed; what the driver makes
of them is the vendor's guide's to say.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.plugins.module_utils._grid.registry import (
    DWORD,
    ENTRIES,
    ROOTS,
    registry_values,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.hwaccel.virt.plugins.module_utils._grid.registry import RegistryValue

FOLDER = Path(__file__).resolve().parent.parent / ".build" / "registry"
PREFIX = FOLDER / "prefix"
SECONDS = 120

# An operator's own value in each key, which has to stay.
OWN = ("Own", "REG_SZ", r"as it was\here")
BY_SERVER = {
    "server_address": "gridlicense.example.com",
    "server_port": 7070,
    "backup_server_address": "2001:db8::7",
    "backup_server_port": 65535,
    "feature_type": "vws",
    "license_interval": 10080,
    "hide_page": True,
}
BY_TOKEN = {
    "client_config_token_path": r"\\files.example.com\nvidia tokens\current",
    "feature_type": "unlicensed",
    "license_interval": 10,
    "hide_page": False,
}

Found = dict[str, set[tuple[str, str, str]]]


def wine(*command: str) -> str:
    """Run a program of Wine, and return what it prints."""
    environment = {
        **os.environ,
        "WINEPREFIX": str(PREFIX),
        "WINEDEBUG": "-all",
        # It would ask for an installation of these on a display.
        "WINEDLLOVERRIDES": "mscoree,mshtml=",
    }
    environment.pop("DISPLAY", None)
    done = subprocess.run(
        command,
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=SECONDS,
    )
    return done.stdout.decode("utf-8", "replace").replace("\r\n", "\n")


def long_name(path: str) -> str:
    """Return a key as files of regedit name it."""
    return path.replace("HKLM:", "HKEY_LOCAL_MACHINE", 1)


def quoted(text: str) -> str:
    """Return a text as files of regedit have it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def line(value: RegistryValue) -> str:
    """Return a value as a line of such a file, a hyphen for one that is not to be there."""
    if value.data is None:
        data = "-"
    elif value.type == DWORD:
        data = f"dword:{value.data:08x}"
    else:
        data = quoted(str(value.data))
    return f"{quoted(value.name)}={data}"


def import_lines(name: str, lines: Iterable[tuple[str, str]]) -> None:
    """Write key and line of each value to a file, and import it."""
    text = ["Windows Registry Editor Version 5.00", ""]
    for path, told in lines:
        text += [f"[{long_name(path)}]", told, ""]
    file = FOLDER / f"{name}.reg"
    file.write_text("\r\n".join(text), encoding="utf-16")
    wine("wine", "regedit", "/S", str(file))


def read_back() -> Found:
    """Return what the keys have: name, type and data of each value."""
    found: Found = {}
    for root in ROOTS:
        told = wine("wine", "reg", "query", long_name(root))
        found[root] = set(re.findall(r"^ {4}(\S+) +(REG_\w+) +(.*)$", told, re.MULTILINE))
    return found


def expected(values: Iterable[RegistryValue]) -> Found:
    """Return what the keys are to have, as the program reg tells it."""
    wanted: Found = {root: {OWN} for root in ROOTS}
    for value in values:
        if value.data is not None:
            data = f"0x{value.data:x}" if value.type == DWORD else str(value.data)
            wanted[value.path].add((value.name, value.type, data))
    return wanted


def main() -> int:
    """Import each set of values over the one before, and compare what is there then."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    faults = 0
    try:
        wine("wine", "wineboot", "--init")
        name, _type, data = OWN
        import_lines("own", ((root, f"{quoted(name)}={quoted(data)}") for root in ROOTS))
        sets: list[tuple[str, dict[str, t.Any], str]] = [
            ("by a server", BY_SERVER, "present"),
            ("by a token", BY_TOKEN, "present"),
            ("taken back", {}, "absent"),
        ]
        for told, options, state in sets:
            values = registry_values(options, state=state, roots=ROOTS)
            import_lines(told.replace(" ", "_"), ((each.path, line(each)) for each in values))
            wanted, found = expected(values), read_back()
            faults += wanted != found
            print(f"{told}: {'as wanted' if wanted == found else 'NOT as wanted'}")
            for root in ROOTS:
                for each in sorted(found[root]):
                    print(f"  {root}  {'  '.join(each)}")
                for each in sorted(wanted[root] - found[root]):
                    print(f"  {root}  MISSING: {'  '.join(each)}")
        covered = set(BY_SERVER) | set(BY_TOKEN)
        faults += covered != {entry.option for entry in ENTRIES}
    finally:
        # The server of this prefix alone.
        wine("wineserver", "--kill")
        wine("wineserver", "--wait")
        shutil.rmtree(PREFIX, ignore_errors=True)
    print(f"{len(sets) - faults} passed, {faults} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
