/* SPDX-License-Identifier: MIT
 * lockstep train: open, check, train with progress on stderr and epoch lines on stdout, save, digest. */
#include "cli/args.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct run {
    const struct cli *cli;
    struct lockstep_data *train, *test;
    struct lockstep_model *model;
    FILE *metrics;
    bool terminal; /* stderr is one: redraw a progress line */
    time_t told;   /* last progress line */
};

static volatile sig_atomic_t stop; /* the signal that asked to stop */

/* The first signal ends the training after the batch, a second one the program. */
static void on_signal(int number)
{
    if (stop) {
        signal(number, SIG_DFL);
        raise(number);
    }
    stop = number;
}

/* A signal that the parent wants ignored (a background job's SIGINT) stays ignored. */
static void catch_signals(void)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    const int numbers[] = {SIGINT, SIGTERM};
    struct sigaction old;

    for (int i = 0; i < 2; i++)
        if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

/* On a terminal one line, redrawn; otherwise a line every few seconds. */
static void show_progress(void *user, const struct lockstep_progress *p)
{
    enum { PLAIN_SECONDS = 5 };
    struct run *run = user;
    const size_t batch = run->cli->recipe.batch;
    double rate = p->seconds > 0 ? (double)p->row / p->seconds : 0;
    size_t left = p->rows - p->row + (p->epochs - p->epoch) * p->rows;
    unsigned long eta = rate > 0 ? (unsigned long)((double)left / rate + 0.5) : 0;

    if (!run->terminal && time(NULL) - run->told < PLAIN_SECONDS)
        return;
    run->told = time(NULL);
    fprintf(stderr,
            "%sepoch %zu/%zu batch %zu/%zu loss %.4f %.0f samples/s %.1f GFLOP/s %.0f%% of peak ETA %lu:%02lu%s",
            run->terminal ? "\r" : "", p->epoch, p->epochs, (p->row + batch - 1) / batch, (p->rows + batch - 1) / batch,
            p->loss, rate, p->gflops, p->peak_gflops > 0 ? 100 * p->gflops / p->peak_gflops : 0, eta / 60, eta % 60,
            run->terminal ? "\033[K" : "\n");
}

/* `"name":value` with so many digits; JSON has no inf and no nan. */
static void put_number(FILE *f, const char *name, double value, int digits)
{
    if (isfinite(value))
        fprintf(f, ",\"%s\":%.*g", name, digits, value);
    else
        fprintf(f, ",\"%s\":null", name);
}

enum { EXACT = 17, TIMING = 6 }; /* digits */

static void put_metrics(FILE *f, const struct lockstep_epoch *e)
{
    const struct lockstep_counts *c = &e->counts;

    fprintf(f, "{\"epoch\":%zu", e->epoch);
    put_number(f, "train_loss", e->train_loss, EXACT);
    put_number(f, "test_loss", e->test_loss, EXACT);
    put_number(f, "test_accuracy", e->test_accuracy, EXACT);
    put_number(f, "seconds", e->seconds, TIMING);
    put_number(f, "eval_seconds", e->eval_seconds, TIMING);
    put_number(f, "samples_per_second", e->samples_per_second, TIMING);
    put_number(f, "gflops", e->gflops, TIMING);
    put_number(f, "peak_share", e->peak_share, TIMING);
    put_number(f, "barrier_ns", e->barrier_ns, TIMING);
    put_number(f, "effective_gflops", e->effective_gflops, TIMING);
    put_number(f, "threads", e->threads, TIMING);
    fprintf(f,
            ",\"flops\":%zu,\"packed_bytes\":%zu,\"regions\":%zu,\"barriers\":%zu,\"allocations\":%zu,\"peak_bytes\":%"
            "zu}\n",
            c->flops, c->packed_bytes, c->regions, c->barriers, c->allocations, c->peak_bytes);
    fflush(f);
}

/* The first line of the metrics: how the run goes. */
static void put_start(const struct run *run, const struct lockstep_start *s)
{
    FILE *f = run->metrics;

    fprintf(
        f,
        "{\"record\":\"start\",\"isa\":\"%s\",\"isa_why\":\"%s\",\"threads\":%u,\"threads_why\":\"%s\",\"shards\":%u,"
        "\"reduce\":\"%s\",\"reduce_why\":\"%s\"",
        lockstep_model_isa(run->model), s->isa_why, lockstep_model_threads(run->model), s->threads_why,
        lockstep_model_shards(run->model), s->reduce, s->reduce_why);
    put_number(f, "owners_seconds", s->owners_seconds, TIMING);
    put_number(f, "replicas_seconds", s->replicas_seconds, TIMING);
    put_number(f, "barrier_ns", s->barrier_ns, TIMING);
    fprintf(f, ",\"barrier\":\"%s\"", s->barrier);
    put_number(f, "peak_gflops", s->peak_gflops, TIMING);
    fprintf(f, ",\"zero_skip\":%s,\"verify\":%zu}\n", s->zero_skip ? "true" : "false", s->verify);
    fflush(f);
}

