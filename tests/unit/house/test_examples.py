# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What make built looks for: wrong examples, and an archive with too much or too little."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.hwaccel.virt.tools import built, examples

if t.TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
Check = t.Callable[[str, str], list[str]]


@pytest.fixture
def check(tmp_path: Path) -> Callable[[str, str], list[str]]:
    """Check a document of a small collection, in which the modules are the real ones."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    specs = "argument_specs: {main: {options: {%s}}}"
    web = "web_port: {type: int}, web_mode: {type: str, choices: [a, b]}"
    write("roles/web/meta/argument_specs.yml", specs % web)
    write("roles/web/tasks/main.yml", "- register: web_result")
    write("roles/disk/meta/argument_specs.yml", specs % "disk_path: {type: path, required: true}")
    write("playbooks/host.yml", "hosts: \"{{ target | default('all') }}\"\ntags: [web]\n")
    for name in ("qat_sriov", "vfio_passthrough"):
        write(f"plugins/modules/{name}.py", "")
    folder = tmp_path / "plays"
    folder.mkdir()

    def run(name: str, text: str) -> list[str]:
        checker = examples.Checker(examples.Collection(tmp_path))
        checker.check(write(name, text), folder)
        return [fault.removeprefix(f"{name}: ") for fault in checker.faults]

    return run


def fenced(text: str, kind: str = "yaml") -> str:
    return f"```{kind}\n{text}\n```\n"


def console(text: str) -> str:
    return f".. code-block:: console\n\n    $ {text}\n\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- hwaccel.virt.qat_sriov: {devices: [c62x], num_vfs: 4}", ""),
        ("- hwaccel.virt.qat_sriov: {devices: '{{ some }}'}", ""),
        ("- hwaccel.virt.qat_sriov: {device: [c62x]}", "device. Supported parameters"),
        ("- hwaccel.virt.qat_sriov: {state: gone}", "value of state must be one of"),
        ("- hwaccel.virt.qat_sriov: {devices: [c99x]}", "option devices: 'c99x' is not accepted"),
        ("- hwaccel.virt.vfio_passthrough:", "missing required arguments: devices"),
        ("- hwaccel.virt.no_such: {}", "no hwaccel.virt.no_such"),
        ("- ansible.builtin.reboot: {msg: now}", ""),
        ("- ansible.builtin.reboot: {message: now}", "reboot has no option message"),
        ("- ansible.builtin.set_fact: {anything: 1}", ""),
        ("- ansible.builtin.no_such: {}", "ansible.builtin.no_such"),
        ("- block:\n    - ansible.builtin.ping: {dota: 1}", "ping has no option dota"),
        ("- ansible.builtin.include_role: {name: hwaccel.virt.web}", ""),
        ("- ansible.builtin.include_role: {name: hwaccel.virt.bev}", "no role hwaccel.virt.bev"),
        ("- {hosts: all, roles: [{role: hwaccel.virt.web, vars: {web_port: 80}}]}", ""),
        ("- {hosts: all, roles: [{role: hwaccel.virt.web, vars: {web_port: x}}]}", "web_port"),
        ("- {hosts: all, vars: {web_name: x}}", "no role has a variable web_name"),
        ("- {hosts: all, roles: [hwaccel.virt.disk]}", "role hwaccel.virt.disk requires disk_path"),
        ("{web_port: 80, other: 1}", ""),
        ("{web_mode: c}", "value of web_mode must be one of"),
        ("all: {hosts: {a: {web_port: b}}}", "web_port"),
        ("all: {children: {b: {vars: {web_port: b}}}}", "web_port"),
        ("{a: [}", "no YAML"),
        ("some words", "neither plays, tasks nor variables"),
    ],
)
def test_yaml(check: Check, text: str, fault: str) -> None:
    found = check("README.md", fenced(text))
    assert any(fault in each for each in found) if fault else found == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ansible-playbook -i a hwaccel.virt.host --check --diff -e target=b --tags web,web", ""),
        ("ansible-playbook hwaccel.virt.host", ""),
        ("ansible-playbook hwaccel.virt.hosts", "no hwaccel.virt.hosts"),
        ("ansible-playbook other.yml", "no playbook other.yml"),
        ("ansible-playbook hwaccel.virt.host --chek", "unrecognized arguments: --chek"),
        ("ansible-playbook hwaccel.virt.host --tags web,bev", "has no tag bev"),
        ("ansible-playbook hwaccel.virt.host -e targt=b", "nothing takes a variable targt"),
        ('ansible-playbook hwaccel.virt.host -e \'{"web_port": "x"}\'', "web_port"),
        ("ansible all -m hwaccel.virt.qat_sriov -a state=absent", ""),
        ("ansible all -m hwaccel.virt.qat_sriov -a stat=absent", "stat. Supported parameters"),
        ("ls --no-such-option", ""),
    ],
)
def test_commands(check: Check, text: str, fault: str) -> None:
    found = check("docs/docsite/rst/a.rst", console(text))
    assert any(fault in each for each in found) if fault else found == []


def test_a_playbook_of_the_same_page_can_be_run(check: Check) -> None:
    play = ".. code-block:: yaml\n\n    # my.yml\n    - hosts: all\n\n"
    assert check("docs/docsite/rst/a.rst", play + console("ansible-playbook my.yml")) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("``web_port``, ``web_result``, hwaccel.virt.qat_sriov, ``other_name``", ""),
        ("``web_prot``", "no variable web_prot"),
        ("hwaccel.virt.qat_siov", "no hwaccel.virt.qat_siov"),
    ],
)
def test_names_in_the_text(check: Check, text: str, fault: str) -> None:
    assert check("docs/docsite/rst/a.rst", text) == ([fault] if fault else [])


def test_examples_of_plugins(check: Check) -> None:
    text = 'EXAMPLES = """\n- hwaccel.virt.qat_sriov: {stat: absent}\n"""\n'
    (found,) = check("plugins/modules/other.py", text)
    assert "stat. Supported parameters" in found


def test_plays_are_written_for_the_check_of_their_syntax(check: Check, tmp_path: Path) -> None:
    check("README.md", fenced("- ansible.builtin.ping:") + fenced("ls", "sh") + fenced("{a: 1}"))
    (path,) = (tmp_path / "plays").iterdir()
    assert "hosts: all" in path.read_text(encoding="utf-8")


def test_members_of_the_archive() -> None:
    tracked = ["README.md", "plugins/a.py", "roles/b", "tests/c", "Makefile"]
    right = ["README.md", "plugins/a.py", "roles/b", "MANIFEST.json", "FILES.json"]
    assert built.member_faults(right, tracked) == []
    assert built.member_faults([*right[1:], "tests/c", "plugins/a.pyc"], tracked) == [
        "README.md is not in the archive",
        "plugins/a.pyc is in the archive",
        "tests/c is in the archive",
    ]


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    text = "[a](b.md) [c](d/e.md#f) [g](https://h) [i](#j)"
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    (tmp_path / "b.md").touch()
    assert built.link_faults(tmp_path) == ["README.md: d/e.md is not there"]


def test_every_tracked_name_is_decided_about() -> None:
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    tracked = {name.split("/", 1)[0] for name in built.tracked(ROOT)}
    assert not set(ignored) & built.BELONGS
    # galaxy.yml itself becomes the manifest.
    assert tracked - set(ignored) - {"galaxy.yml"} == built.BELONGS
