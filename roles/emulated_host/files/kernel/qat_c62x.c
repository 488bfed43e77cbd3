// SPDX-License-Identifier: GPL-2.0-or-later
/* Stand-in for the driver of a C62x physical function. */
#define STANDIN_DRIVER "c6xx"
#define STANDIN_DEVICE 0x37c8
#define STANDIN_PF
#include "qat_standin.h"
