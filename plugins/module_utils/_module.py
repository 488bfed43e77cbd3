# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only file that knows AnsibleModule, and the only check-mode branch of the collection."""

from __future__ import annotations

import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ._errors import HwaccelError, InputError, NotTakenError
from ._host import Host

if t.TYPE_CHECKING:
    from ._plan import Plan

S = t.TypeVar("S")
Options = dict[str, t.Any]
Result = dict[str, t.Any]

_ROOT = {"type": "path", "default": "/"}
# Of names and of paths, in bytes: Linux limits.h.
_LONGEST_NAME, _LONGEST = 255, 4096
# What ends a line or a text for one reader or another, or turns around what is shown.
_BREAKING = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Job(t.Protocol[S]):
    """One module's work on one host, cut into reading, deciding and telling."""

    def observe(self, host: Host) -> S:
        """Read everything that the decision needs; nothing is changed."""

    def plan(self, state: S) -> Plan:
        """Decide what to change, or refuse; nothing is read."""

    def predict(self, state: S) -> S:
        """Return the state that the plan leads to."""

    def unmet(self, before: S, after: S) -> str | None:
        """Return what of the wanted state the kernel did not take, with the remedy."""

    def report(self, before: S, after: S) -> Result:
        """Return the module's return values for the state after the run."""


def run_module(
    options: Options,
    make_job: t.Callable[[Options], Job[S]],
) -> t.NoReturn:
    """Run a module that changes things: observe, plan, apply or predict, observe again, tell."""
    module = _module(options)
    try:
        job = make_job(module.params)
        host = _privileged_host(module.params["root"])
        if module.check_mode:
            result = _rehearse(job, host, write_files=False)
        else:
            with host.lock():
                result = (
                    _perform(job, host) if host.live else _rehearse(job, host, write_files=True)
                )
    except HwaccelError as error:
        module.fail_json(msg=_text(str(error)), **_encodable(dict(error.found)))
    for warning in result.pop("warnings"):
        module.warn(_text(warning))
    module.exit_json(**_encodable(result))


def run_info_module(
    options: Options,
    gather: t.Callable[[Options, Host], Result],
    *,
    unseen: str = "holders are not seen, configuration space is cut off",
    in_check_mode: Options | None = None,
) -> t.NoReturn:
    """Run a module that only reads.

    Args:
        unseen: what whoever is not root does not get to see.
        in_check_mode: values that options have in check mode whatever a task says, such as for
            how long to wait for what only a change made before would bring about.
    """
    module = _module(options)
    try:
        host = _host(module.params["root"])
        if not host.privileged:
            module.warn(f"not run as root: {unseen}")
        forced = in_check_mode or {} if module.check_mode else {}
        result = gather({**module.params, **forced}, host)
    except HwaccelError as error:
        module.fail_json(msg=_text(str(error)))
    module.exit_json(changed=False, **_encodable(result))


def _encodable(result: Result) -> Result:
    """Return values with bytes that are no UTF-8 written out, which Ansible would not take."""

    def written(value: object) -> object:
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, dict):
            return {written(key): written(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [written(each) for each in value]
        return value

    return {key: written(value) for key, value in result.items()}


def _text(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _module(options: Options) -> AnsibleModule:
    module = AnsibleModule(
        argument_spec={"root": _ROOT, **options},
        supports_check_mode=True,
    )
    try:
        _check_paths({"root": _ROOT, **options}, module.params)
    except InputError as error:
        module.fail_json(msg=_text(str(error)))
    return module


def _check_paths(options: Options, given: Options) -> None:
    """Refuse paths that no file has, and those that would break a line wherever they are told."""
    for name, option in options.items():
        path = given[name] if option.get("type") == "path" else None
        if path is None:
            continue
        if _BREAKING.search(path):
            raise InputError(name, path, "a path without control characters")
        parts = path.encode("utf-8", "surrogateescape").split(b"/")
        if max(map(len, parts)) > _LONGEST_NAME or sum(map(len, parts)) + len(parts) > _LONGEST:
            accepted = f"names of at most {_LONGEST_NAME} bytes, {_LONGEST} in all"
            raise InputError(name, path, accepted)


def _host(root: str) -> Host:
    host = Host(root)
    if not host.exists("/sys") and not host.exists("/etc"):
        raise InputError("root", root, "the root folder of a Linux system, with /etc or /sys below")
    return host


def _privileged_host(root: str) -> Host:
    host = _host(root)
    if not host.privileged:
        message = "only root sees who holds a device: run the task with become: true"
        raise HwaccelError(message)
    return host


def _perform(job: Job[S], host: Host) -> Result:
    """Change the running machine and look whether the change was taken."""
    before = job.observe(host)
    plan = job.plan(before)
    after = before
    if plan.changes:
        try:
            plan.apply(host)
        except HwaccelError as error:
            error.found = _found(job, host, before)
            raise
        after = _look_again(job, host)
        unmet = job.unmet(before, after)
        if unmet is not None:
            not_taken = NotTakenError(unmet)
            not_taken.found = job.report(before, after)
            raise not_taken
    plan.close(host)
    return {**_outcome(plan), **job.report(before, after)}


def _look_again(job: Job[S], host: Host) -> S:
    """Return what is there after the changes."""
    try:
        return job.observe(host)
    except HwaccelError as error:
        message = f"the changes are made, but what came of them cannot be told: {error}; run again"
        raise NotTakenError(message) from error


def _found(job: Job[S], host: Host, before: S) -> Result:
    """Return what is there after a failure, nothing where it cannot be told."""
    try:
        return job.report(before, job.observe(host))
    except HwaccelError:
        return {}


def _rehearse(job: Job[S], host: Host, *, write_files: bool) -> Result:
    """Tell what a run would do; with another root than the machine's, write its files."""
    before = job.observe(host)
    plan = job.plan(before)
    if write_files:
        plan.apply(host)
        plan.close(host)
    result = {**_outcome(plan), **job.report(before, job.predict(before))}
    if not host.live:
        result["pending_writes"] = plan.pending_writes()
        result["pending_commands"] = plan.pending_commands()
    return result


def _outcome(plan: Plan) -> Result:
    return {"changed": bool(plan), "diff": plan.diff(), "warnings": list(plan.warnings)}
