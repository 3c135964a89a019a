/* SPDX-License-Identifier: MIT
 * Attributes of a node: the arguments of a call that are no values. */
#ifndef LS_ATTRIBUTES_H
#define LS_ATTRIBUTES_H

#include "graph/graph.h"
#include "graph/text.h"

/* Those of the op, where the text gives none. */
void ls_attributes_default(struct ls_node *n);

/* Is it a word that attributes are given by: true, false or one of the op's own? */
bool ls_attributes_word(const struct ls_op *op, const char *word);

/* By position in the op's order, or by keyword. e: the first argument that is no value, or NULL. E_USAGE names its
 * place in the text. */
enum lockstep_status ls_attributes_bind(struct ls_node *n, const struct ls_expr *e, struct lockstep_error *err);

#endif
