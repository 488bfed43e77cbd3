# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the unit tests of the plugins with every Python and ansible-core that are promised.

Interpreters are taken where they are: on the PATH, from a version manager, or as HWACCEL_PYTHONS
names them. Each pair gets a venv below .build. What cannot be had is told, and the run fails then:
nothing that was not run counts as passed. What came of each pair is kept, with its commit and date,
so that `--only controller-3.13-2.21` adds its row to those of earlier runs. Other arguments are
pytest's own, paths of tests among them; nothing of such a run is kept.

On the controller all plugins are tested. On managed hosts modules run alone, with the standard
library and what Ansible sends along, so that there modules and their utilities are tested, with an
ansible-core that could not be installed on such a Python in the ordinary way. Most utilities know
nothing of Ansible: their tests run once with each Python, those of plugins with each pair.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / ".build" / "compat"
PAGE = CHECKOUT / "docs" / "compatibility.md"
KEPT = CHECKOUT / "docs" / "compatibility.json"
TESTS = "tests/unit/plugins"
UTILITIES = f"{TESTS}/module_utils"
ON_HOSTS = (
    UTILITIES,
    f"{TESTS}/modules",
    # These compare with filters, which are for the controller.
    f"--ignore={TESTS}/module_utils/_grid/test_address.py",
    f"--ignore={TESTS}/module_utils/_grid/test_registry.py",
    # This starts a controller.
    f"--deselect={TESTS}/modules/test_qat_sriov.py::test_by_ansible",
)
# For Python 3.9, where later releases of pytest do not run.
_TOOLS = ("hypothesis>=6.100,<7", "pyyaml", "jinja2>=3.1,<4", "cryptography", "pytest-xdist>=3,<4")
TOOLS_ON_HOSTS = ("pytest>=8.4,<10", *_TOOLS)
TOOLS = ("pytest>=9.0,<10", "pytest-ansible>=25", *_TOOLS, "netaddr>=1.3,<2")
# Those of pyproject.toml ask for a pytest that Python 3.9 has not.
SETTINGS = """\
[pytest]
addopts = --strict-markers --import-mode=importlib -ra
filterwarnings = error
# Hundreds of thousands of files would be left, and take minutes to go.
tmp_path_retention_policy = failed
"""
SECONDS = 3600


@dataclass(frozen=True)
class Pair:
    """A Python and an ansible-core that belong together.

    Args:
        side: C(controller) or C(host).
        core: what pip is asked for.
        utilities: whether the tests run that know nothing of Ansible.
        sanity: whether ansible-test sanity runs too.
    """

    side: str
    python: str
    core: str
    utilities: bool = False
    sanity: bool = False

    @property
    def label(self) -> str:
        """What it is called: side, Python, and the lowest ansible-core."""
        return f"{self.side}-{self.python}-{self.core.partition('=')[2].strip('=').split(',')[0]}"

    @property
    def name(self) -> str:
        """What its folder is called."""
        digest = hashlib.sha256(self.core.encode()).hexdigest()[:8]
        return f"{self.side}-{self.python}-{digest}"


