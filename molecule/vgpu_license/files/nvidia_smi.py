# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for nvidia-smi -q, which tests have none of: it shows a licence of the stand-ins."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

STATE = Path("/run/stand-in.json")

state = json.loads(STATE.read_text("utf-8"))
moment = datetime.fromtimestamp(state["until"], timezone.utc)
# As the vendor writes it: "2024-10-19 6:51:17 GMT".
expiry = f"{moment.year}-{moment.month}-{moment.day} {moment.hour}:{moment:%M:%S} GMT"
licensed = state["until"] > time.time()
status = f"Licensed (Expiry: {expiry})" if licensed else "Unlicensed"
vgpu = state["gpu"].startswith("GRID")
print(f"""
==============NVSMI LOG==============
(a stand-in for nvidia-smi: there is no GPU, and no licence is one)

Timestamp                                 : {time.ctime()}
Driver Version                            : 0 (stand-in)

Attached GPUs                             : 1
GPU 00000000:02:00.0
    Product Name                          : {state["gpu"]}
    GPU Virtualization Mode
        Virtualization Mode               : {"VGPU" if vgpu else "Pass-Through"}
    vGPU Software Licensed Product
        Product Name                      : {state["product"] or "N/A"}
        License Status                    : {status}
""")
sys.exit(0 if "-q" in sys.argv else 1)
