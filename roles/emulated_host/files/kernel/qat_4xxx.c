// SPDX-License-Identifier: GPL-2.0-or-later
/* Stand-in for the driver of a 4xxx physical function. */
#define STANDIN_DRIVER "4xxx"
#define STANDIN_DEVICE 0x4940
#define STANDIN_PF
#define STANDIN_GEN4
#include "qat_standin.h"
