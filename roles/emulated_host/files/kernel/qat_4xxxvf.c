// SPDX-License-Identifier: GPL-2.0-or-later
/* Stand-in for the driver of a 4xxx virtual function, which the out-of-tree package alone has. */
#define STANDIN_DRIVER "4xxxvf"
#define STANDIN_DEVICE 0x4941
#include "qat_standin.h"
