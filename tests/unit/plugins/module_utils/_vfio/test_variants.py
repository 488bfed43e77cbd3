# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which VFIO driver is best: lines of modules.alias, and what a variant needs."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_functions
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.variants import (
    Variants,
    module_of,
    parse_driver,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import (
    GEN4,
    OTHER,
    PF,
    RELEASE,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

# As depmod writes them on Linux 6.12 and later.
GENERIC = "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci"
MLX5 = "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci"
NVGRACE = "alias vfio_pci:v000010DEd00002342sv*sd*bc*sc*i* nvgrace_gpu_vfio_pci"
XE = "alias vfio_pci:v00008086d00006470sv*sd*bc*sc*i* xe_vfio_pci"
VIRTIO = "alias vfio_pci:v00001AF4d00001041sv*sd*bc*sc*i* virtio_vfio_pci"
QAT = f"alias vfio_pci:v00008086d{GEN4.vf_device:08X}sv*sd*bc*sc*i* qat_vfio_pci"
CONNECTX = PciId(0x15B3, 0x101E)
CONNECTX_MODALIAS = "pci:v000015B3d0000101Esv000015B3sd00000007bc02sc00i00\n"


def aliases(machine: Machine, *lines: str) -> None:
    text = "".join(f"{line}\n" for line in ("# Aliases extracted from modules.", *lines))
    machine.write(f"lib/modules/{RELEASE}/modules.alias", text)


def variants(machine: Machine) -> Variants:
    return Variants(machine.host, RELEASE, read_functions(machine.host))


def best(machine: Machine, address: str = PF) -> str:
    function = read_functions(machine.host)[PciAddress.parse(address)]
    return variants(machine).best(function)


@pytest.fixture
def connectx(machine: Machine) -> Machine:
    machine.add_function(PF, CONNECTX, class_code=0x020000)
    machine.write(f"{machine.device(PF)}/modalias", CONNECTX_MODALIAS)
    return machine


# -- the best match ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        (GENERIC, MLX5),
        (MLX5, GENERIC),
        (XE, MLX5, QAT, GENERIC),
        # What the same modules are for as drivers of the host is another list.
        ("alias pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_core", GENERIC, MLX5),
        (GENERIC, "alias vfio_pci:broken", "alias vfio_pci:v* two words", MLX5),
    ],
)
def test_the_fewest_wildcards_win(connectx: Machine, lines: tuple[str, ...]) -> None:
    aliases(connectx, *lines)
    assert best(connectx) == "mlx5_vfio_pci"


@pytest.mark.parametrize("lines", [(), (GENERIC,), (GENERIC, XE, QAT), (XE,)])
def test_nothing_better_than_vfio_pci(connectx: Machine, lines: tuple[str, ...]) -> None:
    aliases(connectx, *lines)
    assert best(connectx) == "vfio-pci"


def test_a_kernel_without_a_list(connectx: Machine) -> None:
    assert best(connectx) == "vfio-pci"


def test_a_closer_match_than_another_variant(connectx: Machine) -> None:
    closer = "alias vfio_pci:v000015B3d0000101Esv000015B3sd*bc*sc*i* closer_vfio_pci"
    aliases(connectx, GENERIC, MLX5, closer)
    assert best(connectx) == "closer_vfio_pci"
    other = closer.replace("sv000015B3", "sv00001028").replace("closer", "other")
    aliases(connectx, GENERIC, MLX5, other)
    assert best(connectx) == "mlx5_vfio_pci"


def test_the_first_line_wins_a_tie(connectx: Machine) -> None:
    second = MLX5.replace("mlx5", "another")
    aliases(connectx, GENERIC, MLX5, second)
    assert best(connectx) == "mlx5_vfio_pci"
    aliases(connectx, second, MLX5, GENERIC)
    assert best(connectx) == "another_vfio_pci"


def test_a_tree_without_modalias(machine: Machine) -> None:
    # Recordings of sysfs do not always have it.
    machine.add_function(PF, CONNECTX, class_code=0x020000)
    aliases(machine, GENERIC, MLX5)
    assert best(machine) == "mlx5_vfio_pci"


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("vfio_pci", "vfio-pci"),
        ("vfio-pci", "vfio-pci"),
        ("xe_vfio_pci", "xe-vfio-pci"),
        ("xe-vfio-pci", "xe-vfio-pci"),
        ("mlx5_vfio_pci", "mlx5_vfio_pci"),
        ("mlx5-vfio-pci", "mlx5_vfio_pci"),
        ("qat_vfio_pci", "qat_vfio_pci"),
        # The file has dashes, the module and its driver do not.
        ("virtio-vfio-pci", "virtio_vfio_pci"),
        ("nvgrace-gpu-vfio-pci", "nvgrace_gpu_vfio_pci"),
    ],
)
def test_the_name_of_a_driver_that_is_not_loaded(machine: Machine, module: str, name: str) -> None:
    assert variants(machine).named(module) == name
    assert not variants(machine).registered(module)


