// SPDX-License-Identifier: GPL-2.0-or-later
/* Stand-in for the driver of a C3xxx virtual function. */
#define STANDIN_DRIVER "c3xxxvf"
#define STANDIN_DEVICE 0x19e3
#include "qat_standin.h"
