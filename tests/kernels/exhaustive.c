/* SPDX-License-Identifier: MIT
 *
 * The functions of one number (exp, erf, gelu, ...) over every float: error against the exact value, one hash of all
 * outputs for each instruction set. Exits 1 when an error exceeds its bound, a special value is wrong, or two
 * instruction sets differ in a bit. The exact value comes from the C library's double functions: its error is below
 * 2^-20 float ULP.
 */
#include "cpu.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { BLOCK = 4096, MAX_REPORTS = 5 };

/* The instruction sets of cpu.h, the reference without fma, AVX-512 in terms of AVX2. */
enum { PLAIN = LK_ISA_COUNT, EMULATED, TARGETS };

struct target {
    const char *name;
    bool supported, chosen;
    struct lk_kernels k;
};

struct function {
    const char *name;
    double (*exact)(double);
    double bound; /* in ULP of the exact value, or of `floor` where that is larger */
    double floor;
    lk_exp_fn *(*kernel)(const struct lk_kernels *k);
};

struct options {
    const char *function;
    uint64_t stride, part, parts;
};

/* What one pass over the inputs of a function has seen. */
struct result {
    XXH3_state_t *hash[TARGETS];
    double error;
    float at;
    uint64_t inputs, wrong, differ;
};

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* The gates at -inf: their limit. */
static double gelu(double x)
{
    return x == -INFINITY ? -0.0 : 0.5 * x * erfc(-x / sqrt(2.0));
}

static double silu(double x)
{
    return x == -INFINITY ? -0.0 : x * sigmoid(x);
}

static double gelu_tanh(double x)
{
    return x == -INFINITY ? -0.0 : x * sigmoid(sqrt(8.0 / acos(-1.0)) * (x + 0.044715 * x * x * x));
}

#define SLOT(slot)                                                                                                     \
    static lk_exp_fn *kernel_##slot(const struct lk_kernels *k)                                                        \
    {                                                                                                                  \
        return k->slot;                                                                                                \
    }

SLOT(exp)
SLOT(log)
SLOT(log1p)
SLOT(sigmoid_fwd)
SLOT(tanh_fwd)
SLOT(erf)
SLOT(gelu_fwd)
SLOT(gelu_tanh_fwd)
SLOT(silu_fwd)

static const struct function functions[] = {
    {"exp", exp, 1.0, 0.0, kernel_exp},         {"log", log, 1.0, 0.0, kernel_log},
    {"log1p", log1p, 2.0, 0.0, kernel_log1p},   {"sigmoid", sigmoid, 2.0, 0.0, kernel_sigmoid_fwd},
    {"tanh", tanh, 2.0, 0.0, kernel_tanh_fwd},  {"erf", erf, 2.0, 0.0, kernel_erf},
    {"gelu", gelu, 8.0, 1e-3, kernel_gelu_fwd}, {"gelu_tanh", gelu_tanh, 4.0, 1e-3, kernel_gelu_tanh_fwd},
    {"silu", silu, 3.0, 1e-3, kernel_silu_fwd},
};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

#ifdef KC_EMULATED
extern const struct lk_kernels lk_kernels_avx512_emulated;

static void make_emulated(struct target *t, const struct target *avx2)
{
    t->supported = avx2->supported;
    t->k = lk_kernels_avx512_emulated; /* has these slots */
}
#else
static void make_emulated(struct target *t, const struct target *avx2)
{
    (void)avx2;
    t->supported = false;
}
#endif

static void make_targets(struct target targets[TARGETS])
{
    const unsigned features = lk_cpu_features();
    struct lk_table table;

    memset(targets, 0, TARGETS * sizeof targets[0]);
    for (int i = 0; i < LK_ISA_COUNT; i++) {
        targets[i].name = lk_isa_name((enum lk_isa)i);
        targets[i].supported = lk_isa_supported((enum lk_isa)i, features);
        if (!targets[i].supported)
            continue;
        lk_table_init(&table, (enum lk_isa)i, features);
        targets[i].k = table.k;
    }
    targets[PLAIN].name = "ref-plain";
    targets[PLAIN].supported = (features & LK_HAS_fma) != 0;
    lk_table_init(&table, LK_ISA_ref, features & ~(unsigned)LK_HAS_fma);
    targets[PLAIN].k = table.k;
    targets[EMULATED].name = "avx512-emulated";
    make_emulated(&targets[EMULATED], &targets[LK_ISA_avx2]);
}

