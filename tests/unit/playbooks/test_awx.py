# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook awx against a server that plays AWX's API, by what awx.awx asks of it.

The server takes what AWX takes: known fields alone, references that exist, and surveys by the rules
of AWX's own check. That AWX makes of it what it is documented to make is not shown here.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import threading
import typing as t
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.hwaccel.virt.plugins.filter.awx_survey import awx_survey
from ansible_collections.hwaccel.virt.tests.unit.playbook_runs import run_playbook

if t.TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "c2VjcmV0LW9mLXRoZS10b2tlbg"  # noqa: S105 (none in truth)
Object = dict[str, t.Any]

ASKED_AT_LAUNCH = frozenset(
    f"ask_{each}_on_launch"
    for each in (
        "credential",
        "job_type",
        "diff_mode",
        "limit",
        "tags",
        "skip_tags",
        "verbosity",
        "variables",
    )
)
# The fields that may be sent, and those of them that refer to something.
FIELDS: dict[str, frozenset[str]] = {
    "projects": frozenset({"name", "description", "organization"})
    | {"scm_type", "scm_url", "scm_branch"},
    "inventories": frozenset({"name", "description", "organization", "kind", "host_filter"}),
    "groups": frozenset({"name", "description", "inventory"}),
    "job_templates": frozenset({"name", "description", "organization", "project", "inventory"})
    | {"playbook", "job_type", "survey_enabled"}
    | ASKED_AT_LAUNCH,
}
REFERENCES = {"organization": "organizations", "project": "projects", "inventory": "inventories"}
TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "textarea": str,
    "password": str,
    "multiplechoice": str,
    "multiselect": str,
    "integer": int,
    "float": (int, float),
}


def question_faults(number: int, question: Object) -> Iterator[str]:
    """Yield what AWX refuses of a question, and what its pages stumble over."""
    for name, kind in (
        ("type", str),
        ("question_name", str),
        ("variable", str),
        ("required", bool),
    ):
        if not isinstance(question.get(name), kind):
            yield f"question {number}: {name} is {question.get(name)!r}"
            return
    if question["type"] not in TYPES:
        yield f"question {number}: no type {question['type']}"
        return
    if not re.fullmatch(r"[a-z_]+", question["variable"]):
        yield f"question {number}: variable {question['variable']!r}"
    default = question.get("default", "")
    if default != "" and not isinstance(default, TYPES[question["type"]]):
        yield f"question {number}: default {default!r}"
    for name in ("min", "max"):
        if name in question and not isinstance(question[name], int):
            yield f"question {number}: {name} is {question[name]!r}"
    yield from choice_faults(number, question)
    if str(default).startswith("$encrypted$"):
        yield f"question {number}: the default is a reserved word"


def choice_faults(number: int, question: Object) -> Iterator[str]:
    """Yield what AWX refuses of the choices of a question."""
    if question["type"] not in {"multiplechoice", "multiselect"}:
        return
    choices, default = question.get("choices"), str(question.get("default", ""))
    if not isinstance(choices, list) or not choices or not all(choices):
        yield f"question {number}: choices are {choices!r}"
    elif set(default.splitlines()) - set(choices):
        yield f"question {number}: default {default!r} is no choice"
    if question["type"] == "multiplechoice" and "\n" in default:
        yield f"question {number}: several defaults"


def survey_faults(survey: object) -> list[str]:
    """Return what AWX refuses of a survey."""
    if not isinstance(survey, dict):
        return ["no mapping"]
    faults = [each for each in ("name", "description") if not isinstance(survey.get(each), str)]
    spec = survey.get("spec")
    if not isinstance(spec, list) or not spec:
        return [*faults, "no questions"]
    variables = [question.get("variable") for question in spec]
    faults += [f"{each} twice" for each in set(variables) if variables.count(each) > 1]
    for number, question in enumerate(spec):
        faults += question_faults(number, question)
    return faults


