# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for a Windows guest behind a connection: no Windows, and no PowerShell.

What Ansible sends is decoded to modules and their arguments, recorded, and answered from a small
state in a file: a registry with types, files, a service, and a driver that behaves as the vendor's
guide says. A module that it does not know fails.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ntpath
import re
import typing as t
from pathlib import Path

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = r"""
name: recorded_windows
short_description: A stand-in for a Windows guest
description: Records what is sent, and answers from a file.
author: hwaccel.virt maintainers (@hwaccel-virt)
options:
  guest:
    description: The file with the state of the guest.
    type: path
    vars:
      - name: recorded_guest
"""

SEPARATOR = b"\n\0\0\0\0\n"
TOKEN_FOLDER = r"C:\Program Files\NVIDIA Corporation\vGPU Licensing\ClientConfigToken"  # noqa: S105 (a folder)
SERVICE = "NVDisplay.ContainerLocalSystem"
STATUS = """\
==============NVSMI LOG==============
GPU 00000000:02:00.0
    Product Name                          : GRID M60-2Q
    vGPU Software Licensed Product
        Product Name                      : NVIDIA Virtual Workstation
        License Status                    : {status}
"""
NOW = "2026-11-22T08:00:00.1234567Z"
HTTP_DATE = "Sun, 22 Nov 2026 08:00:01 GMT"

Answer = dict[str, t.Any]


class Guest:
    """The state of a guest, kept in a file between tasks."""

    def __init__(self, path: Path) -> None:
        """Read the state."""
        self.path = path
        self.state: dict[str, t.Any] = json.loads(path.read_text(encoding="utf-8"))

    def save(self) -> None:
        """Write the state back."""
        self.path.write_text(json.dumps(self.state, indent=1), encoding="utf-8")

    def record(self, name: str, arguments: object) -> None:
        """Keep what was sent."""
        self.state["sent"].append([name, arguments])

    # -- the modules -----------------------------------------------------------------------

    def answer(self, name: str, arguments: dict[str, t.Any]) -> Answer:
        """Answer a module as Windows would, as far as the role needs it."""
        check = bool(arguments.pop("_ansible_check_mode", False))
        known = {
            "ansible.windows.setup": self.setup,
            "ansible.windows.win_powershell": self.look,
            "ansible.windows.win_regedit": self.regedit,
            "ansible.windows.win_copy": self.copy,
            "ansible.windows.win_file": self.remove,
            "ansible.windows.win_service": self.service,
        }
        plain = {key: value for key, value in arguments.items() if not key.startswith("_ansible")}
        self.record(name, {**plain, "check": check})
        if name not in known:
            return {"failed": True, "msg": f"the stand-in has no {name}"}
        return known[name](arguments, check=check)

    def setup(self, _arguments: Answer, *, check: bool) -> Answer:
        """Answer with the family alone."""
        del check
        return {"changed": False, "ansible_facts": {"ansible_os_family": "Windows"}}

    def regedit(self, wanted: Answer, *, check: bool) -> Answer:
        """Set or remove a value, which has a type."""
        path, name = wanted["path"], wanted["name"]
        key = dict(self.state["registry"].get(path, {}))
        before = key.get(name)
        after = [wanted["type"], wanted["data"]] if wanted["state"] == "present" else None
        if before == after:
            return {"changed": False}
        if not check:
            key[name] = after
            self.state["registry"][path] = {k: v for k, v in key.items() if v is not None}
        diff = {"before": f"{path} {name}: {before}\n", "after": f"{path} {name}: {after}\n"}
        return {"changed": True, "diff": diff}

    def copy(self, wanted: Answer, *, check: bool) -> Answer:
        """Answer both steps of a copy."""
        files = self.state["files"]
        if wanted["_copy_mode"] == "query":
            folder = wanted["dest"].rstrip("\\/")
            missing = [
                each
                for each in wanted["files"]
                if sha1(files.get(ntpath.join(folder, each["dest"]))) != each["checksum"]
            ]
            return {"changed": bool(missing), "files": missing, "directories": [], "symlinks": []}
        if not check:
            place = ntpath.join(wanted["dest"].rstrip("\\"), wanted["_original_basename"])
            files[place] = files.pop(wanted["src"])
        return {"changed": True, "operation": "file_copy"}

    def remove(self, wanted: Answer, *, check: bool) -> Answer:
        """Remove a file."""
        is_there = wanted["path"] in self.state["files"]
        if wanted["state"] != "absent":
            return {"failed": True, "msg": "the stand-in removes files only"}
        if is_there and not check:
            del self.state["files"][wanted["path"]]
        return {"changed": is_there}

    def service(self, wanted: Answer, *, check: bool) -> Answer:
        """Restart the service; one that runs stays as it is."""
        if wanted["name"] != SERVICE:
            return {"failed": True, "msg": f"no service {wanted['name']}"}
        if wanted["state"] == "restarted":
            if not check:
                self.state["looks"] = 0
                self.driver_starts()
            return {"changed": True}
        return {"changed": False}

    # -- the script that looks, as far as its answers go --------------------------------------

    def look(self, wanted: Answer, *, check: bool) -> Answer:
        """Answer as the script is to."""
        if check:
            return {"failed": True, "msg": "the script is to run in check mode too"}
        asked = wanted["parameters"]
        roots = self.state["registry"]
        result: Answer = {
            "roots": [
                {
                    "path": root,
                    "exists": root in roots,
                    "settings": {name: str(v[1]) for name, v in roots.get(root, {}).items()},
                }
                for root in asked["Root"]
            ],
            "token_folder": asked["TokenFolder"] or TOKEN_FOLDER,
            "tokens": sorted(ntpath.basename(path) for path in self.tokens()),
            "service": {"name": asked["ServiceName"], "exists": True, "running": True},
        }
        if asked.get("Ask", True):
            self.state["looks"] += 1
            result["driver"] = {"text": self.driver_says(), "error": None}
            result["log"] = self.state["log"]
            result["servers"] = [self.server(each) for each in asked["Server"]]
            result["clock"] = {"now": NOW, "synchronized": True}
        return {"changed": False, "result": result, "output": [], "error": []}

    def server(self, named: str) -> Answer:
        """Answer for a license server."""
        address, port = named.split(" ")
        fault = self.state["fault"]
        return {
            "address": address,
            "port": int(port),
            "resolved": True,
            "connected": fault != "down",
            "ping": False if fault == "down" else None,
            "error": "no answer within 5 s" if fault == "down" else None,
            "date": None if fault == "down" else HTTP_DATE,
            "at": NOW,
        }

    # -- the driver: what it holds ends with the boot, and what it asks for comes late -----------

    def value(self, name: str) -> object:
        """Return what the last root says."""
        roots = self.state["registry"].values()
        return next((root[name][1] for root in reversed(list(roots)) if name in root), None)

    def tokens(self) -> list[str]:
        """Return the paths of tokens."""
        return [path for path in self.state["files"] if path.endswith(".tok")]

    def driver_starts(self) -> None:
        """Ask for a license, by settings or by a token."""
        wants = bool(self.value("ServerAddress") or self.tokens()) and self.value("FeatureType")
        if wants:
            self.state["holds"] = not self.state["fault"]

    def boot(self) -> None:
        """Start anew, without what was held."""
        self.state["boots"] += 1
        self.state["holds"] = False
        self.driver_starts()

    def driver_says(self) -> str:
        """Return what nvidia-smi prints."""
        is_late = self.state["looks"] <= self.state["late"]
        status = "Unlicensed"
        if self.state["holds"] and not is_late:
            status = "Licensed (Expiry: 2026-11-23 8:0:0 GMT)"
        return STATUS.format(status=status)

    # -- commands that are no modules ---------------------------------------------------------

    def command(self, script: str) -> str:
        """Answer the commands of a reboot."""
        if "shutdown.exe" in script:
            self.record("shutdown", script)
            self.boot()
            return json.dumps({"stdout": "", "stderr": "", "rc": 0})
        tested = re.search(r"success-[0-9a-f-]+", script)
        if tested:
            return tested[0]
        if "LastBootUpTime" in script:
            return f"boot {self.state['boots']}"
        return ""