@pytest.mark.parametrize("registered", ["virtio_vfio_pci", "virtio-vfio-pci"])
def test_the_kernel_knows_how_it_spells_a_driver(machine: Machine, registered: str) -> None:
    machine.add_driver(registered)
    for name in ("virtio_vfio_pci", "virtio-vfio-pci"):
        assert variants(machine).named(name) == registered
        assert variants(machine).registered(name)
    machine.add_function(PF, PciId(0x1AF4, 0x1041), class_code=0x020000)
    aliases(machine, GENERIC, VIRTIO)
    assert best(machine) == registered


@pytest.mark.parametrize(
    ("line", "pci_id", "name"),
    [
        (XE, PciId(0x8086, 0x6470), "xe-vfio-pci"),
        (NVGRACE, PciId(0x10DE, 0x2342), "nvgrace_gpu_vfio_pci"),
    ],
)
def test_variants_by_their_drivers_names(
    machine: Machine, line: str, pci_id: PciId, name: str
) -> None:
    machine.add_function(PF, pci_id, class_code=0x030200)
    aliases(machine, GENERIC, line)
    assert best(machine) == name


def test_modules() -> None:
    assert [module_of(name) for name in ("vfio-pci", "mlx5_vfio_pci")] == [
        "vfio_pci",
        "mlx5_vfio_pci",
    ]


# -- QAT -----------------------------------------------------------------------------------------


def test_a_qat_vf_with_its_pf_on_the_kernels_own_driver(machine: Machine) -> None:
    machine.add_pf("4xxx", vfs=1)
    aliases(machine, GENERIC, QAT)
    assert best(machine, machine.vfs()[0]) == "qat_vfio_pci"


def test_a_qat_vf_in_a_guest(machine: Machine) -> None:
    machine.add_function(PF, GEN4.vf_id)
    aliases(machine, GENERIC, QAT)
    assert best(machine) == "vfio-pci"


@pytest.mark.parametrize("pf", [{"driver": "vfio-pci"}, {"driver": None}, {"out_of_tree": True}])
def test_a_qat_vf_whose_pf_has_another_driver(machine: Machine, pf: dict[str, t.Any]) -> None:
    machine.add_pf("4xxx", vfs=1, **pf)
    aliases(machine, GENERIC, QAT)
    assert best(machine, machine.vfs()[0]) == "vfio-pci"


def test_a_qat_vf_whose_pf_is_not_to_be_seen(machine: Machine) -> None:
    machine.add_pf("4xxx", vfs=1)
    aliases(machine, GENERIC, QAT)
    vf = machine.vfs()[0]
    (machine.root / machine.device(PF)).unlink()
    assert best(machine, vf) == "vfio-pci"


def test_only_variants_of_a_qat_vf(machine: Machine) -> None:
    # A list without the generic line: vfio-pci is there all the same.
    machine.add_pf("4xxx", vfs=1, driver=None)
    aliases(machine, QAT)
    assert best(machine, machine.vfs()[0]) == "vfio-pci"


def test_a_qat_pf_has_no_variant(machine: Machine) -> None:
    machine.add_pf("4xxx")
    aliases(machine, GENERIC, QAT)
    assert best(machine) == "vfio-pci"


# -- option driver -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "auto",
        "vfio-pci",
        "vfio_pci",
        "mlx5_vfio_pci",
        "xe-vfio-pci",
        "qat_vfio_pci",
        "hisi_acc_vfio_pci",
        "nvgrace-gpu-vfio-pci",
    ],
)
def test_accepted(value: str) -> None:
    assert parse_driver(value) == value
    assert parse_driver(f" {value}\n") == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "AUTO",
        "nvme",
        "pci-stub",
        "vfiopci",
        "../vfio-pci",
        "vfio-pci/x",
        "-vfio",
        "-vfio-pci",
        "vfio pci",
        "mlx5vfio-pci",
        # Other modules of VFIO, which are no PCI drivers.
        "vfio",
        "vfio_iommu_type1",
        "vfio-platform",
        "vfio_pci_core",
    ],
)
def test_refused(value: str) -> None:
    with pytest.raises(InputError, match=r"option driver.*auto, vfio-pci, or a VFIO variant"):
        parse_driver(value)


def test_other_functions_do_not_matter(connectx: Machine) -> None:
    connectx.add_function("0000:02:00.0", OTHER)
    aliases(connectx, GENERIC, MLX5)
    assert best(connectx, "0000:02:00.0") == "vfio-pci"
