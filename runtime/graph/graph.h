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

enum { LS_INPUTS = 2, LS_PARAMS = 2, LS_ATTRS = 8, LS_NAME = 48, LS_TEXT = 128, LS_SHAPE_TEXT = 48, LS_CLASSES = 256 };
enum { LS_FEATURES_MOST = 1 << 24 }; /* values in a row */

struct ls_node;
struct ls_graph;

/* Without the batch: rank 1 is (features), rank 2 is (channels, length). */
struct ls_shape {
    size_t rank, dim[2];
};

/* When are the weights wanted transposed, too? */
enum ls_transposed { LS_NEVER, LS_FOR_BACKWARD, LS_ALWAYS };

/*
 * A parameter. In memory: dense panels of a matrix (rows, cols), cols the outputs, rows the inputs: for a convolution
 * `taps` matrices of rows / taps input channels, one after the other; a bias has one row. Element (o, c, k) of
 * PyTorch's shape lies in row k * (rows / taps) + c, column o; shape (cols, rows / taps, taps), cut to its rank.
 */
struct ls_param {
    const char *name; /* "weight", "bias"; NULL: named as its node */
    size_t rows, cols, rank;
    size_t taps, groups; /* 0 stands for 1 */
    enum ls_transposed transposed;
    bool apart;               /* param[1]: has units of its own, not as the bias of param[0]'s columns */
    bool zero_init;           /* starts at +0 whatever --init says */
    size_t offset, wt_offset; /* first element in the flat arrays of parameters and transposed weights, by ls_plan */
};

/*
 * Where one value or gradient lies inside an activation block: panels at offset, ld apart; `halo` rows, then the
 * samples, pitch rows apart (kernels.h, Samples).
 */
struct ls_buffer {
    size_t offset, ld, pitch, halo;
    bool own; /* each worker may have one of its own, c->own further */
};

enum { LS_UNIT_COLS_MOST = 128 };

/* A part of a parameter matrix that one thread owns: whole panel columns [col, col + cols) of rows [row, row + rows).
 */
struct ls_unit {
    size_t node, param, row, rows, col, cols;
    size_t place; /* of col in the matrix, in parts of all columns */
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
    float *act;           /* activation block: base of every ls_buffer */
    size_t own;           /* floats from the buffers of a block that workers may have of their own to this worker's */
    const float *w, *wt;  /* parameters and transposed weights, flat */
    size_t row, rows;     /* of the block */
    size_t batch_row;     /* of the batch, for `row` */
    size_t panel, panels; /* of the result: those that are wanted of an op that splits; 0 panels: all */
    uint32_t seed, step;  /* of random masks; step counts from 0 */
    const struct ls_source *source;
    const float *seeds;  /* gradient of an output without loss, row-major (rows of the batch, features); NULL: ones */
    uint8_t *label;      /* (block) labels of the rows, where they are known */
    float *loss;         /* (batch) */
    uint8_t *hit;        /* (batch) */
    float scale;         /* 1 / rows of the batch */
    bool train;          /* gradients are wanted */
    bool skip;           /* terms with an input of 0 may be left out: weights, for grad gradients too, are finite */
    size_t *skipped;     /* multiply-adds left out so far, of this worker */
    struct lk_next next; /* for grad: what is read next at the places of the unit */
};

/* SIZE: whole, from 1. COUNT: whole, from 0. WORD: one of its words only. */
enum ls_attr_kind { LS_ATTR_SIZE, LS_ATTR_COUNT, LS_ATTR_BOOL, LS_ATTR_REAL, LS_ATTR_WORD };

struct ls_attr {
    const char *name;
    enum ls_attr_kind kind;
    bool required;
    double value;      /* default; of a WORD its place among the words */
    const char *words; /* words it takes, too: "same|valid"; NULL: none */
};

/* An attribute of a node: one of its op's words, counted from 0, or with word -1 a number. */
struct ls_value {
    int word;
    size_t n; /* SIZE, COUNT, BOOL */
    double x; /* REAL */
};

/* What makes probabilities of an output: by its loss, unless the output is of an op that says NONE. */
enum ls_link { LS_LINK_SOFTMAX, LS_LINK_SIGMOID, LS_LINK_NONE };

/* What `define` reads and writes. */
struct ls_reference {
    size_t rows;
    const double *x[LS_INPUTS]; /* (rows, features) row-major of each input */
    const double *p[LS_PARAMS]; /* in PyTorch's shape */
    const uint8_t *label;       /* (rows), or NULL */
    uint32_t seed, step;        /* of random masks */
    double *y;                  /* (rows, features); a loss writes one value per row */
};

/*
 * The op interface. Functions that an op does not need are NULL.
 *   shape     from inputs and attr: node->shape, params, flops, halos, work
 *   forward   value of the rows in context; applies node->act in its epilogue where the op says it can
 *   backward  into node->dx[i], for each wants_dx[i], the gradient of input i from that of this node, node->d; the
 *             one of input 0 times the derivative of node->dx_act where the op fuses
 *   grad      continue the chains of unit's parameters over the rows in context: g panels ldg apart, db (or NULL) for
 *             the bias
 *   define    forward in plain double: the oracle of the gradient check, not the code of the kernels
 *   corner    how far the inputs are from the nearest place where the op has no derivative; NULL: it has one everywhere
 */
