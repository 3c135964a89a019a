/* SPDX-License-Identifier: MIT
 * From options and environment to a kernel table. */
#ifndef LS_MACHINE_H
#define LS_MACHINE_H

#include "core/status.h"
#include "cpu.h"

/* Features of this CPU less LOCKSTEP_CPU. E_ENV when that is malformed. */
enum lockstep_status ls_machine_features(unsigned *features, struct lockstep_error *err);

/* Table for options->isa, else LOCKSTEP_ISA, else the best. E_USAGE for an unknown name, E_ENV for an unsupported one.
 */
enum lockstep_status ls_machine_table(const struct lockstep_options *options, struct lk_table *out,
                                      struct lockstep_error *err);

/* Why this one: "as asked", "LOCKSTEP_ISA", "the best here". */
const char *ls_machine_isa_why(const struct lockstep_options *options);

#endif
