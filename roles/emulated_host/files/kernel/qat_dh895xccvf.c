// SPDX-License-Identifier: GPL-2.0-or-later
/* Stand-in for the driver of a DH895xCC virtual function. */
#define STANDIN_DRIVER "dh895xccvf"
#define STANDIN_DEVICE 0x0443
#include "qat_standin.h"