enum { LS_CALL_FORWARD, LS_CALL_BACKWARD, LS_CALL_GRAD, LS_CALLS };

struct ls_op {
    const char *name;
    const char *example;           /* a model text for tests and help */
    const char *formula;           /* forward, in terms of x, y (inputs), W, b */
    const char *gradient;          /* in terms of g, the gradient of the result */
    const char *shapes;            /* "(C, L) -> (O, T), T = ..." */
    const char *kernels[LS_CALLS]; /* slots that forward, backward and grad call, a space between two; NULL: none */
    size_t inputs;
    struct ls_attr attr[LS_ATTRS];
    enum lk_act act;   /* the activation this op is, for fusion */
    bool fuses;        /* forward and backward have activation epilogues */
    bool skips;        /* forward and grad can leave out terms where input 0 is 0 */
    bool splits;       /* forward and backward can compute some panels of their result: c->panel, c->panels */
    bool chooses;      /* each value is one of input 0, bit for bit; its gradient goes there, +0 to all others */
    bool flattens;     /* only the shape changes; the value, too, is that of input 0 where that one is flat in memory */
    bool broadcasts;   /* a gate of two equal shapes: an input of one element is expanded to the other's shape */
    bool labels;       /* takes `label` as its last argument, after `inputs` values */
    bool loss;         /* one value per row, whose mean is minimised */
    bool constant_1;   /* no gradient flows to input 1 */
    enum ls_link link; /* of a loss, or of the output itself */
    enum lockstep_status (*shape)(struct ls_node *n, struct lockstep_error *err);
    void (*forward)(const struct ls_node *n, const struct ls_context *c);
    void (*backward)(const struct ls_node *n, const struct ls_context *c);
    void (*grad)(const struct ls_node *n, const struct ls_context *c, const struct ls_unit *u, float *g, size_t ldg,
                 float *db, bool first);
    void (*define)(const struct ls_node *n, const struct ls_reference *r);
    double (*corner)(const struct ls_node *n, const struct ls_reference *r);
};

struct ls_node {
    const struct ls_op *op;
    const struct ls_graph *graph;
    char name[LS_NAME], prefix[LS_NAME]; /* prefix: of its parameters' names */
    char text[LS_TEXT];                  /* as it is written, a stage without what feeds it; "" for an implied expand */
    bool unnamed;                        /* by the text, or it gave the name to a later node, too */
    unsigned line, column;               /* in the model text */
    size_t binding;                      /* 1 + index of the binding whose value it is; 0: none */
    size_t n_inputs, n_params;
    struct ls_node *input[LS_INPUTS];
    struct ls_value attr[LS_ATTRS];
    struct ls_shape shape;
    bool trained;               /* depends on parameters */
    size_t features;            /* product of the shape */
    size_t flops;               /* of forward for one row: 2 for a fused multiply-add of a matrix product */
    size_t halo_x;              /* rows of zeros wanted around the samples of input 0's value */
    size_t halo_d;              /* ... of this node's gradient, by backward and grad */
    size_t halo_grad;           /* ... by grad alone: where input 0 wants no gradient */
    size_t work;                /* floats of memory of its own for each row, from forward to backward */
    size_t own;                 /* a number of the op's own, by shape */
    const char *const *kernels; /* those of the op, unless shape says others */
    struct ls_param param[LS_PARAMS];

    /* Set by ls_plan. */
    size_t channels, length;        /* as laid out in memory: the shape, or for a flat value (features, 1) */
    size_t users;                   /* nodes that read this value */
    struct ls_buffer y, d;          /* value, gradient of the objective with respect to it */
    struct ls_buffer dx[LS_INPUTS]; /* what this node adds to the gradients of its inputs */
    bool wants_dx[LS_INPUTS];
    size_t extra, n_extra;   /* graph->extra: gradients of this value from its users but the first, to be added to d */
    enum lk_act act, dx_act; /* epilogues of forward and backward */
    bool forward, backward;  /* has work of its own: not a view, not fused into a neighbour */
    bool feeds_constant;     /* leads to an input that no gradient flows to */
    bool flat;               /* in memory one row per sample */
    bool view;               /* value and gradient are those of input 0 */
    bool on_path;            /* leads to the objective */
    bool labelled;           /* depends on the labels */
    bool wants_grad;         /* d is needed in training */
    bool hidden_y, hidden_d; /* the buffer holds a fused neighbour's value or gradient instead */
    size_t work_offset;      /* in the activation block */
    bool skips;              /* input 0 is that of the graph, which may have many zeros: its bits tell */
    bool has_bits; /* the input: a bit for each element that is not 0, at bits_offset of the activation block */
    size_t bits_offset;
};

