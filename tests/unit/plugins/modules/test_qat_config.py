# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qat_config as Ansible calls it."""

from __future__ import annotations

import importlib
import json
import os
import stat
import typing as t

import pytest
import yaml
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.tests.unit.plugins.config_runs import (
    MODULE,
    PF_FILE,
    PREFIXES,
    UNDO,
    VF_FILE,
    ConfigTasks,
    QatHost,
    sample,
    status,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, OTHER, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import MODULES

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

SECOND = "0000:03:00.0"
SSL = {"crypto": 2, "compression": 1, "processes": 1}
# What section 2.5 of the vendor's application note has, and what goes with it.
SSL_TEXT = """\
[SSL]
NumberCyInstances = 2
NumberDcInstances = 1
NumProcesses = 1
LimitDevAccess = 0
Cy0Name = "SSL0"
Cy0IsPolled = 1
Cy1Name = "SSL1"
Cy1IsPolled = 1
Dc0Name = "UserDC0"
Dc0IsPolled = 1
"""
VF_COUNT = 4


@pytest.fixture
def tasks(machine: Machine, run_module: ModuleRunner) -> ConfigTasks:
    return ConfigTasks(machine, run_module)


def add_host(machine: Machine, *, vfs: int = VF_COUNT) -> list[str]:
    """Have a card whose first two VFs are the host's, with files for it and for them."""
    machine.add_pf(vfs=vfs)
    own = machine.vfs()[:2]
    for vf in own:
        machine.bind(vf, C62X.vf_driver)
    machine.write(PF_FILE, sample(services="cy;dc", user=False))
    machine.write(VF_FILE, sample(services="cy"))
    machine.write("/etc/c6xxvf_dev1.conf", sample(services="cy"))
    return own


def add_guest(machine: Machine, *addresses: str, family: str = "c62x") -> None:
    """Have a guest that sees VFs, and no PF."""
    for address in addresses:
        machine.add_function(address, FAMILIES[family].vf_id)


def test_the_examples_run(tasks: ConfigTasks) -> None:
    tasks.machine.add_pf()
    tasks.machine.add_pf("4xxx", "0000:04:00.0")
    add_guest(tasks.machine, "0000:00:07.0")
    module = importlib.import_module(f"{MODULES}.{MODULE}")
    told = [task.get(f"hwaccel.virt.{MODULE}") for task in yaml.safe_load(module.EXAMPLES)]
    results = [tasks.run(**options) for options in told if options]
    assert [result.get("msg") for result in results] == [None] * len(results)
    assert [result["warnings"] for result in results] == [[]] * len(results)
    assert all(result["changed"] for result in results)


# -- what becomes of a file ------------------------------------------------------------------


def test_the_vendors_example_from_a_short_declaration(tasks: ConfigTasks) -> None:
    text = sample(user=False)
    tasks.machine.write(PF_FILE, text)
    result = tasks(path=PF_FILE, sections={"SSL": SSL})
    assert tasks.machine.read(PF_FILE) == f"{text}\n{SSL_TEXT}"
    (entry,) = result["diff"]
    assert entry["after_header"] == PF_FILE
    assert entry["before"] == text
    (file,) = result["files"]
    assert (file["path"], file["address"], file["kind"]) == (PF_FILE, None, "pf")
    assert file["general"]["ServicesEnabled"] == "cy;dc"
    assert file["rings"] == {"needed": 10, "budget": None}
    section = file["sections"]["SSL"]
    assert [section[key] for key in ("crypto", "compression", "processes", "rings")] == [
        2,
        1,
        1,
        10,
    ]
    assert section["instances"][2] == {
        "kind": "compression",
        "name": "UserDC0",
        "polling": "poll",
        "core": None,
    }
    assert file["sections"]["KERNEL"]["processes"] is None
    assert result["restart_required"] is True
    assert (result["pending_commands"], result["pending_writes"]) == ([], [])
    assert result["warnings"] == []


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_files_of_every_family_are_edited(tasks: ConfigTasks, prefix: str, ending: str) -> None:
    path = f"/etc/{prefix}_dev0.conf"
    before = (sample(prefix).rstrip("\n").replace("\n", ending) + "# Gr\xfc\xdfe \udcff").encode(
        "utf-8", "surrogateescape"
    )
    tasks.machine.write(path, before)
    tasks(
        path=path,
        general={"CyNumConcurrentSymRequests": 1024, "AutoResetOnError": True, "Own_Key": "as is"},
        sections={"SSL": {"cores": [7]}},
    )
    after = tasks.machine.at(path).read_bytes()
    lines = after.replace(b"CyNumConcurrentSymRequests = 1024", b"CyNumConcurrentSymRequests = 512")
    for line in (b"AutoResetOnError = 1", b"Own_Key = as is"):
        assert lines.count(line) == 1
        lines = lines.replace(line + ending.encode(), b"")
    assert lines.replace(b"CoreAffinity = 7", b"CoreAffinity = 0") == before
    result = tasks(path=path, state="absent")
    assert tasks.machine.at(path).read_bytes() == before
    assert result["changed"]
    assert json.loads(tasks.machine.read(UNDO))["modules"] == {
        "qat_config": {path: {"found": {}, "set": None}}
    }


def test_fewer_and_more_instances(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample(user=False) + SSL_TEXT + "\n# why\nOther = 1\n")
    tasks(path=PF_FILE, sections={"SSL": {"crypto": 1, "compression": 0}})
    assert tasks.machine.read(PF_FILE) == sample(user=False) + (
        "[SSL]\nNumberCyInstances = 1\nNumberDcInstances = 0\nNumProcesses = 1\n"
        'LimitDevAccess = 0\nCy0Name = "SSL0"\nCy0IsPolled = 1\n\n# why\nOther = 1\n'
    )
    tasks(path=PF_FILE, sections={"SSL": {"crypto": "2", "polling": "Epoll", "cores": [4, 5]}})
    text = tasks.machine.read(PF_FILE)
    assert (
        'Cy0Name = "SSL0"\nCy0IsPolled = 2\nCy0CoreAffinity = 4\n'
        'Cy1Name = "SSL1"\nCy1IsPolled = 2\nCy1CoreAffinity = 5\n'
    ) in text
    tasks(path=PF_FILE, sections={"SSL": {"polling": "INTERRUPT"}})
    assert text.replace("IsPolled = 2", "IsPolled = 0") == tasks.machine.read(PF_FILE)


def test_cores_go_around_and_what_is_named_stays_named(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample().replace('"SSL0"', '"web"'))
    section = {"crypto": 2, "compression": 2, "cores": [0, 1, 2]}
    (file,) = tasks(path=PF_FILE, sections={"SSL": section})["files"]
    told = [(each["name"], each["core"]) for each in file["sections"]["SSL"]["instances"]]
    assert told == [("web", "0"), ("SSL1", "1"), ("UserDC0", "2"), ("UserDC1", "0")]


def test_instances_one_by_one(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample())
    crypto = [{"name": "web", "polling": "epoll"}, {"name": "mail", "core": 3}]
    (file,) = tasks(path=PF_FILE, sections={"SSL": {"crypto": crypto}})["files"]
    assert file["sections"]["SSL"]["instances"] == [
        {"kind": "crypto", "name": "web", "polling": "epoll", "core": "0"},
        {"kind": "crypto", "name": "mail", "polling": "poll", "core": "3"},
    ]


def test_the_kernels_own(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample(user=False))
    tasks(path=PF_FILE, sections={"KERNEL": {"crypto": 1, "compression": 1, "polling": 0}})
    text = tasks.machine.read(PF_FILE)
    assert 'Cy0Name = "IPSec0"\nCy0IsPolled = 0\nDc0Name = "IPComp0"\nDc0IsPolled = 0\n' in text
    assert "NumProcesses" not in text


def test_a_section_and_a_key_are_taken_out(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample())
    (file,) = tasks(
        path=PF_FILE,
        general={"DcNumConcurrentRequests": None, "NoSuchKey": None},
        sections={"SSL": None, "NONE": None},
    )["files"]
    assert set(file["sections"]) == {"KERNEL"}
    assert "DcNumConcurrentRequests" not in file["general"]
    assert "# The one that the web server has" in tasks.machine.read(PF_FILE)


def test_an_empty_declaration_is_a_section_without_instances(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample())
    result = tasks(path=PF_FILE, sections={"SSL": {}})
    assert not result["changed"]
    tasks(path=PF_FILE, sections={"SHIM": {}})
    assert tasks.machine.read(PF_FILE) == sample() + (
        "\n[SHIM]\nNumberCyInstances = 0\nNumberDcInstances = 0\nNumProcesses = 1\n"
        "LimitDevAccess = 0\n"
    )


def test_services_are_a_set(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample(services="dc; cy"))
    for services in ("cy;dc", "DC;CY", ["cy", "dc"], ["cy;dc"]):
        assert not tasks(path=PF_FILE, general={"ServicesEnabled": services})["changed"]


def test_a_file_is_made(tasks: ConfigTasks) -> None:
    result = tasks(path=PF_FILE, general={"AutoResetOnError": 1}, sections={"SSL": SSL})
    assert tasks.machine.read(PF_FILE) == (
        "# Written by hwaccel.virt, module qat_config.\n[GENERAL]\nServicesEnabled = cy;dc\n"
        "ConfigVersion = 2\nAutoResetOnError = 1\n\n"
        f"[KERNEL]\nNumberCyInstances = 0\nNumberDcInstances = 0\n\n{SSL_TEXT}"
    )
    assert stat.S_IMODE(tasks.machine.at(PF_FILE).stat().st_mode) == 0o640
    assert result["diff"][0]["before_header"] == "(no file)"
    assert result["files"][0]["exists"]
    result = tasks(path=PF_FILE, state="absent")
    assert not tasks.machine.at(PF_FILE).exists()
    assert result["restart_required"]
    assert not result["files"][0]["exists"]
    assert sample() not in tasks.machine.read(UNDO)


@pytest.mark.parametrize(
    ("section", "services"),
    [({"crypto": 1}, "sym;asym"), ({"compression": 1}, "dc"), ({}, "sym;asym")],
)
def test_services_of_generation_4(
    tasks: ConfigTasks, section: dict[str, int], services: str
) -> None:
    (file,) = tasks(path="/etc/4xxx_dev0.conf", sections={"SSL": section})["files"]
    assert file["general"]["ServicesEnabled"] == services


def test_services_that_cannot_be_guessed(tasks: ConfigTasks) -> None:
    told = tasks.refusal(path="/etc/4xxx_dev0.conf", sections={"SSL": SSL})
    assert "general.ServicesEnabled, one or two of sym, asym, dc" in told
    assert "general.ServicesEnabled" in tasks.refusal(path="/etc/own.conf")
    tasks(path="/etc/own.conf", general={"ServicesEnabled": "dc"})


def test_mode_and_backup(tasks: ConfigTasks) -> None:
    place = tasks.machine.write(PF_FILE, sample())
    place.chmod(0o600)
    os.utime(place, (0, 86400))
    options: dict[str, t.Any] = {
        "path": PF_FILE,
        "general": {"HeartbeatTimer": 500},
        "backup": True,
    }
    result = tasks.run(**options)
    copy = f"{PF_FILE}.1970-01-02@00:00:00~"
    assert (result["backup_file"], result["backup_files"]) == (copy, [copy])
    assert tasks.machine.read(copy) == sample()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert "backup_file" not in tasks.run(**options)


# -- the way back ----------------------------------------------------------------------------


def test_what_stood_before_stands_after(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample())
    general = {"ServicesEnabled": "cy;dc", "HeartbeatTimer": 300}
    for options in ({"general": {"ServicesEnabled": "cy;dc"}}, {"general": general}):
        tasks(path=PF_FILE, **options)
    tasks(path=PF_FILE, state="absent", general=general)
    assert tasks.machine.read(PF_FILE) == sample()


def test_what_others_did_since_stays(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample())
    tasks(
        path=PF_FILE,
        general={"HeartbeatTimer": 300, "CyNumConcurrentAsymRequests": 128, "ConfigVersion": None},
        sections={"SSL": {"crypto": 0}, "SHIM": {"crypto": 1}},
    )
    text = tasks.machine.read(PF_FILE).replace("HeartbeatTimer = 300", "HeartbeatTimer = 400")
    tasks.machine.write(PF_FILE, f"# Theirs\n{text}\n[OWN]\nNumberCyInstances = 0\n")
    # Another run on top of what others did.
    tasks(path=PF_FILE, general={"DcNumConcurrentRequests": 64})
    result = tasks(path=PF_FILE, state="absent")
    text = tasks.machine.read(PF_FILE)
    assert text.startswith("# Theirs\n# Device")
    assert "HeartbeatTimer = 400\n" in text
    assert "CyNumConcurrentAsymRequests = 64\n" in text
    assert "DcNumConcurrentRequests = 512\n" in text
    assert "ConfigVersion = 2\n" in text
    (file,) = result["files"]
    assert set(file["sections"]) == {"KERNEL", "SSL", "OWN"}
    assert file["sections"]["SSL"]["instances"][0]["name"] == "SSL0"
    assert result["warnings"] == []


def test_a_file_of_ours_that_others_use_stays(tasks: ConfigTasks) -> None:
    tasks(path=PF_FILE, sections={"SSL": SSL})
    tasks.machine.write(PF_FILE, tasks.machine.read(PF_FILE) + "\n[OWN]\nA = 1\n")
    tasks(path=PF_FILE, state="absent")
    text = tasks.machine.read(PF_FILE)
    assert "[OWN]\nA = 1\n" in text
    assert "[SSL]" not in text
    assert "[GENERAL]" not in text


def test_a_file_that_is_gone_stays_gone(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample())
    tasks(path=PF_FILE, sections={"SSL": SSL})
    tasks.machine.at(PF_FILE).unlink()
    assert not tasks(path=PF_FILE, state="absent")["changed"]
    assert not tasks.machine.at(PF_FILE).exists()


def test_without_a_record_what_would_be_set_goes(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample() + "\n[SHIM]\nNumberCyInstances = 1\nOwn = 1\n")
    options: dict[str, t.Any] = {
        "path": PF_FILE,
        "state": "absent",
        "general": {"ServicesEnabled": "dc;cy", "CyNumConcurrentSymRequests": 64},
        "sections": {"SSL": SSL, "SHIM": {}},
    }
    before = tasks.machine.files()
    check = tasks.run(check=True, **options)
    assert tasks.machine.files() == before
    result = tasks.run(**options)
    assert check["diff"] == result["diff"]
    (file,) = result["files"]
    assert "ServicesEnabled" not in file["general"]
    assert file["general"]["CyNumConcurrentSymRequests"] == "512"
    assert set(file["sections"]) == {"KERNEL", "SHIM"}
    assert "Own = 1" in tasks.machine.read(PF_FILE)
    assert "no record" in result["warnings"][0]
    assert tasks.run(**options)["warnings"] == []
    assert not tasks(path="/etc/none.conf", state="absent")["changed"]


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        (
            {"SSL": {"crypto": 3, "compression": 3}},
            "need 18 rings, and a VF has 16: [SSL] (3 crypto x 4 + 3 compression x 2) x 1 process",
        ),
        (
            {"SSL": {"crypto": 2, "compression": 1, "processes": 2}},
            "[SSL] (2 crypto x 4 + 1 compression x 2) x 2 processes = 20. Declare fewer instances",
        ),
        (
            {"SSL": {"crypto": 4}, "KERNEL": {"compression": 1}},
            "[KERNEL] 1 compression x 2 = 2; [SSL] (4 crypto x 4) x 1 process = 16; together 18.",
        ),
    ],
)
def test_more_rings_than_a_vf_has(
    tasks: ConfigTasks, sections: dict[str, t.Any], told: str
) -> None:
    tasks.machine.write(VF_FILE, sample())
    assert told in tasks.refusal(path=VF_FILE, sections=sections)
    assert told in tasks.refusal(path=VF_FILE, sections=sections, kind="vf")


