# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module gridd_license on trees and on a running guest."""

from __future__ import annotations

import json
import os
import stat
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid import configuration, licensing
from ansible_collections.hwaccel.virt.tests.unit.plugins.license_runs import (
    GUIDE,
    ORIGINAL,
    PATH,
    TEMPLATE,
    TOKEN,
    TOKENS,
    UNDO,
    LicensedHost,
    LicenseTasks,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

SERVER = "gridlicense.example.com"


@pytest.fixture
def license_tasks(machine: Machine, run_module: ModuleRunner) -> LicenseTasks:
    return LicenseTasks(machine, run_module)


@pytest.fixture
def licensed(machine: Machine, run_module: ModuleRunner) -> LicenseTasks:
    return LicenseTasks(machine, run_module, LicensedHost(machine))


# -- the guide ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("feature", "number"), [("vgpu", 1), ("vws", 2), ("1", 1), ("2", 2)])
def test_the_examples_of_the_guide(license_tasks: LicenseTasks, feature: str, number: int) -> None:
    license_tasks.write(ORIGINAL, TEMPLATE)
    result = license_tasks(server_address=SERVER, server_port=7070, feature_type=feature)
    assert license_tasks.read() == GUIDE.format(
        address=f"ServerAddress={SERVER}", port="ServerPort=7070", feature=f"FeatureType={number}"
    )
    assert result["effective_settings"] == {
        "ServerAddress": SERVER,
        "ServerPort": "7070",
        "FeatureType": str(number),
    }
    assert (result["ignored"], result["restart_required"]) == ([], True)
    assert result["diff"][0]["before_header"] == "(no file)"


def test_a_file_that_is_there_is_not_made_from_the_template(license_tasks: LicenseTasks) -> None:
    license_tasks.write(ORIGINAL, TEMPLATE)
    license_tasks.write("FeatureType=0\n")
    license_tasks(server_address=SERVER)
    assert license_tasks.read() == f"FeatureType=0\nServerAddress={SERVER}\n"


def test_without_a_template_a_file_starts_empty(license_tasks: LicenseTasks) -> None:
    license_tasks(server_address="2001:db8::7", enable_ui=False, linger_interval=0)
    assert license_tasks.read() == "ServerAddress=2001:db8::7\nEnableUI=FALSE\nLingerInterval=0\n"
    place = license_tasks.machine.at(PATH)
    assert stat.S_IMODE(place.stat().st_mode) == 0o644


def test_every_option_in_the_order_of_the_template(license_tasks: LicenseTasks) -> None:
    license_tasks(
        client_config_token_path="/opt/tokens",  # noqa: S106
        linger_interval=10080,
        license_interval=10,
        enable_ui=True,
        feature_type="compute",
        settings={"IgnoreSP": False, "Proxy": "http://proxy:3128", "Retries": 3},
    )
    assert license_tasks.read().splitlines() == [
        "FeatureType=4",
        "EnableUI=TRUE",
        "LicenseInterval=10",
        "LingerInterval=10080",
        "ClientConfigTokenPath=/opt/tokens",
        "IgnoreSP=FALSE",
        "Proxy=http://proxy:3128",
        "Retries=3",
    ]


# -- files as they are found -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ServerAddress = old\n", "ServerAddress = new\n"),
        ('ServerAddress="old"   # lab\n', 'ServerAddress="new"   # lab\n'),
        ("ServerAddress='old'\n", "ServerAddress='new'\n"),
        ("\tServerAddress=\n", "\tServerAddress=new\n"),
        ("ServerAddress=# later\n", "ServerAddress=new # later\n"),
        ("# a\r\nServerAddress=old\r\n", "# a\r\nServerAddress=new\r\n"),
        ("# a\r\nX=1", "# a\r\nX=1\r\nServerAddress=new"),
        ("FeatureType=1", "FeatureType=1\nServerAddress=new"),
        ("ServerAddress=old", "ServerAddress=new"),
        ("SERVERADDRESS=old\n", "ServerAddress=new\n"),
        ("serveraddress=new\n", "ServerAddress=new\n"),
        ("ServerAddress=a\n# b\nserveraddress=c\nX=1\n", "ServerAddress=new\n# b\nX=1\n"),
        ("X=1\r\nServerAddress=a\r\nServerAddress=b", "X=1\r\nServerAddress=new"),
        ("# ServerAddress=old\nServerAddress=b\n", "# ServerAddress=old\nServerAddress=new\n"),
        ("##  ServerAddress = x\n#ServerAddress=y\n", "ServerAddress = new\n#ServerAddress=y\n"),
        ("# ServerAddress=x is it\n", "# ServerAddress=x is it\nServerAddress=new\n"),
        ("LicenseServer=x\n${A}\nEOF\n", "LicenseServer=x\n${A}\nEOF\nServerAddress=new\n"),
        ("", "ServerAddress=new\n"),
        ("\n", "\nServerAddress=new\n"),
    ],
)
def test_one_key_and_every_other_byte(license_tasks: LicenseTasks, before: str, after: str) -> None:
    license_tasks.write(before)
    license_tasks(server_address="new")
    assert license_tasks.read() == after