@dataclass
class Awx:
    """What an AWX has, and what was changed in it."""

    has: dict[str, list[Object]] = field(default_factory=dict)
    surveys: dict[int, Object] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    given: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Have what every AWX has."""
        self.has = {name: [] for name in (*FIELDS, "organizations")}
        self.has["organizations"].append({"id": 1, "name": "Default", "url": "/", "type": "x"})

    def answer(self, method: str, path: str, query: dict[str, str], data: Object) -> Object | None:
        """Return what AWX answers, None for what is not there."""
        parts = path.strip("/").split("/")[2:]
        if parts[0] == "project_updates":
            return {"status": "successful", "id": 1}
        if parts[-1] == "survey_spec":
            return self._survey(method, int(parts[1]), data)
        if parts[0] not in self.has:
            return None
        if method != "GET":
            self.changes.append((method, parts[0]))
            self._check(parts[0], data)
        if method == "POST":
            return self._make(parts[0], data)
        found = [each for each in self.has[parts[0]] if matches(each, query)]
        if len(parts) > 1:
            item = next(each for each in self.has[parts[0]] if str(each["id"]) == parts[1])
            item.update(data)
            return item
        return {"count": len(found), "next": None, "results": found}

    def _survey(self, method: str, number: int, data: Object) -> Object:
        if method == "POST":
            self.changes.append((method, "survey_spec"))
            self.faults += survey_faults(data)
            self.surveys[number] = data
        return self.surveys.get(number, {})

    def _check(self, kind: str, data: Object) -> None:
        self.faults += [f"{kind}: no field {each}" for each in set(data) - FIELDS[kind]]
        for name, of in REFERENCES.items():
            if name in data and data[name] not in [each["id"] for each in self.has[of]]:
                self.faults.append(f"{kind}: {name} {data[name]!r} is not there")

    def _make(self, kind: str, data: Object) -> Object:
        number = 10 + sum(map(len, self.has.values()))
        url = f"/api/v2/{kind}/{number}/"
        made = {**data, "id": number, "url": url, "type": kind[:-1], "scm_revision": ""}
        made["related"] = {"survey_spec": f"{url}survey_spec/"}
        made["summary_fields"] = {"current_update": {"id": 1}} if kind == "projects" else {}
        self.has[kind].append(made)
        return made

    def named_surveys(self) -> dict[str, Object]:
        """Return the surveys by the names of their job templates."""
        return {each["name"]: self.surveys[each["id"]] for each in self.has["job_templates"]}


def matches(item: Object, query: dict[str, str]) -> bool:
    """Tell whether AWX's filters take an object."""
    either = {name[4:]: value for name, value in query.items() if name.startswith("or__")}
    every = {name: value for name, value in query.items() if not name.startswith("or__")}
    return all(str(item.get(name)) == value for name, value in every.items()) and (
        not either or any(str(item.get(name)) == value for name, value in either.items())
    )


