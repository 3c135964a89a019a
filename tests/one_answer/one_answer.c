/* SPDX-License-Identifier: MIT
 *
 * One answer: each recipe (model, optimiser, shards) has one expected digest, in digests.txt, that every schedule
 * (instruction set, threads, way to reduce, layers by rows or columns) must give, whatever compiler built this program.
 * Twenty steps on 2,000 digits; exits 1 when a digest differs. Without options a sample of the schedules runs: see
 * sampled().
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "train/machine.h"
#include "train/model.h"

enum { ROWS = 2000, BATCH = 203, EPOCHS = 2, HEX = 32 }; /* 2,000 = 9 * 203 + 173: ten steps an epoch */

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The plain C of ref is slow: the sample has it in one of ref_every recipes. */
static const struct {
    const char *name, *text;
    size_t ref_every;
} models[] = {{"two-layer", "two-layer", 1},
              {"mlp", "mlp", 9},
              {"conv1d", "conv1d", 9},
              {"residual", "residual", 9},
              {"dropout",
               "conv1d(24, kernel_size=3, padding=same) | gelu | dropout(0.2) | avg_pool1d(2) | flatten | linear(40) "
               "| tanh | dropout | linear(10)",
               3}};
static const char *const optimizers[] = {"sgd", "adam", "adamw"}, *const reduces[] = {"owners", "replicas"};
static const unsigned shards[] = {1, 4, 8}, threads[] = {1, 2, 3, 4, 7};

enum {
    OPTIMIZERS = COUNT(optimizers),
    SHARDS = COUNT(shards),
    VARIANTS = OPTIMIZERS * SHARDS, /* recipes of a model: recipe / VARIANTS is the model */
    RECIPES = COUNT(models) * VARIANTS,
    THREADS = COUNT(threads),
    REDUCES = COUNT(reduces)
};

/* Indices of the tables above; isa is an enum lk_isa. */
struct schedule {
    size_t isa, thread, reduce;
};

struct choice {
    unsigned features; /* of the CPU, less LOCKSTEP_CPU */
    bool full, update;
    unsigned long every;               /* of the schedules chosen otherwise one in `every` */
    const char *recipe, *isa, *reduce; /* NULL: all */
    unsigned long threads;             /* 0: all */
    char expected[RECIPES][HEX + 1];
};

static void recipe_name(size_t recipe, char name[64])
{
    const size_t v = recipe % VARIANTS;

    snprintf(name, 64, "%s/%s/%u", models[recipe / VARIANTS].name, optimizers[v / SHARDS], shards[v % SHARDS]);
}

static void make_recipe(size_t recipe, struct lockstep_recipe *r)
{
    const size_t v = recipe % VARIANTS;

    lockstep_recipe_init(r);
    r->batch = BATCH;
    r->epochs = EPOCHS;
    r->shards = shards[v % SHARDS];
    r->optimizer = optimizers[v / SHARDS];
    r->lr = 0.002;
    if (!strcmp(r->optimizer, "sgd")) {
        r->lr = 0.02;
        r->momentum = 0.9;
        r->nesterov = true;
        r->weight_decay = 0.001;
    } else if (!strcmp(r->optimizer, "adamw")) {
        r->weight_decay = 0.01;
        r->lr_schedule = "cosine";
        r->warmup = 3;
    }
}

/* The digest of a recipe under a schedule; even teams share wide layers by columns, odd ones by rows. Returns false,
 * and says why, when there is none. */
static bool train(size_t recipe, const struct schedule *s, const struct lockstep_data *data, char digest[HEX + 1])
{
    const struct lockstep_options o = {
        .threads = threads[s->thread], .isa = lk_isa_name((enum lk_isa)s->isa), .reduce = reduces[s->reduce]};
    struct lockstep_recipe r;
    struct lockstep_model *m;
    struct lockstep_error err;
    bool ok;

    make_recipe(recipe, &r);
    ok = !lockstep_model_new(models[recipe / VARIANTS].text, data->channels, data->length, data->classes, &r, &o, &m,
                             &err);
    if (ok) {
        m->engine.columns = threads[s->thread] % 2 == 0;
        m->engine.columns_fixed = true;
        ok = !lockstep_train(m, data, NULL, NULL, &err);
    }
    if (ok) {
        lockstep_model_digest(m, digest);
    } else {
        strcpy(digest, "none");
        fprintf(stderr, "%s\n", err.text);
    }
    lockstep_model_free(m);
    return ok;
}

