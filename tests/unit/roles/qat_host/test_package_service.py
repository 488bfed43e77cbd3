# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service of the vendor's package: started or restarted where nobody has a VF, and else not.

The tasks are those of the role; systemctl and the modules of the collection are played.
"""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.tests.unit.playbook_runs import run_playbook

ROLE = Path(__file__).resolve().parents[4] / "roles/qat_host"
VF = "0000:01:00.1"
HELD = {"kind": "qat_vf", "address": VF, "holder": {"kind": "domain", "name": "vm7", "pid": 42}}
FREE = {
    "kind": "qat_vf",
    "address": VF,
    "holder": {"kind": "driver", "name": "c6xxvf", "pid": None},
}
# By host: what systemd says, whether its configuration has changed, and what the host has.
HOSTS: dict[str, tuple[str, str, bool, dict[str, t.Any]]] = {
    "runs": ("active", "enabled", False, HELD),
    "runs_disabled": ("active", "disabled", False, HELD),
    "by_hand": ("inactive", "disabled", False, HELD),
    "failed": ("failed", "enabled", False, HELD),
    "free": ("inactive", "disabled", False, FREE),
    "changed": ("active", "enabled", True, HELD),
    "changed_free": ("active", "enabled", True, FREE),
}
NOTHING: dict[str, list[str]] = {host: [] for host in HOSTS}
SYSTEMCTL = """#!/bin/sh
cd "$PLAYED" || exit
echo "$1" >>asked
case $1 in
    show)
        echo LoadState=loaded
        sed 's/^/ActiveState=/' active
        sed 's/^/UnitFileState=/' enabled
        ;;
    is-enabled) grep '^enabled$' enabled ;;
    enable) echo enabled >enabled ;;
    start | restart) echo active >active ;;
esac
"""
PLAYED_MODULE = """
import json, os
from ansible.module_utils.basic import AnsibleModule

options = {"path": {"type": "path"}, "missing_ok": {"type": "bool"}}
module = AnsibleModule(options, supports_check_mode=True)
with open(os.path.join(os.environ["PLAYED"], "%s.json")) as answer:
    module.exit_json(**json.load(answer))
"""
PLAY = {
    "hosts": "all",
    "gather_facts": False,
    "environment": {
        "PATH": "{{ playbook_dir }}/bin:{{ lookup('ansible.builtin.env', 'PATH') }}",
        "PLAYED": "{{ playbook_dir }}/{{ inventory_hostname }}",
    },
    "vars_files": [str(ROLE / "vars/main.yml")],
    "vars": {
        "qat_host_files_wanted": [{"path": "/etc/c6xx_dev0.conf"}],
        "qat_host_missing_ok": False,
        "qat_host_after_build": False,
        "qat_package_result": {"changed": False},
    },
    "tasks": [{"ansible.builtin.include_tasks": str(ROLE / "tasks/package_service.yml")}],
}


def prepare(folder: Path) -> None:
    """Write the play, what plays the host, and how each is."""
    modules = folder / "ansible_collections/hwaccel/virt/plugins/modules"
    modules.mkdir(parents=True)
    for name in ("accelerator_info", "qat_config"):
        (modules / f"{name}.py").write_text(PLAYED_MODULE % name, encoding="utf-8")
    (folder / "bin").mkdir()
    (folder / "bin/systemctl").write_text(SYSTEMCTL, encoding="utf-8")
    (folder / "bin/systemctl").chmod(0o755)
    for host, (active, enabled, changed, device) in HOSTS.items():
        (folder / host).mkdir()
        (folder / host / "active").write_text(f"{active}\n", encoding="utf-8")
        (folder / host / "enabled").write_text(f"{enabled}\n", encoding="utf-8")
        write(folder / host / "qat_config.json", {"changed": False, "restart_required": changed})
        write(folder / host / "accelerator_info.json", {"changed": False, "devices": [device]})
    here = {"ansible_connection": "local"}
    here["ansible_python_interpreter"] = "{{ ansible_playbook_python }}"
    write(folder / "inventory.json", {"all": {"hosts": dict.fromkeys(HOSTS, here)}})
    write(folder / "play.yml", [PLAY])


def write(path: Path, content: object) -> None:
    """Write what JSON takes."""
    path.write_text(json.dumps(content), encoding="utf-8")


def run(folder: Path, *arguments: str) -> tuple[str, dict[str, list[str]]]:
    """Run the play, and return what it says and what systemctl was told to do on each host."""
    for host in HOSTS:
        (folder / host / "asked").write_text("", encoding="utf-8")
    said = run_playbook(
        folder,
        *("--inventory", "inventory.json", "play.yml", *arguments),
        ANSIBLE_COLLECTIONS_PATH=str(folder),
        ANSIBLE_FORKS="2",
        ANSIBLE_PIPELINING="1",
    ).stdout
    asked = {
        host: [
            word
            for word in (folder / host / "asked").read_text(encoding="utf-8").split()
            if word not in {"show", "is-enabled"}
        ]
        for host in HOSTS
    }
    return said, asked


def outcome(said: str) -> dict[str, tuple[int, int]]:
    """Return of each host how many tasks changed something, and how many failed."""
    found = re.findall(r"^(\w+) +: .* changed=(\d+) .* failed=(\d+) ", said, re.MULTILINE)
    return {host: (int(changed), int(failed)) for host, changed, failed in found}


# One test, since each of the runs takes seconds, and workers would share nothing of them.
def test_what_a_guest_has_is_not_taken_by_a_start(tmp_path: Path) -> None:
    prepare(tmp_path)
    refused = {"by_hand": (0, 1), "failed": (0, 1), "changed": (0, 1)}
    does = {
        "runs": (0, 0),
        "runs_disabled": (1, 0),
        "free": (1, 0),
        "changed_free": (1, 0),
        **refused,
    }
    said, asked = run(tmp_path, "--check")
    assert outcome(said) == does, said
    assert asked == NOTHING
    said, asked = run(tmp_path)
    assert outcome(said) == does, said
    assert asked == {
        **NOTHING,
        "runs_disabled": ["enable"],
        "free": ["enable", "start"],
        "changed_free": ["restart"],
    }
    for why in (
        "qat_service is inactive for systemd, and has to be started",
        "qat_service is failed for systemd, and has to be started",
        "The configuration has changed, and qat_service has to be restarted for it",
    ):
        assert f"{why}, which takes all VFs away. Held are {VF}, by vm7. Stop these" in said
    # Nobody asks who has what where nothing is started.
    looked = said.partition("See who has functions")[2].partition("TASK")[0]
    assert re.findall(r"^ok: \[(runs\w*)\]", looked, re.MULTILINE) == []
    nothing = {**dict.fromkeys(does, (0, 0)), **refused, "changed_free": (1, 0)}
    said, asked = run(tmp_path)
    assert outcome(said) == nothing, said
    assert asked == {**NOTHING, "changed_free": ["restart"]}