void cli_print_start(FILE *f, const struct lockstep_start *s)
{
    fprintf(f, "reduce %s: %s", s->reduce, s->reduce_why);
    if (s->owners_seconds > 0)
        fprintf(f, " %.3f ms a step by owners, %.3f by replicas", 1e3 * s->owners_seconds, 1e3 * s->replicas_seconds);
    if (s->barrier_ns > 0)
        fprintf(f, "; barrier %.0f ns (%s)", s->barrier_ns, s->barrier);
    if (s->zero_skip)
        fputs("; multiplications by 0 left out", f);
}

/* How it runs; what is computed twice. */
static void tell_start(void *user, const struct lockstep_start *s)
{
    const struct run *run = user;

    cli_print_start(stderr, s);
    if (s->verify)
        fprintf(stderr, "; verify: 1 step of %zu again by %s on %u thread%s", s->verify, s->verify_reduce,
                s->verify_threads, s->verify_threads == 1 ? "" : "s");
    fputc('\n', stderr);
    if (run->metrics)
        put_start(run, s);
}

static void end_epoch(void *user, const struct lockstep_epoch *e)
{
    struct run *run = user;

    if (run->terminal)
        fputs("\r\033[K", stderr);
    printf("epoch %zu train_loss %.6f test_loss %.6f test_accuracy %.6f seconds %.3f\n", e->epoch, e->train_loss,
           e->test_loss, e->test_accuracy, e->seconds);
    fflush(stdout);
    if (run->metrics)
        put_metrics(run->metrics, e);
}

/* The last line of the metrics. */
static void put_explained(void *user, const struct lockstep_explained *e)
{
    const struct run *run = user;

    cli_put_explained(run->metrics, run->cli, run->model, e, "");
}

/* Do two paths, each may be NULL, name one file, there or not yet? */
static bool same_file(const char *a, const char *b)
{
    struct stat s, t;

    if (!a || !b)
        return false;
    if (!stat(a, &s) && !stat(b, &t))
        return S_ISREG(s.st_mode) && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
    return !strcmp(a, b);
}

static enum lockstep_status also_saved(const struct cli *cli, struct lockstep_error *err)
{
    if (same_file(cli->metrics, cli->save))
        return ls_fail(err, LOCKSTEP_E_USAGE, "--metrics %.200s: is also the file of --save", cli->metrics);
    return LOCKSTEP_OK;
}

/* Options that do not go together. */
static enum lockstep_status check_options(const struct cli *cli, struct lockstep_error *err)
{
    const struct lockstep_recipe *r = &cli->recipe;

    if (strcmp(r->optimizer, "sgd") && (r->momentum > 0 || r->nesterov))
        return ls_fail(err, LOCKSTEP_E_USAGE, "--%s: expected --optimizer sgd, got %s",
                       r->nesterov ? "nesterov" : "momentum", r->optimizer);
    if (r->nesterov && !(r->momentum > 0))
        return ls_fail(err, LOCKSTEP_E_USAGE, "--nesterov: expected a --momentum above 0, got 0");
    if (same_file(cli->metrics, cli->model))
        return ls_fail(err, LOCKSTEP_E_USAGE, "--metrics %.200s: is also the file of --model", cli->metrics);
    if (same_file(cli->save, cli->model))
        return ls_fail(err, LOCKSTEP_E_USAGE, "--save %.200s: is also the file of --model", cli->save);
    return also_saved(cli, err);
}

/* Recipe and instruction set, tried on a model of two weights before any data is read. */
static enum lockstep_status check_recipe(const struct cli *cli, unsigned *default_threads, struct lockstep_error *err)
{
    struct lockstep_options options = {.isa = cli->options.isa, .reduce = "owners"};
    struct lockstep_model *model;
    enum lockstep_status status =
        lockstep_model_new("flatten | linear(2)", 1, 1, 2, &cli->recipe, &options, &model, err);

    if (!status)
        *default_threads = lockstep_model_threads(model);
    lockstep_model_free(model);
    return status;
}

static enum lockstep_status check_batch(const struct cli *cli, size_t rows, struct lockstep_error *err)
{
    if (cli->recipe.batch > rows)
        return ls_fail(err, LOCKSTEP_E_USAGE, "--batch %zu: expected at most the %zu rows of %.200s", cli->recipe.batch,
                       rows, cli->data);
    return LOCKSTEP_OK;
}