struct ls_graph {
    size_t n;
    struct ls_node *node;
    struct ls_node *input, *output,
        *loss; /* output: what the loss reads; without a loss the last value. input: or NULL */
    size_t classes;
    bool pipeline; /* one chain of `|`: parameters take nn.Sequential's names */

    /* Set by ls_plan; counts of floats. */
    size_t block;                /* rows of an activation block */
    size_t params, params_dense; /* flat array with pads; elements without */
    size_t transposed, activations;
    size_t own; /* of activations, the first: the input's value and bits, of which each worker may have its own */
    size_t n_units, n_extra;
    struct ls_unit *unit;
    struct ls_buffer *extra;
    size_t flops_forward, flops_train; /* of the matrix products, for one row */
};

void ls_graph_free(struct ls_graph *g);

/* The latest node of that name; NULL when there is none. */
struct ls_node *ls_graph_find(const struct ls_graph *g, const char *name);

/* Full name of a parameter, as saved: "1.weight". */
void ls_param_name(const struct ls_node *n, size_t i, char name[64]);

/* Every op, how many there are, and the registry of them, ended by NULL. */
#define OP(name) extern const struct ls_op ls_op_##name;
#include "graph/ops.def"
#undef OP
enum {
#define OP(name) LS_OP_##name,
#include "graph/ops.def"
#undef OP
    LS_OPS
};
extern const struct ls_op *const ls_ops[LS_OPS + 1];

/* The op of that name; NULL: none. */
const struct ls_op *ls_op_find(const char *name);

/* For shape functions: E_USAGE at the node's place in the text. */
enum lockstep_status ls_node_fail(const struct ls_node *n, struct lockstep_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "(3)" or "(3, 4)"; returns text. */
const char *ls_shape_text(struct ls_shape s, char text[LS_SHAPE_TEXT]);

/* Panels of parameter i in a flat array, and elements it takes there. */
static inline const float *ls_param_at(const float *flat, const struct ls_node *n, size_t i)
{
    return flat + n->param[i].offset;
}

static inline size_t ls_taps(const struct ls_param *p)
{
    return p->taps ? p->taps : 1;
}

static inline size_t ls_groups(const struct ls_param *p)
{
    return p->groups ? p->groups : 1;
}

/* The transposed matrix: for each tap cols / groups rows, and as many columns as the inputs of all groups. */
static inline size_t ls_transposed_rows(const struct ls_param *p)
{
    return ls_taps(p) * (p->cols / ls_groups(p));
}

static inline size_t ls_transposed_floats(const struct ls_param *p)
{
    return lk_panels(p->rows / ls_taps(p) * ls_groups(p)) * LK_PANEL * ls_transposed_rows(p);
}

static inline size_t ls_param_floats(const struct ls_param *p)
{
    return lk_panels(p->cols) * LK_PANEL * p->rows;
}

/* Dimension i of PyTorch's shape. */
static inline size_t ls_param_dim(const struct ls_param *p, size_t i)
{
    return i == 0 ? p->cols : i == 1 ? p->rows / ls_taps(p) : ls_taps(p);
}

/* Place of element i, row-major in PyTorch's shape, inside the panels. */
static inline size_t ls_param_index(const struct ls_param *p, size_t i)
{
    const size_t col = i / p->rows, taps = ls_taps(p), rest = i % p->rows;
    const size_t row = rest % taps * (p->rows / taps) + rest / taps;

    return (col / LK_PANEL * p->rows + row) * LK_PANEL + col % LK_PANEL;
}

/* First row in context of a value or gradient. */
static inline float *ls_rows(const struct ls_context *c, struct ls_buffer b)
{
    return c->act + (b.own ? c->own : 0) + b.offset + (b.halo + c->row * b.pitch) * LK_PANEL;
}

/* The rows in context of a value or gradient, for kernels. */
static inline struct lk_view ls_view(const struct ls_context *c, struct ls_buffer b)
{
    return (struct lk_view){ls_rows(c, b), b.ld, b.pitch};
}

static inline struct lk_cview ls_cview(const struct ls_context *c, struct ls_buffer b)
{
    return (struct lk_cview){ls_rows(c, b), b.ld, b.pitch};
}

/* Element i of PyTorch's shape of row m, from ls_rows. */
static inline size_t ls_at(const struct ls_node *n, struct ls_buffer b, size_t m, size_t i)
{
    const size_t c = i / n->length, l = i % n->length;

    return c / LK_PANEL * b.ld + (m * b.pitch + l) * LK_PANEL + c % LK_PANEL;
}

/* Bits of the input for the rows in context (kernels.h, gather_u8), panels graph->block apart. */
static inline uint16_t *ls_bits(const struct ls_context *c, const struct ls_node *input)
{
    return (uint16_t *)(void *)(c->act + c->own + input->bits_offset) + c->row;
}

/* Memory of a node's own for the rows in context. */
static inline void *ls_work(const struct ls_context *c, const struct ls_node *n)
{
    return c->act + n->work_offset + c->row * n->work;
}

#endif
