/* SPDX-License-Identifier: MIT
 *
 * The graph: nodes in topological order, each an op with its shape, parameters and (after ls_plan) buffers. Dimension 0
 * of every value is the batch and is not part of a shape. Values and gradients of a block of rows lie in panels
 * (kernels.h).
 */
#ifndef LS_GRAPH_H
#define LS_GRAPH_H

#include "core/mem.h"
#include "core/status.h"
#include "kernels.h"

enum { LS_INPUTS = 2, LS_PARAMS = 2, LS_ATTRS = 4, LS_NAME = 48, LS_CLASSES = 256 };

struct ls_node;

/* Without the batch: rank 1 is (features), rank 2 is (channels, length). */
struct ls_shape {
    size_t rank, dim[2];
};

/*
 * A parameter. In memory: dense panels of a matrix (rows, cols), rows the inputs, cols the outputs; a bias has one row.
 * In PyTorch's shape, row-major: element (c, r), shape[] of rank 2, or (c) of rank 1.
 */
struct ls_param {
    const char *name; /* "weight", "bias" */
    size_t rows, cols, rank;
    size_t offset;  /* first element in the flat parameter array, set by ls_plan */
    bool zero_init; /* starts at +0 whatever --init says */
};

/* Where one value or gradient lies inside an activation block: panels at offset, ld apart. */
struct ls_buffer {
    size_t offset, ld;
};

/* A part of a parameter matrix that one thread owns: whole panel columns [col, col + cols) of rows [row, row + rows).
 */
struct ls_unit {
    size_t node, row, rows, col, cols;
};

/* Where the rows of a batch come from: bytes chosen by index, or floats row-major in order. */
struct ls_source {
    const uint8_t *bytes; /* (any, features), or NULL */
    const float *floats;  /* (rows, features), or NULL */
    const uint32_t *index;
    const uint8_t *label; /* by index for bytes, in order for floats; NULL: unknown */
    size_t rows;
};

/* What an op needs to run on some rows of a block. Rows [row, row + rows) of the block are rows batch_row + ... of the
 * batch. */
struct ls_context {
    const struct lk_kernels *k;
    float *act;          /* activation block: base of every ls_buffer */
    const float *w, *wt; /* parameters and transposed weights, flat */
    size_t row, rows;    /* of the block */
    size_t batch_row;    /* of the batch, for `row` */
    const struct ls_source *source;
    uint8_t *label; /* (block) labels of the rows, filled by input */
    float *loss;    /* (batch) */
    uint8_t *hit;   /* (batch) */
    float scale;    /* 1 / rows of the batch */
    bool train;     /* gradients are wanted */
};

enum ls_attr_kind { LS_ATTR_SIZE, LS_ATTR_BOOL };

struct ls_attr {
    const char *name;
    enum ls_attr_kind kind;
    bool required;
    size_t value; /* default */
};

/*
 * The op interface. Functions that an op does not need are NULL.
 *   shape     from inputs and attr: node->shape, params, flops
 *   forward   value of the rows in context; applies node->act in its epilogue where the op says it can
 *   backward  gradient of input 0 from the gradient of this node, times the derivative of node->dx_act
 *   grad      continue the chains of unit's parameters over the rows in context: g panels ldg apart, db (or NULL) for
 * the bias define    forward in plain double: x[i] (rows, features) row-major, p[i] in PyTorch's shape, y (rows,
 * features); a loss writes one value per row. The oracle of the gradient check; not the code of the kernels.
 */
struct ls_op {
    const char *name;
    const char *example; /* a model text for tests and help */
    const char *formula;
    size_t inputs;
    struct ls_attr attr[LS_ATTRS];
    enum lk_act act; /* the activation this op is, for fusion */
    bool fuses;      /* forward and backward have activation epilogues */
    bool view;       /* value and gradient are those of input 0 */
    bool loss;
    enum lockstep_status (*shape)(struct ls_node *n, struct lockstep_error *err);
    void (*forward)(const struct ls_node *n, const struct ls_context *c);
    void (*backward)(const struct ls_node *n, const struct ls_context *c);
    void (*grad)(const struct ls_node *n, const struct ls_context *c, const struct ls_unit *u, float *g, size_t ldg,
                 float *db, bool first);
    void (*define)(const struct ls_node *n, size_t rows, const double *const *x, const double *const *p,
                   const uint8_t *label, double *y);
};

