// SPDX-License-Identifier: GPL-2.0-or-later
/* Stand-in for the driver of a DH895xCC physical function. */
#define STANDIN_DRIVER "dh895xcc"
#define STANDIN_DEVICE 0x0435
#define STANDIN_PF
#include "qat_standin.h"