def test_bytes_that_are_no_text_stay(license_tasks: LicenseTasks) -> None:
    license_tasks.write(b"# caf\xe9 \x00\xff\nServerAddress=old\nX=\xfe\n")
    result = license_tasks(server_address="new")
    content = license_tasks.machine.at(PATH).read_bytes()
    assert content == b"# caf\xe9 \x00\xff\nServerAddress=new\nX=\xfe\n"
    assert result["ignored"] == ["X=\\xfe"]


@pytest.mark.parametrize("text", ['ServerAddress = "new" # x\r\n', "ServerAddress=new", "\n"])
def test_what_is_right_is_not_touched(license_tasks: LicenseTasks, text: str) -> None:
    license_tasks.write(text)
    options = {"server_address": "new"} if "new" in text else {}
    assert license_tasks(**options)["changed"] is False
    assert license_tasks.read() == text


def test_what_counts_and_what_does_not(license_tasks: LicenseTasks) -> None:
    license_tasks.write(
        "ServerAddress=a\nServerAddress = 'b'  # lab\nserverport=1\nIgnoreSP=TRUE\n"
        "LicenseServer=x\nProxy=y\nsystemctl restart nvidia-gridd\n#EnableUI=TRUE\n"
        "BackupServerPort=\n"
    )
    result = license_tasks(settings={"Proxy": "z"})
    assert result["effective_settings"] == {
        "ServerAddress": "b",
        "IgnoreSP": "TRUE",
        "Proxy": "z",
        "BackupServerPort": "",
    }
    assert result["ignored"] == [
        "ServerAddress=a",
        "serverport=1",
        "LicenseServer=x",
        "systemctl restart nvidia-gridd",
    ]


def test_null_comments_a_key_out(license_tasks: LicenseTasks) -> None:
    license_tasks.write("FeatureType=1\nIgnoreSP=TRUE\nfeaturetype = 2\n")
    license_tasks(settings={"FeatureType": None}, enable_ui=False)
    assert license_tasks.read() == (
        "#FeatureType=1\nIgnoreSP=TRUE\n#featuretype = 2\nEnableUI=FALSE\n"
    )


# -- server and token --------------------------------------------------------------------------


def test_a_server_comments_the_token_folder_out(license_tasks: LicenseTasks) -> None:
    license_tasks.write('ServerAddress=old\nClientConfigTokenPath="/opt/tokens"\n')
    result = license_tasks(server_address=SERVER)
    assert license_tasks.read() == (
        f'ServerAddress={SERVER}\n#ClientConfigTokenPath="/opt/tokens"\n'
    )
    assert (result["token_folder"], result["tokens"]) == (TOKENS, [])


def test_tokens_of_a_folder_that_is_commented_out(license_tasks: LicenseTasks) -> None:
    license_tasks.write("ClientConfigTokenPath=/opt/tokens/\n")
    places = ["/opt/tokens/a.tok", f"{TOKENS}/b.tok"]
    for place in (*places, "/opt/other/c.tok"):
        license_tasks.write(TOKEN, place)
    assert license_tasks.refusal(server_address=SERVER).startswith(f"{', '.join(places)}: with")
    result = license_tasks(server_address=SERVER, remove_tokens=True)
    assert result["removed_tokens"] == places
    assert license_tasks.machine.at("/opt/other/c.tok").exists()


@pytest.mark.parametrize("options", [{"server_address": SERVER}, {"licensing": "server"}])
def test_a_token_keeps_a_server_out(license_tasks: LicenseTasks, options: dict[str, t.Any]) -> None:
    license_tasks.write("FeatureType=1\n")
    license_tasks.write(TOKEN, f"{TOKENS}/a.tok")
    assert license_tasks.refusal(**options) == (
        f"{TOKENS}/a.tok: with a token there, the daemon asks no server of {PATH}: remove it "
        "(remove_tokens: true), or license by it (licensing: token)"
    )