struct ls_node {
    const struct ls_op *op;
    char name[LS_NAME], prefix[LS_NAME]; /* prefix: of its parameters' names */
    unsigned line, column;               /* in the model text */
    size_t n_inputs, n_params;
    struct ls_node *input[LS_INPUTS];
    size_t attr[LS_ATTRS];
    struct ls_shape shape;
    size_t features; /* product of the shape */
    size_t flops;    /* of forward for one row: 2 for a fused multiply-add of a matrix product */
    struct ls_param param[LS_PARAMS];

    /* Set by ls_plan. */
    size_t users;            /* nodes that read this value */
    struct ls_buffer y, d;   /* value, gradient of the loss with respect to it */
    enum lk_act act, dx_act; /* epilogues of forward and backward */
    bool forward, backward;  /* has work of its own: not a view, not fused into a neighbour */
    bool on_path;            /* leads to the loss */
    bool wants_grad;         /* d is needed in training */
    bool hidden_y, hidden_d; /* the buffer holds a fused neighbour's value or gradient instead */
    size_t wt_offset;        /* transposed weights in the flat array */
};

struct ls_graph {
    size_t n;
    struct ls_node *node;
    struct ls_node *input, *output, *loss; /* output: what the loss reads, the logits */
    size_t classes;
    bool pipeline; /* one statement: parameters take nn.Sequential's names */

    /* Set by ls_plan; counts of floats. */
    size_t block;                /* rows of an activation block */
    size_t params, params_dense; /* flat array with pads; elements without */
    size_t transposed, activations;
    size_t n_units;
    struct ls_unit *unit;
    size_t flops_forward, flops_train; /* of the matrix products, for one row */
};

/*
 * Build the graph of a model text for data rows of channels x length and `classes` labels. Input and loss are implied
 * when not written. E_USAGE names line and column; E_MEMORY.
 */
enum lockstep_status ls_graph_build(const char *text, size_t channels, size_t length, size_t classes,
                                    struct ls_graph *out, struct lockstep_error *err);
void ls_graph_free(struct ls_graph *g);

/*
 * plan.c: fuse neighbours, lay out parameters and the activation block of `block` rows, decide what is never computed,
 * cut the parameters into units. The only place that looks at neighbours. keep_values: nothing is fused and the input
 * has a gradient, so that every value and gradient can be read; the bits are the same.
 */
enum lockstep_status ls_plan(struct ls_graph *g, size_t block, bool keep_values, struct lockstep_error *err);

/* The latest node of that name; NULL when there is none. */
struct ls_node *ls_graph_find(const struct ls_graph *g, const char *name);

/* Full name of a parameter, as saved: "1.weight". */
void ls_param_name(const struct ls_node *n, size_t i, char name[64]);

/* Registry of ops, ended by NULL. */
extern const struct ls_op *const ls_ops[];

/* For shape functions: E_USAGE at the node's place in the text. */
enum lockstep_status ls_node_fail(const struct ls_node *n, struct lockstep_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Panels of parameter i in a flat array, and elements it takes there. */
static inline const float *ls_param_at(const float *flat, const struct ls_node *n, size_t i)
{
    return flat + n->param[i].offset;
}

static inline size_t ls_param_floats(const struct ls_param *p)
{
    return lk_panels(p->cols) * LK_PANEL * p->rows;
}

/* Element (c, r) of PyTorch's shape inside the panels. */
static inline size_t ls_param_index(const struct ls_param *p, size_t c, size_t r)
{
    return (c / LK_PANEL * p->rows + r) * LK_PANEL + c % LK_PANEL;
}

/* First row in context of a value or gradient. */
static inline float *ls_rows(const struct ls_context *c, struct ls_buffer b)
{
    return c->act + b.offset + c->row * LK_PANEL;
}

/*
 * define.c: every node in plain double. x (rows, features), params: one array per node and parameter in PyTorch's
 * shape, in node order; label (rows). values[i] receives (rows, features of node i), a loss node one value per row.
 * Returns the mean loss.
 */
double ls_define(const struct ls_graph *g, size_t rows, const double *x, const double *const *params,
                 const uint8_t *label, double *const *values);

#endif
