# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libvirt on a machine in a folder, and tasks of libvirt_accelerators on it.

What it makes of a definition was looked at with C(virsh define) and C(virsh dumpxml --inactive) of
libvirt 11.3.0 with QEMU 10.0. It reads and writes XML by other means than the collection.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import shutil
import typing as t
import uuid
from dataclasses import dataclass
from xml.etree import ElementTree as ET
from xml.parsers import expat

from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner, Result

MODULE = "libvirt_accelerators"
VIRSH = ("virsh", "--connect", "qemu:///system")
DEFINED, LIVE = "etc/libvirt/qemu", "run/libvirt/qemu"
_HEADER = "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE: virsh edit or such -->\n\n"
_KIB = {"KiB": 1, "MiB": 1024, "GiB": 1024**2}
_KINDS = (
    *("emulator", "disk", "controller", "filesystem", "interface", "serial", "console", "channel"),
    *("input", "graphics", "audio", "video", "hostdev", "watchdog", "memballoon", "rng", "iommu"),
)
_PARTS = (
    *("name", "uuid", "memory", "currentMemory", "vcpu", "os", "features", "cpu", "clock"),
    *("on_poweroff", "on_reboot", "on_crash", "devices"),
)

XML = """\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='KiB'>{memory}</memory>
  <vcpu placement='static'>2</vcpu>
  <os>
    <type machine='{machine}'>hvm</type>
  </os>
  <features>
    <acpi/>
  </features>
  <cpu mode='maximum'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/srv/{name}.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    {ports}
    <interface type='network'>
      <source network='default'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'>
      <target port='0'/>
    </serial>
    {devices}
  </devices>
</domain>
"""


def xml(
    name: str, devices: str = "", *, memory: int = 65536, machine: str = "q35", ports: int = 0
) -> str:
    """Return what a task says of a guest, as the role kvm_guest does."""
    said = "<controller type='pci' index='0' model='pcie-root'/>" if ports else ""
    said += "".join(
        f"<controller type='pci' index='{index}' model='pcie-root-port'/>"
        for index in range(1, ports + 1)
    )
    return XML.format(name=name, devices=devices, memory=memory, machine=machine, ports=said)


def read(text: str | bytes) -> ET.Element:
    """Return a document, comments left out."""
    builder, parser = ET.TreeBuilder(), expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.ParseFile(io.BytesIO(text.encode() if isinstance(text, str) else text))
    return builder.close()


class LibvirtError(Exception):
    """libvirt does not take it."""


