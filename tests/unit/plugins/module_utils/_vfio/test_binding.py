# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Onto a driver and back: the writes in order, and where a function ends whatever fails."""

from __future__ import annotations

import errno
import itertools
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Plan
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.binding import (
    Binding,
    give_back,
    parse_override,
    probe,
    take,
    unbind,
    write_override,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._plan import AttributeWrite

AT = PciAddress.parse("0000:3d:01.2")
FOLDER = f"/sys/bus/pci/devices/{AT}"
OVERRIDE, UNBIND = f"{FOLDER}/driver_override", f"{FOLDER}/driver/unbind"
PROBE = "/sys/bus/pci/drivers_probe"
NATIVE, OTHER, VFIO, VARIANT = "native", "other", "vfio-pci", "mlx5_vfio_pci"
DRIVERS = (None, NATIVE, OTHER, VFIO, VARIANT)


def bind(driver: str) -> str:
    return f"/sys/bus/pci/drivers/{driver}/bind"


class OneFunction(Host):
    """A host with one function, as Linux has it in drivers/base/bus.c and pci-driver.c."""

    def __init__(
        self,
        binding: Binding,
        *,
        natural: str | None = NATIVE,
        autoprobe: bool = True,
        fails_at: int | None = None,
        number: int = errno.EIO,
    ) -> None:
        """Start with a binding; the write with the number C(fails_at) is refused."""
        super().__init__("/none")
        self.driver, self.override = binding.driver, binding.override
        self.natural, self.autoprobe = natural, autoprobe
        self.fails_at, self.number = fails_at, number
        self.writes = 0

    def write_attribute(self, path: str, value: str, *, seconds: float) -> None:
        """Play a write."""
        assert seconds > 0
        fails, self.writes = self.writes == self.fails_at, self.writes + 1
        number = self.number if fails else self._play(path, value)
        if number:
            raise HostError.from_os(f"write {value!r} to", path, number)

    def _play(self, path: str, value: str) -> int:
        wanted = self.override or (self.natural if self.autoprobe else None)
        if path == OVERRIDE:
            self.override = value.strip() or None
            return 0
        assert value == str(AT)
        if path == PROBE:
            self.driver = self.driver or wanted
        elif path == UNBIND:
            if self.driver is None:
                return errno.ENOENT
            self.driver = None
        else:
            driver = path.split("/")[-2]
            assert path == bind(driver)
            if self.driver is not None or driver != wanted:
                return errno.ENODEV
            self.driver = driver
        return 0

    @property
    def binding(self) -> Binding:
        """What the function has now."""
        return Binding(self.driver, self.override)


def play(writes: list[AttributeWrite], host: OneFunction) -> Binding:
    for write in writes:
        write.apply(host)
    return host.binding


def short(writes: t.Iterable[AttributeWrite]) -> list[tuple[str, str]]:
    assert {write.device for write in writes} <= {str(AT)}
    return [(write.path, write.value) for write in writes]


# -- the writes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ((None, None), [(OVERRIDE, VFIO), (bind(VFIO), str(AT))]),
        ((None, VFIO), [(bind(VFIO), str(AT))]),
        ((None, NATIVE), [(OVERRIDE, VFIO), (bind(VFIO), str(AT))]),
        ((NATIVE, None), [(OVERRIDE, VFIO), (UNBIND, str(AT)), (bind(VFIO), str(AT))]),
        ((NATIVE, NATIVE), [(OVERRIDE, VFIO), (UNBIND, str(AT)), (bind(VFIO), str(AT))]),
        ((NATIVE, VFIO), [(UNBIND, str(AT)), (bind(VFIO), str(AT))]),
        ((VARIANT, VARIANT), [(OVERRIDE, VFIO), (UNBIND, str(AT)), (bind(VFIO), str(AT))]),
    ],
)
def test_take(now: tuple[str | None, str | None], expected: list[tuple[str, str]]) -> None:
    assert short(take(AT, Binding(*now), VFIO)) == expected


