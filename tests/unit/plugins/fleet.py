# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules return of hosts and guests, for the tests of the report."""

from __future__ import annotations

import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NOW = "2026-11-22T08:00:00Z"
PF = "0000:3d:00.0"


def template() -> str:
    """Return the template of the page."""
    return (ROOT / "playbooks/templates/report.html.j2").read_text(encoding="utf-8")


def device(address: str, **fields: t.Any) -> dict[str, t.Any]:
    """Return a function, a VF of the PF unless told otherwise."""
    return {"address": address, "id": "8086:37c9", "kind": "qat_vf", "pf": PF, **fields}


def found(guest: str = "vm1", vfs: int = 16, pfs: int = 1) -> dict[str, t.Any]:
    """Return what accelerator_info tells of a host: its VFs are held, used, free and unbound."""
    holder = {"kind": "domain", "name": guest, "pid": 7}
    uses: list[dict[str, t.Any]] = [
        {"driver": "vfio-pci", "holder": holder},
        {"driver": "c6xxvf", "holder": {"kind": "driver", "name": "c6xxvf", "pid": None}},
        {"driver": "vfio-pci"},
        {"driver": None},
    ]
    functions = []
    for bus in range(0x3D, 0x3D + pfs):
        pf = f"0000:{bus:02x}:00.0"
        functions += [
            device(f"0000:{bus:02x}:{1 + index // 8:02x}.{index % 8}", **uses[index % 4], pf=pf)
            for index in range(vfs)
        ]
        known = {"kind": "qat_pf", "pf": None, "family": "c62x", "driver": "c6xx", "mps": 256}
        functions.append(device(pf, **known, total_vfs=16, num_vfs=vfs))
    problem = {"check": "iommu", "what": "off", "why": "firmware", "remedy": "turn it on"}
    return {"devices": functions, "problems": [problem]}


def license_found(expiry: str | None, name: str = "GRID M60-2Q") -> dict[str, t.Any]:
    """Return what gridd_license_info tells of a guest, licensed where there is an end."""
    status = "Licensed" if expiry else "Unlicensed"
    gpu = {"address": "0000:02:00.0", "name": name, "status": status, "expiry": expiry}
    return {"licensed": bool(expiry), "gpus": [gpu], "diagnosis": []}
