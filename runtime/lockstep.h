/* SPDX-License-Identifier: MIT
 *
 * lockstep.h: the public API of liblockstep on one page: data, model, values, training, saving.
 *
 * One answer, any schedule: what is computed (every rounding) depends on the model text, the data, the recipe and the
 * seed only; threads, instruction set and schedule (struct lockstep_options) never change a bit.
 *
 * Errors    Functions return a status and, when it is not LOCKSTEP_OK, put one line into *err (never NULL). Nothing is
 *           printed and nothing exits. After an error an `**out` is NULL and inputs are as they were.
 * Ownership `**out` objects belong to the caller and go back to their _free (NULL allowed). Strings are borrowed for
 * the call. Objects may be used by one thread at a time; different objects by different threads.
 */
#ifndef LOCKSTEP_H
#define LOCKSTEP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LOCKSTEP_VERSION "0.1.0"

#if defined(__GNUC__)
#define LOCKSTEP_API __attribute__((visibility("default")))
#else
#define LOCKSTEP_API
#endif

/* What went wrong; also the exit codes of the program. */
enum lockstep_status {
    LOCKSTEP_OK = 0,
    LOCKSTEP_E_INTERNAL = 1,   /* a defect of Lockstep */
    LOCKSTEP_E_USAGE = 2,      /* an option or the model text */
    LOCKSTEP_E_DATA = 3,       /* a data file */
    LOCKSTEP_E_CHECKPOINT = 4, /* a saved file */
    LOCKSTEP_E_OUTPUT = 5,     /* an output could not be written */
    LOCKSTEP_E_ENV = 6,        /* CPU or environment */
    LOCKSTEP_E_MEMORY = 7,     /* out of memory */
    LOCKSTEP_E_NONFINITE = 8   /* training stopped: a loss or weight is not finite, a verified step differs */
};

struct lockstep_error {
    enum lockstep_status status;
    char text[512]; /* one line: FILE: what is wrong at PLACE: expected X, got Y (what to do) */
};

/* How to run: never changes a result. Zero or NULL means default. */
struct lockstep_options {
    unsigned threads;   /* default: what the cgroup quota, the affinity mask and the cores allow; no more run than that
                       * unless OMP_DYNAMIC=false is in the environment; at most 1024. The OpenMP runtime ends the
                       * process when the system refuses to start one */
    const char *isa;    /* "ref", "avx2", "avx512"; default LOCKSTEP_ISA, then the best supported one */
    const char *reduce; /* "auto" (default): the faster one by a model of this machine; "owners", "replicas" */
    const char *zero_skip; /* leave out the multiplications by pixels that are 0: "auto" (default: where the data has
                            * many), "on", "off" */
    bool keep_values;      /* lockstep_get and lockstep_grad answer for every node and the input: no fusion, owners */
    size_t verify;         /* lockstep_train computes every so many steps twice and compares the bits; 0: never */
};

/* What is computed. Fill with lockstep_recipe_init, then change fields by name. */
struct lockstep_recipe {
    size_t batch;            /* rows per step: 1..2^24, default 128 */
    size_t epochs;           /* default 5 */
    const char *optimizer;   /* "sgd", "adam" (default), "adamw" */
    double lr;               /* > 0, up to 1e30, default 0.001 */
    double momentum;         /* sgd: 0..1, default 0 */
    double weight_decay;     /* 0..1e30, default 0 */
    bool nesterov;           /* sgd */
    const char *lr_schedule; /* "constant" (default), "cosine": to 0 over all steps */
    size_t warmup;           /* steps of linear warm-up, default 0 */
    const char *init;        /* "he" (default), "xavier", "normal(STD)"; biases start at 0 */
    uint32_t seed;           /* default 1 */
    unsigned shards;         /* parts of a batch, a power of two up to 4096; 0: clamp(pow2floor(batch / 512), 1, 16) */
};