def test_tokens_are_removed_and_never_shown(license_tasks: LicenseTasks) -> None:
    for name in ("a.tok", "b.tok", "readme.txt"):
        license_tasks.write(TOKEN, f"{TOKENS}/{name}")
    result = license_tasks(server_address=SERVER, remove_tokens=True)
    assert result["removed_tokens"] == [f"{TOKENS}/a.tok", f"{TOKENS}/b.tok"]
    assert (result["tokens"], result["restart_required"]) == ([], True)
    assert os.listdir(license_tasks.machine.at(TOKENS)) == ["readme.txt"]
    assert result["diff"][1:] == [
        {
            "before_header": f"{TOKENS}/{name}",
            "after_header": "(no file)",
            "before": "(the content is secret)\n",
            "after": "",
        }
        for name in ("a.tok", "b.tok")
    ]
    shown = json.dumps(result) + license_tasks.read(UNDO)
    assert TOKEN.decode() not in shown


def test_removed_tokens_alone_are_a_change(license_tasks: LicenseTasks) -> None:
    license_tasks.write(f"ServerAddress={SERVER}\n")
    license_tasks.write(TOKEN, f"{TOKENS}/a.tok")
    assert license_tasks(server_address=SERVER, remove_tokens=True)["changed"] is True


def test_a_token_that_cannot_be_removed_brings_all_back(
    licensed: LicenseTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    licensed.write("ServerAddress=old\n")
    for name in ("a.tok", "b.tok"):
        licensed.write(TOKEN, f"{TOKENS}/{name}")
    licensed.machine.at(f"{TOKENS}/a.tok").chmod(0o744)
    before = licensed.machine.files()
    host = licensed.running
    assert host is not None
    remove = host.remove_file

    def fail(path: str) -> None:
        if path.endswith("b.tok"):
            raise HostError.from_os("remove", path, 30)
        remove(path)

    monkeypatch.setattr(host, "remove_file", fail)
    result = licensed.run(server_address="new", remove_tokens=True)
    assert "b.tok" in result["msg"]
    assert "EROFS" in result["msg"]
    assert TOKEN.decode() not in json.dumps(result)
    after = licensed.machine.files()
    after.pop(UNDO.lstrip("/"), None)
    assert after == before
    assert stat.S_IMODE(licensed.machine.at(f"{TOKENS}/a.tok").stat().st_mode) == 0o744


@pytest.mark.parametrize("options", [{"licensing": "token"}, {"client_config_token_path": TOKENS}])
def test_a_token_comments_servers_out(
    license_tasks: LicenseTasks, options: dict[str, t.Any]
) -> None:
    license_tasks.write(
        "ServerAddress=a\nServerPort=1\nBackupServerAddress=b\nbackupserverport=2\nFeatureType=1\n"
    )
    license_tasks.write(TOKEN, f"{TOKENS}/a.tok")
    result = license_tasks(**options)
    assert license_tasks.read().startswith(
        "#ServerAddress=a\n#ServerPort=1\n#BackupServerAddress=b\n#backupserverport=2\n"
        "FeatureType=1\n"
    )
    assert (result["token_folder"], result["tokens"]) == (TOKENS, ["a.tok"])


def test_auto_without_either_leaves_both_alone(license_tasks: LicenseTasks) -> None:
    license_tasks.write("ServerAddress=a\nClientConfigTokenPath=/opt/t/\n")
    license_tasks.write(TOKEN, "/opt/t/a.tok")
    result = license_tasks(feature_type="vgpu", backup_server_address="b")
    assert license_tasks.read() == (
        "ServerAddress=a\nClientConfigTokenPath=/opt/t/\nBackupServerAddress=b\nFeatureType=1\n"
    )
    assert (result["token_folder"], result["tokens"]) == ("/opt/t", ["a.tok"])


# -- what cannot be right ----------------------------------------------------------------------

ADDRESS = (
    "a host name (RFC 1123), an IPv4 or an IPv6 address, without scheme, port, brackets or spaces"
)
BOTH = "a server or a token"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"server_port": 0}, "option server_port: 0 is not accepted, use 1 to 65535"),
        ({"server_port": 65536}, "option server_port: 65536 is not accepted, use 1 to 65535"),
        (
            {"backup_server_port": -1},
            "option backup_server_port: -1 is not accepted, use 1 to 65535",
        ),
        (
            {"license_interval": 9},
            "option license_interval: 9 is not accepted, use 10 to 10080 minutes",
        ),
        (
            {"license_interval": 10081},
            "option license_interval: 10081 is not accepted, use 10 to 10080 minutes",
        ),
        (
            {"linger_interval": 10081},
            "option linger_interval: 10081 is not accepted, use 0 to 10080 minutes",
        ),
        *(
            ({option: value}, f"option {option}: {value!r} is not accepted, use {ADDRESS}")
            for option in ("server_address", "backup_server_address")
            for value in (
                "license\n",
                "http://license",
                "license server",
                " license",
                "license:7070",
                "[2001:db8::7]",
                "10.0.0.256",
                "",
            )
        ),
        (
            {"feature_type": "3"},
            (
                "value of feature_type must be one of: unlicensed, vgpu, vws, compute, 0, 1, 2, 4, "
                "got: 3"
            ),
        ),
        (
            {"settings": {"FeatureType": 3}},
            (
                "option settings.FeatureType: 3 is not accepted, use one of unlicensed, vgpu, vws, "
                "compute, 0, 1, 2, 4"
            ),
        ),
        (
            {"settings": {"ServerPort": 0}},
            "option settings.ServerPort: 0 is not accepted, use 1 to 65535",
        ),
        (
            {"settings": {"ServerPort": 1}, "server_port": 1},
            (
                "option settings: 'ServerPort' is not accepted, use option server_port alone, "
                "which is "
                "given too"
            ),
        ),
        (
            {"settings": {"featuretype": None}},
            "option settings: 'featuretype' is not accepted, use FeatureType, spelled so",
        ),
        (
            {"settings": {"a b": 1}},
            (
                "option settings: 'a b' is not accepted, use keys of letters, digits and "
                "underscores, "
                "with no digit at the start"
            ),
        ),
        *(
            (
                {"settings": {"Proxy": value}},
                (
                    f"option settings.Proxy: {value!r} is not accepted, use one line with no "
                    "quotes "
                    "inside and no comment, or null to comment the key out"
                ),
            )
            for value in ("a\nServerAddress=b", "a\0", " a", "a # b", "#a", ["a"])
        ),
        (
            {"client_config_token_path": "tokens"},
            (
                "option client_config_token_path: 'tokens' is not accepted, use the absolute "
                "path of a "
                "folder, with no quotes and no '#' in it"
            ),
        ),
        (
            {"server_address": "a", "client_config_token_path": "/t"},
            (
                "option licensing: 'auto' is not accepted, use a server or a token: "
                "server_address and "
                "client_config_token_path exclude each other"
            ),
        ),
        (
            {"licensing": "server", "client_config_token_path": "/t"},
            (
                "option licensing: 'server' is not accepted, use token, or leave "
                "client_config_token_path out"
            ),
        ),
        (
            {"licensing": "token", "server_address": "a", "server_port": 1},
            (
                "option licensing: 'token' is not accepted, use server, or leave "
                "server_address and "
                "server_port out"
            ),
        ),
        (
            {"path": "gridd.conf"},
            "option path: 'gridd.conf' is not accepted, use the absolute path of a file",
        ),
        (
            {"mode": "rw"},
            (
                "option mode: 'rw' is not accepted, use an octal number in quotes such as "
                "'0644', or a "
                "symbolic mode such as u=rw,g=r,o=r"
            ),
        ),
        (
            {"owner": "nobody-here"},
            (
                "option owner: 'nobody-here' is not accepted, use a user that the host knows, "
                "by name "
                "or by number"
            ),
        ),
    ],
)
def test_what_cannot_be_right(
    license_tasks: LicenseTasks, options: dict[str, t.Any], told: str
) -> None:
    license_tasks.write("ServerAddress=old\n")
    assert license_tasks.refusal(**options) == told