class Libvirt:
    """The system daemon of libvirt on a machine.

    Attributes:
        stubborn: guests whose system does not let go of a function.
        slow: how many looks it takes until a guest has let go.
        broken: verbs of virsh that fail.
        asked: what virsh was asked for: verb, guest and function, in order.
        pending: functions that a guest is about to let go of, with the looks that are left.
    """

    def __init__(self, machine: Machine) -> None:
        """Run on a machine, with its folders made."""
        self.machine = machine
        self.stubborn: set[str] = set()
        self.slow: dict[str, int] = {}
        self.broken: set[str] = set()
        self.pending: dict[tuple[str, str], int] = {}
        self.asked: list[tuple[str, str, str]] = []
        self._ids = self._macs = 0
        for folder in (f"{DEFINED}/networks", LIVE):
            machine.at(folder).mkdir(parents=True, exist_ok=True)

    # -- what a test does by hand ----------------------------------------------------------

    def define(self, text: str) -> str:
        """Define a domain, and return its description as libvirt keeps it.

        Raises:
            LibvirtError: as libvirt says it.
        """
        domain = read(text)
        name = _text(domain, "name")
        before = self._load(f"{DEFINED}/{name}.xml")
        known = before.findtext("uuid") if before is not None else None
        given = domain.findtext("uuid")
        if known is not None and given != known:
            message = f"operation failed: domain '{name}' already exists with uuid {known}"
            raise LibvirtError(message)
        _Normal(domain, self._mac, given or str(uuid.uuid5(uuid.NAMESPACE_DNS, name)))
        self._store(f"{DEFINED}/{name}.xml", domain)
        return self.dump(name)

    def _mac(self) -> str:
        self._macs += 1
        return f"52:54:00:00:00:{self._macs:02x}"

    def dump(self, name: str) -> str:
        """Return what a domain gets at its next start."""
        return self.machine.read(f"{DEFINED}/{name}.xml")

    def edit(self, name: str, old: str, new: str) -> None:
        """Change the definition of a domain by hand, as with virsh edit."""
        text = self.dump(name)
        assert old in text, text
        self.define(text.replace(old, new, 1))

    def drop(self, name: str, kind: str = "hostdev", number: int = 0) -> None:
        """Take a device out of a definition by hand."""
        domain = read(self.dump(name))
        devices = _devices(domain)
        devices.remove(devices.findall(kind)[number])
        self.define(ET.tostring(domain, "unicode"))

    def undefine(self, name: str) -> None:
        """Forget the definition of a domain: one that runs is transient then."""
        self.machine.at(f"{DEFINED}/{name}.xml").unlink()

    def start(self, name: str, pid: int = 4242) -> None:
        """Start a domain that is defined."""
        domain = read(self.dump(name))
        for function in self._functions(domain):
            self._check_free(function)
        self._ids += 1
        domain.set("id", str(self._ids))
        for kind in ("controller", "interface", "disk", "hostdev"):
            for number, device in enumerate(_devices(domain).findall(kind)):
                ET.SubElement(device, "alias", name=f"{kind}{number}")
        for device in _devices(domain).findall("hostdev"):
            device.insert(0, ET.Element("driver", name="vfio"))
            self._take(device)
        status = ET.Element("domstatus", state="running", reason="booted", pid=str(pid))
        ET.SubElement(status, "qemuCaps")
        # The devices of a status are no devices of the domain.
        ET.SubElement(ET.SubElement(status, "devices"), "device", alias="hostdev0")
        status.append(domain)
        self._store(f"{LIVE}/{name}.xml", status)
        self._open(name)

    def stop(self, name: str) -> None:
        """Destroy a domain."""
        status = self.status(name)
        for device in _devices(_domain(status)).findall("hostdev"):
            self._give_back(device)
        self.machine.at(f"{LIVE}/{name}.xml").unlink()
        shutil.rmtree(self.machine.at(f"proc/{status.get('pid')}"), ignore_errors=True)

    def status(self, name: str) -> ET.Element:
        """Return the status of a domain that runs."""
        found = self._load(f"{LIVE}/{name}.xml")
        assert found is not None
        return found

    def held(self, name: str) -> list[str]:
        """Return the functions that a running domain has, in its own order."""
        return self._functions(_domain(self.status(name)))

    def has(self, name: str) -> list[str]:
        """Return the functions that a domain gets at its next start, in its own order."""
        return self._functions(read(self.dump(name)))

    def place(self, name: str, address: str, *, live: bool = False) -> str:
        """Return bus, slot and function at which a guest sees a function."""
        domain = _domain(self.status(name)) if live else read(self.dump(name))
        found = _hostdev(domain, address).find("address")
        assert found is not None
        return ":".join(str(int(found.get(key, "0"), 0)) for key in ("bus", "slot", "function"))

    def unseen(self, name: str) -> list[str]:
        """Return the functions that a guest will not find: those of a slot without function 0."""
        found = {address: self.place(name, address) for address in self.has(name)}
        slots = {place.rpartition(":")[0] for place in found.values() if place.endswith(":0")}
        return [at for at, place in found.items() if place.rpartition(":")[0] not in slots]

    # -- virsh -----------------------------------------------------------------------------

    def virsh(self, arguments: Sequence[str], text: str) -> str:
        """Plug a device into a running domain, or out of it.

        Raises:
            LibvirtError: as virsh says it.
        """
        verb, *options = arguments
        assert (options[0], *options[2:]) == ("--domain", "--file", "/dev/stdin", "--live"), options
        if verb in self.broken:
            message = f"error: {verb}: internal error: it says why"
            raise LibvirtError(message)
        name = self._find(options[1])
        device = read(text)
        assert device.tag == "hostdev"
        self.asked.append((verb.partition("-")[0], name, _source(device)))
        action = {"attach-device": self._attach, "detach-device": self._detach}[verb]
        action(name, device)
        return "Device was plugged\n"

    def _find(self, asked: str) -> str:
        """Return the name of the domain that virsh takes a word for: id, UUID, name."""
        running = {
            path.stem: _domain(self.status(path.stem))
            for path in self.machine.at(LIVE).glob("*.xml")
        }
        for name, domain in running.items():
            if asked == domain.get("id"):
                return name
        for name, domain in running.items():
            if asked == domain.findtext("uuid"):
                return name
        if asked in running:
            return asked
        message = f"error: failed to get domain '{asked}'"
        raise LibvirtError(message)

    def _attach(self, name: str, device: ET.Element) -> None:
        status = self.status(name)
        domain = _domain(status)
        self._check_free(_source(device))
        driver = self.machine.driver(_source(device))
        if device.get("managed") == "no" and driver not in ("vfio-pci", "qat_vfio_pci"):
            message = f"Unmanaged PCI device {_source(device)} must be manually detached"
            raise LibvirtError(message)
        if device.find("address") is None:
            _Places(domain).give(device, spare=True)
        self._take(device)
        device.insert(0, ET.Element("driver", name="vfio"))
        ET.SubElement(device, "alias", name=f"hostdev{len(self._functions(domain))}")
        _devices(domain).append(device)
        self._store(f"{LIVE}/{name}.xml", status)
        self._open(name)

    def _detach(self, name: str, device: ET.Element) -> None:
        address = _source(device)
        if address not in self.held(name):
            message = f"error: device not found: host pci device {address} not found"
            raise LibvirtError(message)
        if name not in self.stubborn:
            self.pending[name, address] = self.slow.get(name, 0)
            self._let_go()

    def look(self) -> None:
        """Let time go by until somebody looks again."""
        self.pending = {key: left - 1 for key, left in self.pending.items()}
        self._let_go()

    def _let_go(self) -> None:
        for (name, address), left in list(self.pending.items()):
            if left > 0:
                continue
            del self.pending[name, address]
            status = self.status(name)
            device = _hostdev(_domain(status), address)
            _devices(_domain(status)).remove(device)
            self._give_back(device)
            self._store(f"{LIVE}/{name}.xml", status)
            self._open(name)

    # -- the machine -----------------------------------------------------------------------

    def _take(self, device: ET.Element) -> None:
        if device.get("managed") == "yes":
            self.machine.bind(_source(device), "vfio-pci")

    def _give_back(self, device: ET.Element) -> None:
        """Leave a managed function without a driver, as where probing is off."""
        if device.get("managed") == "yes":
            self.machine.bind(_source(device), None)

    def _check_free(self, address: str) -> None:
        for path in self.machine.at(LIVE).glob("*.xml"):
            if address in self.held(path.stem):
                message = (
                    f"error: Requested operation is not valid: PCI device {address} is in use by "
                    f"driver QEMU, domain {path.stem}"
                )
                raise LibvirtError(message)

    def _open(self, name: str) -> None:
        """Let the QEMU of a domain have open what it holds."""
        pid = int(self.status(name).get("pid", "0"))
        shutil.rmtree(self.machine.at(f"proc/{pid}"), ignore_errors=True)
        for address in self.held(name):
            if self.machine.at(self.machine.device(address)).exists():
                self.machine.open(f"/dev/vfio/{self.machine.group(address)}", pid=pid)

    @staticmethod
    def _functions(domain: ET.Element) -> list[str]:
        return [
            _source(device)
            for device in _devices(domain).findall("hostdev")
            if device.get("type") == "pci"
        ]

    def _load(self, path: str) -> ET.Element | None:
        place = self.machine.at(path)
        return read(place.read_text()) if place.exists() else None

    def _store(self, path: str, root: ET.Element) -> None:
        ET.indent(root)
        self.machine.write(path, _HEADER + ET.tostring(root, "unicode") + "\n")


