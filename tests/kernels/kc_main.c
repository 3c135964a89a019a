/* SPDX-License-Identifier: MIT
 * The kernel checker's command line: which kernels, instruction sets and cases to run. */
#include "kc.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPORTS = 3, DEFAULT_COUNT = 250 };

/* An instruction set to check: those of cpu.h, the reference without fma, AVX-512 in terms of AVX2. */
struct target {
    const char *name;
    bool supported;
    unsigned own; /* kernels that are not those of a lesser instruction set */
    struct lk_kernels k;
};

enum { WIDTH = LK_PANEL };

/* What the cases of a kernel covered: buffers by misalignment, tails by their length. */
struct cover {
    unsigned long buffers, shift[WIDTH], tail[WIDTH];
};

enum { PLAIN = LK_ISA_COUNT, EMULATED, TARGETS };

struct options {
    const char *isa, *kernel;
    uint64_t seed;
    unsigned count;
    long only; /* one case, or -1 */
    bool list, selftest;
};

#ifdef KC_EMULATED
extern const struct lk_kernels lk_kernels_avx512_emulated;

static void overlay_emulated(struct target *t, unsigned features)
{
    struct lk_table table;

    t->supported = lk_isa_supported(LK_ISA_avx2, features);
    if (!t->supported)
        return;
    lk_table_init(&table, LK_ISA_avx2, features);
    t->k = table.k;
#define X(slot)                                                                                                        \
    if (lk_kernels_avx512_emulated.slot) {                                                                             \
        t->k.slot = lk_kernels_avx512_emulated.slot;                                                                   \
        t->own++;                                                                                                      \
    }
    LK_KERNELS(X)
#undef X
}
#else
static void overlay_emulated(struct target *t, unsigned features)
{
    (void)features;
    t->supported = false;
}
#endif

static void make_targets(struct target targets[TARGETS])
{
    const unsigned features = lk_cpu_features();
    struct lk_table table;

    for (int i = 0; i < LK_ISA_COUNT; i++) {
        targets[i].name = lk_isa_name((enum lk_isa)i);
        targets[i].supported = lk_isa_supported((enum lk_isa)i, features);
        if (!targets[i].supported)
            continue;
        lk_table_init(&table, (enum lk_isa)i, features);
        targets[i].k = table.k;
        for (int slot = 0; slot < LK_SLOTS; slot++)
            targets[i].own += table.origin[slot] == (enum lk_isa)i;
    }
    targets[PLAIN].name = "ref-plain";
    targets[PLAIN].supported = (features & LK_HAS_fma) != 0;
    lk_table_init(&table, LK_ISA_ref, features & ~(unsigned)LK_HAS_fma);
    targets[PLAIN].k = table.k;
    targets[PLAIN].own = LK_SLOTS;
    targets[EMULATED].name = "avx512-emulated";
    overlay_emulated(&targets[EMULATED], features);
}

