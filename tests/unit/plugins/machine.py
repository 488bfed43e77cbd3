# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine in a folder: a recorded tree with QAT devices, and a kernel that plays its writes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import typing as t
from dataclasses import dataclass, field

from ansible_collections.hwaccel.virt.plugins.module_utils import _folders
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import BlockedError, HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._host import BLOCKED, Blocked, Host
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.config import ConfigSpace
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES, QatFamily
from ansible_collections.hwaccel.virt.tests.unit.plugins.kernel import Kernel

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DEVICES = "sys/bus/pci/devices"
DRIVERS = "sys/bus/pci/drivers"
RELEASE = "6.1.0-18-amd64"
PF = "0000:01:00.0"
C62X = FAMILIES["c62x"]
GEN4 = FAMILIES["4xxx"]
# Something that is no accelerator: QEMU's example device, whose id nobody sells.
OTHER = PciId(0x1234, 0x11E8)
# The options of qat_sriov as a task without any has them.
SRIOV_OPTIONS: dict[str, t.Any] = {
    "devices": ["all"],
    "state": "present",
    "num_vfs": "max",
    "host_vfs": 0,
    "services": None,
    "auto_reset": None,
    "autoprobe": False,
    "persistent": True,
    "coerced_ok": True,
    "force": False,
    "missing_ok": False,
}

_EXPRESS_AT, _SRIOV_AT = 0x74, 0x140


def config_space(
    pci_id: PciId,
    *,
    port_type: int = 0,
    supported: int = 1,
    mps: int = 0,
    vf_device: int = 0,
    total: int | None = None,
    num_vfs: int = 0,
    first_offset: int = 8,
    stride: int = 1,
) -> bytes:
    """Return a configuration space laid out as a C62x has it: list from 0xb0, express at 0x74."""
    data = bytearray(4096)

    def put(offset: int, value: int, size: int = 2) -> None:
        data[offset : offset + size] = value.to_bytes(size, "little")

    put(0x00, pci_id.vendor)
    put(0x02, pci_id.device)
    put(0x06, 0x0010)
    put(0x34, 0xB0, 1)
    put(0xB0, 0x01, 1)
    put(0xB1, _EXPRESS_AT, 1)
    put(_EXPRESS_AT, 0x0010)
    put(_EXPRESS_AT + 2, 0x0002 | port_type << 4)
    put(_EXPRESS_AT + 4, supported, 4)
    put(_EXPRESS_AT + 8, mps << 5)
    put(0x100, 0x0001 | 1 << 16 | (_SRIOV_AT if total is not None else 0) << 20, 4)
    if total is not None:
        put(_SRIOV_AT, 0x0010 | 1 << 16, 4)
        put(_SRIOV_AT + 0x0C, total)
        put(_SRIOV_AT + 0x0E, total)
        put(_SRIOV_AT + 0x10, num_vfs)
        put(_SRIOV_AT + 0x14, first_offset)
        put(_SRIOV_AT + 0x16, stride)
        put(_SRIOV_AT + 0x1A, vf_device)
    return bytes(data)