@pytest.mark.parametrize(
    ("services", "section", "needed"),
    [
        ("cy;dc", {"crypto": 4}, 16),
        ("cy;dc", {"crypto": 2, "compression": 4}, 16),
        ("sym;dc", {"crypto": 4, "compression": 4}, 16),
        ("asym", {"crypto": 8}, 16),
        ("dc", {"crypto": 0, "compression": 2, "processes": 4}, 16),
    ],
)
def test_rings_that_a_vf_has(
    tasks: ConfigTasks, services: str, section: dict[str, int], needed: int
) -> None:
    tasks.machine.write(VF_FILE, sample())
    options = {"path": VF_FILE, "general": {"ServicesEnabled": services}}
    (file,) = tasks(sections={"SSL": section}, **options)["files"]
    assert file["rings"] == {"needed": needed, "budget": 16}
    kind = "compression" if services == "dc" else "crypto"
    more = {"SSL": {**section, kind: section[kind] + 1}}
    assert "rings, and a VF has 16" in tasks.refusal(sections=more, **options)


def test_instances_without_their_service(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample())
    told = tasks.refusal(path=PF_FILE, general={"ServicesEnabled": "dc"})
    assert "[SSL] has 1 crypto instances, and ServicesEnabled is dc: add cy, sym or asym" in told
    options = {"path": PF_FILE, "general": {"ServicesEnabled": "cy"}}
    told = tasks.refusal(sections={"SSL": {"compression": 1}}, **options)
    assert "[SSL] has 1 compression instances, and ServicesEnabled is cy: add dc" in told