/* ---- which schedules ---- */

/*
 * The sample. The best instruction set: each recipe with both ways to reduce, each on another number of threads, so
 * that the nine recipes of a model meet all its schedules. Others: one way to reduce, every number of threads; ref
 * fewer.
 */
static bool sampled(const struct choice *c, size_t recipe, const struct schedule *s)
{
    const size_t v = recipe % VARIANTS, every = models[recipe / VARIANTS].ref_every;

    if (s->thread != (v + REDUCES * s->isa + s->reduce) % THREADS)
        return false;
    if (s->isa != lk_isa_preferred(c->features) && s->reduce != v % REDUCES)
        return false;
    return s->isa != LK_ISA_ref || v % every == VARIANTS / 2 % every;
}

static bool chosen(const struct choice *c, size_t recipe, const struct schedule *s)
{
    char name[64];

    recipe_name(recipe, name);
    return lk_isa_supported((enum lk_isa)s->isa, c->features) && (c->full || sampled(c, recipe, s)) &&
           (!c->recipe || !strncmp(c->recipe, name, strlen(c->recipe))) &&
           (!c->isa || !strcmp(c->isa, lk_isa_name((enum lk_isa)s->isa))) &&
           (!c->reduce || !strcmp(c->reduce, reduces[s->reduce])) && (!c->threads || c->threads == threads[s->thread]);
}

static bool agrees(const struct choice *c, size_t recipe, const struct schedule *s, const struct lockstep_data *data)
{
    char got[HEX + 1], name[64];

    if (train(recipe, s, data, got) && !strcmp(got, c->expected[recipe]))
        return true;
    recipe_name(recipe, name);
    printf("FAIL --full --recipe %s --isa %s --threads %u --reduce %s: expected %s, got %s\n", name,
           lk_isa_name((enum lk_isa)s->isa), threads[s->thread], reduces[s->reduce], c->expected[recipe], got);
    return false;
}

/* Returns false when a digest differs, or nothing was chosen. */
static bool check(const struct choice *c, const struct lockstep_data *data)
{
    unsigned long seen = 0, ran = 0, bad = 0;

    for (size_t recipe = 0; recipe < RECIPES; recipe++)
        for (size_t i = 0; i < LK_ISA_COUNT * THREADS * REDUCES; i++) {
            const struct schedule s = {i / (THREADS * REDUCES), i / REDUCES % THREADS, i % REDUCES};

            if (!chosen(c, recipe, &s) || seen++ % c->every)
                continue;
            ran++;
            bad += !agrees(c, recipe, &s, data);
            fflush(stdout);
        }
    printf("%lu runs, %lu with another digest\n", ran, bad);
    return ran && !bad;
}

/* ---- the file ---- */

static size_t find_recipe(const char *name)
{
    for (size_t i = 0; i < RECIPES; i++) {
        char other[64];

        recipe_name(i, other);
        if (!strcmp(name, other))
            return i;
    }
    return RECIPES;
}

/* Two recipes with one digest: what differs between them was not applied. */
static bool distinct(const struct choice *c)
{
    for (size_t i = 0; i < RECIPES; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcmp(c->expected[i], c->expected[k]))
                return false;
    return true;
}