@dataclass
class Machine:
    """A tree below a folder: sysfs and procfs as recorded, /etc, /run and /var as they are.

    Attributes:
        kernel: what plays writes to sysfs.
    """

    root: Path
    _next_group: int = 10
    _families: dict[str, QatFamily] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Lay the folders and an ordinary processor and kernel."""
        self.kernel = Kernel(self)
        for folder in ("etc/udev/rules.d", "var/lib", "proc", "dev/vfio", DEVICES, DRIVERS):
            (self.root / folder).mkdir(parents=True)
        self.write("proc/sys/kernel/osrelease", f"{RELEASE}\n")
        self.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro\n")
        self.write(
            "proc/cpuinfo",
            "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Emulated\n"
            "flags\t\t: fpu vmx\n\nprocessor\t: 1\nvendor_id\t: AuthenticAMD\n\n",
        )

    # -- files -----------------------------------------------------------------------------

    @property
    def host(self) -> Host:
        """The tree as the collection sees it with option root."""
        return Host(self.root)

    def at(self, path: str) -> Path:
        """Return where a path of the machine lies, links inside of its root followed."""
        return type(self.root)(self.host.locate("/" + path.lstrip("/")))

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file."""
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    def read(self, path: str) -> str:
        """Read a file."""
        return self.at(path).read_text()

    def link(self, path: str, target: str) -> None:
        """Make a relative link, as sysfs does, to another path of the machine."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(self.root / target, place.parent))

    def files(self) -> dict[str, bytes | str]:
        """Return every file's content and every link's target by path."""
        found: dict[str, bytes | str] = {}
        for folder, folders, names in os.walk(self.root):
            for name in (*folders, *names):
                path = type(self.root)(folder) / name
                key = str(path.relative_to(self.root))
                if path.is_symlink():
                    found[key] = str(path.readlink())
                elif path.is_file():
                    found[key] = path.read_bytes()
        return found

    # -- PCI -------------------------------------------------------------------------------

    def device(self, address: object) -> str:
        """Return the folder of a function, relative to the root."""
        return f"{DEVICES}/{address}"

    def add_function(
        self,
        address: str,
        pci_id: PciId,
        *,
        class_code: int = 0x0B4000,
        driver: str | None = None,
        group: int | None = None,
        config: bytes | None = None,
        numa_node: int = 0,
        bridge: str = "0000:00:01.0",
    ) -> str:
        """Add a function below a bridge, as sysfs lays it out."""
        folder = f"sys/devices/pci0000:00/{bridge}/{address}"
        self.link(self.device(address), folder)
        self.write(f"{folder}/vendor", f"0x{pci_id.vendor:04x}\n")
        self.write(f"{folder}/device", f"0x{pci_id.device:04x}\n")
        self.write(f"{folder}/class", f"0x{class_code:06x}\n")
        self.write(f"{folder}/numa_node", f"{numa_node}\n")
        self.write(f"{folder}/driver_override", "(null)\n")
        self.write(f"{folder}/config", config_space(pci_id) if config is None else config)
        if driver:
            self.bind(address, driver)
        if group is not None:
            self.link(f"{folder}/iommu_group", f"sys/kernel/iommu_groups/{group}")
            self.write(f"sys/kernel/iommu_groups/{group}/type", "DMA-FQ\n")
            self.link(f"sys/kernel/iommu_groups/{group}/devices/{address}", folder)
        return address

    def add_pf(
        self,
        family: str = "c62x",
        address: str = PF,
        *,
        total: int | None = 16,
        vfs: int = 0,
        driver: str | None = "native",
        autoprobe: bool | None = True,
        group: int | None = 1,
        out_of_tree: bool = False,
        vf_driver: str | None = None,
    ) -> str:
        """Add a QAT PF with its driver, and VFs that exist already."""
        row = FAMILIES[family]
        if driver == "native" and row.driver:
            self.add_driver(row.driver, row.module, out_of_tree=out_of_tree)
        native = row.driver if driver == "native" else driver
        config = config_space(row.pf_id, vf_device=row.vf_device, total=total)
        self.add_function(address, row.pf_id, driver=native, group=group, config=config)
        self._families[address] = row
        if total is not None:
            self.write(f"{self.device(address)}/sriov_totalvfs", f"{total}\n")
            self.write(f"{self.device(address)}/sriov_numvfs", "0\n")
            if autoprobe is not None:
                self.write(f"{self.device(address)}/sriov_drivers_autoprobe", f"{autoprobe:d}\n")
        self.make_vfs(address, vfs, driver=vf_driver)
        return address

    def add_services(
        self,
        pf: str = PF,
        services: str = "sym;asym",
        *,
        state: str = "up",
        resets: bool | None = False,
    ) -> None:
        """Give a PF a driver with a choice of services, and with automatic reset unless None."""
        self.write(f"{self.device(pf)}/qat/state", f"{state}\n")
        self.write(f"{self.device(pf)}/qat/cfg_services", f"{services}\n")
        if resets is not None:
            self.write(f"{self.device(pf)}/qat/auto_reset", "on\n" if resets else "off\n")

    @property
    def pfs(self) -> list[str]:
        """The addresses of the QAT PFs that were added."""
        return list(self._families)

    def is_qat(self, address: str) -> bool:
        """Tell whether a function is a PF that was added, or one of its VFs."""
        return (self.link_name(f"{self.device(address)}/physfn") or address) in self._families

    def family(self, address: str) -> QatFamily:
        """Return the family of a QAT PF or VF."""
        pf = self.link_name(f"{self.device(address)}/physfn")
        return self._families[pf or address]

    def driver(self, address: str) -> str | None:
        """Return the driver that a function is bound to."""
        return self.link_name(f"{self.device(address)}/driver")

    def override(self, address: str) -> str:
        """Return what driver_override of a function reads."""
        return self.read(f"{self.device(address)}/driver_override").strip()

    def link_name(self, path: str) -> str | None:
        """Return the last part of what a link says."""
        return self.host.link_name(f"/{path}")

    def make_vfs(self, pf: str, number: int, *, driver: str | None = None) -> list[str]:
        """Make VFs at the addresses that the PF's capability tells, each in a group of its own."""
        row = self._families[pf]
        capability = ConfigSpace(self.at(f"{self.device(pf)}/config").read_bytes()).sriov()
        made = []
        for index in range(number):
            place = capability.vf_address(PciAddress.parse(pf), index) if capability else None
            address = str(place)
            self._next_group += 1
            self.add_function(address, row.vf_id, group=self._next_group, driver=driver)
            self.link(f"{self._folder(pf)}/virtfn{index}", self._folder(address))
            self.link(f"{self._folder(address)}/physfn", self._folder(pf))
            made.append(address)
        if number:
            self.write(f"{self.device(pf)}/sriov_numvfs", f"{number}\n")
        return made

    def vfs(self, pf: str = PF) -> list[str]:
        """Return the addresses of the VFs that are there."""
        folder = self.root / self._folder(pf)
        links = sorted(folder.glob("virtfn*"), key=lambda link: int(link.name[6:]))
        return [os.path.basename(os.readlink(link)) for link in links]

    def remove_vfs(self, pf: str) -> None:
        """Take the VFs of a PF away."""
        vfs = self.vfs(pf)
        for index, vf in enumerate(vfs):
            (self.root / self._folder(pf) / f"virtfn{index}").unlink()
            shutil.rmtree(self.at(f"{self.device(vf)}/iommu_group"))
            self.remove(vf)
        if vfs:
            self.write(f"{self.device(pf)}/sriov_numvfs", "0\n")

    def remove(self, address: str) -> None:
        """Take a function away, as when a card is pulled."""
        self.bind(address, None)
        for member in self.root.glob(f"sys/kernel/iommu_groups/*/devices/{address}"):
            member.unlink()
        shutil.rmtree(self.at(self.device(address)))
        (self.root / self.device(address)).unlink()

    def add_driver(
        self,
        name: str,
        module: str | None = None,
        *,
        out_of_tree: bool = False,
    ) -> None:
        """Register a driver; without a module it is built in."""
        (self.root / DRIVERS / name).mkdir(exist_ok=True)
        if module and not (self.root / DRIVERS / name / "module").is_symlink():
            self.write(f"sys/module/{module}/taint", "OE\n" if out_of_tree else "\n")
            self.link(f"{DRIVERS}/{name}/module", f"sys/module/{module}")

    def remove_driver(self, name: str, module: str | None) -> None:
        """Take a driver off the kernel, with its module where one is named."""
        shutil.rmtree(self.root / DRIVERS / name)
        if module:
            shutil.rmtree(self.root / "sys/module" / module)

    @property
    def modules(self) -> str:
        """The folder of the kernel's modules, relative to the root."""
        return f"lib/modules/{RELEASE}"

    def add_module(self, *names: str | None) -> None:
        """Have kernel modules on disk that can be loaded."""
        lines = "".join(f"kernel/drivers/crypto/{name}.ko:\n" for name in names)
        self._append(f"{self.modules}/modules.dep", lines)

    def add_alias(self, kind: str, pci_id: PciId, module: str) -> None:
        """Let a module say that it is for an id, as modules.alias has it."""
        pattern = f"v{pci_id.vendor:08X}d{pci_id.device:08X}sv*sd*bc*sc*i*"
        self._append(f"{self.modules}/modules.alias", f"alias {kind}:{pattern} {module}\n")

    def _append(self, path: str, lines: str) -> None:
        place = self.at(path)
        self.write(path, (place.read_text() if place.exists() else "") + lines)

    def has_module(self, name: str | None) -> bool:
        """Tell whether a kernel module is on disk, whose file may have dashes in its name."""
        path = self.at(f"{self.modules}/modules.dep")
        names = {str(name).replace("-", "_"), str(name).replace("_", "-")}
        text = path.read_text() if path.exists() else ""
        return any(f"/{each}.ko:" in text for each in names)

    def add_vfio(self, *, loaded: bool = True, parameter: str | None = "N") -> None:
        """Have vfio-pci on disk, and loaded with a denylist that is in force unless told."""
        self.kernel.has_denylist = parameter is not None
        self.add_module("vfio-pci")
        if loaded:
            assert self.kernel.load("vfio-pci")
            if parameter is not None:
                self.write("sys/module/vfio_pci/parameters/disable_denylist", f"{parameter}\n")

    def build_vfio_in(self, *, parameter: str = "N") -> None:
        """Have vfio-pci in the kernel itself."""
        self.add_driver("vfio-pci")
        self.write("sys/module/vfio_pci/parameters/disable_denylist", f"{parameter}\n")
        self._append(f"{self.modules}/modules.builtin", "kernel/drivers/vfio/pci/vfio-pci.ko\n")

    def add_card(
        self,
        address: str,
        pci_id: PciId,
        class_code: int,
        driver: str,
        module: str,
        *,
        group: int,
        bridge: str = "0000:00:01.0",
    ) -> str:
        """Add a function that is no QAT device, on the driver that the kernel has for it."""
        self.add_module(module)
        self.add_alias("pci", pci_id, module)
        self.add_driver(driver, module)
        self.kernel.natives[address] = driver, module
        self.add_function(
            address, pci_id, class_code=class_code, driver=driver, group=group, bridge=bridge
        )
        code = f"{class_code:06X}"
        self.write(
            f"{self.device(address)}/modalias",
            f"pci:v{pci_id.vendor:08X}d{pci_id.device:08X}sv00000000sd00000000"
            f"bc{code[:2]}sc{code[2:4]}i{code[4:]}\n",
        )
        return address

    def add_node(self, kind: str, name: str, address: str, *, dev: str | None = None) -> None:
        """Let the driver of a function have made something: a disk, an interface, a card."""
        folder = f"{self._folder(address)}/{kind}/{name}"
        self.at(folder).mkdir(parents=True)
        self.link(f"sys/class/{kind}/{name}", folder)
        if dev is not None:
            self.write(f"{folder}/dev", f"{dev}\n")

    def bind(self, address: str, driver: str | None) -> None:
        """Put a function on a driver, or on none."""
        link = self.root / self._folder(address) / "driver"
        if link.is_symlink():
            (self.root / DRIVERS / link.readlink().name / address).unlink(missing_ok=True)
            link.unlink()
        if driver:
            self.add_driver(driver)
            self.link(f"{self._folder(address)}/driver", f"{DRIVERS}/{driver}")
            self.link(f"{DRIVERS}/{driver}/{address}", self._folder(address))

    def group(self, address: str) -> int:
        """Return the IOMMU group of a function."""
        return int(self.at(f"{self.device(address)}/iommu_group").name)

    def _folder(self, address: str) -> str:
        return str(self.at(self.device(address)).relative_to(self.root))

    # -- who holds it ----------------------------------------------------------------------

    def open(self, target: str, *, pid: int = 4242, name: str = "qemu-system-x86") -> None:
        """Let a process have a path open."""
        self.write(f"proc/{pid}/comm", f"{name}\n")
        folder = self.root / f"proc/{pid}/fd"
        folder.mkdir(exist_ok=True)
        (folder / str(len(list(folder.iterdir())))).symlink_to(target)

    def hold(self, address: str, *, pid: int = 4242) -> None:
        """Put a function on vfio-pci and let a process hold its group open."""
        self.bind(address, "vfio-pci")
        self.open(f"/dev/vfio/{self.group(address)}", pid=pid)

    def add_domain(self, name: str, *addresses: str, pid: int | None = None) -> None:
        """Define a libvirt domain with host devices; with a pid it runs."""
        devices = "".join(
            "<hostdev mode='subsystem' type='pci' managed='yes'><source>"
            f"<address domain='0x{at.domain:04x}' bus='0x{at.bus:02x}' "
            f"slot='0x{at.device:02x}' function='0x{at.function:x}'/>"
            "</source><address type='pci' bus='0x07'/></hostdev>"
            for at in map(PciAddress.parse, addresses)
        )
        domain = f"<domain type='kvm'><name>{name}</name><devices>{devices}</devices></domain>"
        self.write(f"etc/libvirt/qemu/{name}.xml", domain)
        if pid is not None:
            status = f"<domstatus state='running' pid='{pid}'>{domain}</domstatus>"
            self.write(f"run/libvirt/qemu/{name}.xml", status)

    # -- the rest --------------------------------------------------------------------------

    def add_iommu(self, *, table: str | None = "DMAR", units: Sequence[str] = ("dmar0",)) -> None:
        """Let the firmware announce an IOMMU and the kernel drive units."""
        if table:
            self.write(f"sys/firmware/acpi/tables/{table}", b"")
        for unit in units:
            (self.root / "sys/class/iommu" / unit).mkdir(parents=True)

    def add_service(self, unit: str, *, enabled: bool = False, running: bool = False) -> None:
        """Install a systemd service."""
        self.write(f"usr/lib/systemd/system/{unit}", "[Service]\n")
        if enabled:
            wants = f"etc/systemd/system/multi-user.target.wants/{unit}"
            self.link(wants, f"usr/lib/systemd/system/{unit}")
        if running:
            self.write(
                f"sys/fs/cgroup/system.slice/{unit}/cgroup.events", "populated 1\nfrozen 0\n"
            )

    # -- the kernel ------------------------------------------------------------------------

    def play(self, path: str, value: str) -> None:
        """Do what the kernel does when an attribute is written.

        Raises:
            OSError: as the kernel answers.
        """
        self.kernel.write(path, value)

    def play_all(self, writes: Sequence[dict[str, str]]) -> None:
        """Do the writes that a module left pending."""
        for write in writes:
            self.play(write["path"], write["value"])


