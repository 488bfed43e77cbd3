// SPDX-License-Identifier: GPL-2.0-or-later
/* Stand-in for the driver of a C62x virtual function. */
#define STANDIN_DRIVER "c6xxvf"
#define STANDIN_DEVICE 0x37c9
#include "qat_standin.h"
