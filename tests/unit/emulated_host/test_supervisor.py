# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The supervisor: what it makes of a description, and how it follows a QEMU that is a script."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from types import ModuleType

SCRIPT = Path(__file__).resolve().parents[3] / "roles/emulated_host/files/supervisor.py"

# Speaks as much QMP as the supervisor hears, and does what the next line of `acts` says.
FAKE = """#!{python}
import json, pathlib, re, socket, sys, time
here = pathlib.Path({folder!r})
act, _unused, rest = (here / "acts").read_text().partition("\\n")
(here / "acts").write_text(rest)
with (here / "runs").open("a") as file:
    file.write(act + "\\n")
if act == "die":
    sys.exit("no such device")
fd = int(re.search(r"id=qmp,fd=([0-9]+)", " ".join(sys.argv)).group(1))
channel = socket.socket(fileno=fd)
channel.settimeout(20)
channel.sendall(b'{{"QMP": {{}}}}\\n')
channel.recv(4096)
def shut(reason):
    event = {{"event": "SHUTDOWN", "data": {{"reason": reason}}}}
    channel.sendall(json.dumps(event).encode() + b"\\n")
    sys.exit(0)
if act == "crash":
    sys.exit(7)
if act == "deaf":
    time.sleep(60)
if "panic" in act:
    with (here / "console.log").open("a") as console:
        console.write("" if "boot" in act else "[    9.1] systemd[1]: Detected architecture.\\n")
        console.write("[    9.2] ---[ end Kern")
        console.flush()
        time.sleep(1.5)
        console.write("el panic - not syncing: Fatal exception in interrupt ]---\\n")
    time.sleep(60)
if act != "serve":
    shut(act)
while b"quit" not in channel.recv(4096):
    pass
shut("host-qmp-quit")
"""

