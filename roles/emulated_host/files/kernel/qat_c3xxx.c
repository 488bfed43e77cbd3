// SPDX-License-Identifier: GPL-2.0-or-later
/* Stand-in for the driver of a C3xxx physical function. */
#define STANDIN_DRIVER "c3xxx"
#define STANDIN_DEVICE 0x19e2
#define STANDIN_PF
#include "qat_standin.h"