# -- owner, group, mode and copies -------------------------------------------------------------


def test_mode_alone_is_a_change_and_needs_no_restart(license_tasks: LicenseTasks) -> None:
    license_tasks.write(f"ServerAddress={SERVER}\n")
    place = license_tasks.machine.at(PATH)
    place.chmod(0o600)
    found = place.stat()
    result = license_tasks(server_address=SERVER, mode="u=rw,go=r")
    assert stat.S_IMODE(place.stat().st_mode) == 0o644
    own = f"owner {found.st_uid}, group {found.st_gid}"
    assert result["diff"] == [
        {
            "before_header": PATH,
            "after_header": PATH,
            "before": f"{own}, mode 0600\n",
            "after": f"{own}, mode 0644\n",
        }
    ]
    assert result["restart_required"] is False


@pytest.mark.parametrize(("mode", "number"), [("0600", 0o600), (0o640, 0o640), ("o-r", 0o640)])
def test_a_new_file_has_the_mode_at_once(
    license_tasks: LicenseTasks, mode: object, number: int
) -> None:
    result = license_tasks(server_address=SERVER, mode=mode)
    assert stat.S_IMODE(license_tasks.machine.at(PATH).stat().st_mode) == number
    assert len(result["diff"]) == 1


def test_what_is_not_given_stays(license_tasks: LicenseTasks) -> None:
    license_tasks.write("ServerAddress=old\n")
    license_tasks.machine.at(PATH).chmod(0o604)
    license_tasks(server_address="new")
    assert stat.S_IMODE(license_tasks.machine.at(PATH).stat().st_mode) == 0o604


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
def test_an_owner_of_the_tree(license_tasks: LicenseTasks) -> None:
    license_tasks.machine.write("etc/passwd", "root:x:0:0:::\nnv:x:1234:55:::\n")
    license_tasks.machine.write("etc/group", "root:x:0:\nnv:x:4321:\n")
    license_tasks(server_address=SERVER, owner="nv", group="nv", mode="0640")
    found = license_tasks.machine.at(PATH).stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 4321, 0o640)
    license_tasks(server_address="new", owner="77")
    found = license_tasks.machine.at(PATH).stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (77, 4321, 0o640)


