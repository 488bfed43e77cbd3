# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which license a vGPU type needs: tables 1 to 4 of the vendor's GRID Licensing User Guide.

The guide is DU-07757-001 v4.9 of September 2019. Types of later boards are not in it, and what a
suffix means has changed since: so a type that is not in the tables is not known here.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .keys import FEATURE_TYPES, feature_type


@dataclass(frozen=True)
class Edition:
    """A license edition, by table 1.

    Args:
        name: what the collection calls it.
        title: what the guide calls it.
        features: what it is for.
    """

    name: str
    title: str
    features: tuple[str, ...]


# Each one includes those before it (below table 4).
EDITIONS: t.Final = (
    Edition(
        "application",
        "GRID Virtual Application",
        ("Virtual GPUs for virtual application computing",),
    ),
    Edition(
        "pc",
        "GRID Virtual PC",
        ("Virtual GPUs for business desktop computing",),
    ),
    Edition(
        "workstation",
        "GRID Virtual Workstation",
        (
            "Virtual GPUs for midrange and high-end workstation computing",
            "Workstation graphics on GPU passthrough",
        ),
    ),
)
_APPLICATION, _PC, _WORKSTATION = EDITIONS

ONE_HEAD = "supports one virtual display head only on a Windows 10 guest"
OFF_SCREEN = (
    "applications are rendered off screen, so that the resolution does not depend on that of the "
    "display head"
)

_4K, _WQXGA, _SXGA = "4096x2160", "2560x1600", "1280x1024"


@dataclass(frozen=True)
class VgpuType:
    """A vGPU type, or a board whose types need no license.

    Args:
        gpu: the board.
        frame_buffer_mib: None where the guide does not tell.
        heads: virtual display heads, at most.
        resolution: of each of these, at most.
        edition: the least edition that it needs, None for none.
    """

    name: str
    gpu: str
    frame_buffer_mib: int | None = None
    heads: int | None = None
    resolution: str | None = None
    edition: Edition | None = None
    footnotes: tuple[str, ...] = ()

    @property
    def editions(self) -> tuple[Edition, ...]:
        """The editions that serve it, the least one first."""
        return () if self.edition is None else EDITIONS[EDITIONS.index(self.edition) :]

    @property
    def feature_types(self) -> tuple[str, ...]:
        """The words of option C(feature_type) that fit.

        With C(vgpu) the driver asks for what the type needs. A Virtual Workstation serves every
        type of the tables, and compute none.
        """
        if self.edition is None:
            return ("unlicensed",)
        return ("vgpu", "vws") if _WORKSTATION in self.editions else ("vgpu",)

    def fits(self, given: object) -> bool:
        """Tell whether a feature type fits, given as a word or a number.

        Raises:
            InputError: for what is no feature type.
        """
        return feature_type(given) in {FEATURE_TYPES[word] for word in self.feature_types}

    def as_result(self) -> dict[str, t.Any]:
        """Return it as filters return it."""
        return {
            "type": self.name,
            "gpu": self.gpu,
            "edition": self.edition.name if self.edition else None,
            "edition_title": self.edition.title if self.edition else None,
            "editions": [edition.name for edition in self.editions],
            "feature_types": list(self.feature_types),
            "frame_buffer_mib": self.frame_buffer_mib,
            "heads": self.heads,
            "resolution": self.resolution,
            "footnotes": list(self.footnotes),
        }


_Row = tuple[str, int, int, str, Edition, tuple[str, ...]]

# Tables 2, 3 and 4 have the same rows, under the names of their boards.
_ROWS: t.Final[tuple[_Row, ...]] = (
    ("8Q", 8192, 4, _4K, _WORKSTATION, ()),
    ("4Q", 4096, 4, _4K, _WORKSTATION, ()),
    ("2Q", 2048, 4, _4K, _WORKSTATION, ()),
    ("1Q", 1024, 2, _4K, _WORKSTATION, ()),
    ("0Q", 512, 2, _WQXGA, _WORKSTATION, (ONE_HEAD,)),
    ("1B", 1024, 4, _WQXGA, _PC, ()),
    ("0B", 512, 2, _WQXGA, _PC, (ONE_HEAD,)),
    ("8A", 8192, 1, _SXGA, _APPLICATION, (OFF_SCREEN,)),
    ("4A", 4096, 1, _SXGA, _APPLICATION, (OFF_SCREEN,)),
    ("2A", 2048, 1, _SXGA, _APPLICATION, (OFF_SCREEN,)),
    ("1A", 1024, 1, _SXGA, _APPLICATION, (OFF_SCREEN,)),
)
_BOARDS: t.Final = ("M60", "M10", "M6")
TYPES: t.Final = tuple(
    VgpuType(f"{board}-{name}", f"Tesla {board}", *values)
    for board in _BOARDS
    for name, *values in t.cast("tuple[tuple[t.Any, ...], ...]", _ROWS)
)
_BY_NAME: t.Final = {each.name: each for each in TYPES}

# Chapter 2: they need no license, and the guide has no table of them. Their types are called K120Q,
# K260Q or K200.
FREE_BOARDS: t.Final = ("K1", "K2")
_FREE = re.compile(r"(K[12])(?:[0-9]{2}Q?)?", re.ASCII)
_BRAND = re.compile(r"(?:(?:NVIDIA|GRID|TESLA)\s+)*", re.IGNORECASE)

# Section 3.1, of a whole GPU.
PASSTHROUGH_FEATURES: t.Final = (
    f"Up to 4 virtual display heads of {_4K}",
    "Workstation-specific graphics features and accelerations",
    "Certified drivers for professional applications",
)
PASSTHROUGH_WITHOUT: t.Final = f"1 virtual display head of {_WQXGA} at most"


def _check() -> None:
    """Look whether the table can be right: nothing twice, memory as the name has it.

    Raises:
        ValueError: naming the first type that is not.
    """
    names = [name for name, *_values in _ROWS]
    if len(_BY_NAME) != len(_ROWS) * len(_BOARDS) or len(set(names)) != len(names):
        raise ValueError("a vGPU type stands twice")
    letters = {"Q": _WORKSTATION, "B": _PC, "A": _APPLICATION}
    for each in TYPES:
        size, letter = each.name[-2], each.name[-1]
        if each.frame_buffer_mib != (int(size) * 1024 or 512) or each.edition != letters[letter]:
            raise ValueError(f"{each.name}: not what its name says")
        if (OFF_SCREEN in each.footnotes) != (each.edition is _APPLICATION):
            raise ValueError(f"{each.name}: footnote 2 is of Virtual Application alone")
        if (ONE_HEAD in each.footnotes) != (size == "0"):
            raise ValueError(f"{each.name}: footnote 1 is of types with 512 MiB alone")


_check()


def find_type(given: object, option: str = "vgpu_type") -> VgpuType:
    """Return a vGPU type by its name, also with the brand before it (C(GRID M60-2Q)).

    Raises:
        InputError: for one that is not in the tables, naming those that are.
    """
    text = given if isinstance(given, str) else ""
    name = _BRAND.sub("", text.strip(), count=1).upper()
    free = _FREE.fullmatch(name)
    if free is not None:
        return VgpuType(name, f"GRID {free[1]}")
    if name not in _BY_NAME:
        boards = ", ".join(f"{board}-*" for board in _BOARDS)
        known = ", ".join(row[0] for row in _ROWS)
        accepted = f"{boards} with one of {known}, or K1 and K2, which need no license"
        raise InputError(option, given, accepted)
    return _BY_NAME[name]
