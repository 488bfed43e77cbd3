# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the page says in words: how each figure is measured, and why a goal is missed."""

from __future__ import annotations

import typing as t

WAYS: t.Final = {
    "payload": """\
- *payload*: what Ansible sends to a host for one task, built by Ansible itself on the controller,
  with a zip archive of the module and everything that it imports. `file` is `ansible.builtin.file`.
""",
    "start": """\
- *start*: processor time of the process that Ansible starts on a host, here on the controller, over
  the files of a host with 16 functions where nothing is to do: with clocks around the compiler of
  the archive's members, around `dataclass` and around the compiler of regular expressions. *ping*
  is measured in turn, without clocks.
""",
    "growth": """\
- *growth*: processor time and peak memory of the process that Ansible starts on a host, interpreter
  and imports included, over trees of a host's files with 16, 128 and 1024 PCI functions: cards with
  15 VFs on four sockets, each function in an IOMMU group of its own, a guest of libvirt for each
  eight VFs. Nothing is to do.
""",
    "fleet": """\
- *fleet*: processor time of `ansible-playbook` with its workers, without the modules' own, for a
  playbook of two tasks on hosts of connection `local`, ten at a time.
""",
    "unchanged": """\
- *unchanged*: a task over all VFs of the emulated host with nothing to do, and a task of
  `ansible.builtin.ping` right before it, on the same SSH connection with pipelining; from the start
  of the task to its result, as the controller sees it.
""",
    "binding": """\
- *binding*: processes on the emulated host, each timed from its start to its end, over VFs without
  driver. *module* is what Ansible sends for a task of `vfio_passthrough`, interpreter and imports
  included; it makes the binding persistent, as `driverctl` does and the shell loop does not.
  *driverctl* is `driverctl set-override` for one VF after the other, *shell* a loop of `sh` that
  writes `driver_override` and `drivers_probe`, *ping* a task of `ansible.builtin.ping`, which is
  what an empty module costs, *refused* a task of `vfio_passthrough` that ends after start and
  imports for an option that it refuses, and *python* the interpreter alone.
""",
    "role": """\
- *role*: a whole run of `ansible-playbook` with `hwaccel.virt.host` that changes nothing, and one
  with as many tasks of `ansible.builtin.ping` as it runs, the start of Ansible included. A task
  counts that is not skipped, on the host or on the controller.
""",
    "peers": """\
- *peers*: a task of `vfio_passthrough` for all VFs, and a task of `ansible.builtin.shell` for each
  that writes into sysfs, as the controller sees it.
""",
}

REASONS: t.Final = {
    "payload": """\
*payload*: a task sends AnsibleModule in any case, which is nearly all of `ansible.builtin.file`.
The limit leaves 48 KiB of zip archive for a module and its own code, 66 KB once it is text. The
archive has each file compressed alone, with its name twice. Of what `vfio_passthrough` adds, 40
files, three tenths are docstrings and comments; without any of them it would still be 1.45 times
`ansible.builtin.file`, and as one file with them 1.44. What is left is what the module knows: who
holds a function, its group, the boot rules, the initramfs, the denylist, the way back. Code that is
needed seldom cannot be left out, since Ansible follows every import wherever it stands.
""",
    "growth": """\
*growth*: every function is read and told, each attribute once, so that the time is linear in the
functions; the goal leaves two milliseconds for each one beyond sixteen on a slow processor, and
less on a fast one, since the start of the interpreter shrinks as well.
""",
    "unchanged": """\
*unchanged*: most of what the module costs over a ping is start, before it looks at the first
function; the figures of *start* say of what it consists. Ansible sends source in an archive, and
keeps nothing compiled on the host. Python's `zipimport` compiles each member twice, the first time
to learn the name of its file. With more VFs it is what there is to read of each: its driver, its
group, its holder, its rules.
""",
    "binding": """\
*binding*: the start of an empty module alone is several times the goal, as the rows of *ping* tell:
an interpreter that compiles AnsibleModule, under software emulation. It is the same for any number
of VFs, so that the ratio falls with their number, and the rows without what an empty module costs
tell what the collection adds. Most of that again is start: *refused* ends before it looks at a VF.
The loop starts no interpreter, checks nothing and makes nothing persistent.
""",
    "role": """\
*role*: each task of the collection costs what *unchanged* tells over a ping; the rest is Ansible's
own work on roles, conditions and templates, which a ping has not.
""",
    "fleet": """\
*fleet*: what the controller does for a host grows with the number of hosts where Ansible keeps
variables and results of all of them.
""",
}
