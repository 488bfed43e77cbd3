# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that could break out of what roles write themselves, rather than by a module of ours.

What a role writes has numbers and choices, values that an assertion has let through whole, and
values that are escaped. The assertions and the definitions of guests are tried with each value.
"""

from __future__ import annotations

import re
import typing as t
from functools import cache
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.hwaccel.virt.tests.unit.plugins.every_module import HOSTILE
from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import read as document_of

if t.TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Iterator

ROLES = Path(__file__).resolve().parents[3] / "roles"
Variables = dict[str, t.Any]

# By what an assertion checks: its file, a value that is right, and what may stand in others.
ASSERTED: dict[str, tuple[str, str, str]] = {
    "kvm_host_memlock": ("kvm_host/tasks/present.yml", "64G", r"[0-9A-Za-z]*"),
    "qat_package_checksum": ("qat_package/tasks/present.yml", f"sha256:{'a' * 64}", r"[:\w]+"),
    "reboot_migrate_to": ("reboot/tasks/main.yml", "qemu+ssh://b/system", r"\S+"),
    # An option of virsh migrate.
    "item": ("reboot/tasks/main.yml", "--bandwidth=100", r"--\S+"),
    "emulated_host_name": ("emulated_host/tasks/main.yml", "host", r"[a-z0-9-]+"),
    "emulated_host_dir": ("emulated_host/tasks/main.yml", "/srv/host", r'/[^"\n]*'),
}
# What writes: the text of a file, a line of it, or what libvirt stores.
TEXTS = frozenset({"block", "content", "line", "xml"})
ESCAPED = re.compile(r"\| *(?:e|to_json|to_nice_json\(.*\))(?: *~.*)?$|^lookup\(")
PLAIN: Variables = {
    "name": "guest",
    "memory_mib": 1024,
    "vcpus": 1,
    "diskless": False,
    "disk": {"pool": "default", "image": "", "size_gib": 20, "format": "qcow2"},
    "install_medium": "",
    "bridge": "",
    "network": "default",
    "firmware": "uefi",
    "domain_type": "kvm",
    "viommu": True,
    "hotplug_slots": 1,
    "accelerators": [],
}
PLAIN["disk"]["preallocate"] = False
SEPARATOR = "@@@ and the next one @@@"
TEMPLATES = ("faults.txt.j2", "domain.xml.j2", "volume.xml.j2")
OPTIONS = ("name", "disk.pool", "disk.image", "network", "bridge", "install_medium", "pool_path")


def rendered(text: str, variables: Variables) -> str:
    """Return what Ansible makes of a text, values taken as they are."""
    return str(Templar(DataLoader(), variables).template(trust_as_template(text)) or "").strip()


@cache
def loaded(path: str) -> t.Any:
    return yaml.safe_load((ROLES / path).read_text(encoding="utf-8"))


def tasks_of(document: t.Any) -> Iterator[Variables]:
    """Yield tasks, those of blocks too."""
    for task in document:
        yield task
        for inner in ("block", "rescue", "always"):
            yield from tasks_of(task.get(inner, []))


def conditions(path: str, variable: str) -> list[str]:
    """Return what a file of tasks asserts of a variable."""
    return [
        each
        for task in tasks_of(loaded(path))
        for that in [task.get("ansible.builtin.assert", {}).get("that", [])]
        for each in ([that] if isinstance(that, str) else that)
        if re.match(rf"{variable}\b.*\bmatch\b", each)
    ]


@pytest.mark.parametrize("variable", ASSERTED)
def test_assertions_take_whole_values(variable: str) -> None:
    path, right, accepted = ASSERTED[variable]
    (condition,) = conditions(path, variable)

    def is_let_through(value: str) -> bool:
        return rendered(f"{{{{ {condition} }}}}", {variable: value}) == "True"

    assert is_let_through(right)
    tried = [value for each in HOSTILE.values() for value in (each, right + each, f"/{each}")]
    passed = [value for value in tried if is_let_through(value)]
    assert [value for value in passed if not re.fullmatch(accepted, value)] == []


def expressions(path: Path) -> Iterator[str]:
    """Yield what a file of tasks puts into files."""
    for task in tasks_of(yaml.safe_load(path.read_text(encoding="utf-8")) or []):
        for given in task.values():
            if isinstance(given, dict):
                for key in TEXTS & set(given):
                    yield from re.findall(r"{{ *(.*?) *}}", str(given[key]), re.DOTALL)


def is_bounded(role: str, expression: str) -> bool:
    """Tell whether what is written is escaped, checked, of the role's own making or a number."""
    options = loaded(f"{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    name = re.split(r"\W", expression)[0]
    option = options.get(name, {})
    narrow = option.get("type") in {"bool", "int"} or "choices" in option
    # The module has made what libvirt is given.
    made = expression == "item.definition"
    return bool(ESCAPED.search(expression)) or name in ASSERTED or narrow or made


def test_what_roles_write_is_bounded() -> None:
    told = {
        (path.parts[-3], each)
        for path in sorted(ROLES.glob("*/tasks/*.yml"))
        for each in expressions(path)
    }
    assert len(told) > 5
    assert [each for each in sorted(told) if not is_bounded(*each)] == []
    assert not is_bounded("kvm_guest", "kvm_guest_pool")
    assert is_bounded("kvm_guest", "kvm_guest_pool | e")


def rendered_each(text: str, cases: list[Variables]) -> list[str]:
    """Return what Ansible makes of a text with variables of several kinds; compiling it is slow."""
    own = "".join(f"{{% set {name} = case.{name} %}}" for name in cases[0])
    loop = f"{{% for case in cases %}}{own}{text}{SEPARATOR}{{% endfor %}}"
    whole = rendered(loop, {**loaded("kvm_guest/vars/main.yml"), "cases": cases})
    return [each.strip() for each in whole.split(SEPARATOR)[:-1]]


def guest_with(option: str, value: str) -> Variables:
    """Return the variables of the role for a guest with an option at a value."""
    guest = {**PLAIN, "disk": {**PLAIN["disk"]}}
    place = value if option == "pool_path" else "/srv/images"
    if option.startswith("disk."):
        guest["disk"][option.partition(".")[2]] = value
    elif option != "pool_path":
        guest[option] = value
    disk = {**guest["disk"], "volume": f"{guest['name']}.qcow2"}
    return {
        "guest": guest,
        "disk": disk,
        "kvm_guest_all": [guest],
        "kvm_guest_disk_paths": [f"{place}/{disk['volume']}"],
        "kvm_guest_pool": disk["pool"],
        "kvm_guest_pool_path": place,
    }


def definitions(option: str, tried: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the faults of a guest with an option at each value, and the documents for libvirt."""
    tasks = {task["name"]: task for task in loaded("kvm_guest/tasks/storage.yml")}
    pool = tasks["Define the storage pool"]["community.libvirt.virt_pool"]["xml"]
    folder = ROLES / "kvm_guest/templates"
    texts = [
        *((folder / name).read_text(encoding="utf-8") for name in TEMPLATES),
        pool,
    ]
    cases = [guest_with(option, value) for value in tried]
    for faults, *documents in zip(*(rendered_each(text, cases) for text in texts)):
        yield faults, documents


def shape(document: ET.Element) -> list[tuple[str, list[str]]]:
    """Return the elements of a document with the names of their attributes."""
    return [(each.tag, sorted(each.attrib)) for each in document.iter()]


def values(document: ET.Element) -> str:
    """Return what stands in a document, in lines."""
    found = [[each.text or "", *each.attrib.values()] for each in document.iter()]
    return "\n".join(value for each in found for value in each)


@pytest.mark.parametrize("option", OPTIONS)
def test_definitions_of_guests(option: str) -> None:
    is_path = option in {"install_medium", "pool_path"}
    tried = [f"/{each}" if is_path else each for each in HOSTILE.values()]
    benign, *told = definitions(option, ["/srv/a" if is_path else "plain", *tried])
    assert benign[0] == ""
    shapes = [shape(document_of(text)) for text in benign[1]]
    taken = []
    for kind, value, (faults, documents) in zip(HOSTILE, tried, told):
        if faults:
            assert option.rpartition(".")[2] in faults, (kind, faults)
            continue
        read = [document_of(text) for text in documents]
        # An image is named by its last part, and is no part of a document.
        if value and option != "disk.image":
            assert [shape(document) for document in read] == shapes, kind
            assert any(value in values(document) for document in read), kind
        taken.append(kind)
    assert len(told) == len(HOSTILE)
    assert "line feed" not in taken
    # Of an image the last part alone counts.
    assert option == "disk.image" or ("double quote" in taken) is is_path