DESCRIPTION: dict[str, object] = {
    "name": "rehearsal",
    "ssh_port": 2222,
    "memory_mib": 1024,
    "cpus": 2,
    "pfs": [{"family": "c62x", "vfs": 16}, {"family": "c62x", "vfs": 8}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fake = tmp_path / "qemu"
    fake.write_text(FAKE.format(python=sys.executable, folder=str(tmp_path)))
    fake.chmod(0o755)
    (tmp_path / "machine.json").write_text(json.dumps({**DESCRIPTION, "qemu": str(fake)}))
    return tmp_path


def call(*words: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def acts(folder: Path, *names: str) -> None:
    (folder / "acts").write_text("".join(f"{name}\n" for name in names))


def runs(folder: Path) -> list[str]:
    return (folder / "runs").read_text().split()


def test_a_guest_that_resets_gets_a_new_qemu_and_one_that_powers_off_none(folder: Path) -> None:
    acts(folder, "guest-reset", "guest-reset", "guest-shutdown", "serve")
    call("run", folder)
    assert runs(folder) == ["guest-reset", "guest-reset", "guest-shutdown"]
    assert not (folder / "supervisor.pid").exists()


def test_a_guest_that_resets_all_the_time_is_given_up(folder: Path) -> None:
    acts(folder, *["guest-reset"] * 20)
    assert "it does not boot" in call("run", folder).stdout
    assert len(runs(folder)) == 7


def test_a_kernel_that_panics_before_userspace_boots_again(folder: Path) -> None:
    acts(folder, "boot-panic", "guest-reset", "boot-panic", "guest-shutdown")
    call("run", folder)
    # A panic of an earlier boot is in the same file, and does not count again.
    assert runs(folder) == ["boot-panic", "guest-reset", "boot-panic", "guest-shutdown"]
    assert "(kernel-panic-in-boot)" in (folder / "supervisor.log").read_text()


@pytest.mark.parametrize("panics", [["boot-panic", "boot-panic"], ["panic"]])
def test_a_kernel_that_panics_again_or_later_is_given_up(folder: Path, panics: list[str]) -> None:
    acts(folder, *panics, "serve")
    assert "the kernel of the emulated host panicked" in call("run", folder).stdout
    assert runs(folder) == panics


@pytest.mark.parametrize(
    ("act", "words"),
    [("die", "at once with exit code 1\nno such device"), ("crash", "ended with exit code 7")],
)
def test_a_qemu_that_fails_is_reported_with_its_own_words(
    folder: Path, act: str, words: str
) -> None:
    acts(folder, act)
    done = call("start", folder)
    assert done.returncode == 1
    assert words in done.stderr
    assert runs(folder) == [act]


def test_a_qemu_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "machine.json").write_text(json.dumps({**DESCRIPTION, "qemu": "/no/such/qemu"}))
    assert "/no/such/qemu cannot be started" in call("start", folder).stderr


def test_start_and_stop_do_nothing_twice(folder: Path) -> None:
    acts(folder, "serve", "serve")
    assert call("start", folder).stdout == "started\n"
    assert call("start", folder).stdout == "unchanged\n"
    assert call("status", folder).stdout == "running\n"
    assert call("stop", folder).stdout == "stopped\n"
    assert call("stop", folder).stdout == "unchanged\n"
    assert runs(folder) == ["serve"]


def test_another_description_starts_the_machine_anew(folder: Path) -> None:
    acts(folder, "serve", "serve")
    assert call("start", folder).stdout == "started\n"
    description = json.loads((folder / "machine.json").read_text())
    (folder / "machine.json").write_text(json.dumps({**description, "cpus": 1}))
    assert call("start", folder).stdout == "started\n"
    assert call("stop", folder).stdout == "stopped\n"
    assert runs(folder) == ["serve", "serve"]


def test_a_supervisor_that_is_killed_takes_its_qemu_along(folder: Path) -> None:
    acts(folder, "serve")
    call("start", folder)
    qemu = int((folder / "qemu.pid").read_text())
    os.kill(int((folder / "supervisor.pid").read_text()), 9)
    for _unused in range(100):
        if (
            not Path(f"/proc/{qemu}/cmdline").exists()
            or not Path(f"/proc/{qemu}/cmdline").read_bytes()
        ):
            break
        time.sleep(0.1)
    else:
        pytest.fail("QEMU outlived its supervisor")
    assert call("status", folder).stdout == "stopped\n"


def test_a_pid_file_that_was_left_is_nobody(folder: Path, supervisor: ModuleType) -> None:
    (folder / "supervisor.pid").write_text(f"{os.getpid()}\n")
    assert supervisor.held(folder) is None
    assert call("stop", folder).stdout == "unchanged\n"


def test_stopping_a_folder_that_is_gone_is_no_fault(tmp_path: Path) -> None:
    assert call("stop", tmp_path / "gone").stdout == "unchanged\n"


def test_a_broken_description_names_its_file(tmp_path: Path, supervisor: ModuleType) -> None:
    (tmp_path / "machine.json").write_text('{"name": "x"}')
    with pytest.raises(supervisor.MachineError, match=r"machine\.json cannot be read"):
        supervisor.Machine.load(tmp_path)


def described(supervisor: ModuleType, folder: Path, **changes: object) -> t.Any:
    (folder / "machine.json").write_text(json.dumps({**DESCRIPTION, **changes}))
    return supervisor.Machine.load(folder)


def pfs(*families: str, **changes: object) -> list[dict[str, object]]:
    return [{"family": family, **changes} for family in families]


def after(argv: list[str], *starts: str) -> list[str]:
    return [word for word in argv if word.startswith(starts)]


def test_the_modules_inside_are_told_what_they_play(folder: Path, supervisor: ModuleType) -> None:
    machine = supervisor.Machine.load(folder)
    assert supervisor.modprobe_options(machine) == (
        "options qat_emulation ports=0000:00:10.0/c62x,0000:00:11.0/c62x\n"
        "blacklist nvme\n"
        "options qat_c62x ignore_vf_count=Y refuse_zero=N fail_probe=N\n"
    )


def test_every_family_is_told_the_habits(folder: Path, supervisor: ModuleType) -> None:
    habits = {"ignore_vf_count": False, "refuse_zero": True, "mps_erratum": True}
    machine = described(supervisor, folder, pfs=pfs("4xxx", "c3xxx", "4xxx"), habits=habits)
    assert supervisor.modprobe_options(machine) == (
        "options qat_emulation ports=0000:00:10.0/4xxx,0000:00:1c.0/c3xxx,0000:00:12.0/4xxx"
        " mps_erratum=Y\n"
        "blacklist nvme\n"
        "options qat_4xxx ignore_vf_count=N refuse_zero=Y fail_probe=N\n"
        "options qat_c3xxx ignore_vf_count=N refuse_zero=Y fail_probe=N\n"
    )


def test_the_vendors_driver_counts_from_generation_4_on(
    folder: Path, supervisor: ModuleType
) -> None:
    machine = described(supervisor, folder, pfs=pfs("4xxx", "c62x"), drivers="out_of_tree")
    told = supervisor.modprobe_options(machine)
    assert "qat_4xxx ignore_vf_count=N" in told
    assert "qat_c62x ignore_vf_count=Y" in told


@pytest.mark.parametrize(("drivers", "times"), [("in_tree", 0), ("none", 1)])
def test_other_drivers_are_told_nothing(
    folder: Path, supervisor: ModuleType, drivers: str, times: int
) -> None:
    told = supervisor.modprobe_options(described(supervisor, folder, drivers=drivers))
    assert "options qat_c62x" not in told
    assert told.count("blacklist qat_c62x\n") == times


def test_an_endpoint_of_the_root_complex_has_no_port(folder: Path, supervisor: ModuleType) -> None:
    machine = described(supervisor, folder, pfs=pfs("c3xxx", "c62x", "c3xxx"))
    argv = supervisor.qemu_argv(machine, folder, 9)
    assert [port.partition(",bus=")[0] for port in after(argv, "pcie-root-port")] == [
        "pcie-root-port,id=port1"
    ]
    # 16 VFs and the PF fill three slots.
    assert [word.split(",")[2:4] for word in after(argv, "nvme,")] == [
        ["bus=pcie.0", "addr=0x1c.0"],
        ["bus=port1", "serial=emulated-1"],
        ["bus=pcie.0", "addr=0x19.0"],
    ]


def test_a_full_root_bus_is_refused(folder: Path, supervisor: ModuleType) -> None:
    with pytest.raises(supervisor.MachineError, match="no room on the root bus for 64 VFs"):
        described(supervisor, folder, pfs=pfs("c3xxx", "c3xxx", vfs=64))


def test_the_hardware_tells_how_many_vfs(folder: Path, supervisor: ModuleType) -> None:
    machine = described(supervisor, folder, pfs=pfs("dh895xcc", "4xxx"))
    assert [pf.vfs for pf in machine.pfs] == [32, 16]
    argv = supervisor.qemu_argv(machine, folder, 9)
    assert "sriov_max_vfs=32,sriov_vq_flexible=64,sriov_vi_flexible=32" in after(argv, "nvme,")[0]


def test_a_shared_group_is_a_port_without_acs(folder: Path, supervisor: ModuleType) -> None:
    machine = described(supervisor, folder, pfs=[*pfs("c62x", isolated=False), *pfs("c62x")])
    ports = after(supervisor.qemu_argv(machine, folder, 9), "pcie-root-port")
    assert [port.endswith("disable-acs=on") for port in ports] == [True, False]
    with pytest.raises(supervisor.MachineError, match="cannot share a group"):
        described(supervisor, folder, pfs=pfs("c3xxx", isolated=False))


def test_what_is_a_part_of_an_intel_processor_is_in_no_amd_machine(
    folder: Path, supervisor: ModuleType
) -> None:
    with pytest.raises(supervisor.MachineError, match="not in an AMD machine"):
        described(supervisor, folder, pfs=pfs("c3xxx"), iommu="amd")


def test_plain_functions_follow_the_pfs(folder: Path, supervisor: ModuleType) -> None:
    without = supervisor.qemu_argv(described(supervisor, folder), folder, 9)
    machine = described(supervisor, folder, functions=["nic", "display", "gpu"])
    argv = supervisor.qemu_argv(machine, folder, 9)
    assert argv[: len(without)] == without
    added = argv[len(without) :]
    assert [port.removeprefix("pcie-root-port,id=") for port in after(added, "pcie-root-port")] == [
        "plain0,bus=pcie.0,addr=0x12.0,chassis=3",
        "plain2,bus=pcie.0,addr=0x14.0,chassis=5",
    ]
    assert after(added, "VGA,") == ["VGA,id=display,bus=pcie.0,addr=0x13.0"]


def test_a_machine_without_plain_functions_has_none(folder: Path, supervisor: ModuleType) -> None:
    machine = described(supervisor, folder)
    assert machine == described(supervisor, folder, functions=[])
    assert supervisor.plain_devices(machine, folder) == []


def test_a_network_card_leads_nowhere(folder: Path, supervisor: ModuleType) -> None:
    argv = supervisor.plain_devices(described(supervisor, folder, functions=["nic"]), folder)
    assert argv[argv.index("-netdev") + 1] == "hubport,id=nowhere0,hubid=0"
    assert after(argv, "e1000e") == ["e1000e,id=nic0,netdev=nowhere0,bus=plain0,romfile="]


def test_a_gpu_is_two_functions_that_nothing_keeps_apart(
    folder: Path, supervisor: ModuleType
) -> None:
    argv = supervisor.plain_devices(described(supervisor, folder, functions=["gpu"]), folder)
    assert after(argv, "bochs-display", "ich9-intel-hda") == [
        "bochs-display,id=gpu0,bus=plain0,multifunction=on,addr=0x0.0",
        "ich9-intel-hda,id=sound0,bus=plain0,multifunction=on,addr=0x0.1",
    ]


def test_an_nvme_disk_keeps_what_was_written(folder: Path, supervisor: ModuleType) -> None:
    machine = described(supervisor, folder, functions=["nic", "nvme"])
    supervisor.make_namespaces(machine, folder)
    disk = folder / "nvme1.raw"
    assert (disk.stat().st_size, disk.stat().st_blocks) == (64 << 20, 0)
    with disk.open("r+b") as file:
        file.write(b"mine")
    supervisor.make_namespaces(machine, folder)
    assert disk.read_bytes()[:4] == b"mine"
    assert disk.stat().st_size == 64 << 20
    assert not (folder / "nvme0.raw").exists()
    argv = supervisor.plain_devices(machine, folder)
    assert after(argv, "id=namespace1") == [
        f"id=namespace1,if=none,format=raw,file={supervisor.escaped(disk)}"
    ]


def test_a_plain_nvme_disk_is_driven(folder: Path, supervisor: ModuleType) -> None:
    told = supervisor.modprobe_options(described(supervisor, folder, functions=["nvme"]))
    assert "blacklist nvme" not in told


@pytest.mark.parametrize(
    ("functions", "words"),
    [
        (["display", "display"], "boots with one display"),
        (["nic", "tape"], "tape is no plain function: nic, nvme, gpu, display are"),
        (["nic"] * 14, "no room on the root bus for nic"),
    ],
)
def test_plain_functions_that_cannot_be_are_refused(
    folder: Path, supervisor: ModuleType, functions: list[str], words: str
) -> None:
    with pytest.raises(supervisor.MachineError, match=words):
        described(supervisor, folder, functions=functions)


def test_plain_functions_and_vfs_share_the_root_bus(folder: Path, supervisor: ModuleType) -> None:
    # 16 VFs and the PF fill the slots from 0x1c on.
    fits = {"pfs": pfs("c62x", "c3xxx"), "functions": ["nic"] * 10}
    assert supervisor.slots(described(supervisor, folder, **fits)) == [0x10, 0x1C]
    with pytest.raises(supervisor.MachineError, match="no room on the root bus for 16 VFs"):
        described(supervisor, folder, **{**fits, "functions": ["nic"] * 11})


@pytest.mark.parametrize(
    ("iommu", "vendor", "devices"),
    [
        ("intel", "GenuineIntel", ["intel-iommu,intremap=on,caching-mode=on"]),
        ("amd", "AuthenticAMD", ["amd-iommu,intremap=on"]),
        ("none", "GenuineIntel", []),
    ],
)
def test_the_processor_fits_the_iommu(
    folder: Path, supervisor: ModuleType, iommu: str, vendor: str, devices: list[str]
) -> None:
    argv = supervisor.qemu_argv(described(supervisor, folder, iommu=iommu), folder, 9)
    assert after(argv, "intel-iommu", "amd-iommu") == devices
    assert argv[argv.index("-cpu") + 1] == f"max,vendor={vendor},erms=off,fsrm=off,la57=off"


def test_the_description_goes_in_as_a_credential(folder: Path, supervisor: ModuleType) -> None:
    machine = supervisor.Machine.load(folder)
    argv = supervisor.qemu_argv(machine, folder, 9)
    given = [word.partition("credential.binary:")[2] for word in argv if "credential" in word]
    values = {
        name: base64.b64decode(value).decode()
        for name, _unused, value in (word.partition("=") for word in given)
    }
    assert values == {
        "system.hostname": "rehearsal",
        "emulated-host.modprobe": supervisor.modprobe_options(machine),
        "emulated-host.drivers": "stand_in",
    }


def test_only_the_loopback_address_leads_in(folder: Path, supervisor: ModuleType) -> None:
    argv = supervisor.qemu_argv(supervisor.Machine.load(folder), folder, 9)
    assert [word for word in argv if "hostfwd" in word] == [
        "user,id=net,hostfwd=tcp:127.0.0.1:2222-:22"
    ]


def test_each_pf_has_a_root_port_and_its_vfs(folder: Path, supervisor: ModuleType) -> None:
    argv = supervisor.qemu_argv(supervisor.Machine.load(folder), folder, 9)
    ports = [word for word in argv if word.startswith("pcie-root-port")]
    functions = [word for word in argv if word.startswith("nvme,")]
    assert [port.partition("addr=")[2] for port in ports] == [
        "0x10.0,chassis=1",
        "0x11.0,chassis=2",
    ]
    assert ["sriov_max_vfs=16" in functions[0], "sriov_max_vfs=8" in functions[1]] == [True, True]


def test_a_comma_in_a_path_stays_one_word(supervisor: ModuleType) -> None:
    machine = supervisor.Machine("a", 1, 1, 1, ())
    argv = supervisor.qemu_argv(machine, Path("/a,b"), 9)
    assert any(word.endswith("file=/a,,b/disk.qcow2") for word in argv)


def test_boot_loader_files_fill_their_block(supervisor: ModuleType) -> None:
    text = supervisor.default_grub("console=ttyS0 intel_iommu=on")
    assert len(supervisor.pad(text)) == 4096
    assert supervisor.pad(text).decode().rstrip("\n") == text.rstrip("\n")
    assert 'GRUB_CMDLINE_LINUX="console=ttyS0 intel_iommu=on"\n' in text
    with pytest.raises(supervisor.MachineError, match="do not fit"):
        supervisor.pad("x" * 4097)


@contextlib.contextmanager
def qemu_that_answers(
    folder: Path, *answers: dict[str, object]
) -> t.Iterator[list[dict[str, t.Any]]]:
    """Answer on the control socket of a machine; the list is what was asked, afterwards."""
    asked: list[dict[str, t.Any]] = []
    server = socket.socket(socket.AF_UNIX)

    def serve() -> None:
        channel, _unused = server.accept()
        with channel, channel.makefile("rwb") as stream:
            for answer in ({"QMP": {}}, {"return": {}}, *answers):
                stream.write(json.dumps(answer).encode() + b"\n")
            stream.flush()
            channel.shutdown(socket.SHUT_WR)
            asked.extend(json.loads(line) for line in stream)

    with server:
        server.bind(str(folder / "control.sock"))
        server.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join(20)


def error(text: str) -> dict[str, object]:
    return {"error": {"class": "GenericError", "desc": text}}


GONE = {"event": "DEVICE_DELETED", "data": {"device": "pf1", "path": "/machine/pf1"}}


@pytest.mark.parametrize(
    ("act", "answers", "said"),
    [
        ("unplug", [{"return": {}}, {"event": "RESUME"}, GONE], "unplugged"),
        ("unplug", [error("Device 'pf1' not found")], "unchanged"),
        ("plug", [{"return": {}}], "plugged"),
        ("plug", [error("Duplicate device ID 'pf1'")], "unchanged"),
    ],
)
def test_a_function_is_pulled_out_and_put_back(
    folder: Path, act: str, answers: list[dict[str, object]], said: str
) -> None:
    with qemu_that_answers(folder, *answers) as asked:
        done = call(act, folder, 1)
    assert (done.stdout, done.stderr) == (f"{said}\n", "")
    request = asked[1]
    assert request["execute"] == {"unplug": "device_del", "plug": "device_add"}[act]
    assert request["arguments"]["id"] == "pf1"
    assert request["arguments"].get("sriov_max_vfs", 8) == 8


@pytest.mark.parametrize(
    ("act", "answers", "said"),
    [
        ("unplug", [error("it is on fire")], "it is on fire"),
        ("plug", [error("it is on fire")], "it is on fire"),
        ("plug", [], "QEMU ended without an answer to device_add"),
    ],
)
def test_what_qemu_refuses_is_told_in_its_words(
    folder: Path, act: str, answers: list[dict[str, object]], said: str
) -> None:
    with qemu_that_answers(folder, *answers):
        done = call(act, folder, 1)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_guest_that_keeps_its_function_is_told(folder: Path, supervisor: ModuleType) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "control.sock"))
        server.listen()
        with pytest.raises(supervisor.MachineError, match="did not let go of PF 1"):
            supervisor.unplug(folder, 1, 0.1)


