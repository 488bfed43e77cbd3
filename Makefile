# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# One line of help a target: the text after "##". Whatever is longer than a line or two stands
# in scripts/ or tools/. All paths are relative, so that a checkout may stand anywhere.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# The steps share one venv and two cores are plenty busy with one of them.
.NOTPARALLEL:

RUN := scripts/in-venv
STEP := scripts/step

# How long each target of fuzz runs.
SECONDS ?= 60

# The one place that knows how the emulated host of the demo is made, entered and thrown away.
DEMO := ansible-playbook hwaccel.virt.demo
DEMO_CLEAN := $(DEMO) --extra-vars demo_state=absent
DEMO_SSH := scripts/demo-ssh

.PHONY: help setup setup-runtime demo demo-ssh demo-clean test lint format unit fuzz fuzz-short faults registry built sanity compat docs molecule bench clean

help: ## list the targets
	@scripts/help $(firstword $(MAKEFILE_LIST))

setup: ## make .venv with everything the tests need (again only when requirements change)
	@scripts/setup test

setup-runtime: ## make .venv with what the demo needs, which is quicker
	@scripts/setup runtime

demo: setup-runtime ## boot the emulated host, run hwaccel.virt.host on it, show its VFs
	@$(RUN) $(DEMO)

demo-ssh: setup-runtime ## log in to the emulated host of the demo
	@$(RUN) $(DEMO_SSH)

demo-clean: setup-runtime ## stop the emulated host of the demo and remove it
	@$(RUN) $(DEMO_CLEAN)

test: ## every test, with a fixed choice of the faults, fast ones first
	@$(STEP) setup make setup
	@scripts/beside "lint fuzz-short registry built" sanity
	@$(STEP) unit make unit
	@$(STEP) faults $(RUN) scripts/faults
	@$(STEP) molecule make molecule

lint: setup ## ruff, mypy, yamllint, ansible-lint, antsibull: format, types, YAML, documentation
	@$(RUN) scripts/lint

format: setup ## let ruff format the Python files, and write the code's messages into the guide to them
	@$(RUN) ruff format .
	@$(RUN) env PYTHONPATH=.build/collections python tools/troubleshooting.py

unit: setup ## unit tests, without a machine
	@$(RUN) scripts/unit

fuzz: setup ## fuzz each parser for SECONDS=60, or those of TARGET="a b"; findings go to .build/fuzz
	@$(RUN) scripts/fuzz --seconds $(SECONDS) $(TARGET)

fuzz-short: setup ## fuzz each parser a fixed number of times, or for four seconds where that takes longer
	@$(RUN) scripts/fuzz $(TARGET)

faults: setup ## kills, full disks, cuts of power, errors of the kernel: at every moment, not at a few
	@$(RUN) scripts/faults --every
	@$(RUN) env HWACCEL_FAULTS=every scripts/molecule faults mixed_host passthrough

registry: setup ## import the values of the Windows registry into Wine's, and read them back
	@$(RUN) scripts/registry

built: setup ## build the collection, install it from the archive, check playbooks and examples there
	@$(RUN) python tools/built.py

sanity: setup ## ansible-test sanity on an export of the tracked files
	@$(RUN) python tools/sanity.py

molecule: setup ## every molecule scenario, or those of SCENARIO="a b", through pytest-ansible
	@$(RUN) scripts/molecule $(SCENARIO)

bench: setup ## measure every figure, write docs/benchmarks.md (scripts/bench --only NAME: one of them)
	@$(RUN) scripts/bench

compat: setup ## unit tests of plugins, and sanity, with Pythons and ansible-cores promised; writes docs/compatibility.md
	@$(RUN) python tools/compat.py

docs: ## render the documentation to .build/docs
	@scripts/setup docs
	@$(RUN) scripts/docs

clean: ## remove what the other targets made in the checkout (not the emulated host: demo-clean)
	@scripts/clean