def _text(element: ET.Element, path: str) -> str:
    found = element.findtext(path)
    assert found, path
    return found


def _devices(domain: ET.Element) -> ET.Element:
    found = domain.find("devices")
    assert found is not None
    return found


def _domain(status: ET.Element) -> ET.Element:
    found = status.find("domain")
    assert found is not None
    return found


def _source(device: ET.Element) -> str:
    found = device.find("source/address")
    assert found is not None
    keys = ("domain", "bus", "slot", "function")
    return str(PciAddress(*(int(found.get(key, "0"), 0) for key in keys)))


def _hostdev(domain: ET.Element, address: str) -> ET.Element:
    found = [each for each in _devices(domain).findall("hostdev") if _source(each) == address]
    assert len(found) == 1, address
    return found[0]


class _Places:
    """The PCI addresses of a guest; none is used twice."""

    def __init__(self, domain: ET.Element) -> None:
        kind = domain.find("os/type")
        assert kind is not None
        self.express = "q35" in kind.get("machine", "")
        self._devices = _devices(domain)
        self.used: dict[tuple[int, int, int], ET.Element] = {}
        for device in self._devices:
            at = device.find("address")
            if at is not None and at.get("type") == "pci":
                self._use(device, at)

    def _use(self, device: ET.Element, at: ET.Element) -> None:
        key = tuple(int(at.get(name, "0"), 0) for name in ("bus", "slot", "function"))
        if key in self.used:
            message = f"XML error: Attempted double use of PCI Address {key}"
            raise LibvirtError(message)
        if self.express and key[0] and key[1]:
            message = f"XML error: slot of {key}: a pcie-root-port has only slot 0"
            raise LibvirtError(message)
        self.used[t.cast("tuple[int, int, int]", key)] = device
        at.set("domain", "0x0000")
        for name, number, width in zip(("bus", "slot", "function"), key, (2, 2, 1)):
            at.set(name, f"0x{number:0{width}x}")

    @property
    def ports(self) -> list[int]:
        """The buses behind root ports."""
        return sorted(
            int(each.get("index", "0"))
            for each in self._devices.findall("controller")
            if each.get("model") == "pcie-root-port"
        )

    @property
    def free_ports(self) -> list[int]:
        """Those with nothing behind them."""
        taken = {bus for bus, _slot, _function in self.used}
        return [bus for bus in self.ports if bus not in taken]

    def give(self, device: ET.Element, *, spare: bool = False) -> None:
        """Give a device an address: a port of its own, or a slot where there are none."""
        if not self.express:
            slots = {slot for _bus, slot, _function in self.used}
            slot = next(number for number in range(2, 32) if number not in slots)
            self.put(device, 0, slot, 0)
            return
        if not self.free_ports:
            if spare:
                message = "internal error: No more available PCI slots"
                raise LibvirtError(message)
            self.add_port(max(self.ports, default=0) + 1)
        self.put(device, self.free_ports[0], 0, 0)

    def put(self, device: ET.Element, bus: int, slot: int, function: int) -> None:
        said = {"bus": str(bus), "slot": str(slot), "function": str(function)}
        at = ET.SubElement(device, "address", {"type": "pci", "domain": "0x0000", **said})
        self._use(device, at)

    def add_port(self, index: int) -> None:
        ET.SubElement(
            self._devices, "controller", type="pci", index=str(index), model="pcie-root-port"
        )


