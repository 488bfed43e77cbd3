# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qat_package as a task: built, found as it is, built anew, refused, and taken away again.

The builds are real ones, of the archive that stands in for the vendor's, below the root.
"""

from __future__ import annotations

import json
import shutil
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_package.kernel_modules import (
    render_blacklist,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF, RELEASE
from ansible_collections.hwaccel.virt.tests.unit.plugins.package_runs import (
    BLACKLIST,
    LOG,
    MODULE,
    NAME,
    OTHER_SOURCE,
    RECORD,
    SIGN_FILE,
    SIGNATURE,
    SOURCE,
    PackageTasks,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

CONFIGURE, CLEAN, INSTALL = (
    ("./configure", "--enable-icp-sriov=host"),
    ("make", "clean"),
    ("make", "install"),
)
MAKE, UNINSTALL = ("make", "--jobs=2"), ("make", "uninstall")
# The kernel knows the modules then, and the disk has what make wrote.
SETTLED = (
    ("depmod", "-a"),
    ("sync", "--file-system", "/etc", "/lib/modules", "/usr", "/usr/local"),
)
CHECKSUMS = [f"sha256:{digit * 64}" for digit in "ab"]
INSTALLER_LOG = f"{SOURCE}/InstallerLog.txt"
MODULES = ("intel_qat", "qat_c62x")
UPDATES = f"/lib/modules/{RELEASE}/updates/drivers/crypto/qat"


@pytest.fixture
def package(
    machine: Machine, run_module: ModuleRunner, monkeypatch: pytest.MonkeyPatch
) -> PackageTasks:
    return PackageTasks(machine, run_module, monkeypatch)


def entry(package: PackageTasks) -> dict[str, t.Any]:
    """Return what is recorded."""
    return t.cast("dict[str, t.Any]", json.loads(package.read(RECORD))["package"])


def test_installed(package: PackageTasks) -> None:
    package.unpack()
    done = package(checksum=CHECKSUMS[0])
    assert done["changed"]
    assert (done["version"], done["installed"], done["sriov"]) == (NAME, True, "host")
    assert (done["kernel"], done["source"], done["log"]) == (RELEASE, SOURCE, LOG)
    assert (done["restart_required"], done["reboot_required"]) == (True, False)
    assert (done["modules"], done["findings"], done["warnings"]) == ([], [], [])
    assert package.host.long == [CONFIGURE, MAKE, INSTALL]
    assert package.host.commands == [*SETTLED]
    assert package.machine.at("usr/local/bin/adf_ctl").exists()
    assert package.read("/etc/default/qat") == "SRIOV_ENABLE=1\n"
    assert package.read(BLACKLIST).encode() == render_blacklist()
    assert "\nblacklist qat_c62xvf\n" in package.read(BLACKLIST)
    assert (entry(package)["state"], entry(package)["checksum"]) == ("installed", CHECKSUMS[0])
    for line in ("$ ./configure --enable-icp-sriov=host", "Copying build/adf_ctl to"):
        assert line in package.read(LOG)


def test_an_installation_that_has_started_the_service_is_its_one_start(
    package: PackageTasks,
) -> None:
    package.host.have_systemd()
    package.unpack()
    assert package()["restart_required"] is False
    assert package.host.started == 100
    package.unpack(version="4.28.0-00005")
    assert package()["restart_required"] is False
    assert package.host.started == 200
    # Unlike what a check run can know.
    package.host.starts = False
    package.unpack(version="4.28.0-00006")
    assert package.alone()["restart_required"] is True


def test_the_diff_shows_what_is_installed(package: PackageTasks) -> None:
    package.unpack()
    blacklist, effect = package(check=True)["diff"]
    assert blacklist["after_header"] == BLACKLIST
    assert (effect["before"], effect["after_header"]) == ("", "QAT package")
    assert f"version: {NAME}\n" in effect["after"]
    assert f"kernel: {RELEASE}\n" in effect["after"]


def test_a_second_run_does_nothing(package: PackageTasks) -> None:
    package.unpack(modules=MODULES)
    package()
    before = package.machine.files()
    done = package()
    assert (done["changed"], done["diff"], done["installed"]) == (False, [], True)
    assert done["restart_required"] is False
    assert package.host.long == []
    assert package.machine.files() == before
    # The modules of the first run are told of again.
    assert done["modules"] == [f"{UPDATES}/{name}/{name}.ko" for name in MODULES]


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({"sriov": "guest"}, ("--enable-icp-sriov=guest",)),
        ({"sriov": "none"}, ()),
        (
            {"configure_options": ["--enable-qat-lkcf", "CFLAGS=-O2 -g"]},
            ("--enable-icp-sriov=host", "--enable-qat-lkcf", "CFLAGS=-O2 -g"),
        ),
        ({"checksum": CHECKSUMS[1]}, ("--enable-icp-sriov=host",)),
    ],
)
def test_what_differs_is_built_anew(
    package: PackageTasks, options: dict[str, t.Any], arguments: tuple[str, ...]
) -> None:
    package.unpack()
    package(checksum=CHECKSUMS[0])
    options = {"checksum": CHECKSUMS[0], **options}
    assert package(**options)["changed"]
    assert package.host.long == [("./configure", *arguments), CLEAN, MAKE, INSTALL]
    assert not package(**options)["changed"]


def test_an_untold_checksum_is_none_that_differs(package: PackageTasks) -> None:
    package.unpack()
    package(checksum=CHECKSUMS[0])
    assert not package()["changed"]
    assert entry(package)["checksum"] == CHECKSUMS[0]


def test_jobs_and_bound(package: PackageTasks) -> None:
    package.unpack()
    package(jobs=7, timeout=60)
    assert package.host.long == [CONFIGURE, ("make", "--jobs=7"), INSTALL]


def test_a_new_version_takes_the_place_of_the_old_one(package: PackageTasks) -> None:
    package.unpack(modules=["usdm_drv"])
    package()
    package.unpack(OTHER_SOURCE, "4.29.0-00001")
    done = package(source=OTHER_SOURCE)
    assert (done["changed"], done["version"]) == (True, "QAT.L.4.29.0-00001")
    assert package.host.long == [CONFIGURE, MAKE, UNINSTALL, INSTALL]
    assert not package.machine.at(f"{UPDATES}/usdm_drv/usdm_drv.ko").exists()
    assert [line for line in done["diff"][0]["before"].splitlines() if "version" in line] == [
        f"version: {NAME}"
    ]
    # The other one is asked for again.
    assert package()["changed"]


def test_what_an_older_version_misses_when_it_goes_is_no_error_of_the_new_one(
    package: PackageTasks,
) -> None:
    package.unpack()
    package()
    script = package.machine.at(f"{SOURCE}/scripts/uninstall")
    script.write_text(f"{script.read_text()}echo 'Failed to disable unit'\n")
    package.unpack(OTHER_SOURCE, "4.29.0-00001")
    done = package(source=OTHER_SOURCE)
    assert (done["installed"], done["findings"]) == (True, [])
    assert "Failed to disable unit" in package.read(LOG)


def test_the_same_archive_elsewhere_is_no_other_package(package: PackageTasks) -> None:
    package.unpack()
    package()
    package.unpack(OTHER_SOURCE)
    assert not package(source=OTHER_SOURCE)["changed"]


def test_an_old_version_without_its_sources_is_installed_over(package: PackageTasks) -> None:
    package.unpack()
    package()
    (package.machine.at(SOURCE) / "Makefile").unlink()
    package.unpack(OTHER_SOURCE, "4.29.0-00001")
    package(source=OTHER_SOURCE)
    assert UNINSTALL not in package.host.long


def test_another_kernel_needs_another_build(package: PackageTasks) -> None:
    package.unpack()
    package()
    package.machine.write("proc/sys/kernel/osrelease", "6.1.0-20-amd64\n")
    done = package()
    assert (done["changed"], done["kernel"]) == (True, "6.1.0-20-amd64")
    assert package.host.long == [CONFIGURE, CLEAN, MAKE, INSTALL]


def test_a_newer_kernel_is_told_of_before_its_boot(package: PackageTasks) -> None:
    package.unpack()
    assert package()["newer_kernel"] is None
    package.machine.write("lib/modules/6.1.0-9-amd64/modules.dep", "")
    assert package()["newer_kernel"] is None
    package.machine.write("lib/modules/6.1.0-20-amd64/modules.dep", "kernel/fs/ext4.ko:\n")
    done = package()
    assert (done["changed"], done["newer_kernel"]) == (False, "6.1.0-20-amd64")
    assert "has no modules of the package" in done["warnings"][0]
    path = "updates/intel_qat.ko"
    package.machine.write("lib/modules/6.1.0-20-amd64/modules.dep", f"{path}:\n")
    package.machine.write(f"lib/modules/6.1.0-20-amd64/{path}", "")
    assert package()["newer_kernel"] is None


def test_lost_modules_are_built_again(package: PackageTasks) -> None:
    package.unpack(modules=MODULES)
    done = package()
    assert done["modules"] == entry(package)["modules"] != []
    package.machine.at(done["modules"][0]).unlink()
    package.host.depmod()
    assert package()["changed"]


def test_a_lost_blacklist_is_written_alone(package: PackageTasks) -> None:
    package.unpack()
    package()
    package.machine.at(BLACKLIST).unlink()
    done = package()
    assert (done["changed"], done["restart_required"]) == (True, False)
    assert package.host.long == []


def test_the_stand_in_is_the_same_each_time_and_says_what_it_is(package: PackageTasks) -> None:
    assert package.make_archive("4.28.0-1") == package.make_archive("4.28.0-1")
    assert package.make_archive("4.28.0-1") != package.make_archive("4.28.0-2")
    package.unpack()
    for name in ("README", "configure", "files/adf_ctl", "files/qat_service", "scripts/install"):
        text = package.read(f"{SOURCE}/{name}")
        assert "stands in for that of Intel's QuickAssist package" in text
        assert "no driver behind them" in text


# -- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fail", "says"),
    [
        ("configure", "configure: error: Missing libudev-dev"),
        ("make", "implicit declaration of function"),
    ],
)
def test_a_failure_before_the_installation_leaves_the_host_as_it_was(
    package: PackageTasks, fail: str, says: str
) -> None:
    package.unpack(fail=fail)
    message = package.failure()
    assert "failed with status" in message
    assert f"the end of {LOG}:" in message
    assert says in message
    assert says in package.read(LOG)
    assert (package.read(BLACKLIST), package.read(RECORD)) == ("", "")
    # The operator gets the archive right.
    package.unpack()
    assert package()["installed"]


def test_a_failing_configure_tells_of_missing_headers(package: PackageTasks) -> None:
    package.unpack(fail="configure")
    assert "headers of the running kernel" not in package.failure()
    package.machine.at(SIGN_FILE).unlink()
    package.machine.at(f"lib/modules/{RELEASE}/build/scripts").rmdir()
    package.machine.at(f"lib/modules/{RELEASE}/build").rmdir()
    assert f"running kernel {RELEASE} are not installed." in package.failure()


def test_a_failing_installation_shows_both_logs_and_is_done_again(package: PackageTasks) -> None:
    package.unpack()
    package()
    package.unpack(OTHER_SOURCE, "4.29.0-00001", fail="install")
    package.machine.write(f"{OTHER_SOURCE}/InstallerLog.txt", "of an earlier installation\n")
    message = package.failure(source=OTHER_SOURCE)
    assert f"the end of {LOG}:" in message
    shown = message.partition(f"The end of {OTHER_SOURCE}/InstallerLog.txt:\n")[2]
    assert "install: cannot stat 'build/libqat_s.so'" in shown
    assert "of an earlier installation" not in shown
    # What is installed is a mixture: neither version counts, and the kernel's own stay out.
    assert entry(package)["state"] == "unfinished"
    assert package.read(BLACKLIST)
    assert package()["changed"]
    assert package()["changed"] is False


def test_errors_of_an_installation_that_ended_well_are_found(package: PackageTasks) -> None:
    package.unpack(fail="log")
    package.machine.write(INSTALLER_LOG, "modprobe: ERROR: of an earlier installation\n")
    result = package(checksum=CHECKSUMS[0])
    assert result["failed"]
    assert "ended with status 0" in result["msg"]
    expected = [
        "modprobe: ERROR: could not insert 'usdm_drv': Exec format error",
        "*** Error:usdm_drv module not installed ***",
    ]
    assert result["findings"] == expected
    assert result["msg"].splitlines()[1:] == expected
    assert (result["installed"], result["restart_required"]) == (False, False)
    assert entry(package)["state"] == "unfinished"
    # It does not count as installed.
    package.unpack()
    done = package(checksum=CHECKSUMS[0])
    assert (done["changed"], done["installed"], done["findings"]) == (True, True, [])


def test_errors_that_are_harmless_are_shown(package: PackageTasks) -> None:
    package.unpack(fail="log")
    done = package(log_errors="show")
    assert (done["installed"], len(done["findings"])) == (True, 2)
    assert package(log_errors="show")["changed"] is False


def test_another_log_of_the_package(package: PackageTasks) -> None:
    package.unpack(fail="install")
    package.machine.write("/var/log/quickassist.log", "")
    assert "InstallerLog" not in package.failure(installer_log="/var/log/quickassist.log")


def test_modules_of_the_kernel_that_the_installation_loads_are_no_success(
    package: PackageTasks,
) -> None:
    package.unpack()
    play = package.host.depmod

    def load_too() -> None:
        play()
        package.load("qat_c62x")

    package.host.depmod = load_too  # type: ignore[method-assign]
    message = package.failure()
    assert message.startswith("qat_c62x: loaded from the kernel's own tree by the installation")
    assert entry(package)["state"] == "unfinished"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"source": None}, "option source: None is not accepted"),
        ({"source": "/nowhere"}, "with configure in it"),
        ({"source": "/etc/bare"}, "whose versionfile tells"),
        ({"configure_options": ["--enable-icp-sriov=guest"]}, "use option sriov for this"),
        ({"configure_options": ["; reboot"]}, "option configure_options: '; reboot'"),
        ({"checksum": "md5:abc"}, "option checksum: 'md5:abc' is not accepted"),
        ({"signing_key": "/root/key"}, "option signing_certificate: None is not accepted"),
        ({"jobs": 0}, "option jobs: 0 is not accepted, use a number from 1"),
        ({"timeout": 0}, "option timeout: 0"),
    ],
)
def test_what_cannot_be_is_refused(
    package: PackageTasks, options: dict[str, t.Any], says: str
) -> None:
    package.unpack()
    package.machine.write("/etc/bare/configure", "")
    before = package.machine.files()
    assert says in package.failure(**options)
    assert package.machine.files() == before


# -- the kernel's own modules, guests, Secure Boot ----------------------------------------------


def test_modules_of_the_kernel_are_unloaded_first(package: PackageTasks) -> None:
    package.unpack()
    package.load("qat_c62x")
    package.load("intel_qat", holders=["qat_c62x"])
    done = package()
    assert (done["installed"], done["reboot_required"]) == (True, False)
    unload = [("modprobe", "--remove", name) for name in ("qat_c62x", "intel_qat")]
    assert package.host.commands == [*unload, *SETTLED]


def test_a_disk_that_does_not_keep_it_has_it_done_again(package: PackageTasks) -> None:
    package.unpack()
    package.host.failing.add("sync")
    assert "see the kernel's log for errors of the disk" in package.failure()
    package.host.failing.clear()
    assert package()["changed"]
    assert package.host.commands[-2:] == [*SETTLED]
    assert not package()["changed"]


def test_modules_of_the_package_are_left_to_it(package: PackageTasks) -> None:
    package.unpack()
    package.load("qat_c62x", users=3, taint="OE")
    package()
    assert package.host.commands == [*SETTLED]


@pytest.mark.parametrize(
    "used", [{"users": 1, "holders": ["qat_4xxx"]}, {"holders": ["qat_vfio_pci"]}]
)
def test_modules_of_the_kernel_that_are_used_need_a_boot(
    package: PackageTasks, used: dict[str, t.Any]
) -> None:
    package.unpack()
    package.load("intel_qat", **used)
    done = package()
    assert (done["changed"], done["installed"], done["reboot_required"]) == (True, False, True)
    assert "Boot again" in done["warnings"][0]
    assert package.host.long == []
    assert package.read(BLACKLIST)
    again = package()
    assert (again["changed"], again["reboot_required"]) == (False, True)
    # After the boot it is not loaded.
    package.machine.at("sys/module/intel_qat").rename(package.machine.root / "gone")
    assert package()["installed"]


def test_a_module_of_the_kernel_that_cannot_be_unloaded(package: PackageTasks) -> None:
    package.unpack()
    package.load("qat_c62x")
    package.host.failing.add("modprobe")
    message = package.failure()
    assert "boot again, and run again after that" in message
    assert INSTALL not in package.host.long
    assert package.read(BLACKLIST)


def test_a_driver_in_the_kernel_itself_is_refused(package: PackageTasks) -> None:
    package.unpack()
    package.load("intel_qat")
    path = "kernel/drivers/crypto/intel/qat/qat_common/intel_qat.ko"
    package.machine.write(f"lib/modules/{RELEASE}/modules.builtin", f"kernel/fs/a.ko\n{path}\n")
    assert "intel_qat: a part of the running kernel itself" in package.failure()
    assert package.host.long == []


def test_a_driver_beside_the_package_is_told_of(package: PackageTasks) -> None:
    package.unpack()
    package()
    package.load("qat_c62x")
    done = package()
    assert (done["changed"], done["reboot_required"]) == (False, True)
    assert "loaded beside the package" in done["warnings"][0]


def test_vfs_of_guests_are_in_the_way(package: PackageTasks) -> None:
    package.unpack()
    machine = package.machine
    machine.add_pf(vfs=2)
    vf = machine.vfs(PF)[1]
    machine.hold(vf)
    message = package.failure()
    assert f"{vf} by process qemu-system-x86 (pid 4242)" in message
    assert package.host.long == []
    assert package.read(BLACKLIST) == ""


def test_a_guest_that_starts_during_the_build_is_in_the_way(package: PackageTasks) -> None:
    package.unpack()
    package.load("qat_c62x")
    machine = package.machine
    machine.add_pf(vfs=2)
    vf = machine.vfs(PF)[1]
    run = package.host.run_logged

    def start_meanwhile(command: t.Sequence[str], log: str, **bounds: t.Any) -> None:
        run(command, log, **bounds)
        if tuple(command) == MAKE:
            machine.hold(vf)

    package.host.run_logged = start_meanwhile  # type: ignore[method-assign]
    message = package.failure()
    assert f"{vf} by process qemu-system-x86 (pid 4242). Stop those guests first" in message
    assert message.endswith("nothing was installed or unloaded; the next run builds it again")
    assert package.host.long == [CONFIGURE, MAKE]
    assert package.host.commands == []
    assert (package.read(BLACKLIST), package.read(RECORD)) == ("", "")
    # The next one looks before it builds.
    assert package.failure().endswith("Nothing was changed")
    assert package.host.long == []
    shutil.rmtree(machine.at("proc/4242"))
    package.host.run_logged = run  # type: ignore[method-assign]
    assert package()["installed"]


def test_whole_cards_of_guests_are_not_in_the_way(package: PackageTasks) -> None:
    package.unpack()
    package.machine.add_pf()
    package.machine.hold(PF)
    assert package()["installed"]


def test_vfs_of_whole_cards_are_not_in_the_way(package: PackageTasks) -> None:
    package.unpack()
    package.machine.add_pf(vfs=1, driver="vfio-pci")
    package.machine.hold(package.machine.vfs(PF)[0])
    assert package()["installed"]


def test_secure_boot_asks_for_a_key_before_anything_is_built(package: PackageTasks) -> None:
    package.unpack()
    package.secure()
    message = package.failure()
    assert "Secure Boot is on" in message
    assert "signing_key" in message
    assert package.host.long == []


def test_lockdown_asks_for_a_key_too(package: PackageTasks) -> None:
    package.unpack()
    package.machine.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    assert "loads none but signed modules" in package.failure()


def test_modules_are_signed_before_they_are_installed(package: PackageTasks) -> None:
    package.unpack(modules=MODULES)
    package.secure()
    done = package(**package.give_key())
    built = [f"{SOURCE}/build/{name}.ko" for name in MODULES]
    signed = [(SIGN_FILE, "sha256", "/root/key", "/root/cert", path) for path in built]
    assert package.host.commands == [*signed, *SETTLED]
    for path in done["modules"]:
        assert package.machine.at(path).read_bytes().endswith(SIGNATURE)


def test_a_module_that_stays_unsigned_is_found(package: PackageTasks) -> None:
    package.unpack(modules=MODULES)
    package.secure()
    key = package.give_key()
    # The installation builds it anew.
    script = package.machine.at(f"{SOURCE}/scripts/install")
    script.write_text(
        script.read_text().replace("set -eu\n", "set -eu\necho x >build/qat_c62x.ko\n")
    )
    message = package.failure(**key)
    assert message.startswith(f"{UPDATES}/qat_c62x/qat_c62x.ko: without a signature")


@pytest.mark.parametrize("missing", ["/root/key", "/root/cert", SIGN_FILE])
def test_what_is_signed_with_has_to_be_there(package: PackageTasks, missing: str) -> None:
    package.unpack()
    key = package.give_key()
    package.machine.at(missing).unlink()
    assert package.failure(**key).startswith(f"{missing}: not there")
    assert package.host.long == []


# -- the way back ------------------------------------------------------------------------------


def test_taken_away(package: PackageTasks) -> None:
    package.unpack(modules=MODULES)
    package()
    done = package(state="absent", source=None)
    assert done["changed"]
    assert (done["installed"], done["version"], done["modules"]) == (False, None, [])
    assert done["reboot_required"] is False
    assert package.host.long == [UNINSTALL]
    assert package.host.commands == [*SETTLED]
    assert (package.read(BLACKLIST), package.read(RECORD)) == ("", "")
    assert not package.machine.at("usr/local/bin/adf_ctl").exists()
    again = package(state="absent", source=None)
    assert (again["changed"], again["warnings"], package.host.long) == (False, [], [])


def test_without_a_record_the_blacklist_alone_is_removed(package: PackageTasks) -> None:
    package.machine.write(BLACKLIST, render_blacklist())
    done = package(state="absent", source=None)
    assert (done["changed"], package.host.long) == (True, [])
    assert "nothing is uninstalled" in done["warnings"][0]
    assert package.read(BLACKLIST) == ""


def test_without_its_sources_it_cannot_be_taken_away(package: PackageTasks) -> None:
    package.unpack()
    package()
    package.machine.at(f"{SOURCE}/Makefile").unlink()
    message = package.failure(state="absent")
    assert f"unpack {NAME} there" in message
    assert package.read(BLACKLIST)


def test_what_a_guest_has_is_not_taken_away(package: PackageTasks) -> None:
    package.unpack()
    package()
    package.machine.add_pf(vfs=1)
    package.machine.hold(package.machine.vfs(PF)[0])
    assert "Stop those guests first" in package.failure(state="absent")
    assert package.host.long == []


def test_modules_that_stay_are_found(package: PackageTasks) -> None:
    package.unpack(modules=MODULES)
    package()
    package.machine.write(f"{SOURCE}/scripts/uninstall", "")
    message = package.failure(state="absent")
    assert "still there after make uninstall" in message
    assert entry(package)["state"] == "unfinished"


def test_modules_of_the_package_that_stay_loaded_need_a_boot(package: PackageTasks) -> None:
    package.unpack(modules=MODULES)
    package()
    package.load("qat_c62x", taint="OE")
    package.forget()
    done = package._run(MODULE, {"state": "absent"}, running=package.host)
    assert done["reboot_required"] is True


# -- trees -------------------------------------------------------------------------------------


def test_on_a_tree_the_commands_are_told_once(package: PackageTasks) -> None:
    package.unpack()
    done = package.on_tree()
    commands = [[*CONFIGURE], [*MAKE], [*INSTALL], *map(list, SETTLED)]
    assert (done["changed"], done["pending_commands"]) == (True, commands)
    assert package.read(BLACKLIST)
    again = package.on_tree()
    assert (again["changed"], again["pending_commands"]) == (False, commands)
    assert package.on_tree(sriov="guest")["changed"]
    # On the running machine nothing of it is done yet.
    assert package(sriov="guest")["changed"]
    assert package.on_tree(sriov="guest")["pending_commands"] == []


def test_on_a_tree_it_is_taken_away_by_somebody(package: PackageTasks) -> None:
    package.unpack()
    package()
    commands = [[*UNINSTALL], *map(list, SETTLED)]
    done = package.on_tree(state="absent")
    assert (done["changed"], done["pending_commands"]) == (True, commands)
    again = package.on_tree(state="absent")
    assert (again["changed"], again["pending_commands"]) == (False, commands)
    assert package.on_tree()["changed"]
    assert package.on_tree(state="absent")["changed"]
    assert package.read(RECORD) == ""