@pytest.mark.parametrize("services", ["cy", "sym;asym;dc", "cy;dc"])
def test_services_that_generation_4_does_not_have(tasks: ConfigTasks, services: str) -> None:
    tasks.machine.write("/etc/4xxx_dev0.conf", sample("4xxx"))
    told = tasks.refusal(path="/etc/4xxx_dev0.conf", general={"ServicesEnabled": services})
    assert f"option general.ServicesEnabled: '{services}' is not accepted" in told
    assert "one or two of sym, asym, dc" in told


def test_a_number_that_is_none(tasks: ConfigTasks) -> None:
    tasks.machine.write(PF_FILE, sample().replace("NumProcesses = 1", "NumProcesses = one"))
    assert "NumProcesses of [SSL] is 'one'" in tasks.refusal(path=PF_FILE)
    tasks(path=PF_FILE, sections={"SSL": {"processes": 1}})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "option path: None is not accepted"),
        ({"path": PF_FILE, "devices": ["all"]}, f"option path: '{PF_FILE}' is not accepted"),
        ({"path": "c6xx_dev0.conf"}, "option path"),
        ({"path": VF_FILE, "kind": "pf"}, "option kind: 'pf' is not accepted, use vf"),
        ({"devices": ["c63x"]}, "option devices: 'c63x'"),
        ({"devices": []}, "option devices"),
    ],
)
def test_which_file(tasks: ConfigTasks, options: dict[str, t.Any], told: str) -> None:
    assert told in tasks.refusal(**options)