static bool cpu_has(enum lk_isa isa)
{
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");

    if (isa == LK_ISA_avx512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    return isa == LK_ISA_ref || avx2;
}

/* Is every instruction set of this CPU, asked apart from cpu.c, there to be checked? */
static bool all_there(const struct target targets[TARGETS])
{
    bool all = true;

    for (int i = LK_ISA_ref + 1; i < LK_ISA_COUNT; i++) {
        if (!cpu_has((enum lk_isa)i) || targets[i].own)
            continue;
        fprintf(stderr, "kc: this CPU has %s, but there is no kernel of it to check\n", targets[i].name);
        all = false;
    }
    return all;
}

static void note(struct cover *cover, const struct kc *c)
{
    for (int i = 0; i < c->buffers; i++) {
        const struct kc_buf *b = &c->buf[i];

        if (b->role == KC_ABSENT || !kc_span(b))
            continue;
        cover->buffers++;
        cover->shift[b->shift % WIDTH]++;
        cover->tail[(b->columns == KC_PLAIN ? b->len : b->columns) % WIDTH]++;
    }
}

/* Report what no case of a kernel had; returns how much. */
static unsigned gaps(enum lk_slot slot, const char *what, const unsigned long count[WIDTH])
{
    unsigned missing = 0;

    for (unsigned i = 0; i < WIDTH; i++)
        if (!count[i]) {
            printf("FAIL %s: no case has a buffer with %s %u\n", lk_slot_name(slot), what, i);
            missing++;
        }
    return missing;
}

static void print_counts(const char *what, const unsigned long count[WIDTH])
{
    printf("kc: of each kernel at least so many buffers with %s 0..%d:", what, WIDTH - 1);
    for (int i = 0; i < WIDTH; i++)
        printf(" %lu", count[i]);
    putchar('\n');
}

static bool chosen(const struct options *o, const struct target *t)
{
    return t->supported && (!o->isa || !strcmp(o->isa, t->name));
}

/* Print what was covered; in a run of all cases a gap is a failure. Returns the number of gaps. */
static unsigned long check_cover(const struct options *o, const struct target targets[TARGETS],
                                 const struct cover cover[LK_SLOTS])
{
    const bool all = o->only < 0 && o->count >= DEFAULT_COUNT;
    unsigned long missing = 0;
    struct cover least;

    memset(&least, 0xff, sizeof least);
    for (int slot = 0; slot < LK_SLOTS; slot++) {
        for (int i = 0; cover[slot].buffers && i < WIDTH; i++) {
            least.shift[i] = cover[slot].shift[i] < least.shift[i] ? cover[slot].shift[i] : least.shift[i];
            least.tail[i] = cover[slot].tail[i] < least.tail[i] ? cover[slot].tail[i] : least.tail[i];
        }
        if (cover[slot].buffers && all)
            missing += gaps((enum lk_slot)slot, "misalignment", cover[slot].shift) +
                       gaps((enum lk_slot)slot, "tail", cover[slot].tail);
    }
    for (int i = 0; i < TARGETS; i++)
        if (chosen(o, &targets[i]))
            printf("kc: %s checked, %u kernels of its own\n", targets[i].name, targets[i].own);
    print_counts("misalignment", least.shift);
    print_counts("tail", least.tail);
    return missing;
}

static void report(const struct kc *c, const struct options *o, enum lk_slot slot, const char *isa)
{
    printf("FAIL %s, %s, %s: %s\n", lk_slot_name(slot), isa, c->shape, c->what);
    printf("     repeat: kc --isa %s --kernel %s --seed %llu --case %u\n", isa, lk_slot_name(slot),
           (unsigned long long)o->seed, c->id);
    fflush(stdout);
}

/* One case on every chosen target; reports failures unless failed[target] says there were enough. Returns runs. */
static unsigned run_case(struct kc *c, const struct options *o, enum lk_slot slot, unsigned id,
                         const struct target targets[TARGETS], unsigned failed[TARGETS], struct cover *cover)
{
    unsigned runs = 0;

    if (!kc_prepare(c, slot, o->seed, id, &targets[LK_ISA_ref].k)) {
        if (failed[LK_ISA_ref]++ < MAX_REPORTS)
            report(c, o, slot, "ref");
        return 1;
    }
    note(cover, c);
    for (int i = 0; i < TARGETS; i++) {
        if (!chosen(o, &targets[i]))
            continue;
        runs++;
        if (!kc_check(c, slot, &targets[i].k) && failed[i]++ < MAX_REPORTS)
            report(c, o, slot, targets[i].name);
    }
    return runs;
}

/* All cases; returns the number of failed ones, or -1 when nothing ran. */
static long run_all(struct kc *c, const struct options *o, const struct target targets[TARGETS])
{
    const unsigned cases = o->count * KC_FILLS;
    static struct cover cover[LK_SLOTS];
    unsigned long runs = 0, bad = 0;

    for (int slot = 0; slot < LK_SLOTS; slot++) {
        unsigned failed[TARGETS] = {0};

        if (o->kernel && strcmp(o->kernel, lk_slot_name((enum lk_slot)slot)))
            continue;
        if (o->only >= 0)
            runs += run_case(c, o, (enum lk_slot)slot, (unsigned)o->only, targets, failed, &cover[slot]);
        for (unsigned id = 0; o->only < 0 && id < cases; id++)
            runs += run_case(c, o, (enum lk_slot)slot, id, targets, failed, &cover[slot]);
        for (int i = 0; i < TARGETS; i++) {
            bad += failed[i];
            if (failed[i] > MAX_REPORTS)
                printf("FAIL %s, %s: %u cases in all\n", lk_slot_name((enum lk_slot)slot), targets[i].name, failed[i]);
        }
    }
    if (runs)
        bad += check_cover(o, targets, cover);
    printf("kc: %lu cases run, %lu failed, seed %llu\n", runs, bad, (unsigned long long)o->seed);
    return runs ? (long)bad : -1;
}

static void list(const struct target targets[TARGETS])
{
    for (int i = 0; i < TARGETS; i++)
        printf("isa    %s%s\n", targets[i].name, targets[i].supported ? "" : " (not on this machine)");
    for (int slot = 0; slot < LK_SLOTS; slot++)
        printf("kernel %s\n", lk_slot_name((enum lk_slot)slot));
}

static void usage(void)
{
    fputs("usage: kc [--isa NAME] [--kernel NAME] [--seed N] [--count N] [--case N] [--list] [--selftest]\n"
          "Compare every kernel of every instruction set with the reference, bit for bit.\n"
          "--count: cases per kernel and fill   --case: only this one   --selftest: broken kernels must be caught\n",
          stderr);
    exit(2);
}

static unsigned long long number(const char *text)
{
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9')
        usage();
    return n;
}

static struct options parse(int argc, char **argv)
{
    struct options o = {.seed = 1, .count = DEFAULT_COUNT, .only = -1};

    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (!strcmp(name, "--list")) {
            o.list = true;
            continue;
        }
        if (!strcmp(name, "--selftest")) {
            o.selftest = true;
            continue;
        }
        if (!value)
            usage();
        i++;
        if (!strcmp(name, "--isa"))
            o.isa = value;
        else if (!strcmp(name, "--kernel"))
            o.kernel = value;
        else if (!strcmp(name, "--seed"))
            o.seed = number(value);
        else if (!strcmp(name, "--count"))
            o.count = (unsigned)number(value);
        else if (!strcmp(name, "--case"))
            o.only = (long)(unsigned)number(value);
        else
            usage();
    }
    return o;
}