LOCKSTEP_API void lockstep_recipe_init(struct lockstep_recipe *recipe);
LOCKSTEP_API const char *lockstep_version(void);

/* ---- data: images of bytes with a class label each ---- */

struct lockstep_data;
enum lockstep_part { LOCKSTEP_TRAIN, LOCKSTEP_TEST };

/* Rows of the built-in digits. */
enum { LOCKSTEP_DIGITS_TRAIN = 60000, LOCKSTEP_DIGITS_TEST = 10000 };

/*
 * Open one part of a data set: where is a folder with the IDX files of MNIST's form and names (plain or .gz), or
 * "digits", the built-in set of 60,000 + 10,000 drawn digits. E_DATA, E_MEMORY.
 */
LOCKSTEP_API enum lockstep_status lockstep_data_open(const char *where, enum lockstep_part part,
                                                     const struct lockstep_options *options, struct lockstep_data **out,
                                                     struct lockstep_error *err);
LOCKSTEP_API void lockstep_data_free(struct lockstep_data *data);
LOCKSTEP_API size_t lockstep_data_rows(const struct lockstep_data *data);
/* Shape of one row: channels (image rows) x length (image columns). */
LOCKSTEP_API void lockstep_data_shape(const struct lockstep_data *data, size_t *channels, size_t *length);
/* Number of classes: every label is below it. */
LOCKSTEP_API size_t lockstep_data_classes(const struct lockstep_data *data);
LOCKSTEP_API const uint8_t *lockstep_data_labels(const struct lockstep_data *data);

/* ---- model ---- */

struct lockstep_model;

/*
 * Build a model: text is a built-in name ("two-layer", "mlp", "conv1d", "residual"), a model text (it holds one of
 * `( | =` or a newline) or a file with one. channels x length is the shape of a data row, classes the number of labels.
 * recipe NULL: defaults; options NULL: defaults. Weights are initialised from recipe->init and recipe->seed.
 * With options->reduce "auto" this may start the threads and measure them for about 3 ms.
 * E_USAGE (line and column in the text), E_MEMORY, E_ENV.
 */
LOCKSTEP_API enum lockstep_status lockstep_model_new(const char *text, size_t channels, size_t length, size_t classes,
                                                     const struct lockstep_recipe *recipe,
                                                     const struct lockstep_options *options,
                                                     struct lockstep_model **out, struct lockstep_error *err);
/* Build a model from a file of lockstep_model_save; its text, shapes and weights. E_CHECKPOINT, E_MEMORY, E_ENV. */
LOCKSTEP_API enum lockstep_status lockstep_model_load(const char *path, const struct lockstep_options *options,
                                                      struct lockstep_model **out, struct lockstep_error *err);
LOCKSTEP_API void lockstep_model_free(struct lockstep_model *model);

/* Write the weights as safetensors: temporary file, fsync, rename. The old file stays whole on any error. E_OUTPUT,
 * E_NONFINITE. */
LOCKSTEP_API enum lockstep_status lockstep_model_save(const struct lockstep_model *model, const char *path,
                                                      struct lockstep_error *err);
/* Would a save to path work? Creates and removes a temporary file beside it. E_OUTPUT. */
LOCKSTEP_API enum lockstep_status lockstep_save_check(const char *path, struct lockstep_error *err);

/* XXH3-128 of all weights in the order and shape they are saved: 32 hex digits and NUL. */
LOCKSTEP_API void lockstep_model_digest(const struct lockstep_model *model, char hex[33]);

/* Model text as given, number of parameters, instruction set, threads, way to reduce. Borrowed until model_free. */
LOCKSTEP_API const char *lockstep_model_text(const struct lockstep_model *model);
LOCKSTEP_API size_t lockstep_model_parameters(const struct lockstep_model *model);
LOCKSTEP_API const char *lockstep_model_isa(const struct lockstep_model *model);
LOCKSTEP_API unsigned lockstep_model_threads(const struct lockstep_model *model);
LOCKSTEP_API const char *lockstep_model_reduce(const struct lockstep_model *model);
LOCKSTEP_API unsigned lockstep_model_shards(const struct lockstep_model *model);

