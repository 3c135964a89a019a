/* SPDX-License-Identifier: MIT
 * Status and error text: how every function of the runtime reports. */
#ifndef LS_STATUS_H
#define LS_STATUS_H

#include "lockstep.h"

/* Fill *err with status and the printf-formatted line, control characters made printable; returns status. */
enum lockstep_status ls_fail(struct lockstep_error *err, enum lockstep_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