class Handler(http.server.BaseHTTPRequestHandler):
    """Hands requests with the right token to AWX."""

    awx: t.ClassVar[Awx]

    def do_GET(self) -> None:
        """Answer a request."""
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.awx.given.append(body)
        answer: Object | None = None
        status = 401
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            query = dict(urllib.parse.parse_qsl(url.query))
            answer = self.awx.answer(self.command, url.path, query, json.loads(body or b"{}"))
            status = 404 if answer is None else 200
            if self.command == "POST" and "survey_spec" not in url.path:
                status = 201
        text = json.dumps(answer or {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PATCH = do_GET  # noqa: N815 (names of the standard library)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Say nothing."""


def playbook(folder: Path, *arguments: str, **environment: str) -> str:
    """Run the playbook in a folder without settings, and return what it says."""
    home = {"HOME": str(folder)}
    return run_playbook(folder, "hwaccel.virt.awx", *arguments, **home, **environment).stdout


def specs(role: str) -> Object:
    path = ROOT / "roles" / role / "meta" / "argument_specs.yml"
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    return t.cast("Object", loaded["argument_specs"]["main"]["options"])


def roles_of(name: str) -> list[str]:
    text = (ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8")
    named = re.findall(r"hwaccel\.virt\.(\w+)", text)
    return sorted({each for each in named if (ROOT / "roles" / each).is_dir()})


def evaluated(variable: str, playbooks: Path, **more: object) -> t.Any:
    """Return a variable of the playbook as Ansible makes it, by what lies in a folder."""
    loader = DataLoader()
    variables = loader.load_from_file(
        str(ROOT / "playbooks/vars/awx.yml"), trusted_as_template=True
    )
    values = {**variables, "playbook_dir": str(playbooks), **more}
    templar = Templar(loader=loader, variables=values)
    return templar.template(trust_as_template(f"{{{{ {variable} }}}}"))


def survey_of(template: Object, playbooks: Path = ROOT / "playbooks") -> Object:
    """Return the survey of a job template as the playbook is to make it."""
    options = evaluated("awx_survey_options", playbooks, awx_template=template)
    return awx_survey(
        options,
        template["playbook"],
        template["title"] + ".",
        defaults=False,
        leave_out=template.get("leave_out", []),
    )


VARIABLES = DataLoader().load_from_file(str(ROOT / "playbooks/vars/awx.yml"))
TEMPLATES: list[Object] = evaluated("awx_templates", ROOT / "playbooks")
NAMES = [template["playbook"] for template in TEMPLATES]


def test_playbook(tmp_path: Path) -> None:
    """A check run of an empty AWX, a run, and a second one, of which each costs seconds."""
    awx, changed = Awx(), []
    handler = type("AwxHandler", (Handler,), {"awx": awx})
    # Every further job template and group would come by the same code, from the same texts.
    few = {
        "awx_templates": TEMPLATES[-1:],
        "awx_groups": {"vgpu_guests": "Guests with NVIDIA GPUs"},
    }
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # By the environment, or by variables as a file in Ansible Vault has them.
        place = f"http://127.0.0.1:{server.server_port}"
        there = {"CONTROLLER_HOST": place, "CONTROLLER_OAUTH_TOKEN": TOKEN}
        variables = json.dumps({"awx_host": place, "awx_token": TOKEN})
        (tmp_path / "awx.json").write_text(variables, encoding="utf-8")
        by_file = ["-vvvvv", "--diff", "-e", "@awx.json"]
        said = []
        for arguments, environment in (
            (["--check"], there),
            (by_file, {}),
            (["-e", json.dumps(few)], there),
        ):
            said.append(playbook(tmp_path, *arguments, no_proxy="127.0.0.1", **environment))
            changed.append(len(awx.changes))
        server.shutdown()
    check, run, again = said
    assert "failed=0" in check, check
    assert changed[0] == 0
    assert "AWX: would change" in check
    assert "Deferred until the run: groups and job templates" in check
    assert "failed=0" in run, run
    assert "AWX: changed" in run
    assert awx.faults == []
    everything_is_there(awx)
    assert "changed=0" in again, again
    assert "as it should be, nothing changed" in again
    assert changed[2] == changed[1] == 2 + len(VARIABLES["awx_groups"]) + 2 * len(NAMES)
    assert TOKEN not in "".join(said)
    assert TOKEN.encode() not in b"".join(awx.given)


def everything_is_there(awx: Awx) -> None:
    """Check what AWX was given: surveys as the argument_specs of the roles want them."""
    (project,) = awx.has["projects"]
    (inventory,) = awx.has["inventories"]
    assert project["scm_url"] == "https://github.com/hwaccel/virt"
    assert {each["name"]: each["description"] for each in awx.has["groups"]} == VARIABLES[
        "awx_groups"
    ]
    for template in awx.has["job_templates"]:
        assert (template["project"], template["inventory"]) == (project["id"], inventory["id"])
        assert (ROOT / template["playbook"]).is_file()
        assert template["survey_enabled"] is True
        assert all(template[each] is True for each in ASKED_AT_LAUNCH)
    assert awx.named_surveys() == {
        f"hwaccel.virt {template['playbook']}": survey_of(template) for template in TEMPLATES
    }


def test_every_playbook_has_a_job_template() -> None:
    there = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert set(NAMES) == there - {"awx", "demo"}
    named = [template["playbook"] for template in VARIABLES["awx_playbooks"]]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("template", TEMPLATES, ids=NAMES)
def test_survey_has_the_options_of_the_roles(template: Object) -> None:
    survey, roles = survey_of(template), roles_of(template["playbook"])
    options = {each for role in roles for each in specs(role)}
    text = (ROOT / "playbooks" / f"{template['playbook']}.yml").read_text(encoding="utf-8")
    fixed = {each for each in options if f" {each}: " in text}
    asked = {each["variable"] for each in survey["spec"]}
    told = set(survey["description"].partition("As extra variables: ")[2].rstrip(".").split(", "))
    assert asked | told - {""} == options - fixed | asked & set(VARIABLES["awx_variables"])
    assert not [each for each in survey["spec"] if "default" in each or each["required"]]
    assert not re.search(r"\b[BCEILMOPRUV]+\(", json.dumps(survey["spec"]))


@pytest.mark.parametrize("template", TEMPLATES, ids=NAMES)
def test_answers_are_what_the_roles_take(template: Object) -> None:
    """What AWX hands over passes the check of the role, and is of the option's type already."""
    options = {
        each: option
        for role in roles_of(template["playbook"])
        for each, option in specs(role).items()
    }
    for question in survey_of(template)["spec"]:
        variable = question["variable"]
        if variable not in options:
            continue
        answers: list[t.Any] = {
            "text": ["text"],
            "integer": [100],
            "multiselect": [question.get("choices")],
            "multiplechoice": question.get("choices", []),
        }[question["type"]]
        for answer in answers:
            checked = ArgumentSpecValidator({variable: options[variable]}).validate(
                {variable: answer}
            )
            assert checked.error_messages == []
            if options[variable]["type"] != "bool":
                assert checked.validated_parameters[variable] == answer


@pytest.mark.parametrize("template", TEMPLATES, ids=NAMES)
def test_defaults_are_those_of_the_playbook(template: Object) -> None:
    text = (ROOT / "playbooks" / f"{template['playbook']}.yml").read_text(encoding="utf-8")
    options = evaluated("awx_playbook_options", ROOT / "playbooks", awx_template=template)
    named = set(re.findall(r"(?<![.\w])(\w+) \| default\(", text))
    own = {each for each in named if not each.startswith(f"{template['playbook']}_")}
    roles = {each for role in roles_of(template["playbook"]) for each in specs(role)}
    assert {each for each in own - roles if not each.startswith("ansible_")} <= set(options)
    assert {"target", "batch"} <= set(options)
    for name, option in options.items():
        default = option["default"]
        wanted = json.dumps(default) if isinstance(default, bool) else re.escape(str(default or ""))
        assert re.search(rf"\b{name} \| default\('?{wanted}['\)]", text), name
    groups = {options[each]["default"] for each in ("target", "guests") if each in options}
    assert groups <= set(VARIABLES["awx_groups"])


def test_variables_of_a_playbook_and_what_it_fixes(tmp_path: Path) -> None:
    playbooks, meta = tmp_path / "playbooks", tmp_path / "roles/web/meta"
    playbooks.mkdir()
    meta.mkdir(parents=True)
    (playbooks / "back.yml").write_text(
        "- hosts: \"{{ target | default('web') }}:{{ guests | default('a' if b else '') }}\"\n"
        "  serial: \"{{ batch | default('50%') }}\"\n"
        '  max_fail_percentage: "{{ max_fail | default(100) }}"\n'
        "  vars:\n    web_state: absent\n"
        "  roles: [hwaccel.virt.web]\n"
        "  tasks: [{hwaccel.virt.no_role: {path: \"{{ report_dir | default('') }}\"}}]\n",
        encoding="utf-8",
    )
    (meta / "argument_specs.yml").write_text(
        "argument_specs: {main: {options: {web_state: {default: present}, web_port: {type: int}}}}",
        encoding="utf-8",
    )
    template = {"playbook": "back", "title": "Back"}
    options = evaluated("awx_survey_options", playbooks, awx_template=template)
    assert {name: option.get("default") for name, option in options.items()} == {
        "target": "web",
        "guests": "a",
        "batch": "50%",
        "max_fail": 100,
        "report_dir": None,
        "web_port": None,
    }
    survey = awx_survey(options)
    assert survey_faults(survey) == []
    assert [each["type"] for each in survey["spec"]] == [
        "text",
        "text",
        "text",
        "integer",
        "text",
        "integer",
    ]
    assert evaluated("awx_templates", playbooks) == []


@pytest.mark.parametrize("role", sorted(set(os.listdir(ROOT / "roles")) - {"emulated_host"}))
def test_texts_of_bools_are_read_as_bools(role: str) -> None:
    """AWX hands true and false over as texts, of which both count as true to Jinja."""
    bools = {each for each, option in specs(role).items() if option["type"] == "bool"}
    for template in TEMPLATES:
        bools -= set(template.get("leave_out", []))
    folders = [*(ROOT / "roles" / role).glob("[tv]*"), ROOT / "playbooks/templates"]
    for path in (each for folder in folders for each in folder.rglob("*") if each.is_file()):
        for line in path.read_text(encoding="utf-8").splitlines():
            for name in bools & set(re.findall(r"\w+", re.sub(r"'[^']*'", "", line))):
                passed_on = rf'^ +\w+: "{{{{ .*\b{name}\b( \| default\(omit\)| \| bool)?\)* }}}}"$'
                prose = rf"{name}(=true| to (true|false))"
                tested = rf"\b{name} \| (bool\b|default\(none\) is none)"
                said = rf"^ +{name}: (true|false)$"
                right = (passed_on, prose, tested, said)
                assert any(re.search(each, line) for each in right), f"{path}: {line}"


def test_without_the_modules_the_remedy_is_told(tmp_path: Path) -> None:
    """Those of the community package lie beside Ansible, where it is told not to look."""
    said = playbook(tmp_path, ANSIBLE_COLLECTIONS_SCAN_SYS_PATH="false")
    assert "ansible-galaxy collection install awx.awx" in said
    assert "Set up project" not in said


@pytest.mark.parametrize(
    "change",
    [
        {"type": "number"},
        {"required": "false"},
        {"variable": "a b"},
        {"default": 1},
        {"default": "c"},
        {"default": "a\nb"},
        {"choices": []},
        {"max": None},
    ],
)
def test_wrong_surveys_are_found(change: Object) -> None:
    right = {"question_name": "a", "variable": "a", "required": False, "type": "multiplechoice"}
    right["choices"] = ["a", "b"]
    assert survey_faults({"name": "", "description": "", "spec": [right]}) == []
    assert survey_faults({"name": "", "description": "", "spec": [{**right, **change}]})
    assert survey_faults({"name": "", "description": "", "spec": [right, right]}) == ["a twice"]
    assert survey_faults({"name": "", "spec": []}) == ["description", "no questions"]
