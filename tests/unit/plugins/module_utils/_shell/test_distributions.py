# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files as distributions ship them and as administrators write them."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._shell.evaluate import (
    Dialect,
    Evaluation,
    ShellError,
    evaluate,
)

GRUB = "/etc/default/grub"
DEBIAN = r"""# If you change this file or any /etc/default/grub.d/*.cfg file,
# run 'update-grub' afterwards to update /boot/grub/grub.cfg.
# For full documentation of the options in these files, see:
#   info -f grub -n 'Simple configuration'

GRUB_DEFAULT=0
GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR=`( . /etc/os-release; echo ${NAME:-Debian} ) 2>/dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX=""

# Uncomment to enable BadRAM filtering, modify to suit your needs
# This works with Linux (no patch required) and with any kernel that obtains
# the memory map information from GRUB (GNU Mach, kernel of FreeBSD ...)
#GRUB_BADRAM="0x01234567,0xfefefefe,0x89abcdef,0xefefefef"

# Uncomment to disable graphical terminal
#GRUB_TERMINAL=console

# Uncomment if you don't want GRUB to pass "root=UUID=xxx" parameter to Linux
#GRUB_DISABLE_LINUX_UUID=true

# Uncomment to get a beep at grub start
#GRUB_INIT_TUNE="480 440 1"
"""
UBUNTU = r"""# If you change this file, run 'update-grub' afterwards to update
# /boot/grub/grub.cfg.

GRUB_DEFAULT=0
GRUB_TIMEOUT_STYLE=hidden
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"
GRUB_CMDLINE_LINUX=""
"""
UBUNTU_CLOUD = r"""# Cloud Image specific Grub settings for Generic Cloud Images
# CLOUD_IMG: This file was created/modified by the Cloud Image build process

# Set the recordfail timeout
GRUB_RECORDFAIL_TIMEOUT=0

# Do not wait on grub prompt
GRUB_TIMEOUT=0

# Set the default commandline
GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0"

# Set the grub console type
GRUB_TERMINAL=console
"""
FEDORA = r"""GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR="$(sed 's, release .*$,,g' /etc/system-release)"
GRUB_DEFAULT=saved
GRUB_DISABLE_SUBMENU=true
GRUB_TERMINAL_OUTPUT="console"
GRUB_CMDLINE_LINUX="rd.lvm.lv=fedora/root rhgb quiet"
GRUB_DISABLE_RECOVERY="true"
GRUB_ENABLE_BLSCFG=true
"""
OPENSUSE = r"""# If you change this file, run 'grub2-mkconfig -o /boot/grub2/grub.cfg' afterwards.

# Uncomment to set your own custom distributor
GRUB_DISTRIBUTOR=
GRUB_DEFAULT=saved
GRUB_HIDDEN_TIMEOUT_QUIET=true
GRUB_TIMEOUT=8
GRUB_CMDLINE_LINUX_DEFAULT="splash=silent resume=/dev/sda2 quiet mitigations=auto"
GRUB_CMDLINE_LINUX=""

# Uncomment to automatically save last booted menu entry in GRUB2 environment
# variable `saved_entry'
# GRUB_SAVEDEFAULT="true"
#Uncomment to enable BadRAM filtering, modify to suit your needs

GRUB_GFXMODE="auto"
SUSE_BTRFS_SNAPSHOT_BOOTING="true"
GRUB_USE_LINUXEFI="true"
"""
SERIAL_DROP_IN = r"""# Written by the installer
if [ -z "$GRUB_SERIAL" ]; then
    GRUB_SERIAL=ttyS0,115200
fi
if [ -d /sys/firmware/efi ]; then
    GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX efi=runtime"
fi
cat >/dev/null <<-EOF
TABGRUB_CMDLINE_LINUX="this is no assignment
TABEOF
export GRUB_CMDLINE_LINUX="${GRUB_CMDLINE_LINUX:+$GRUB_CMDLINE_LINUX }console=$GRUB_SERIAL"
""".replace("TAB", "\t")
LONG = r"""GRUB_CMDLINE_LINUX="intel_iommu=on \
iommu=pt \
  vfio-pci.ids=8086:1234"
"""
LISTED = r"""ids=10de:1234,10de:5678  # both functions of the card
GRUB_CMDLINE_LINUX="vfio-pci.ids=$ids"
GRUB_CMDLINE_LINUX_DEFAULT="${GRUB_CMDLINE_LINUX_DEFAULT} iommu=pt"
"""
QUOTED = r"""GRUB_CMDLINE_LINUX="dyndbg=\"file drivers/iommu/* +p\" quiet"
"""
COMMENTED = """GRUB_CMDLINE_LINUX_DEFAULT="quiet" #intel_iommu=on"
GRUB_CMDLINE_LINUX='iommu=pt' # it's tested
"""
WITHOUT = """GRUB_DEFAULT=0
GRUB_TIMEOUT=5
"""
APPENDED = 'GRUB_CMDLINE_LINUX+=" iommu=pt"\n'