# The lowest release and the newest ones of each series, each with the lowest and the highest Python
# that a controller of it is tested with. Python 3.11 with the newest 2.19 is what `make test` has,
# so that utilities and sanity are left to the others.
PAIRS = (
    Pair("controller", "3.13", "ansible-core>=2.21,<2.22", utilities=True),
    Pair("controller", "3.12", "ansible-core>=2.21,<2.22", sanity=True),
    Pair("controller", "3.11", "ansible-core==2.19.0"),
    Pair("controller", "3.12", "ansible-core>=2.20,<2.21", utilities=True),
    Pair("host", "3.10", "ansible-core>=2.20,<2.21", utilities=True),
    Pair("host", "3.9", "ansible-core>=2.21,<2.22"),
    Pair("controller", "3.11", "ansible-core>=2.19,<2.20"),
    Pair("controller", "3.13", "ansible-core>=2.20,<2.21", sanity=True),
    Pair("controller", "3.13", "ansible-core>=2.19,<2.20"),
    Pair("host", "3.9", "ansible-core==2.19.0", utilities=True),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a pair.

    Args:
        passed: None where it could not be run.
        told: the last line of pytest, or why there is none.
        sanity: None where ansible-test sanity was not to be run.
    """

    pair: Pair
    python: str
    core: str
    passed: bool | None
    told: str
    seconds: float = 0.0
    sanity: bool | None = None

    @property
    def fine(self) -> bool:
        """Whether all that was to be run passed."""
        return self.passed is True and self.sanity is not False

    @property
    def row(self) -> Row:
        """What is kept of it."""
        passed = word(self.passed)
        sanity = word(self.sanity) if self.pair.sanity else ""
        today = time.strftime("%Y-%m-%d", time.gmtime())
        return Row(self.python, self.core, passed, self.told, sanity, commit(), today)


class Row(t.NamedTuple):
    """What is kept of a pair, in words."""

    python: str
    core: str
    passed: str
    told: str
    sanity: str
    commit: str
    date: str


def candidates() -> list[str]:
    """Return what may be an interpreter."""
    given = os.environ.get("HWACCEL_PYTHONS", "").split()
    manager = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    managed = [str(path) for path in manager.glob("*/bin/python3")]
    named = (shutil.which(f"python3.{minor}") for minor in range(9, 20))
    return [*given, *managed, *filter(None, named), sys.executable]


def interpreters() -> dict[str, tuple[str, str]]:
    """Return path and release of every interpreter that runs and can make a venv, by series."""
    found: dict[str, tuple[str, str]] = {}
    code = "import ensurepip, platform, ssl, sys, venv; print(platform.python_version())"
    for path in candidates():
        command = [path, "-I", "-c", code]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True)
        except OSError as error:
            print(f"{path} does not start: {error}", file=sys.stderr)
            continue
        release = done.stdout.strip()
        if done.returncode == 0 and release:
            found.setdefault(".".join(release.split(".")[:2]), (path, release))
    return found


def prepare(pair: Pair, python: str) -> tuple[Path, str]:
    """Return the interpreter of a venv with what a pair needs, and its ansible-core.

    Raises:
        CalledProcessError: when pip cannot have it.
    """
    folder = BUILD / pair.name
    own = folder / "bin" / "python"
    tools = TOOLS_ON_HOSTS if pair.side == "host" else TOOLS
    stamp, wanted = folder / ".stamp", "\n".join((python, pair.core, *tools))
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        venv = [python, "-m", "venv", str(folder)]
        subprocess.run(venv, check=True, capture_output=True, text=True)
        pip = [str(own), "-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check"]
        alone = ["--no-deps", "--ignore-requires-python"] if pair.side == "host" else []
        for what in ([*alone, pair.core], list(tools)):
            subprocess.run([*pip, *what], check=True, capture_output=True, text=True)
        stamp.write_text(wanted, encoding="utf-8")
    release = subprocess.run(
        [str(own), "-c", "from ansible.release import __version__; print(__version__)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return own, release.stdout.strip()


def run(pair: Pair, own: Path, arguments: list[str]) -> tuple[bool, str]:
    """Run the tests and return whether they passed, and pytest's last line."""
    log = BUILD / f"{pair.name}.log"
    paths = ON_HOSTS if pair.side == "host" else (TESTS,)
    given = [] if any(each.startswith("tests/") for each in arguments) else list(paths)
    if given and not pair.utilities:
        given = [f"--ignore={UTILITIES}", *(each for each in given if each != UTILITIES)]
    settings = BUILD / "pytest.ini"
    settings.write_text(SETTINGS, encoding="utf-8")
    options = ["--quiet", "--numprocesses=2", "-c", str(settings), "--rootdir", str(CHECKOUT)]
    tree = str(CHECKOUT / ".build" / "collections")
    environment = {
        **os.environ,
        "PYTHONPYCACHEPREFIX": str(BUILD / "bytecode"),
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }
    if pair.side == "controller":
        # Ansible finds the collection, as it does where playbooks run.
        options.append("--ansible-unit-inject-only")
        environment["ANSIBLE_COLLECTIONS_PATH"] = tree
    else:
        # An ordinary package, as in what Ansible sends.
        environment["PYTHONPATH"] = tree
    command = [str(own), "-m", "pytest", *options, *given, *arguments]
    try:
        with log.open("wb") as output:
            done = subprocess.run(
                command,
                cwd=CHECKOUT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=SECONDS,
            )
    except subprocess.TimeoutExpired:
        return False, f"did not end within {SECONDS} s, see {log.relative_to(CHECKOUT)}"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "no output")
    told = last if done.returncode == 0 else f"{last}, see {log.relative_to(CHECKOUT)}"
    return done.returncode == 0, told


