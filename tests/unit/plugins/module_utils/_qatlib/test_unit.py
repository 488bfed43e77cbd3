# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drop-in of qatlib's service."""

from __future__ import annotations

import configparser

from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.unit import (
    DROP_IN,
    UNIT_FILES,
    render_drop_in,
)


def test_where_it_is() -> None:
    assert DROP_IN == "/etc/systemd/system/qat.service.d/hwaccel.conf"
    assert UNIT_FILES[0] == "/etc/systemd/system/qat.service"
    assert UNIT_FILES.index("/run/systemd/system/qat.service") < UNIT_FILES.index(
        "/usr/lib/systemd/system/qat.service"
    )


def test_what_the_service_does_with_it() -> None:
    lines = render_drop_in().decode().splitlines()
    before_start = [line.partition("=")[2] for line in lines if line.startswith("ExecStartPre")]
    # The empty one takes out those of the package, qat_init among them.
    assert before_start == [
        "",
        '/bin/sh -c "getent group qat >/dev/null"',
        "-udevadm settle --timeout=60",
    ]
    assert not any(line.startswith("ExecStart=") for line in lines)
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string("\n".join(lines))
    service = parser["Service"]
    assert (service["DynamicUser"], service["User"], service["Group"]) == ("yes", "qatmgr", "qat")
    assert parser.sections() == ["Service"]