# -- devices ---------------------------------------------------------------------------------


def test_several_devices(tasks: ConfigTasks) -> None:
    tasks.machine.add_pf("c62x", SECOND)
    tasks.machine.add_pf("c62x", "0000:02:00.0", driver=None)
    tasks.machine.add_pf("401xx", "0000:05:00.0")
    tasks.machine.add_pf("4xxx", "0000:04:00.0")
    tasks.machine.add_pf("420xx", "0000:06:00.0")
    result = tasks(devices=["all"])
    assert [(file["path"], file["address"], file["family"]) for file in result["files"]] == [
        ("/etc/c6xx_dev0.conf", "0000:02:00.0", "c62x"),
        ("/etc/c6xx_dev1.conf", SECOND, "c62x"),
        ("/etc/4xxx_dev0.conf", "0000:04:00.0", "4xxx"),
        ("/etc/4xxx_dev1.conf", "0000:05:00.0", "401xx"),
    ]
    assert result["skipped"] == []
    (file,) = tasks(devices=["03:00.0"])["files"]
    assert file["path"] == "/etc/c6xx_dev1.conf"
    (file,) = tasks(path="/etc/c6xx_dev1.conf")["files"]
    assert file["address"] == SECOND
    assert [file["family"] for file in tasks(devices=["4xxx"])["files"]] == ["4xxx"]