def test_a_copy_of_what_was_there(license_tasks: LicenseTasks) -> None:
    license_tasks.write("ServerAddress=old\n")
    os.utime(license_tasks.machine.at(PATH), (0, 86400))
    result = license_tasks(server_address="new", backup=True)
    assert result["backup_file"] == f"{PATH}.1970-01-02@00:00:00~"
    assert license_tasks.read(result["backup_file"]) == "ServerAddress=old\n"


def test_no_copy_without_a_change_of_content(license_tasks: LicenseTasks) -> None:
    assert "backup_file" not in license_tasks(server_address="new", backup=True)
    assert "backup_file" not in license_tasks(server_address="new", backup=True, mode="0600")


# -- the way back ------------------------------------------------------------------------------


def test_absent_takes_back_and_comments_out(license_tasks: LicenseTasks) -> None:
    before = "ServerAddress=theirs\n# e\n#EnableUI=TRUE\nProxy=x\nIgnoreSP=TRUE\n"
    license_tasks.write(before)
    license_tasks(
        server_address=SERVER,
        enable_ui=False,
        feature_type="vgpu",
        settings={"Proxy": "y", "More": 1, "IgnoreSP": None},
    )
    result = license_tasks(state="absent")
    assert license_tasks.read() == before.replace("ServerAddress", "#ServerAddress")
    assert (result["warnings"], result["restart_required"]) == ([], True)
    assert "ServerAddress" not in result["effective_settings"]


def test_absent_leaves_what_others_changed_since(license_tasks: LicenseTasks) -> None:
    license_tasks.write("Proxy=x\n#EnableUI=TRUE\nIgnoreSP=TRUE\n")
    license_tasks(enable_ui=False, settings={"Proxy": "y", "IgnoreSP": False, "More": 1})
    text = license_tasks.read().replace("Proxy=y", "Proxy=z")
    license_tasks.write(f"{text}# mine\nLingerInterval=5\n")
    license_tasks(state="absent")
    assert license_tasks.read() == (
        "Proxy=z\n#EnableUI=TRUE\nIgnoreSP=TRUE\n# mine\n#LingerInterval=5\n"
    )


def test_absent_of_a_file_made_from_the_template(license_tasks: LicenseTasks) -> None:
    license_tasks.write(ORIGINAL, TEMPLATE)
    license_tasks(server_address=SERVER, server_port=7070, feature_type="vgpu")
    license_tasks(state="absent")
    assert license_tasks.read() == ORIGINAL.replace("\nServerAddress=", "\n#ServerAddress=")
    assert "gridd_license" in json.loads(license_tasks.read(UNDO))["modules"]