/* Lines of "RECIPE DIGEST", one for each recipe; others start with #. */
static bool load(struct choice *c, const char *path)
{
    FILE *f = fopen(path, "re");
    char line[256], name[64], hex[64];
    size_t found = 0;

    while (f && fgets(line, sizeof line, f)) {
        size_t recipe;

        if (*line == '#')
            continue;
        recipe = sscanf(line, "%63s %63s", name, hex) == 2 ? find_recipe(name) : RECIPES;
        if (recipe == RECIPES || strlen(hex) != HEX || *c->expected[recipe]) {
            found = 0;
            break;
        }
        memcpy(c->expected[recipe], hex, sizeof c->expected[recipe]);
        found++;
    }
    if (f)
        fclose(f);
    if (found != RECIPES || !distinct(c))
        fprintf(stderr, "%s: expected %d recipes with a digest of its own each (--update writes them)\n", path,
                RECIPES);
    return found == RECIPES && distinct(c);
}

/* Print the file: by one thread and the instruction set chosen, or the best. */
static bool update(const struct choice *c, const struct lockstep_data *data)
{
    struct schedule s = {.isa = lk_isa_preferred(c->features)};

    for (size_t i = 0; c->isa && i < LK_ISA_COUNT; i++)
        if (!strcmp(c->isa, lk_isa_name((enum lk_isa)i)))
            s.isa = i;
    puts("# RECIPE (model/optimiser/shards) DIGEST: of the weights after the 20 steps of one_answer.c, for any "
         "schedule.");
    for (size_t i = 0; i < RECIPES; i++) {
        char name[64], digest[HEX + 1];

        if (!train(i, &s, data, digest))
            return false;
        recipe_name(i, name);
        printf("%s %s\n", name, digest);
    }
    return true;
}

/* ---- main ---- */

static _Noreturn void usage(void)
{
    fputs("usage: one_answer [--full] [--every N] [--recipe PREFIX] [--isa NAME] [--threads N] [--reduce NAME]\n"
          "       one_answer --update [--isa NAME]\n"
          "A sample of the schedules of every recipe against digests.txt; --full all; --every N one in N of these;\n"
          "the others only such schedules. --update prints a new digests.txt.\n",
          stderr);
    exit(2);
}

static void parse(int argc, char **argv, struct choice *c)
{
    static const struct option options[] = {
        {"full", no_argument, NULL, 'f'},         {"update", no_argument, NULL, 'u'},
        {"every", required_argument, NULL, 'e'},  {"recipe", required_argument, NULL, 'r'},
        {"isa", required_argument, NULL, 'i'},    {"threads", required_argument, NULL, 't'},
        {"reduce", required_argument, NULL, 'd'}, {NULL, 0, NULL, 0},
    };
    int o;

    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (o == 'f')
            c->full = true;
        else if (o == 'u')
            c->update = true;
        else if (o == 'e')
            c->every = strtoul(optarg, NULL, 10);
        else if (o == 'r')
            c->recipe = optarg;
        else if (o == 'i')
            c->isa = optarg;
        else if (o == 't')
            c->threads = strtoul(optarg, NULL, 10);
        else if (o == 'd')
            c->reduce = optarg;
        else
            usage();
    if (optind != argc || !c->every)
        usage();
}

static bool draw(struct lockstep_data *d)
{
    enum { SIDE = LS_DIGITS_SIDE };

    *d = (struct lockstep_data){.rows = ROWS, .channels = SIDE, .length = SIDE, .classes = 10};
    d->x = malloc(ROWS * SIDE * SIDE);
    d->label = malloc(ROWS);
    for (size_t i = 0; d->x && d->label && i < ROWS; i++)
        d->label[i] = ls_digits_draw(LOCKSTEP_TRAIN, i, d->x + i * SIDE * SIDE);
    return d->x && d->label;
}

int main(int argc, char **argv)
{
    static struct choice c = {.every = 1};
    struct lockstep_data data;
    struct lockstep_error err;
    bool ok;

    parse(argc, argv, &c);
    if (ls_machine_features(&c.features, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    ok = draw(&data) && (c.update ? update(&c, &data) : load(&c, LS_ONE_ANSWER "/digests.txt") && check(&c, &data));
    free(data.x);
    free(data.label);
    return ok ? 0 : 1;
}