def test_vfs_of_a_host_on_their_driver(tasks: ConfigTasks) -> None:
    own = add_host(tasks.machine)
    tasks.machine.bind(tasks.machine.vfs()[2], "vfio-pci")
    result = tasks(devices=["c62x"], kind="vf", sections={"SSL": {"crypto": 2}})
    assert [(file["path"], file["address"]) for file in result["files"]] == [
        (VF_FILE, own[0]),
        ("/etc/c6xxvf_dev1.conf", own[1]),
    ]
    assert result["skipped"] == tasks.machine.vfs()[2:]
    for vf, told in ((2, "driver vfio-pci keeps it for a guest"), (3, "on no driver")):
        assert told in tasks.refusal(devices=[tasks.machine.vfs()[vf]], kind="vf")


def test_vfs_of_a_guest(tasks: ConfigTasks) -> None:
    add_guest(tasks.machine, "0000:00:07.0", "0000:00:05.0")
    add_guest(tasks.machine, "0000:00:06.0", family="4xxx")
    result = tasks(devices=["qat"], kind="vf")
    assert [(file["path"], file["address"]) for file in result["files"]] == [
        (VF_FILE, "0000:00:05.0"),
        ("/etc/4xxxvf_dev0.conf", "0000:00:06.0"),
        ("/etc/c6xxvf_dev1.conf", "0000:00:07.0"),
    ]
    assert result["files"][0]["general"]["ServicesEnabled"] == "cy;dc"