/*
 * Values by name, row-major, in PyTorch's shapes: "input" (rows, features) and "label" (rows) before forward; a
 * parameter such as "1.weight" (O, I) at any time; any node's name after forward. set resizes the batch when name is
 * "input" (rows = count / features). get and grad copy exactly count elements out. grad holds after backward, for nodes
 * and parameters. With options->keep_values every node keeps its rows, for batches of at most 512 rows; without, only
 * nodes not fused into a neighbour, for batches that fit one block of rows: 16 in any case, at most 512, by the model,
 * the threads and the way to reduce. E_USAGE for a wrong name or count.
 */
LOCKSTEP_API enum lockstep_status lockstep_set(struct lockstep_model *model, const char *name, const float *values,
                                               size_t count, struct lockstep_error *err);
LOCKSTEP_API enum lockstep_status lockstep_get(const struct lockstep_model *model, const char *name, float *values,
                                               size_t count, struct lockstep_error *err);
LOCKSTEP_API enum lockstep_status lockstep_grad(const struct lockstep_model *model, const char *name, float *values,
                                                size_t count, struct lockstep_error *err);
/* Element count of a value at the current batch; 0 for an unknown name. */
LOCKSTEP_API size_t lockstep_count(const struct lockstep_model *model, const char *name);

/* Forward of the batch set by lockstep_set, without dropout; *loss (may be NULL) is the mean loss where "label" is set
 * or the loss needs none, else 0. */
LOCKSTEP_API enum lockstep_status lockstep_forward(struct lockstep_model *model, double *loss,
                                                   struct lockstep_error *err);
/* Forward, with dropout, and backward: afterwards lockstep_grad answers. Parameters stay as they are. */
LOCKSTEP_API enum lockstep_status lockstep_backward(struct lockstep_model *model, double *loss,
                                                    struct lockstep_error *err);
/* Forward, backward and one update by the recipe's optimiser at its lr (schedule and warm-up belong to lockstep_train).
 * E_NONFINITE before the update if the loss is not finite.
 */
LOCKSTEP_API enum lockstep_status lockstep_step(struct lockstep_model *model, double *loss, struct lockstep_error *err);

/* ---- graphs ---- */

/* The value of a free name of a graph without data, row-major. Rank 1: shape (shape[0]), a number is (1); rank 2:
 * (shape[0], shape[1]). */
struct lockstep_value {
    const char *name;
    size_t rank, shape[2];
    const float *values;
};

/*
 * Build the graph of a model text without data, such as "f = (x + y) * z": every free name takes the value of that
 * name. A model of one row whose values are all kept: lockstep_forward and lockstep_backward compute the values and
 * gradients of the objective, the sum of the last value (or the loss that the text names); lockstep_set changes a
 * value. text is as in lockstep_model_new; what is no name and no file is a text, too, when there are values or it
 * holds + or *. Parameters of the text's own ops, such as linear, start as lockstep_model_new starts them.
 * E_USAGE: also a name without value, a value without name. E_MEMORY, E_ENV.
 */
LOCKSTEP_API enum lockstep_status lockstep_graph_new(const char *text, const struct lockstep_value *value,
                                                     size_t values, const struct lockstep_options *options,
                                                     struct lockstep_model **out, struct lockstep_error *err);

/* Does a text read data (input, label, or an op without a value)? lockstep_model_new is for these, and *channels,
 * *length and *classes, defaults on entry, become what the text itself says. Of a text with an error: what was read
 * before it. */
LOCKSTEP_API bool lockstep_text_reads_data(const char *text, size_t *channels, size_t *length, size_t *classes);