def run_sanity(pair: Pair, own: Path) -> bool:
    """Run ansible-test sanity of a pair and return whether it passed."""
    log = BUILD / f"{pair.name}-sanity.log"
    with log.open("wb") as output:
        done = subprocess.run(
            [str(own), str(CHECKOUT / "tools" / "sanity.py")],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return done.returncode == 0


def outcome(pair: Pair, found: dict[str, tuple[str, str]], arguments: list[str]) -> Outcome:
    """Return what comes of a pair."""
    if pair.python not in found:
        return Outcome(pair, pair.python, pair.core, None, f"no Python {pair.python} here")
    path, release = found[pair.python]
    try:
        own, core = prepare(pair, path)
    except subprocess.CalledProcessError as error:
        last = str(error.stderr or error).strip().splitlines()[-1:]
        return Outcome(pair, release, pair.core, None, "".join(last) or "pip failed")
    begun = time.monotonic()
    passed, told = run(pair, own, arguments)
    sanity = run_sanity(pair, own) if pair.sanity and not arguments else None
    return Outcome(pair, release, core, passed, told, time.monotonic() - begun, sanity)


def word(passed: bool | None) -> str:  # noqa: FBT001 (a value, no switch)
    """Return how an outcome is called."""
    return {True: "passed", False: "FAILED", None: "NOT RUN"}[passed]


def commit() -> str:
    """Return the commit of the checkout, with a word where it has changes, this page left out."""
    head = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(head, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    changes = ["git", "diff", "--quiet", "HEAD", "--", ".", ":(exclude)docs/compatibility.*"]
    changed = subprocess.run(changes, cwd=CHECKOUT, check=False).returncode != 0
    return done.stdout.strip() + (" with changes" if changed else "")


def load() -> dict[str, Row]:
    """Return the rows of earlier runs, by label."""
    if not KEPT.is_file():
        return {}
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    return {label: Row(**row) for label, row in kept.items()}


def write(rows: dict[str, Row]) -> None:
    """Write the page, and what it is made from."""
    kept = {pair.label: rows[pair.label]._asdict() for pair in PAIRS if pair.label in rows}
    KEPT.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page(rows), encoding="utf-8")


def page(rows: dict[str, Row]) -> str:
    """Return the page of the documentation."""
    none = Row("", "", word(None), "not yet", "", "", "")
    lines = "".join(
        f"| {pair.side} | {row.python or pair.python} | {row.core or pair.core} | "
        f"{'plugins, utilities' if pair.utilities else 'plugins'} | {row.passed} | {row.told} | "
        f"{row.sanity} | {row.commit} | {row.date} |\n"
        for pair in PAIRS
        for row in (rows.get(pair.label, none),)
    )
    return (
        "# What the collection was tested with\n\n"
        "Written by `make compat`, which runs the unit tests of the plugins with Pythons and\n"
        "releases of ansible-core that are promised, and ansible-test sanity, without ignores,\n"
        "with the newest release of each series. On hosts only modules run, so that there modules\n"
        "and their utilities are tested. Utilities know nothing of Ansible: their tests run\n"
        "once with each Python. Python 3.11 with ansible-core 2.19 is what `make test` has, for\n"
        f"utilities and sanity too. On {platform.system()} {platform.machine()}.\n\n"
        "| side | Python | ansible-core | unit tests of | | told | sanity | commit | date |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        f"{lines}"
    )


def main() -> int:
    """Run pairs and write the page; 0 only where each one was run and passed."""
    labels = [pair.label for pair in PAIRS]
    parser = argparse.ArgumentParser(prog="make compat", description="Run pairs, write the page.")
    parser.add_argument("--only", action="append", choices=labels, help="this pair; again for more")
    options, arguments = parser.parse_known_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    found = interpreters()
    for series, (path, release) in sorted(found.items()):
        print(f"Python {series}: {release}, {path}", flush=True)
    outcomes = []
    for pair in PAIRS:
        if pair.label not in (options.only or labels):
            continue
        each = outcome(pair, found, arguments)
        outcomes.append(each)
        print(
            f"{word(each.passed)}: {pair.side}, Python {each.python}, {each.core}: {each.told} "
            f"({each.seconds:.0f} s)"
            + (f"; sanity: {word(each.sanity)}" if each.pair.sanity else ""),
            flush=True,
        )
        # What is known is kept where the rest is given up.
        if not arguments:
            write({**load(), pair.label: each.row})
    return 0 if all(each.fine for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