def test_a_guest_has_a_card(tasks: ConfigTasks) -> None:
    tasks.machine.add_pf()
    tasks.machine.bind(PF, "vfio-pci")
    tasks.machine.add_pf("c62x", SECOND)
    result = tasks(devices=["qat"])
    assert [file["path"] for file in result["files"]] == [PF_FILE]
    assert result["skipped"] == [PF]
    assert "driver vfio-pci keeps it for a guest" in tasks.refusal(devices=[PF])


@pytest.mark.parametrize(
    ("devices", "kind", "told"),
    [
        (["420xx"], "pf", "420xx: the driver of this family is the kernel's"),
        (["dh89xxcc"], "pf", "dh89xxcc: the driver of this family is the kernel's"),
        (["0000:06:00.0"], "pf", "420xx: the driver of this family is the kernel's"),
        (["gen5"], "pf", "420xx: the driver"),
        (["c3xxx"], "pf", "option devices: c3xxx: no QAT PF here matches"),
        (["c62x"], "vf", "option devices: c62x: no QAT VF here matches"),
        ([str(C62X.pf_id)], "vf", "it is the id of no VF: see option kind"),
        ([PF], "vf", "is no QAT VF: see option kind"),
        (["0000:07:00.0"], "pf", "is no QAT PF, name one"),
        (["0000:08:00.0"], "pf", "no PCI function at this address"),
        ([{"address": PF, "id": str(OTHER)}], "pf", "sits at this address, not"),
    ],
)
def test_devices_without_a_file(
    tasks: ConfigTasks, devices: list[t.Any], kind: str, told: str
) -> None:
    tasks.machine.add_pf()
    tasks.machine.add_pf("420xx", "0000:06:00.0")
    tasks.machine.add_function("0000:07:00.0", OTHER)
    assert told in tasks.refusal(devices=devices, kind=kind)