def sha1(content: str | None) -> str | None:
    """Return the checksum of a file of the guest, which is in base64 there."""
    if content is None:
        return None
    return hashlib.sha1(base64.b64decode(content), usedforsecurity=False).hexdigest()


class Connection(ConnectionBase):
    """The connection."""

    transport = "recorded_windows"
    module_implementation_preferences = (".ps1", ".exe", "")
    allow_executable = False
    has_pipelining = True
    always_pipeline_modules = True
    _shell_type = "powershell"

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def _guest(self) -> Guest:
        return Guest(Path(self.get_option("guest")))  # type: ignore[no-untyped-call]

    def exec_command(
        self,
        cmd: str,
        in_data: bytes | None = None,
        sudoable: bool = True,  # noqa: FBT001, FBT002 (the signature is Ansible's)
    ) -> tuple[int, bytes, bytes]:
        """Answer what is run."""
        del sudoable
        guest = self._guest()
        told = self._run(guest, in_data) if in_data else guest.command(decoded(cmd))
        guest.save()
        return 0, told.encode(), b""

    def _run(self, guest: Guest, payload: bytes) -> str:
        """Answer what Ansible's wrapper for PowerShell is given."""
        manifest = json.loads(payload.split(SEPARATOR)[1])
        action = manifest["actions"][-1]
        if action["name"] == "powershell_mkdtemp.ps1":
            return "C:\\Temp\\ansible\r\n"
        script = action["params"]["Script"]
        arguments = next(
            each["Value"]
            for each in action["params"]["Variables"]
            if each["Name"] == "complex_args"
        )
        name = script.removesuffix(".ps1").replace("ansible_collections.", "", 1)
        return json.dumps(guest.answer(name.replace("plugins.modules.", "", 1), arguments))

    def put_file(self, in_path: str, out_path: str) -> None:
        """Take a file."""
        guest = self._guest()
        content = Path(in_path).read_bytes()
        guest.state["files"][out_path] = base64.b64encode(content).decode()
        guest.save()

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Refuse: nothing is fetched."""
        raise NotImplementedError(f"{in_path} to {out_path}")

    def close(self) -> None:
        """Do nothing."""
        self._connected = False


def decoded(command: str) -> str:
    """Return the script of a command with -EncodedCommand."""
    encoded = command.rpartition("-EncodedCommand ")[2].strip()
    return base64.b64decode(encoded).decode("utf-16-le")