def test_absent_without_a_record_warns(license_tasks: LicenseTasks) -> None:
    license_tasks.write("ServerAddress=a\nfeaturetype=1\nIgnoreSP=TRUE\nProxy=x\n")
    result = license_tasks(state="absent", settings={"Proxy": "x"})
    assert license_tasks.read() == "#ServerAddress=a\n#featuretype=1\nIgnoreSP=TRUE\n#Proxy=x\n"
    assert result["warnings"] == [
        (
            f"{PATH}: no record of what was there before; its keys are commented out with the "
            "values "
            "that they have"
        )
    ]
    assert license_tasks.run(state="absent")["warnings"] == []


def test_absent_of_nothing(license_tasks: LicenseTasks) -> None:
    assert license_tasks(state="absent")["changed"] is False
    license_tasks.write("# nothing\n")
    result = license_tasks(state="absent")
    assert (result["changed"], result["warnings"]) == (False, [])


def test_absent_and_tokens(license_tasks: LicenseTasks) -> None:
    license_tasks.write(TOKEN, f"{TOKENS}/a.tok")
    license_tasks.write("FeatureType=1\n")
    assert license_tasks(state="absent")["warnings"][-1] == (
        f"{TOKENS}/a.tok: with this token the daemon still gets a licence: remove it "
        "(remove_tokens: true)"
    )
    result = license_tasks(state="absent", remove_tokens=True)
    assert (result["tokens"], result["removed_tokens"]) == ([], [f"{TOKENS}/a.tok"])


def test_absent_gives_the_mode_back(license_tasks: LicenseTasks) -> None:
    license_tasks.write("ServerAddress=a\n")
    place = license_tasks.machine.at(PATH)
    place.chmod(0o600)
    license_tasks(server_address="b", mode="0644")
    license_tasks(server_address="c", mode="0640")
    license_tasks(state="absent")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    license_tasks(server_address="b", mode="0644")
    place.chmod(0o604)
    license_tasks(state="absent")
    assert stat.S_IMODE(place.stat().st_mode) == 0o604


def test_a_record_that_is_not_ours(license_tasks: LicenseTasks) -> None:
    license_tasks(server_address="a")
    record = json.loads(license_tasks.read(UNDO))
    record["modules"]["gridd_license"][PATH]["found"] = {"content": 1}
    license_tasks.write(json.dumps(record), UNDO)
    told = license_tasks.refusal(state="absent")
    assert told.startswith(f"{UNDO}: gridd_license, {PATH}: not as")


# -- a running guest ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("started", "changed_at", "token_at", "required"),
    [
        (None, 1000100, 1000100, False),
        (50_000_000, 1000040, 1000040, False),
        (50_000_000, 1000060, 1000040, True),
        (50_000_000, 1000040, 1000060, True),
    ],
)
def test_whether_the_daemon_knows_the_file(
    licensed: LicenseTasks, started: int | None, changed_at: int, token_at: int, *, required: bool
) -> None:
    assert isinstance(licensed.running, LicensedHost)
    licensed.running.started = started
    licensed(feature_type="vgpu")
    licensed.write(TOKEN, f"{TOKENS}/a.tok")
    os.utime(licensed.machine.at(PATH), (changed_at, changed_at))
    os.utime(licensed.machine.at(f"{TOKENS}/a.tok"), (token_at, token_at))
    assert licensed.run(feature_type="vgpu")["restart_required"] is required
    assert licensed.run(feature_type="vws")["restart_required"] is True


@pytest.mark.parametrize("what", ["text", "mode", "token"])
def test_what_does_not_stay_is_told(
    licensed: LicenseTasks, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    licensed.write(TOKEN, f"{TOKENS}/a.tok")
    observe, machine = configuration.observe, licensed.machine
    seen: list[int] = []

    def other(host: t.Any, wanted: t.Any) -> t.Any:
        if seen:
            if what == "text":
                licensed.write("# mine\n")
            elif what == "mode":
                machine.at(PATH).chmod(0o600)
            else:
                licensed.write(TOKEN, f"{TOKENS}/a.tok")
        seen.append(1)
        return observe(host, wanted)

    monkeypatch.setattr(licensing, "observe", other)
    told = licensed.run(server_address=SERVER, remove_tokens=True)["msg"]
    assert told.startswith(TOKENS if what == "token" else PATH)
    assert "again" in told