def test_missing_ok(tasks: ConfigTasks) -> None:
    result = tasks(devices=["all", "c3xxx", PF, str(OTHER)], missing_ok=True)
    assert (result["changed"], result["files"], result["skipped"]) == (False, [], [])


# -- PF and VFs ------------------------------------------------------------------------------


def test_a_vf_has_no_service_that_its_pf_does_not_have(tasks: ConfigTasks) -> None:
    own = add_host(tasks.machine)
    tasks.machine.write(PF_FILE, sample(services="sym", user=False))
    told = tasks.refusal(devices=[own[0]], kind="vf")
    assert f"{VF_FILE}: asym is not enabled in {PF_FILE} (ServicesEnabled = sym)" in told
    assert f"of its PF {PF}" in told
    assert told == tasks.refusal(path=VF_FILE)
    tasks(devices=[own[0]], kind="vf", general={"ServicesEnabled": "sym"})


def test_a_vf_without_a_number_has_the_one_pf_that_there_is(tasks: ConfigTasks) -> None:
    tasks.machine.add_pf(vfs=VF_COUNT)
    tasks.machine.write(PF_FILE, sample(services="dc", user=False))
    options: dict[str, t.Any] = {"path": VF_FILE, "sections": {"SSL": {"crypto": 1}}}
    asked = {**options, "general": {"ServicesEnabled": "sym"}}
    assert f"sym is not enabled in {PF_FILE}" in tasks.refusal(**asked)
    assert "ServicesEnabled is dc" in tasks.refusal(**options)
    # With several it cannot be told which it is.
    tasks.machine.add_pf("c62x", SECOND)
    tasks(**asked)


def test_a_pf_keeps_the_services_of_its_vfs(tasks: ConfigTasks) -> None:
    own = add_host(tasks.machine)
    told = tasks.refusal(devices=[PF], general={"ServicesEnabled": "dc"})
    assert f"{PF_FILE}: sym;asym would not be enabled, and {VF_FILE} of its VF {own[0]}" in told
    tasks(devices=[PF], general={"ServicesEnabled": "sym;asym"})


def test_a_new_file_of_a_vf_has_the_services_of_its_pf(tasks: ConfigTasks) -> None:
    add_host(tasks.machine)
    tasks.machine.write(PF_FILE, sample(services="asym", user=False))
    tasks.machine.at(VF_FILE).unlink()
    tasks.machine.write("/etc/c6xxvf_dev1.conf", sample(services="asym"))
    result = tasks(devices=["qat"], kind="vf")
    assert [file["general"]["ServicesEnabled"] for file in result["files"]] == ["asym", "asym"]


@pytest.mark.parametrize("by_key", [True, False])
def test_instances_of_a_pf_with_vfs(tasks: ConfigTasks, *, by_key: bool) -> None:
    tasks.machine.add_pf(vfs=0 if by_key else VF_COUNT)
    text = sample(user=False)
    if by_key:
        text = text.replace("ConfigVersion", "SRIOV_Enabled = 1\nConfigVersion")
    tasks.machine.write(PF_FILE, text)
    assert tasks(devices=["all"])["warnings"] == []
    (warning,) = tasks(devices=["all"], sections={"SSL": SSL})["warnings"]
    assert f"{PF_FILE}: the instances of [SSL] are not made: with SR-IOV" in warning
    assert ("SRIOV_Enabled = 1" in warning) == by_key