@pytest.mark.parametrize(
    ("former", "expected"),
    [
        # To a driver by its override, which is then what it was.
        (
            Binding(NATIVE, None),
            [(OVERRIDE, NATIVE), (UNBIND, str(AT)), (bind(NATIVE), str(AT)), (OVERRIDE, "\n")],
        ),
        (
            Binding(NATIVE, NATIVE),
            [(OVERRIDE, NATIVE), (UNBIND, str(AT)), (bind(NATIVE), str(AT))],
        ),
        (
            Binding(NATIVE, OTHER),
            [(OVERRIDE, NATIVE), (UNBIND, str(AT)), (bind(NATIVE), str(AT)), (OVERRIDE, OTHER)],
        ),
        # To none.
        (Binding(None, None), [(OVERRIDE, "\n"), (UNBIND, str(AT))]),
        (Binding(None, OTHER), [(OVERRIDE, OTHER), (UNBIND, str(AT))]),
        (Binding(None, VFIO), [(UNBIND, str(AT))]),
        # To what the kernel chooses.
        (
            Binding(NATIVE, None, chosen=True),
            [(OVERRIDE, "\n"), (UNBIND, str(AT)), (PROBE, str(AT))],
        ),
        (
            Binding(None, None, chosen=True),
            [(OVERRIDE, "\n"), (UNBIND, str(AT)), (PROBE, str(AT))],
        ),
        # It has the driver; only the override is another.
        (Binding(VFIO, None), [(OVERRIDE, "\n")]),
        (Binding(VFIO, NATIVE), [(OVERRIDE, NATIVE)]),
        (Binding(VFIO, VFIO), []),
        (Binding(VFIO, VFIO, chosen=True), []),
    ],
)
def test_give_back(former: Binding, expected: list[tuple[str, str]]) -> None:
    assert short(give_back(AT, Binding(VFIO, VFIO), former)) == expected


def test_give_back_what_has_no_driver() -> None:
    now = Binding(None, VFIO)
    writes = give_back(AT, now, Binding(NATIVE, None))
    assert short(writes) == [(OVERRIDE, NATIVE), (bind(NATIVE), str(AT)), (OVERRIDE, "\n")]
    writes = give_back(AT, now, Binding(NATIVE, None, chosen=True))
    assert short(writes) == [(OVERRIDE, "\n"), (PROBE, str(AT))]


@pytest.mark.parametrize("override", [None, OTHER])
def test_give_back_what_has_no_driver_and_may_find_none(override: str | None) -> None:
    # vfio-pci did not take it: what the kernel chooses is to be asked all the same.
    writes = give_back(AT, Binding(None, VFIO), Binding(None, override, chosen=True))
    assert short(writes) == [(OVERRIDE, override or "\n"), (PROBE, str(AT))]


def test_single_writes() -> None:
    writes = [probe(AT, None), unbind(AT, NATIVE), write_override(AT, VFIO, None)]
    assert short(writes) == [(PROBE, str(AT)), (UNBIND, str(AT)), (OVERRIDE, "\n")]
    told = [(write.name, write.before, write.after) for write in writes]
    assert told == [("driver", "", ""), ("driver", NATIVE, ""), ("driver_override", VFIO, "")]


@pytest.mark.parametrize(
    ("text", "override"),
    [(None, None), ("", None), ("(null)", None), ("vfio-pci", "vfio-pci"), ("none", "none")],
)
def test_what_an_override_says(text: str | None, override: str | None) -> None:
    assert parse_override(text) == override


def test_the_diff_shows_first_and_last() -> None:
    there = Binding(NATIVE, None)
    (entry,) = Plan(tuple(take(AT, there, VFIO))).diff()
    assert entry["before"] == f"{AT} driver: {NATIVE}\n{AT} driver_override: \n"
    assert entry["after"] == f"{AT} driver: {VFIO}\n{AT} driver_override: {VFIO}\n"
    (back,) = Plan(tuple(give_back(AT, Binding(VFIO, VFIO), there))).diff()
    assert (back["before"], back["after"]) == (entry["after"], entry["before"])


def test_the_diff_of_what_the_kernel_chooses() -> None:
    former = Binding(NATIVE, None, chosen=True)
    (entry,) = Plan(tuple(give_back(AT, Binding(VFIO, VFIO), former))).diff()
    assert entry["after"] == f"{AT} driver: {NATIVE}\n{AT} driver_override: \n"


# -- where it ends -----------------------------------------------------------------------------

bindings = st.builds(Binding, st.sampled_from(DRIVERS), st.sampled_from(DRIVERS))
# What drivers know the function by its id, and whether the kernel looks for one of them.
kernels = st.fixed_dictionaries(
    {"natural": st.sampled_from([None, NATIVE, OTHER]), "autoprobe": st.booleans()}
)
many = settings(max_examples=300)