/* Once the metrics are there, two spellings of a new name are seen to be one file. */
static enum lockstep_status open_metrics(struct run *run, struct lockstep_error *err)
{
    const char *name = run->cli->metrics;

    if (!name)
        return LOCKSTEP_OK;
    if (!(run->metrics = fopen(name, "we")))
        return ls_fail(err, LOCKSTEP_E_OUTPUT, "%.200s: cannot be opened for writing: %s", name, strerror(errno));
    if (!also_saved(run->cli, err))
        return LOCKSTEP_OK;
    remove(name);
    return err->status;
}

/* Everything that can be wrong is found here, the quick checks first: the test part is small and gives the shape. */
static enum lockstep_status prepare(struct run *run, unsigned *default_threads, struct lockstep_error *err)
{
    const struct cli *cli = run->cli;
    enum lockstep_status status;
    size_t channels, length;

    if ((status = check_options(cli, err)) || (status = check_recipe(cli, default_threads, err)) ||
        (!strcmp(cli->data, "digits") && (status = check_batch(cli, LOCKSTEP_DIGITS_TRAIN, err))) ||
        (status = lockstep_data_open(cli->data, LOCKSTEP_TEST, &cli->options, &run->test, err)))
        return status;
    lockstep_data_shape(run->test, &channels, &length);
    if ((status = lockstep_model_new(cli->model, channels, length, lockstep_data_classes(run->test), &cli->recipe,
                                     &cli->options, &run->model, err)) ||
        (cli->save && (status = lockstep_save_check(cli->save, err))) ||
        (status = lockstep_data_open(cli->data, LOCKSTEP_TRAIN, &cli->options, &run->train, err)) ||
        (status = check_batch(cli, lockstep_data_rows(run->train), err)))
        return status;
    return open_metrics(run, err);
}

static void print_start(const struct run *run, unsigned default_threads)
{
    const struct cli *cli = run->cli;
    unsigned threads = lockstep_model_threads(run->model);

    if (threads > default_threads)
        fprintf(stderr, "lockstep: warning: %u threads on %u CPUs: the same result, but slower\n", threads,
                default_threads);
    if (threads < cli->options.threads)
        fprintf(stderr, "lockstep: warning: %u threads on %u CPUs: %u run (OMP_DYNAMIC=false: all; the same result)\n",
                cli->options.threads, default_threads, threads);
    fprintf(stderr, "model %.*s%s, %zu parameters; data %s, %zu + %zu rows; isa %s, threads %u, shards %u\n",
            (int)strcspn(cli->model, "\n"), cli->model, strchr(cli->model, '\n') ? "..." : "",
            lockstep_model_parameters(run->model), cli->data, lockstep_data_rows(run->train),
            lockstep_data_rows(run->test), lockstep_model_isa(run->model), threads, lockstep_model_shards(run->model));
}

static enum lockstep_status train(struct run *run, struct lockstep_error *err)
{
    const struct lockstep_events events = {.user = run,
                                           .start = tell_start,
                                           .progress = show_progress,
                                           .epoch = end_epoch,
                                           .stop = &stop,
                                           .explain = run->metrics ? put_explained : NULL};
    enum lockstep_status status;
    char digest[33];

    run->terminal = isatty(STDERR_FILENO);
    run->told = time(NULL);
    status = lockstep_train(run->model, run->train, run->test, &events, err);
    if (run->terminal)
        fputs("\r\033[K", stderr);
    if (status || (run->cli->save && (status = lockstep_model_save(run->model, run->cli->save, err))))
        return status;
    lockstep_model_digest(run->model, digest);
    printf("digest %s\n", digest);
    return LOCKSTEP_OK;
}

static enum lockstep_status close_metrics(struct run *run, struct lockstep_error *err)
{
    bool failed = run->metrics && ferror(run->metrics);

    if (run->metrics && (fclose(run->metrics) || failed))
        return ls_fail(err, LOCKSTEP_E_OUTPUT, "%.200s: the metrics could not be written", run->cli->metrics);
    return LOCKSTEP_OK;
}

enum lockstep_status cmd_train(const struct cli *cli, struct lockstep_error *err)
{
    struct run run = {.cli = cli};
    unsigned default_threads = 0;
    enum lockstep_status status = prepare(&run, &default_threads, err);

    if (!status) {
        print_start(&run, default_threads);
        catch_signals();
        status = train(&run, err);
    }
    if (!status)
        status = close_metrics(&run, err);
    lockstep_model_free(run.model);
    lockstep_data_free(run.train);
    lockstep_data_free(run.test);
    if (!status && stop) {
        fflush(stdout);
        signal(stop, SIG_DFL);
        raise(stop);
    }
    return status;
}