/* A node of any model; strings are borrowed until model_free. Nodes stand in the order of computation. */
struct lockstep_node {
    const char *name; /* for lockstep_get; without data, of an unnamed node, its text */
    const char *text; /* how it is written: "x + y", "linear(10)" */
    const char *op;
    size_t rank, shape[2]; /* PyTorch's, without the batch */
    size_t parameters;
    size_t flops; /* of forward for one row: two for each multiply-add of a matrix product */
    size_t inputs, input[2];
    bool objective; /* its gradient is 1 */
};
LOCKSTEP_API size_t lockstep_nodes(const struct lockstep_model *model);
/* node < lockstep_nodes, here and below. */
LOCKSTEP_API void lockstep_node_at(const struct lockstep_model *model, size_t node, struct lockstep_node *out);
/* As lockstep_get and lockstep_grad of a value; the gradient of a value that the objective does not depend on is 0. */
LOCKSTEP_API enum lockstep_status lockstep_node_get(const struct lockstep_model *model, size_t node, float *values,
                                                    size_t count, struct lockstep_error *err);
LOCKSTEP_API enum lockstep_status lockstep_node_grad(const struct lockstep_model *model, size_t node, float *values,
                                                     size_t count, struct lockstep_error *err);

/* ---- training ---- */

struct lockstep_progress {
    size_t epoch, epochs; /* 1.. */
    size_t row, rows;     /* rows of this epoch done, all */
    double loss;          /* running mean of this epoch */
    double seconds;       /* of this epoch so far */
    double gflops;        /* FLOPs of the matrix products, without those left out, / time / 1e9 */
    double peak_gflops;   /* measured FMA peak of the instruction set on these threads at once */
};

/* What the steps of an epoch did: numbers without noise, for comparisons. */
struct lockstep_counts {
    size_t flops;        /* dense, of the matrix products */
    size_t packed_bytes; /* weights written a second time, transposed */
    size_t regions;      /* parallel regions begun */
    size_t barriers;     /* that each thread passed */
    size_t allocations;
    size_t peak_bytes; /* of all memory of the process by then, data included */
};

struct lockstep_epoch {
    size_t epoch;
    double train_loss; /* mean over the rows, before each update, summed in double in batch order */
    double test_loss, test_accuracy;
    double seconds, eval_seconds; /* seconds excludes the evaluation */
    double samples_per_second;
    double gflops, peak_share; /* FLOPs of the matrix products done, their share of the FMA peak of these threads */
    double effective_gflops;   /* as if no term was left out */
    double barrier_ns;         /* measured after the epoch; 0: one thread */
    double threads;            /* that ran a step, in the mean: fewer than the model's where the CPU of one was busy */
    struct lockstep_counts counts;
};

/* How a training runs. */
struct lockstep_start {
    const char *isa_why;                     /* "as asked", "LOCKSTEP_ISA", "the best here" */
    const char *threads_why;                 /* "as asked", "CPU quota", "affinity mask", "all CPUs" */
    const char *reduce;                      /* "owners", "replicas" */
    const char *reduce_why;                  /* "as asked", "one thread", ..., "predicted": by the two times below */
    double owners_seconds, replicas_seconds; /* predicted for a step of a whole batch; 0: not compared */
    double barrier_ns;                       /* measured for this team; 0: one thread */
    const char *barrier;       /* "none", "near": the threads share a cache, "far", "between", "shared CPUs" */
    double peak_gflops;        /* as in lockstep_progress */
    bool zero_skip;            /* are multiplications by pixels of 0 left out? */
    size_t verify;             /* every so many steps are computed twice, 0: none ... */
    const char *verify_reduce; /* ... in this way, */
    unsigned verify_threads;   /* on so many threads */
};

struct lockstep_explained;

