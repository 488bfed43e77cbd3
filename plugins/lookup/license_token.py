# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup license_token."""

from __future__ import annotations

DOCUMENTATION = r"""
name: license_token
short_description: The client configuration token of an NVIDIA license server, checked
version_added: 0.1.0
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
description:
  - Reads a token on the controller, before a host is touched, and returns it in base64, since it is
    taken as bytes. A file encrypted with Ansible Vault is decrypted.
  - What can be no token is an error. This is an empty or very short file, a saved web page or
    error message, a file whose name does not end with C(.tok), and more than one token at once.
  - The content is a secret. It is in no error, and tasks that use it should have C(no_log).
options:
  _terms:
    description: >-
      The path of the token, or of a folder with one file C(*.tok). A relative path is looked up
      like that of a file in a role or beside a playbook.
    type: list
    elements: str
    required: true
  part:
    description: What is returned, the C(content) in base64 or the C(name) of the file.
    type: str
    choices: [content, name]
    default: content
seealso:
  - module: hwaccel.virt.gridd_license
"""

EXAMPLES = r"""
- name: Refuse what is no token before anything is changed
  ansible.builtin.assert:
    that: lookup('hwaccel.virt.license_token', token) is truthy
    quiet: true
  no_log: true
  delegate_to: localhost
  vars:
    token: tokens/client_configuration_token_10-22-2026-09-30-00.tok
"""

RETURN = r"""
_raw:
  description: The content in base64, or the name of the file.
  type: list
  elements: str
"""

import base64
import typing as t
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.lookup import LookupBase
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HwaccelError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.configuration import TOKEN_SUFFIX
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.token import check_token


class LookupModule(LookupBase):
    """The lookup, by the name that Ansible asks for."""

    def run(
        self,
        terms: list[str],
        variables: dict[str, t.Any] | None = None,
        **kwargs: t.Any,  # noqa: ANN401 (options of any kind)
    ) -> list[str]:
        """Return the token or its name."""
        LookupBase.set_options(self, var_options=variables, direct=kwargs)
        if len(terms) != 1:
            raise AnsibleLookupError(
                f"license_token: one token is needed, and {len(terms)} paths are given"
            )
        path = self._found(terms[0], variables or {})
        try:
            content = self._content(path)
            check_token(str(path), content)
        except OSError as error:
            raise AnsibleLookupError(f"license_token: {path}: {error.strerror}") from error
        except HwaccelError as error:
            raise AnsibleLookupError(f"license_token: {error}") from error
        if LookupBase.get_option(self, "part") == "name":
            return [path.name]
        return [base64.b64encode(content).decode("ascii")]

    def _found(self, term: str, variables: dict[str, t.Any]) -> Path:
        """Return the path of the one token that is meant."""
        found = LookupBase.find_file_in_search_path(
            self, variables, "files", term, ignore_missing=True
        )
        if not found:
            raise AnsibleLookupError(f"license_token: {term}: no such file or folder")
        path = Path(found)
        if not path.is_dir():
            return path
        tokens = sorted(each for each in path.iterdir() if each.name.endswith(TOKEN_SUFFIX))
        if len(tokens) != 1:
            told = ", ".join(each.name for each in tokens) or "none"
            raise AnsibleLookupError(
                f"license_token: {path}: one file *{TOKEN_SUFFIX} is needed there, found {told}; "
                "name the one that is meant"
            )
        return tokens[0]

    def _content(self, path: Path) -> bytes:
        """Return the content of a file, decrypted where that is needed."""
        loader = self._loader or DataLoader()
        real = loader.get_real_file(str(path))
        try:
            return Path(real).read_bytes()
        finally:
            loader.cleanup_tmp_file(real)