def of(*texts: str, dialect: Dialect = Dialect.DASH) -> Evaluation:
    return evaluate([(f"{GRUB}.{number}", text) for number, text in enumerate(texts)], dialect)


def known(evaluation: Evaluation, name: str = "GRUB_CMDLINE_LINUX") -> str | None:
    return evaluation.variables[name].known


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize(
    ("texts", "everywhere", "default"),
    [
        ([DEBIAN], "", "quiet"),
        ([UBUNTU], "", "quiet splash"),
        ([UBUNTU, UBUNTU_CLOUD], "", "console=tty1 console=ttyS0"),
        ([FEDORA], "rd.lvm.lv=fedora/root rhgb quiet", None),
        (
            [OPENSUSE],
            "",
            "splash=silent resume=/dev/sda2 quiet mitigations=auto",
        ),
        ([LONG], "intel_iommu=on iommu=pt   vfio-pci.ids=8086:1234", None),
        ([DEBIAN, LISTED], "vfio-pci.ids=10de:1234,10de:5678", "quiet iommu=pt"),
        ([QUOTED], 'dyndbg="file drivers/iommu/* +p" quiet', None),
        ([COMMENTED], "iommu=pt", "quiet"),
        ([WITHOUT], None, None),
    ],
)
def test_files(
    texts: list[str], everywhere: str | None, default: str | None, dialect: Dialect
) -> None:
    variables = of(*texts, dialect=dialect).variables
    for name, expected in (
        ("GRUB_CMDLINE_LINUX", everywhere),
        ("GRUB_CMDLINE_LINUX_DEFAULT", default),
    ):
        if expected is None:
            assert name not in variables
        else:
            assert variables[name].known == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (DEBIAN, "`( . /etc/os-release; echo ${NAME:-Debian} ) 2>/dev/null || echo Debian`"),
        (UBUNTU, "`lsb_release -i -s 2> /dev/null || echo Debian`"),
        (FEDORA, "$(sed 's, release .*$,,g' /etc/system-release)"),
    ],
)
def test_the_distributor_is_not_known(text: str, what: str) -> None:
    value = of(text).variables["GRUB_DISTRIBUTOR"]
    assert value.known is None
    assert value.unknown is not None
    assert value.unknown.what == what


def test_a_drop_in_with_conditions() -> None:
    evaluation = of(DEBIAN, SERIAL_DROP_IN)
    assert known(evaluation, "GRUB_SERIAL") == "ttyS0,115200"
    assert evaluation.variables["GRUB_CMDLINE_LINUX"].possible == (
        " efi=runtime console=ttyS0,115200",
        "console=ttyS0,115200",
    )
    found = [entry for entry in evaluation.assignments if entry.name == "GRUB_CMDLINE_LINUX"]
    assert [(entry.line, entry.keeps, entry.conditional) for entry in found] == [
        (10, False, False),
        (6, True, True),
        (11, True, False),
    ]


def test_append() -> None:
    assert known(of(FEDORA, APPENDED, dialect=Dialect.BASH)) == (
        "rd.lvm.lv=fedora/root rhgb quiet iommu=pt"
    )
    with pytest.raises(ShellError, match=r"grub\.1, line 1: \+= is unknown to dash"):
        of(DEBIAN, APPENDED)


def test_a_value_is_found_in_its_file() -> None:
    text = DEBIAN.replace("\n", "\r\n") + LISTED
    (found,) = (entry for entry in of(text).assignments if entry.name == "ids")
    assert text[found.start : found.end] == "10de:1234,10de:5678"
    assert found.static
    assert known(of(DEBIAN.replace("\n", "\r\n")), "GRUB_CMDLINE_LINUX_DEFAULT") == "quiet\r"