/*
 * The error of y in ULP of the exact value (an infinite y counts as 2^128), or infinity where y is not allowed: NaN,
 * infinity and zero are demanded bit for bit; below 2^-126, where FTZ rounds, 0 or 2^-126 of the exact value's sign.
 */
static double error_of(float y, double exact, double floor)
{
    const double tiny = 0x1p-126, past = 0x1p128;
    double v = isinf(y) ? copysign(past, (double)y) : (double)y, m = fabs(exact), ulp;
    int e;

    if (isnan(exact) || isnan(y))
        return isnan(exact) && isnan(y) ? 0.0 : INFINITY;
    if (m == 0.0 || m >= past)
        return v == copysign(fmin(m, past), exact) && !signbit(y) == !signbit(exact) ? 0.0 : INFINITY;
    if (m < tiny)
        return y == 0.0f || v == copysign(tiny, exact) ? 0.0 : INFINITY;
    (void)frexp(fmax(m, floor), &e);
    ulp = ldexp(1.0, e - 24);
    return fabs(v - exact) / ulp;
}

/* What the kernels see of x under DAZ. */
static double input_of(float x)
{
    return fabsf(x) < 0x1p-126f ? copysign(0.0, (double)x) : (double)x;
}

static void check_errors(const struct function *f, size_t n, const float *x, const float *y, struct result *r)
{
    for (size_t i = 0; i < n; i++) {
        double exact = f->exact(input_of(x[i])), error = error_of(y[i], exact, f->floor);

        if (error > r->error) {
            r->error = error;
            r->at = x[i];
        }
        if (error > f->bound && r->wrong++ < MAX_REPORTS)
            printf("FAIL %s(%a) [0x%08x] = %a, exact %a: %.4f ULP\n", f->name, (double)x[i], bits_of(x[i]),
                   (double)y[i], exact, error);
    }
}

static void check_same(const struct function *f, const struct target *a, const struct target *b, size_t n,
                       const float *x, const float *ya, const float *yb, struct result *r)
{
    if (!memcmp(ya, yb, n * sizeof *ya))
        return;
    for (size_t i = 0; i < n; i++)
        if (bits_of(ya[i]) != bits_of(yb[i]) && r->differ++ < MAX_REPORTS)
            printf("FAIL %s(%a) [0x%08x]: %s gives 0x%08x, %s gives 0x%08x\n", f->name, (double)x[i], bits_of(x[i]),
                   a->name, bits_of(ya[i]), b->name, bits_of(yb[i]));
}

static void run_block(const struct function *f, const struct target targets[TARGETS], size_t n, const float *x,
                      struct result *r)
{
    static float y[TARGETS][BLOCK];
    int first = -1;

    for (int t = 0; t < TARGETS; t++) {
        unsigned saved;

        if (!targets[t].chosen)
            continue;
        saved = lk_fpenv_enter();
        f->kernel (&targets[t].k)(n, x, y[t]);
        lk_fpenv_leave(saved);
        for (size_t i = 0; i < n; i++)
            if (isnan(y[t][i]))
                y[t][i] = float_of(0x7fc00000);
        XXH3_128bits_update(r->hash[t], y[t], n * sizeof y[t][0]);
        if (first >= 0) {
            check_same(f, &targets[first], &targets[t], n, x, y[first], y[t], r);
            continue;
        }
        first = t;
        check_errors(f, n, x, y[t], r);
    }
    r->inputs += n;
}

static void print_result(const struct function *f, const struct target targets[TARGETS], const struct result *r)
{
    printf("%s: %llu inputs, largest error %.4f ULP (bound %g) at %a [0x%08x]\n", f->name,
           (unsigned long long)r->inputs, r->error, f->bound, (double)r->at, bits_of(r->at));
    if (r->wrong)
        printf("FAIL %s: bound broken at %llu inputs\n", f->name, (unsigned long long)r->wrong);
    if (r->differ)
        printf("FAIL %s: %llu outputs differ\n", f->name, (unsigned long long)r->differ);
    for (int t = 0; t < TARGETS; t++) {
        XXH128_hash_t h;

        if (!targets[t].chosen)
            continue;
        h = XXH3_128bits_digest(r->hash[t]);
        printf("    %016llx%016llx  %s\n", (unsigned long long)h.high64, (unsigned long long)h.low64, targets[t].name);
    }
    fflush(stdout);
}