def test_instances_of_a_pf_whose_recording_has_no_links_to_vfs(tasks: ConfigTasks) -> None:
    tasks.machine.add_pf()
    tasks.machine.write(f"{tasks.machine.device(PF)}/sriov_numvfs", "16\n")
    assert len(tasks(devices=["all"], sections={"SSL": SSL})["warnings"]) == 1


def test_instances_of_the_kernel_beside_others(tasks: ConfigTasks) -> None:
    tasks.machine.write(VF_FILE, sample())
    (warning,) = tasks(path=VF_FILE, sections={"KERNEL": {"crypto": 1}})["warnings"]
    assert "[KERNEL] and [SSL] have instances" in warning


# -- a running machine -----------------------------------------------------------------------


@pytest.fixture
def live(machine: Machine, run_module: ModuleRunner) -> ConfigTasks:
    machine.write("proc/stat", "cpu 1 2 3\nbtime 1000\nprocesses 1\n")
    return ConfigTasks(machine, run_module, QatHost(machine))


def host(tasks: ConfigTasks) -> QatHost:
    return t.cast("QatHost", tasks.running)


def test_the_tool_tells_numbers(live: ConfigTasks) -> None:
    live.machine.add_pf()
    live.machine.add_pf("c62x", SECOND)
    live.machine.add_pf("c62x", "0000:05:00.0")
    live.machine.add_pf("4xxx", "0000:04:00.0")
    host(live).status = status(("c6xx", 1, PF), ("c6xx", 0, SECOND))
    result = live(devices=["all"])
    assert [(file["path"], file["address"]) for file in result["files"]] == [
        ("/etc/c6xx_dev1.conf", PF),
        ("/etc/c6xx_dev0.conf", SECOND),
        ("/etc/4xxx_dev0.conf", "0000:04:00.0"),
    ]
    assert result["skipped"] == ["0000:05:00.0"]
    assert "see adf_ctl status" in live.refusal(devices=["0000:05:00.0"])


def test_a_tool_without_its_driver(live: ConfigTasks) -> None:
    live.machine.add_pf()
    assert [file["path"] for file in live(devices=["all"])["files"]] == [PF_FILE]
    assert ("/usr/local/bin/adf_ctl", "status") in host(live).commands


def test_restart_until_it_was_done(live: ConfigTasks) -> None:
    place = live.machine.write(PF_FILE, sample())
    os.utime(place, (1100, 1100))
    general = {"HeartbeatTimer": 500}
    assert live.run(path=PF_FILE)["restart_required"] is False
    host(live).started = 200_000_000
    assert live.run(path=PF_FILE)["restart_required"] is False
    assert live(path=PF_FILE, general=general)["restart_required"] is True
    # The play was stopped before the restart.
    assert live.run(path=PF_FILE, general=general)["restart_required"] is True
    os.utime(place, (1300, 1300))
    host(live).started = 301_000_000
    result = live.run(path=PF_FILE, general=general)
    assert (result["changed"], result["restart_required"]) == (False, False)


def test_something_else_writes_the_file(live: ConfigTasks, monkeypatch: pytest.MonkeyPatch) -> None:
    live.machine.write(PF_FILE, sample())
    write = QatHost.write_file

    def overwritten(self: QatHost, path: str, content: bytes, mode: int) -> None:
        write(self, path, b"[GENERAL]\n" if path == PF_FILE else content, mode)

    monkeypatch.setattr(QatHost, "write_file", overwritten)
    result = live.run(path=PF_FILE, general={"HeartbeatTimer": 500})
    assert result["failed"]
    assert f"{PF_FILE}: it was written, and is otherwise again" in result["msg"]
    assert result["files"][0]["general"] == {}
