# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the disk of a guest that is no Linux: a boot sector of a hundred bytes of machine code.

Guests of the tests run in software emulation inside a machine that is itself emulated, where Linux
would boot for minutes. This sector does the things that tests need of a guest, and no more:

- It lets go of a PCI function that is being removed, as the ACPI code of an operating system does.
  Without that no hot removal ever completes.
- At a key (`virsh send-key GUEST KEY_R`) it resets the first QAT function that it finds, as the
  driver in a guest does: a function-level reset, through Device Control of its PCI Express
  capability.

- At the power button (`virsh shutdown GUEST`) it powers off.

It has no driver and no memory management, maps no BAR and starts no DMA. Between two ticks of the
timer the processor sleeps. For q35 with SeaBIOS and ACPI.

Argument: the file to write, which is replaced.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Where the BIOS loads the sector.
ORIGIN = 0x7C00
SECTOR, IMAGE = 512, 1 << 20
SIGNATURE = b"\x55\xaa"

# Real mode. A column each: label, machine code, instruction; what it is for comes after the
# semicolon. "label" in the machine code is the distance to it, in one byte, or in two after E8 and
# E9, and "@label" is its address.
#
# Ports of the chipset, as QEMU and SeaBIOS set them up: 0x600 has the status of fixed events, 0x602
# which of them count, each with the power button at bit 8, and 0x604 the sleep that is asked for,
# where 0x2000 is none with power. 0x620 is the status of general-purpose
# events, where bit 1 is PCI hot-plug. Of PCI hot-plug itself (docs/specs/acpi_pci_hotplug.rst),
# 0xcd0 selects a bus, 0xcc4 shows which of its slots are to be emptied, and 0xcc8 empties one.
LISTING = """
start       | 31 C0             | xor ax, ax           ; a stack
            | 8E D0             | mov ss, ax           ; ...
            | BC 00 70          | mov sp, 0x7000       ; below the page of the code
            | 8E D8             | mov ds, ax           ; the timer calls "tick" from now on:
            | C7 06 20 00 @tick | mov word [0x20], tick; ...
            | A3 22 00          | mov [0x22], ax       ; ...
            | BA 02 06          | mov dx, 0x602        ; the power button counts
            | B8 00 01          | mov ax, 0x100        ; ...
            | EF                | out dx, ax           ; ...
wait        | FB                | sti                  ; let the timer and the keyboard in
            | F4                | hlt                  ; sleep until one of them comes
            | BA 00 06          | mov dx, 0x600        ; the power button?
            | ED                | in ax, dx            ; ...
            | F6 C4 01          | test ah, 1           ; ...
            | 74 keyboard       | jz keyboard          ; no
            | B8 00 20          | mov ax, 0x2000       ; power off
            | BA 04 06          | mov dx, 0x604        ; ...
            | EF                | out dx, ax           ; ...
keyboard    | B4 01             | mov ah, 1            ; is there a key?
            | CD 16             | int 0x16             ; the BIOS knows
            | 74 event          | jz event             ; no
            | B4 00             | mov ah, 0            ; take it, whichever it is
            | CD 16             | int 0x16             ; ...
            | 66 B9 00 00 00 80 | mov ecx, 0x80000000  ; bus 0, device 0, function 0
function    | B3 00             | mov bl, 0            ; its vendor
            | E8 read           | call read            ; ...
            | 3D 86 80          | cmp ax, 0x8086       ; Intel?
            | 75 other          | jne other            ; no
            | B3 08             | mov bl, 8            ; its class, in the upper half
            | E8 read           | call read            ; ...
            | 66 C1 E8 10       | shr eax, 16          ; ...
            | 3D 40 0B          | cmp ax, 0x0b40       ; co-processor?
            | 75 other          | jne other            ; no
            | B3 34             | mov bl, 0x34         ; where its capabilities begin
            | E8 read           | call read            ; ...
capability  | 24 FC             | and al, 0xfc         ; the two lowest bits mean nothing
            | 74 other          | jz other             ; there is no further one
            | 88 C3             | mov bl, al           ; what it is, and the next one
            | E8 read           | call read            ; ...
            | 3C 10             | cmp al, 0x10         ; PCI Express?
            | 74 reset          | je reset             ; yes
            | 88 E0             | mov al, ah           ; on to the next one
            | EB capability     | jmp capability       ; ...
reset       | 80 C3 08          | add bl, 8            ; Device Control
            | E8 read           | call read            ; ...
            | 80 CC 80          | or ah, 0x80          ; bit 15 starts a function-level reset
            | EF                | out dx, ax           ; these 16 bits alone: status lies above
            | EB event          | jmp event            ; one function is enough
other       | 66 81 C1 00010000 | add ecx, 0x100       ; the next function
            | 66 81 F9 00001080 | cmp ecx, 0x80100000  ; buses 0 to 15
            | 72 function       | jb function          ; ...
event       | BA 20 06          | mov dx, 0x620        ; events
            | EC                | in al, dx            ; ...
            | A8 02             | test al, 2           ; PCI hot-plug?
            | 74 wait           | jz wait              ; no
            | B0 02             | mov al, 2            ; seen
            | EE                | out dx, al           ; ...
            | 66 31 DB          | xor ebx, ebx         ; the first bus
bus         | BA D0 0C          | mov dx, 0xcd0        ; select it
            | 66 89 D8          | mov eax, ebx         ; ...
            | 66 EF             | out dx, eax          ; ...
            | BA C4 0C          | mov dx, 0xcc4        ; slots that are to be emptied
            | 66 ED             | in eax, dx           ; ...
            | 66 85 C0          | test eax, eax        ; any?
            | 74 next           | jz next              ; no
            | BA C8 0C          | mov dx, 0xcc8        ; let go
            | 66 EF             | out dx, eax          ; ...
next        | 43                | inc bx               ; the next bus
            | 83 FB 40          | cmp bx, 64           ; 64 of them
            | 72 bus            | jb bus               ; ...
            | E9 wait           | jmp wait             ; all seen
tick        | 50                | push ax              ; not the BIOS, which is busy for long
            | B0 20             | mov al, 0x20         ; the next tick may come
            | E6 20             | out 0x20, al         ; ...
            | 58                | pop ax               ; ...
            | CF                | iret                 ; ...
read        | 66 89 C8          | mov eax, ecx         ; register BL of the function in ECX
            | 88 D8             | mov al, bl           ; ...
            | BA F8 0C          | mov dx, 0xcf8        ; its address
            | 66 EF             | out dx, eax          ; ...
            | B2 FC             | mov dl, 0xfc         ; 0xcfc: its value
            | 66 ED             | in eax, dx           ; to EAX; DX is left for a write
            | C3                | ret                  ; ...
"""


def assemble(listing: str) -> bytes:
    """Return the machine code, with addresses and distances in place of the labels."""
    labels: dict[str, int] = {}
    places: list[tuple[int, int, int, str]] = []
    code = bytearray()
    for line in listing.strip().splitlines():
        label, encoded = line.split("|", 2)[:2]
        labels[label.strip()] = len(code)
        opcode, *rest = encoded.split()
        code += bytes.fromhex(opcode)
        for part in rest:
            if part.startswith("@"):
                places.append((len(code), 2, -ORIGIN, part[1:]))
                code += bytes(2)
            elif part.islower():
                width = 2 if opcode in {"E8", "E9"} else 1
                places.append((len(code), width, len(code) + width, part))
                code += bytes(width)
            else:
                code += bytes.fromhex(part)
    for place, width, base, label in places:
        value = labels[label] - base
        code[place : place + width] = value.to_bytes(width, "little", signed=True)
    return bytes(code)


def image() -> bytes:
    """Return the disk: the sector, and room."""
    sector = assemble(LISTING).ljust(SECTOR - len(SIGNATURE), b"\0") + SIGNATURE
    return sector.ljust(IMAGE, b"\0")


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(image())
