# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ansible-test sanity on a copy of the checkout, without the network services it likes.

ansible-test refuses a tree that it reaches through a symbolic link, downloads a bootstrap
script for pip, and drops every PIP_* variable. So it gets a copy of the files that git knows or
would take up, and a home folder of its own with the script in its cache and with the settings
of pip written down. Nothing outside of the checkout is touched.
"""

from __future__ import annotations

import ast
import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / ".build" / "sanity"
HOME = BUILD / "home"
COPY = BUILD / "ansible_collections" / "hwaccel" / "virt"
SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")

# What the script to be downloaded would do, with what Python itself carries.
BOOTSTRAP = "import ensurepip\n\nensurepip.bootstrap(default_pip=True)\n"


def output(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(
        command, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def copy_tree() -> None:
    """Replace the copy by the files that are tracked, or new and not ignored."""
    shutil.rmtree(COPY, ignore_errors=True)
    names = output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, names.split("\0")):
        source = CHECKOUT / name
        # A file removed but not yet committed is still listed.
        if source.is_file():
            target = COPY / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    # Else ansible-test would find the repository of the checkout, which ignores this folder.
    output("git", "init", "--quiet", str(COPY))


def place_bootstrap() -> None:
    """Put the script where ansible-test keeps a downloaded one."""
    # The version is no public interface, yet guessing it would end in a download.
    version = output(
        sys.executable,
        "-c",
        "import types\n"
        "from ansible_test._internal.python_requirements import get_venv_packages\n"
        "import sys\n"
        "python = types.SimpleNamespace(version='%d.%d' % sys.version_info[:2])\n"
        "print(get_venv_packages(python)['pip'])",
    ).strip()
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(BOOTSTRAP, encoding="utf-8")


def pip_settings(listing: str) -> configparser.RawConfigParser:
    """Turn what `pip config list` prints into a configuration file.

    Variables of the environment (section `:env:`) win over every file, so they end in `global`
    and push the same key out of the other sections.
    """
    settings = configparser.RawConfigParser()
    settings.add_section("global")
    environment: dict[str, str] = {}
    for line in listing.splitlines():
        name, value = line.split("=", 1)
        section, key = name.rsplit(".", 1)
        text = str(ast.literal_eval(value))
        if section == ":env:":
            environment[key] = text
            continue
        if not settings.has_section(section):
            settings.add_section(section)
        settings.set(section, key, text)
    for key, text in environment.items():
        for section in settings.sections():
            settings.remove_option(section, key)
        settings.set("global", key, text)
    return settings


def place_pip_settings() -> None:
    """Write the user's settings of pip, and the place of its cache, into the new home."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    settings = pip_settings(output(*pip, "config", "list"))
    if not settings.has_option("global", "cache-dir"):
        settings.set("global", "cache-dir", output(*pip, "cache", "dir").strip())
    path = HOME / ".config" / "pip" / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        settings.write(file)


def main() -> int:
    """Prepare copy and home, then hand over to ansible-test."""
    copy_tree()
    place_bootstrap()
    place_pip_settings()
    tools = Path(sys.executable).parent
    # Folders of a version manager stay out: a shim that does not run fails compile and import.
    environment = {
        "HOME": str(HOME),
        "PATH": os.pathsep.join([str(tools), *SYSTEM_PATH]),
        "LANG": "C.UTF-8",
    }
    command = [str(tools / "ansible-test"), "sanity", "--color", "no", *sys.argv[1:]]
    return subprocess.run(command, cwd=COPY, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