class RunningHost(Host):
    """The machine as if it were the running one: its kernel plays what is written.

    Attributes:
        written: the writes that the kernel took, as path and value.
        commands: the commands that were run.
        answers: errno that the kernel answers to a write, by path and value.
        blocked: attributes that do not answer.
        deaf: attributes that take a write and do nothing.
        patched: what was written to pieces of attributes, as path, offset and bytes.
        failing: commands that fail.
        claimed: block devices that the kernel keeps for one user.
        prompt_udev: whether udev works off events at once, rather than when it is waited for.
    """

    def __init__(self, machine: Machine) -> None:
        """Act on the tree of a machine as if its root were C(/)."""
        super().__init__(machine.root)
        self.machine = machine
        self.recording = Host(machine.root)
        self.live = True
        self.written: list[tuple[str, str]] = []
        self.commands: list[tuple[str, ...]] = []
        self.answers: dict[tuple[str, str], int] = {}
        self.blocked: set[str] = set()
        self.deaf: set[str] = set()
        self.patched: list[tuple[str, int, bytes]] = []
        self.failing: set[str] = set()
        self.claimed: set[str] = set()
        self.prompt_udev = True

    def locate(self, path: str, *, follow: bool = True) -> str:
        """Stay below the root, where folders come and go as on a machine that runs."""
        return _folders.locate(self.root, path, follow=follow)

    def canonical(self, path: str) -> str:
        """Follow the links below the root."""
        return self.recording.canonical(path)

    def is_claimed(self, path: str) -> bool:
        """Tell what a test says, and never what the machine does on which it runs."""
        return path in self.claimed

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        """Write below the root, however the running machine's files are found."""
        self.recording.write_file(path, content, mode)

    def remove_file(self, path: str) -> None:
        """Remove below the root."""
        self.recording.remove_file(path)

    def guarded_attributes(self, paths: Sequence[str]) -> dict[str, str | Blocked | None]:
        """Read attributes, but for those that are blocked."""
        return {
            path: BLOCKED if path in self.blocked else self.recording.attribute(path)
            for path in paths
        }

    def write_attribute(self, path: str, value: str, *, seconds: float) -> None:
        """Let the kernel play it."""
        if path in self.blocked:
            raise BlockedError(f"{path} did not answer in {seconds} s", errno.EBUSY)
        try:
            self._play(path, value)
        except OSError as error:
            raise HostError.from_os(f"write {value!r} to", path, error.errno or 0) from error
        self.written.append((path, value))
        if self.prompt_udev:
            self.machine.kernel.settle()

    def write_piece(self, path: str, offset: int, data: bytes, *, seconds: float) -> None:
        """Let a device take it; an answer for the value C(*) is one for all."""
        if path in self.blocked:
            raise BlockedError(f"{path} did not answer in {seconds} s", errno.EBUSY)
        if (path, "*") in self.answers:
            raise HostError.from_os("write to", path, self.answers[path, "*"])
        content = bytearray(self.machine.at(path).read_bytes())
        if path not in self.deaf:
            content[offset : offset + len(data)] = data
            self.machine.write(path, bytes(content))
        self.patched.append((path, offset, data))

    def _play(self, path: str, value: str) -> None:
        if (path, value) in self.answers:
            raise OSError(self.answers[path, value], path)
        if path not in self.deaf:
            self.machine.play(path, value)

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play modprobe, modinfo, udevadm settle and what makes an initramfs, where it is."""
        assert seconds > 0
        self.commands.append(tuple(command))
        name, *arguments = command
        played = None if name in self.failing else self._said(name, arguments)
        if played is None:
            raise HostError(f"{' '.join(command)} failed with status 1: it says why")
        if self.prompt_udev:
            self.machine.kernel.settle()
        return played

    def _said(self, name: str, arguments: Sequence[str]) -> str | None:
        """Return what a command says, None where it fails."""
        kernel, first = self.machine.kernel, arguments[0]
        if (name, first) == ("udevadm", "settle"):
            kernel.settle()
            return ""
        if name == "modprobe":
            if first == "--remove":
                done = kernel.unload(arguments[1])
            elif first.startswith("pci:"):
                done = kernel.load_for(first)
            else:
                done = self._load(*arguments)
            return "" if done else None
        if name == "modinfo":
            parameters = "disable_denylist:Disable use of device denylist. (bool)\n"
            return f"ids:Initial PCI IDs\n{parameters if kernel.has_denylist else ''}"
        return "" if self.recording.exists(f"/usr/bin/{name}") else None

    def _load(self, module: str, *options: str) -> bool:
        return self.machine.kernel.load(module, *options)

    @contextlib.contextmanager
    def lock(self, *, seconds: float = 120.0) -> Iterator[None]:
        """Lock the tree, rather than the machine on which the test runs."""
        with self.recording.lock(seconds=seconds):
            yield
