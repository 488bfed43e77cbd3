# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the collection, install it from its archive, and use it from there.

What users get is the archive, not the checkout. So this looks whether the archive has what belongs
into it and nothing else, installs it into an empty folder, checks every example of its
documentation and the syntax of all playbooks with Ansible, and runs those playbooks that a machine
without accelerators can run, in check mode. Neither Galaxy nor the checkout is asked.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".build" / "built"
COLLECTIONS = FOLDER / "collections"
INSTALLED = COLLECTIONS / "ansible_collections" / "hwaccel" / "virt"
EXAMPLES = FOLDER / "examples"
SETTINGS = FOLDER / "ansible.cfg"
# What users of the archive have use for. All else is for who works on the collection.
BELONGS = frozenset(
    {
        "CHANGELOG.rst",
        "CONTRIBUTING.md",
        "LICENSES",
        "README.md",
        "changelogs",
        "docs",
        "meta",
        "playbooks",
        "plugins",
        "roles",
    }
)
# What Galaxy adds.
MADE = frozenset({"FILES.json", "MANIFEST.json"})
# Playbooks that change nothing and need no accelerator, with their variables.
RUNS: dict[str, dict[str, t.Any]] = {
    "preflight": {"target": "localhost", "preflight_require": []},
}
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


def tracked(root: Path) -> list[str]:
    """Return the names of the tracked files of a checkout that are there."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return [name for name in names.split("\0") if (root / name).is_file()]


def member_faults(members: Iterable[str], names: Iterable[str]) -> list[str]:
    """Compare the files of an archive with those that are tracked."""
    wanted = {name for name in names if name.split("/", 1)[0] in BELONGS}
    found = set(members) - MADE
    return [
        *(f"{name} is not in the archive" for name in sorted(wanted - found)),
        *(f"{name} is in the archive" for name in sorted(found - wanted)),
    ]


def link_faults(root: Path) -> list[str]:
    """Return the links of READMEs that lead nowhere in the archive."""
    pages = [*root.glob("*.md"), *root.glob("roles/*/*.md")]
    return [
        f"{page.relative_to(root)}: {link} is not there"
        for page in sorted(pages)
        for link in _LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]


def run(*command: str, path: Path | None = COLLECTIONS, cwd: Path = FOLDER) -> str:
    """Run a command of Ansible on what is installed, and return what it prints."""
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(path),
        # Settings of whoever runs this are not those of users.
        "ANSIBLE_CONFIG": str(SETTINGS),
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        print(f"{' '.join(command)}\n{done.stdout}", file=sys.stderr)
        message = f"FAILED: {Path(command[0]).name}, status {done.returncode}"
        raise SystemExit(message)
    return done.stdout


def build() -> Path:
    """Build the archive of the checkout."""
    run(
        *("ansible-galaxy", "collection", "build", "--force", "--output-path", str(FOLDER)),
        cwd=ROOT,
    )
    (archive,) = FOLDER.glob("*.tar.gz")
    return archive


def install() -> Path:
    """Build the collection anew, and install it where nothing else is."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    EXAMPLES.mkdir(parents=True)
    SETTINGS.touch()
    archive = build()
    command = ("ansible-galaxy", "collection", "install", str(archive), "--no-deps", "--offline")
    run(*command, "--collections-path", str(COLLECTIONS))
    return archive


def main() -> int:
    """Build, install and use the collection."""
    archive = install()
    if sys.argv[1:] == ["--install"]:
        print(COLLECTIONS)
        return 0
    with tarfile.open(archive) as opened:
        members = [member.name for member in opened.getmembers() if not member.isdir()]
    print(f"{archive.name}: {len(members)} files, {archive.stat().st_size // 1024} KiB")
    faults = [*member_faults(members, tracked(ROOT)), *link_faults(INSTALLED)]
    for fault in faults:
        print(fault)

    print(
        run(sys.executable, str(ROOT / "tools/examples.py"), str(INSTALLED), str(EXAMPLES)), end=""
    )
    playbooks = [path.stem for path in sorted((INSTALLED / "playbooks").glob("*.yml"))]
    examples = sorted(map(str, EXAMPLES.glob("*.yml")))
    playbook = ("ansible-playbook", "--inventory", "localhost,")
    run(*playbook, "--syntax-check", *examples, *(f"hwaccel.virt.{name}" for name in playbooks))
    print(f"syntax of {len(examples)} examples and of the playbooks {', '.join(playbooks)}: right")
    for name, variables in RUNS.items():
        # Not the one that is found: a version manager's shim may stand on PATH and not run.
        host = {"ansible_become": False, "ansible_python_interpreter": sys.executable}
        given = json.dumps({**variables, **host})
        said = run(
            *(*playbook, "--connection", "local", "--check", "--diff", "--extra-vars", given),
            f"hwaccel.virt.{name}",
        )
        if not re.search(r"ok=[1-9]\d* +changed=0 .* failed=0", said):
            print(said)
            faults.append(f"{name} did not end as it should")
        print(f"playbook {name}: run in check mode")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