/* What the caller hears while lockstep_train runs; any member may be NULL. Called on one thread, not re-entrantly. */
struct lockstep_events {
    void *user;
    void (*progress)(void *user,
                     const struct lockstep_progress *p); /* after a batch, at most about ten times a second */
    void (*epoch)(void *user, const struct lockstep_epoch *e);
    const volatile sig_atomic_t *stop; /* polled before each batch: non-zero ends the training after it, status OK */
    void (*start)(void *user, const struct lockstep_start *s); /* once, before the first step */
    /* Once, behind a training that went well: where its time went. A hundred steps of it, evenly spread, are then timed
     * work by work; behind the last epoch bandwidths are measured for some hundredths of a second. Memory may be short
     * for that: then there is no call. *e lives as long as the call. */
    void (*explain)(void *user, const struct lockstep_explained *e);
};

/*
 * Train by the model's recipe, schedule and epochs counted from this call. The batch must not exceed the rows of train.
 * test may be NULL (its fields are then 0). No memory is allocated between the first and the last step. E_USAGE,
 * E_NONFINITE, E_MEMORY.
 */
LOCKSTEP_API enum lockstep_status lockstep_train(struct lockstep_model *model, const struct lockstep_data *train,
                                                 const struct lockstep_data *test, const struct lockstep_events *events,
                                                 struct lockstep_error *err);

/* Mean loss and fraction of hits over all rows. */
LOCKSTEP_API enum lockstep_status lockstep_evaluate(struct lockstep_model *model, const struct lockstep_data *data,
                                                    double *loss, double *accuracy, struct lockstep_error *err);

/* For each row of data its most probable class and that probability; label (rows), probability (rows). */
LOCKSTEP_API enum lockstep_status lockstep_predict(struct lockstep_model *model, const struct lockstep_data *data,
                                                   uint8_t *label, float *probability, struct lockstep_error *err);

/* ---- gradient check ---- */

/* One tensor compared with its definition in double: a value, or a gradient with the central differences of it. */
struct lockstep_checked {
    const char *model, *tensor; /* op or model; node or parameter */
    bool gradient;
    size_t rank, shape[3]; /* of a node: with the rows of the batch */
    size_t checked;        /* coordinates compared */
    double error;          /* max |difference| / max |expected| */
    double tolerance;
    bool ok; /* error <= tolerance */
};
typedef void lockstep_checked_fn(void *user, const struct lockstep_checked *tensor);

/* What the differences of every parameter would take, beside one forward and backward of the same rows. */
struct lockstep_check_cost {
    size_t parameters;
    double differences_seconds, backward_seconds;
};

/*
 * Check the gradients of a model (as for lockstep_model_new; rows of 28 x 28 and 10 classes unless its input(...) says
 * otherwise) on a few random rows: of the input and of every parameter, above 10,000 parameters 200 random coordinates
 * of each. model NULL: values and gradients of every op on its example. `tensor` (may be NULL) hears of each tensor;
 * cost (may be NULL) is filled for a model. E_INTERNAL when a tensor fails: err names the first one.
 */
LOCKSTEP_API enum lockstep_status lockstep_gradcheck(const char *model, uint32_t seed,
                                                     const struct lockstep_options *options,
                                                     lockstep_checked_fn *tensor, void *user,
                                                     struct lockstep_check_cost *cost, struct lockstep_error *err);

/* ---- the machine ---- */

enum { LOCKSTEP_ISA_MAX = 4 };

enum lockstep_level { LOCKSTEP_L1, LOCKSTEP_L2, LOCKSTEP_L3, LOCKSTEP_DRAM, LOCKSTEP_LEVELS };

/* GB/s (1e9 bytes) of plain loads and stores. A copy, and an update of memory in place, count what they read and what
 * they write. */
struct lockstep_bandwidth {
    double read, write, copy, update;
};

/* What some threads reach at once with one instruction set; 0 when it is not supported. */
struct lockstep_rates {
    double peak_gflops; /* FMA peak of all */
    double clock_ghz;   /* of one thread, as these instructions leave it */
    struct lockstep_bandwidth memory[LOCKSTEP_LEVELS];
};