class _Normal:
    """Makes of a description what libvirt keeps of it, in place."""

    def __init__(self, domain: ET.Element, mac: t.Callable[[], str], identity: str) -> None:
        self._domain = domain
        self._mac = mac
        self._devices = _devices(domain)
        self._head(identity)
        self._add_devices()
        self._complete_devices()
        self._place()
        self._devices[:] = sorted(self._devices, key=lambda each: _KINDS.index(each.tag))
        domain[:] = sorted(domain, key=lambda each: _PARTS.index(each.tag))

    def _child(self, tag: str, text: str = "", **said: str) -> ET.Element:
        found = self._domain.find(tag)
        if found is None:
            found = ET.SubElement(self._domain, tag, said)
            found.text = text
        for name, value in said.items():
            found.attrib.setdefault(name, value)
        return found

    def _head(self, identity: str) -> None:
        self._child("uuid", identity)
        memory = self._child("memory")
        amount = int(memory.text or 0) * _KIB[memory.get("unit", "KiB")]
        memory.text = str(amount)
        memory.set("unit", "KiB")
        self._child("currentMemory", str(amount), unit="KiB")
        self._child("vcpu", "1", placement="static")
        kind = self._domain.find("os/type")
        assert kind is not None
        kind.set("arch", "x86_64")
        said = kind.get("machine", "pc")
        alias = {"q35": "pc-q35-10.0", "pc": "pc-i440fx-10.0"}
        kind.set("machine", alias.get(said, said))
        ordered = any(each.find("boot") is not None for each in self._devices)
        if self._domain.find("os/boot") is None and not ordered:
            ET.SubElement(self._child("os"), "boot", dev="hd")
        cpu = self._child("cpu", mode="custom")
        if cpu.get("mode") == "custom":
            self._child("cpu", match="exact", check="none")
            if cpu.find("model") is None:
                ET.SubElement(cpu, "model", fallback="forbid").text = "qemu64"
        else:
            self._child("cpu", check="none", migratable="on")
        self._child("clock", offset="utc")
        self._child("on_poweroff", "destroy")
        self._child("on_reboot", "restart")
        self._child("on_crash", "destroy")

    def _has(self, tag: str, **said: str) -> bool:
        return any(said.items() <= each.attrib.items() for each in self._devices.findall(tag))

    def _has_root(self, model: str) -> bool:
        return self._has("controller", type="pci", model=model)

    def _add(self, tag: str, **said: str) -> ET.Element:
        return ET.SubElement(self._devices, tag, said)

    def _add_devices(self) -> None:
        self.express = _Places(self._domain).express
        if not self._has("emulator"):
            self._add("emulator").text = "/usr/bin/qemu-system-x86_64"
        root = "pcie-root" if self.express else "pci-root"
        if not (self._has("controller", type="pci", index="0") or self._has_root(root)):
            self._add("controller", type="pci", index="0", model=root)
        if not self._has("controller", type="usb"):
            model = "qemu-xhci" if self.express else "piix3-uhci"
            self._add("controller", type="usb", index="0", model=model)
        if self.express and not self._has("controller", type="sata"):
            self._add("controller", type="sata", index="0")
        self._add_small_devices()

    def _add_small_devices(self) -> None:
        for kind in ("mouse", "keyboard"):
            if not self._has("input", type=kind):
                self._add("input", type=kind, bus="ps2")
        if not self._has("audio"):
            self._add("audio", id="1", type="none")
        if not self._has("memballoon"):
            self._add("memballoon", model="virtio")
        if self.express and not self._has("watchdog"):
            self._add("watchdog", model="itco", action="reset")
        if self._has("serial") and not self._has("console"):
            console = self._add("console", type="pty")
            ET.SubElement(console, "target", type="serial", port="0")

    def _complete_devices(self) -> None:
        for device in self._devices:
            for alias in device.findall("alias"):
                device.remove(alias)
        for serial in self._devices.findall("serial"):
            target = serial.find("target")
            target = ET.SubElement(serial, "target") if target is None else target
            target.attrib.setdefault("type", "isa-serial")
            target.attrib.setdefault("port", "0")
            if target.find("model") is None:
                ET.SubElement(target, "model", name="isa-serial")
        for interface in self._devices.findall("interface"):
            if interface.find("mac") is None:
                ET.SubElement(interface, "mac", address=self._mac())
            order = ("mac", "source", "model", "address")
            interface[:] = sorted(interface, key=lambda each: order.index(each.tag))

    def _place(self) -> None:
        indexes = self._indexes()
        places = _Places(self._domain)
        if places.express:
            top = max([bus for bus, _slot, _function in places.used] + places.ports, default=0)
            for index in range(1, top + 1):
                if str(index) not in indexes:
                    places.add_port(index)
        self._check_slots(places)
        added = places.ports
        for device in self._waiting():
            places.give(device)
        if places.express:
            # Where it had to add ports it adds one more, to plug something into.
            if added != places.ports:
                places.add_port(max(places.ports) + 1)
            self._wire(places)

    def _indexes(self) -> list[str]:
        """Return the indexes of PCI controllers, those included that libvirt gives them."""
        found = [each for each in self._devices.findall("controller") if each.get("type") == "pci"]
        given = [each.get("index") for each in found]
        for controller in found:
            if controller.get("index") is None:
                number = next(number for number in itertools.count() if str(number) not in given)
                controller.set("index", str(number))
                given.append(str(number))
        indexes = [each.get("index", "") for each in found]
        doubled = sorted({each for each in indexes if indexes.count(each) > 1})
        if doubled:
            message = f"XML error: Multiple 'pci' controllers with index '{doubled[0]}'"
            raise LibvirtError(message)
        root = "pcie-root" if self.express else "pci-root"
        models = {each.get("model") for each in found if each.get("index") == "0"}
        if models != {root}:
            message = (
                f"XML error: The PCI controller with index='0' must be model='{root}' for this "
                f"machine type, but model='{models.pop()}' was found instead"
            )
            raise LibvirtError(message)
        return indexes

    def _waiting(self) -> list[ET.Element]:
        """Return the devices that are to get an address, in libvirt's order."""
        order = ("interface", "controller", "disk", "hostdev", "memballoon", "rng")
        found = []
        for device in self._devices:
            target = device.find("target")
            skipped = (
                device.tag not in order
                or device.find("address") is not None
                or (device.tag == "controller" and device.get("type") in ("pci", "sata"))
                or (device.tag == "disk" and target is not None and target.get("bus") != "virtio")
                or device.get("model") == "none"
            )
            if not skipped:
                found.append(device)
        return sorted(found, key=lambda each: order.index(each.tag))

    @staticmethod
    def _check_slots(places: _Places) -> None:
        for (bus, slot, function), device in places.used.items():
            first = places.used.get((bus, slot, 0))
            at = first.find("address") if first is not None else None
            # Without function 0 libvirt takes it all the same, and no guest finds it.
            if function and bus and at is not None and at.get("multifunction") != "on":
                message = f"XML error: {device.tag} at function {function} of a single function"
                raise LibvirtError(message)

    def _wire(self, places: _Places) -> None:
        """Give root ports their model, chassis and address."""
        for controller in self._devices.findall("controller"):
            if controller.get("type") == "sata" and controller.find("address") is None:
                places.put(controller, 0, 0x1F, 2)
        for controller in self._devices.findall("controller"):
            if controller.get("model") != "pcie-root-port":
                continue
            number = int(controller.get("index", "0")) - 1
            if controller.find("model") is None:
                ET.SubElement(controller, "model", name="pcie-root-port")
            if controller.find("target") is None:
                ET.SubElement(controller, "target", chassis=str(number + 1), port=hex(number + 8))
            if controller.find("address") is None:
                places.put(controller, 0, 1 + number // 8, number % 8)
                if number % 8 == 0:
                    controller[-1].set("multifunction", "on")


class LibvirtHost(RunningHost):
    """The machine as if it were the running one, with libvirt on it.

    Attributes:
        fed: what commands were given to read.
        looks: how often a running guest was looked at while something was waited for.
    """

    def __init__(self, machine: Machine, libvirt: Libvirt) -> None:
        """Run libvirt."""
        super().__init__(machine)
        self.libvirt = libvirt
        self.fed: list[str] = []

    def feed(self, command: Sequence[str], text: str, *, seconds: float = 60.0) -> str:
        """Let virsh do it."""
        assert seconds > 0
        assert tuple(command[:3]) == VIRSH
        self.commands.append(tuple(command))
        self.fed.append(text)
        try:
            return self.libvirt.virsh(command[3:], text)
        except LibvirtError as error:
            raise HostError(f"{' '.join(command)} failed with status 1: {error}") from error

    @property
    def plugged(self) -> list[tuple[str, str, str]]:
        """What was plugged in or out: verb, guest and function, in order."""
        return self.libvirt.asked


@dataclass
class GuestTasks:
    """Runs tasks of the module on a machine with libvirt."""

    machine: Machine
    libvirt: Libvirt
    running: LibvirtHost
    run_module: ModuleRunner

    def __call__(self, *guests: dict[str, t.Any], **options: t.Any) -> list[Result]:
        """Do a task after a check run that tells the same, and once more without any change."""
        check = self.check(*guests, **options)
        real = self.run(*guests, **options)
        assert "failed" not in real, real["msg"]
        assert _told(real) == _told(check)
        after, done = self.machine.files(), len(self.running.commands)
        again = self.run(*guests, **options)
        assert "failed" not in again, again["msg"]
        assert (again["changed"], again["diff"]) == (False, [])
        assert self.machine.files() == after
        assert self._plugged_since(done) == []
        kept = ("name", "running", "functions")
        for first, second in zip(real["guests"], again["guests"]):
            assert {key: first[key] for key in kept} == {key: second[key] for key in kept}
        assert real["payload_pfs"] == again["payload_pfs"]
        assert real["payload_unheld"] == again["payload_unheld"]
        return t.cast("list[Result]", real["guests"])

    def deal(self, *guests: dict[str, t.Any], **options: t.Any) -> list[Result]:
        """Do a task and define what differs, as the role does; then nothing is left to do."""
        told = self(*guests, **options)
        for each in told:
            if each["differs"]:
                self.libvirt.define(each["definition"])
        again = self(*guests, **options)
        for first, second in zip(told, again):
            assert not second["differs"], (first["definition"], self.libvirt.dump(first["name"]))
            assert (second["added"], second["removed"]) == ([], [])
            assert second["functions"] == first["functions"]
            assert self.libvirt.has(first["name"]) == functions(first)
            assert self.libvirt.unseen(first["name"]) == []
        return told

    def check(self, *guests: dict[str, t.Any], **options: t.Any) -> Result:
        """Return what a check run tells, which changes nothing."""
        before, done = self.machine.files(), len(self.running.commands)
        result = self.run(*guests, check=True, **options)
        assert self.machine.files() == before
        assert self._plugged_since(done) == []
        return result

    def run(self, *guests: dict[str, t.Any], check: bool = False, **options: t.Any) -> Result:
        """Run the module once."""
        given = {"guests": list(guests), **options}
        return self.run_module(MODULE, given, check=check, running=self.running)

    def refusal(self, *guests: dict[str, t.Any], **options: t.Any) -> str:
        """Return why a task is refused: alike in check mode, and with nothing changed."""
        before, done = self.machine.files(), len(self.running.commands)
        told = []
        for check in (True, False):
            result = self.run(*guests, check=check, **options)
            assert result.get("failed"), result
            assert "guests" not in result
            told.append(str(result["msg"]))
            assert self.machine.files() == before
            assert self._plugged_since(done) == []
        assert told[0] == told[1]
        return told[0]

    def failure(self, *guests: dict[str, t.Any], **options: t.Any) -> Result:
        """Do a task that fails half way, and return what is told."""
        result = self.run(*guests, **options)
        assert result.get("failed") is True, result
        return result

    def _plugged_since(self, number: int) -> list[tuple[str, ...]]:
        """Return the commands since then, but for those that only ask."""
        return [command for command in self.running.commands[number:] if command[0] != "modinfo"]


def _told(result: Result) -> Result:
    return {key: value for key, value in result.items() if key != "invocation"}


def guest(name: str, *accelerators: object, **options: t.Any) -> dict[str, t.Any]:
    """Return a guest of a task."""
    wishes = [{"address": each} if isinstance(each, str) else each for each in accelerators]
    return {"name": name, "accelerators": wishes, **options}


def new(name: str, *accelerators: object, **options: t.Any) -> dict[str, t.Any]:
    """Return a guest of a task, with what it is beside its functions."""
    return guest(name, *accelerators, **{"xml": xml(name), **options})


def some(count: object = 1, family: str = "4xxx", **rest: t.Any) -> dict[str, t.Any]:
    """Return a wish for VFs of a family."""
    return {"family": family, "count": count, **rest}


def functions(told: Result) -> list[str]:
    """Return the addresses of a guest's functions."""
    return [each["address"] for each in told["functions"]]


@contextlib.contextmanager
def no_waiting(monkeypatch: t.Any, libvirt: Libvirt) -> Iterator[list[float]]:
    """Let time go by at once, and guests do something meanwhile."""
    now = [0.0]
    slept: list[float] = []

    class Clock:
        """What the plan has of the module time."""

        @staticmethod
        def monotonic() -> float:
            return now[0]

        @staticmethod
        def sleep(seconds: float) -> None:
            now[0] += seconds
            slept.append(seconds)
            libvirt.look()

    with monkeypatch.context() as patch:
        name = "ansible_collections.hwaccel.virt.plugins.module_utils._plan.time"
        patch.setattr(name, Clock)
        yield slept