@pytest.mark.parametrize(
    ("families", "said"),
    [
        (["c62x"], "has no PF 1"),
        (["c62x", "c3xxx"], "is no card"),
        (["c62x", "c62x"], "does not run"),
    ],
)
def test_what_cannot_be_pulled_out_is_told(folder: Path, families: list[str], said: str) -> None:
    (folder / "machine.json").write_text(json.dumps({**DESCRIPTION, "pfs": pfs(*families)}))
    assert said in call("unplug", folder, 1).stderr


def test_a_machine_is_known_to_its_image(tmp_path: Path, supervisor: ModuleType) -> None:
    image, folder = tmp_path / "image", tmp_path / "machine"
    image.mkdir()
    supervisor.register(image, folder)
    supervisor.register(image, folder)
    assert [path.readlink() for path in (image / "machines").iterdir()] == [folder]


def test_missing_tools_are_named() -> None:
    assert call("missing", "sh", "no-such-tool", "no-such-other").stdout.split() == [
        "no-such-tool",
        "no-such-other",
    ]


def test_a_free_port_is_none_of_those_that_connections_get(
    supervisor: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        port = supervisor.free_port()
        assert 20000 <= port < 32768
        taken.bind(("127.0.0.1", port))
        monkeypatch.setattr(supervisor, "PORTS", [port] * 100)
        with pytest.raises(supervisor.MachineError, match="emulated_host_ssh_port"):
            supervisor.free_port()