struct lockstep_machine {
    char cpu[64];
    unsigned cores;      /* online */
    unsigned affinity;   /* allowed by the affinity mask */
    double quota;        /* CPUs by the cgroup, 0: none set */
    unsigned threads;    /* Lockstep's default, or options->threads */
    double barrier_ns;   /* of the threads meeting, 0: one thread */
    const char *barrier; /* as in lockstep_start */
    size_t l1d, l2, l3;  /* bytes, 0: unknown */
    size_t isas;
    struct {
        const char *name;
        bool supported, chosen;
        struct lockstep_rates one, all; /* of one thread, of `threads` */
    } isa[LOCKSTEP_ISA_MAX];
};

/* Describe the machine and measure what it reaches, in about two seconds and four times the L3 of memory. E_USAGE,
 * E_ENV, E_MEMORY. */
LOCKSTEP_API enum lockstep_status lockstep_machine_info(const struct lockstep_options *options,
                                                        struct lockstep_machine *out, struct lockstep_error *err);

/* ---- where the time of a step goes ---- */

/* One kind of work of one node in a training step, or all that is not of a node: "waiting" at barriers, and "other". */
struct lockstep_work {
    const char *node, *text; /* as in lockstep_node; of the last two "" */
    const char *phase;       /* "forward", "branches" (gradients of a value used several times are added), "backward",
                              * "grad" (of the node's parameters), "add" (of shards), "update"; "waiting", "other" */
    char kernel[64];     /* the slots it calls, and the activation in the epilogue: "gemm_fwd + relu"; "": plain C */
    const char *isa;     /* that serves them, of several the lowest; "" without a kernel */
    char tile[16];       /* rows x columns of a product that it holds in registers at once: "14 x 32"; "": no tiles */
    char how[48];        /* how the threads share it, ... */
    unsigned threads;    /* ... and how many have a part of their own, with which others may help */
    double flops;        /* of the matrix products of a step, ... */
    double flops_done;   /* ... without the terms left out (zero-skip) */
    double bytes;        /* that a step moves at least, each operand once a call */
    const char *roof;    /* what bounds it: "FMA", "data", "L1", "L2", "L3", "DRAM", "barrier"; "": nothing known */
    double roof_seconds; /* a step takes at least: FLOPs done by the FMA peak, bytes by the bandwidth of the level
                          * that holds them, or of the data set, the larger of both */
    double seconds;      /* a step took, mean of the workers, median of the steps; 0: not timed */
};

struct lockstep_explained {
    struct lockstep_start start;
    struct lockstep_bandwidth memory[LOCKSTEP_LEVELS]; /* of all threads at once; 0: not measured */
    double data_read;                                  /* GB/s of reading the data set */
    size_t batch, block;                               /* rows of a step, between two barriers */
    size_t steps;                                      /* timed, 0: none; in each of two ways: */
    double step_seconds;                               /* a step with the clocks of every work, */
    double plain_seconds;     /* and without, as in training; both medians. 0: not timed (lockstep_train) */
    double flops, flops_done; /* of a step */
    size_t works;
    struct lockstep_work *work; /* in the order of a step; waiting and other last. Their seconds add up to step_seconds,
                                 * but for what medians differ */
};

/*
 * Train for about so many seconds on batches of data and time every work of a step; parameters and optimiser state are
 * afterwards what they were. Strings live as long as the model. Takes four times the L3 of memory. E_USAGE,
 * E_NONFINITE, E_MEMORY.
 */
LOCKSTEP_API enum lockstep_status lockstep_explain(struct lockstep_model *model, const struct lockstep_data *data,
                                                   double seconds, struct lockstep_explained **out,
                                                   struct lockstep_error *err);
LOCKSTEP_API void lockstep_explained_free(struct lockstep_explained *explained);

#ifdef __cplusplus
}
#endif

#endif