static bool supported(const struct target targets[TARGETS], const char *name)
{
    for (int i = 0; i < TARGETS; i++)
        if (!strcmp(name, targets[i].name))
            return targets[i].supported;
    return false;
}

int main(int argc, char **argv)
{
    static struct kc c;
    static struct target targets[TARGETS];
    const struct options o = parse(argc, argv);
    const char *expected = getenv("LOCKSTEP_EXPECT_ISA");
    long bad;

    make_targets(targets);
    if (o.list) {
        list(targets);
        return 0;
    }
    if (expected && *expected && !supported(targets, expected)) {
        fprintf(stderr, "kc: LOCKSTEP_EXPECT_ISA=%s, but this machine does not have it\n", expected);
        return 1;
    }
    if (o.isa && !supported(targets, o.isa)) {
        fprintf(stderr, "kc: instruction set %s is unknown or not on this machine (see --list)\n", o.isa);
        return 2;
    }
    if (!all_there(targets))
        return 1;
    kc_init(&c);
    if (o.selftest)
        return kc_selftest(&c, &targets[LK_ISA_ref].k, o.seed) ? 1 : 0;
    bad = run_all(&c, &o, targets);
    if (bad < 0)
        fputs("kc: no case was run (see --list)\n", stderr);
    return bad ? 1 : 0;
}
