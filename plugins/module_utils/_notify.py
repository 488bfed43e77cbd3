# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Word to systemd from a service of the collection: one datagram, as in sd_notify(3)."""

from __future__ import annotations

import os
import socket

_VARIABLE = "NOTIFY_SOCKET"


def tell_systemd(word: str) -> bool:
    """Send a word such as C(READY=1); false where nobody waits for it.

    Raises:
        OSError: when systemd does not take it.
    """
    place = os.environ.get(_VARIABLE, "")
    if place[:1] not in ("/", "@"):
        return False
    # The name of an abstract socket starts with a zero byte.
    place = "\0" + place[1:] if place.startswith("@") else place
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
        speaker.connect(place)
        speaker.sendall(word.encode())
    return True