@many
@given(now=bindings, driver=st.sampled_from([VFIO, VARIANT]), kernel=kernels)
def test_taken_it_is_on_the_driver_by_its_override(
    now: Binding, driver: str, kernel: dict[str, t.Any]
) -> None:
    assume(now.driver != driver)
    assert play(take(AT, now, driver), OneFunction(now, **kernel)) == Binding(driver, driver)


@many
@given(
    now=bindings,
    driver=st.sampled_from([VFIO, VARIANT]),
    kernel=kernels,
    number=st.sampled_from([errno.EINVAL, errno.ENODEV, errno.EBUSY, errno.EIO]),
)
def test_not_taken_it_has_what_it_had(
    now: Binding, driver: str, kernel: dict[str, t.Any], number: int
) -> None:
    assume(now.driver != driver)
    writes = take(AT, now, driver)
    for index in range(len(writes)):
        host = OneFunction(now, fails_at=index, number=number, **kernel)
        with pytest.raises(HostError):
            play(writes, host)
        assert host.binding == now


def chosen_by(override: str | None, natural: str | None, *, autoprobe: bool) -> Binding:
    return Binding(override or (natural if autoprobe else None), override, chosen=True)


@many
@given(now=bindings, former=bindings, kernel=kernels)
def test_given_back_it_has_what_it_had(
    now: Binding, former: Binding, kernel: dict[str, t.Any]
) -> None:
    writes = give_back(AT, now, former)
    assert play(writes, OneFunction(now, **kernel)) == former
    assert bool(writes) == (now != former)


@many
@given(now=bindings, override=st.sampled_from(DRIVERS), kernel=kernels)
def test_given_back_it_has_what_the_kernel_chooses(
    now: Binding, override: str | None, kernel: dict[str, t.Any]
) -> None:
    former = chosen_by(override, **kernel)
    end = play(give_back(AT, now, former), OneFunction(now, **kernel))
    assert end == Binding(former.driver, former.override)


@many
@given(now=bindings, former=bindings, kernel=kernels)
def test_not_given_back_it_is_on_one_of_the_two(
    now: Binding, former: Binding, kernel: dict[str, t.Any]
) -> None:
    writes = give_back(AT, now, former)
    for index in range(len(writes)):
        host = OneFunction(now, fails_at=index, **kernel)
        with pytest.raises(HostError):
            play(writes, host)
        moved = any(write.name == "driver" for write in writes) and index == len(writes) - 1
        if moved and writes[index].name == "driver_override":
            # Only the last write is left, and its failure is told.
            assert host.driver == former.driver
        else:
            assert host.binding == now


def test_what_failed_is_told_with_what_was_brought_back() -> None:
    now = Binding(NATIVE, None)
    host = OneFunction(now, fails_at=2, number=errno.EINVAL)
    with pytest.raises(HostError, match="for vfio-pci its denylist") as told:
        play(take(AT, now, VFIO), host)
    assert told.value.number == errno.EINVAL
    assert str(told.value).endswith(
        f". Brought back: {AT} driver_override={NATIVE}. Brought back: {AT} driver={AT}"
        f". Brought back: {AT} driver_override=\n"
    )


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENODEV, "option driver names another"),
        (errno.EBUSY, "in the hands of a guest, or it still has VFs"),
        (errno.ENOENT, "the driver is not loaded"),
        (errno.EIO, "see the kernel log"),
        (errno.EPERM, "see the kernel log"),
    ],
)
def test_hints(number: int, hint: str) -> None:
    now = Binding(None, None)
    with pytest.raises(HostError, match=hint):
        play(take(AT, now, VFIO), OneFunction(now, fails_at=1, number=number))


def test_a_rescue_that_fails_too_ends_there() -> None:
    class Broken(OneFunction):
        """Takes nothing after the override and the unbind."""

        def _play(self, path: str, value: str) -> int:
            return super()._play(path, value) if self.writes <= 2 else errno.EIO

    now = Binding(NATIVE, None)
    host = Broken(now)
    with pytest.raises(HostError, match=f"Then {AT} driver_override={NATIVE} failed too"):
        play(take(AT, now, VFIO), host)
    assert host.writes == 4


def test_every_combination_of_overrides_is_short() -> None:
    for driver, override in itertools.product(DRIVERS, DRIVERS):
        now = Binding(driver, override)
        assert len(take(AT, now, VFIO)) <= 3
        assert len(give_back(AT, now, Binding(NATIVE, None))) <= 4