/* One function over the inputs 0, stride, 2 stride, ... (as bits) of this part. Returns whether all is well. */
static bool run_function(const struct function *f, const struct target targets[TARGETS], const struct options *o)
{
    static float x[BLOCK];
    const uint64_t inputs = ((UINT64_C(1) << 32) + o->stride - 1) / o->stride, blocks = (inputs + BLOCK - 1) / BLOCK;
    const uint64_t from = blocks * (o->part - 1) / o->parts, to = blocks * o->part / o->parts;
    struct result r = {.error = 0.0};

    for (int t = 0; t < TARGETS; t++) {
        r.hash[t] = XXH3_createState();
        if (!r.hash[t])
            abort();
        XXH3_128bits_reset(r.hash[t]);
    }
    for (uint64_t b = from; b < to; b++) {
        uint64_t at = b * BLOCK, n = inputs - at < BLOCK ? inputs - at : BLOCK;

        for (uint64_t i = 0; i < n; i++)
            x[i] = float_of((uint32_t)((at + i) * o->stride));
        run_block(f, targets, (size_t)n, x, &r);
    }
    print_result(f, targets, &r);
    for (int t = 0; t < TARGETS; t++)
        XXH3_freeState(r.hash[t]);
    return !r.wrong && !r.differ;
}

static void usage(void)
{
    fputs(
        "usage: exhaustive [--function NAME] [--isa NAME]... [--stride N] [--part I/N]\n"
        "Check exp, log, log1p, sigmoid, tanh, erf, gelu, gelu_tanh, silu on every float: error bounds, and the same\n"
        "bits on every instruction set.\n"
        "--stride: only every N-th float (a prime)   --part: only the I-th of N parts of the inputs, I from 1\n",
        stderr);
    exit(2);
}

/* A decimal number from 1 to 2^31; moves *text past it. */
static uint64_t number(const char **text)
{
    char *end;
    unsigned long long v;

    errno = 0;
    v = strtoull(*text, &end, 10);
    if (**text < '0' || **text > '9' || errno || v < 1 || v > 1ull << 31)
        usage();
    *text = end;
    return v;
}

static void choose(struct target targets[TARGETS], const char *name)
{
    for (int t = 0; t < TARGETS; t++)
        if (targets[t].name && !strcmp(targets[t].name, name)) {
            if (!targets[t].supported) {
                fprintf(stderr, "exhaustive: %s: not on this machine\n", name);
                exit(2);
            }
            targets[t].chosen = true;
            return;
        }
    usage();
}

static void parse(int argc, char **argv, struct options *o, struct target targets[TARGETS])
{
    bool any = false;

    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (!value)
            usage();
        if (!strcmp(argv[i], "--function")) {
            o->function = value;
        } else if (!strcmp(argv[i], "--isa")) {
            choose(targets, value);
            any = true;
        } else if (!strcmp(argv[i], "--stride")) {
            o->stride = number(&value);
            if (*value)
                usage();
        } else if (!strcmp(argv[i], "--part")) {
            o->part = number(&value);
            if (*value++ != '/')
                usage();
            o->parts = number(&value);
            if (*value || o->part > o->parts)
                usage();
        } else {
            usage();
        }
    }
    for (int t = 0; t < TARGETS && !any; t++)
        targets[t].chosen = targets[t].supported;
}

int main(int argc, char **argv)
{
    struct target targets[TARGETS];
    struct options o = {.stride = 1, .part = 1, .parts = 1};
    int ran = 0, bad = 0;

    make_targets(targets);
    parse(argc, argv, &o, targets);
    for (int i = 0; i < FUNCTIONS; i++) {
        if (o.function && strcmp(o.function, functions[i].name))
            continue;
        ran++;
        bad += !run_function(&functions[i], targets, &o);
    }
    if (!ran)
        usage();
    return bad ? 1 : 0;
}
