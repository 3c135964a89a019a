/* SPDX-License-Identifier: MIT
 * The built-in digits: stroke models in several hands, bent, turned, inked and sprinkled by numbers that depend on
 * (part, row) only. Doubles with + - * / sqrt and math64 alone, so every compiler and machine draws the same bytes. */
#include "data/data.h"

#include "core/math64.h"
#include "core/mem.h"
#include "core/rng.h"
#include "core/team.h"

enum {
    SIDE = LS_DIGITS_SIDE,
    PIXELS = SIDE * SIDE,
    KNOTS = 12,  /* at most in a hand, pen-ups included */
    STEPS = 5,   /* straight pieces between two knots */
    LATTICE = 5, /* points a side of the lattice that bends the sheet */
    SEED = 28281026
};

/*
 * One way to write one digit: knots xxyy that the pen passes through, x to the right and y down, 2020 the centre and
 * the digit 20 high; a negative knot is a corner; 0 lifts the pen.
 */
struct hand {
    int digit;
    int knot[KNOTS];
};

static const struct hand HANDS[] = {
    {0, {2010, 1413, 1220, 1427, 2030, 2627, 2820, 2613, 2010}},
    {0, {2211, 1712, 1417, 1423, 1729, 2229, 2524, 2617, 2311, 1910}},
    {0, {2413, 1911, 1415, 1322, 1628, 2129, 2624, 2617, 2212, 1813}},
    {0, {2312, 1711, 1316, 1323, 1729, 2329, 2724, 2717, 2312, 0, 2514, 1528}},
    {1, {2010, 2020, 2030}},
    {1, {1615, -2110, 2120, 2130}},
    {1, {1614, -2110, 2120, -2130, 0, 1530, 2730}},
    {1, {2310, 2120, 1830}},
    {2, {1415, 1711, 2210, 2614, 2420, 1825, -1330, 2030, 2730}},
    {2, {1414, 1910, 2513, 2419, 1826, 1429, 1326, 1625, 2128, 2729}},
    {2, {1312, 2010, -2612, 1821, -1329, 2028, 2729}},
    {2, {1513, 2010, 2412, 2418, 2024, -1529, 2529}},
    {3, {1413, 1910, 2513, 2418, -1920, 2522, 2627, 2030, 1327}},
    {3, {1411, -2511, -1918, 2521, 2527, 1930, 1327}},
    {3, {1512, 2110, 2514, 2119, 1719, 1820, 2421, 2626, 2130, 1429}},
    {3, {1513, 2010, 2413, -1819, 2321, 2426, 1930, 1528}},
    {4, {1511, 1417, -1322, 2022, 2721, 0, 2414, 2322, 2230}},
    {4, {2330, 2320, -2310, 1816, -1223, 1923, 2823}},
    {4, {1411, 1418, 1921, 2418, 0, 2510, 2520, 2430}},
    {4, {1611, -1321, 2020, 2620, 0, 2411, 2221, 1930}},
    {5, {1611, -1518, 2017, 2621, 2528, 1930, 1327, 0, 1611, 2610}},
    {5, {2611, -1611, -1519, 2117, 2622, 2329, 1429}},
    {5, {2511, 1811, 1516, 1919, 2422, 2427, 1930, 1428}},
    {5, {1512, -1519, 2018, 2523, 2228, 1429, 0, 1512, 2511}},
    {6, {2411, 1814, 1421, 1528, 2130, 2626, 2421, 1821, 1525}},
    {6, {1910, 1518, 1425, 1830, 2428, 2423, 1921, 1525}},
    {6, {2612, 2011, 1516, 1424, 1830, 2528, 2622, 2020, 1523}},
    {6, {2110, 1720, 1626, 1930, 2328, 2324, 2023, 1727}},
    {7, {1312, 2011, -2711, 2220, 1930}},
    {7, {1312, 2011, -2611, 2220, 1830, 0, 1721, 2520}},
    {7, {1315, -1411, -2611, 2317, 2023, 2030}},
    {7, {1413, 1911, 2512, 2418, 2024, 1730}},
    {8, {2513, 1910, 1514, 1919, 2524, 2330, 1629, 1524, 2019, 2515, 2513}},
    {8, {2010, 1614, 2019, 2414, 2010, 0, 2019, 1424, 2030, 2624, 2019}},
    {8, {2412, 1810, 1515, 2019, 2525, 2030, 1525, 1920, 2415, 2511}},
    {8, {2311, 1812, 1716, 2220, 2426, 1930, 1626, 1921, 2316, 2311}},
    {9, {2514, 2010, 1515, 1820, 2418, -2514, 2522, 2330}},
    {9, {2513, 1911, 1515, 1820, 2417, -2513, 2522, 2229, 1529}},
    {9, {2412, 1811, 1517, 1920, 2416, -2512, 2321, 1930}},
    {9, {2414, 2010, 1613, 1619, 2219, 2414, 2422, 2128, 1628}},
};

enum { HANDS_N = sizeof HANDS / sizeof *HANDS };

/* The random numbers of one image, in order. */
struct dice {
    uint32_t counter[4], word[4];
    unsigned used;
};

static uint32_t dice_word(struct dice *d)
{
    if (d->used == 4) {
        ls_philox(SEED, LS_STREAM_DIGITS, d->counter, d->word);
        d->counter[2]++;
        d->used = 0;
    }
    return d->word[d->used++];
}

static unsigned dice_below(struct dice *d, unsigned n)
{
    return (unsigned)((uint64_t)dice_word(d) * n >> 32);
}

static double dice_between(struct dice *d, double low, double high)
{
    return low + (high - low) * (dice_word(d) * 0x1p-32);
}

/* Most often near 0, never beyond +-reach: the sum of two uniform numbers. */
static double dice_bell(struct dice *d, double reach)
{
    uint32_t word = dice_word(d);
    return reach * ((double)(int)((word >> 16) + (word & 0xffff) - 0xffff) * 0x1p-16);
}

struct point {
    double x, y;
};

/* The pen's way: point i is joined to i - 1 unless the pen was up. */
struct path {
    int n;
    struct point at[KNOTS * STEPS];
    bool up[KNOTS * STEPS];
};

static void path_add(struct path *path, struct point at, bool up)
{
    path->at[path->n] = at;
    path->up[path->n++] = up;
}

/* A cubic from b to c (Catmull and Rom: it leaves along a to c and arrives along b to d), without its first point. */
static void curve(struct path *path, struct point a, struct point b, struct point c, struct point d)
{
    for (int i = 1; i <= STEPS; i++) {
        double t = i / (double)STEPS, s = 1 - t;
        double wa = -0.5 * t * s * s, wd = -0.5 * t * t * s;
        double wc = t * t * (3 - 2 * t) + 0.5 * t * s * s, wb = s * s * (1 + 2 * t) + 0.5 * t * t * s;
        struct point at = {wa * a.x + wb * b.x + wc * c.x + wd * d.x, wa * a.y + wb * b.y + wc * c.y + wd * d.y};
        path_add(path, at, false);
    }
}

/* The knot before the point where a smooth stroke starts, or after where it ends: as if it went on straight. */
static struct point beyond(struct point end, struct point inner)
{
    return (struct point){2 * end.x - inner.x, 2 * end.y - inner.y};
}

/* 0 beyond the ends: there the pen is up. */
static int knot_at(const struct hand *hand, int i)
{
    return i < 0 || i >= KNOTS ? 0 : hand->knot[i];
}

/* Follow the hand's knots, each a little off its place, with curves between them. */
static void write_hand(const struct hand *hand, struct dice *d, struct path *path)
{
    struct point p[KNOTS];
    double tremble = dice_between(d, 0.5, 2.4);

    for (int i = 0; i < KNOTS; i++) {
        int knot = hand->knot[i] < 0 ? -hand->knot[i] : hand->knot[i];
        p[i].x = knot / 100 - 20 + dice_bell(d, tremble);
        p[i].y = knot % 100 - 20 + dice_bell(d, tremble);
    }
    path->n = 0;
    for (int i = 0; i < KNOTS; i++) {
        int last = knot_at(hand, i - 1), here = knot_at(hand, i);
        int next = knot_at(hand, i + 1), then = knot_at(hand, i + 2);
        if (here && !last)
            path_add(path, p[i], true);
        if (here && next) {
            struct point before = last && here > 0 ? p[i - 1] : beyond(p[i], p[i + 1]);
            struct point after = then && next > 0 ? p[i + 2] : beyond(p[i + 1], p[i]);
            curve(path, before, p[i], p[i + 1], after);
        }
    }
}

/* Turn, slant and stretch about the centre. */
static void turn(struct dice *d, struct path *path)
{
    double angle = dice_bell(d, 0.32), slant = dice_bell(d, 0.45);
    double wide = dice_between(d, 0.65, 1.05), high = dice_between(d, 0.75, 1.05);
    double c = ls_cos(angle), s = ls_sin(angle);

    for (int i = 0; i < path->n; i++) {
        double x = wide * path->at[i].x - slant * path->at[i].y, y = high * path->at[i].y;
        path->at[i] = (struct point){c * x - s * y, s * x + c * y};
    }
}

/* Weights of the quadratic B-spline over three neighbours; returns the first. */
static int spline(double at, double w[3])
{
    double u = (at + SIDE / 2) * ((LATTICE - 2) / (double)SIDE);
    int cell = u < 0 ? 0 : u >= LATTICE - 2 ? LATTICE - 3 : (int)u;
    double t = u - cell;

    w[0] = 0.5 * (1 - t) * (1 - t);
    w[1] = 0.75 - (t - 0.5) * (t - 0.5);
    w[2] = 0.5 * t * t;
    return cell;
}

/* Bend the sheet: a smooth field of shifts, random on a lattice. */
static void bend(struct dice *d, struct path *path)
{
    struct point shift[LATTICE][LATTICE];
    double reach = dice_between(d, 0.5, 5);

    for (int i = 0; i < LATTICE; i++)
        for (int j = 0; j < LATTICE; j++) {
            shift[i][j].x = dice_bell(d, reach);
            shift[i][j].y = dice_bell(d, reach);
        }
    for (int k = 0; k < path->n; k++) {
        double wx[3], wy[3];
        int x = spline(path->at[k].x, wx), y = spline(path->at[k].y, wy);
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                path->at[k].x += wy[i] * wx[j] * shift[y + i][x + j].x;
                path->at[k].y += wy[i] * wx[j] * shift[y + i][x + j].y;
            }
    }
}

/* Put the box around the path at the middle of the sheet, give or take; then in pixels from the top left corner. */
static void place(struct dice *d, struct path *path)
{
    struct point low = path->at[0], high = low;
    double x = dice_bell(d, 2.2), y = dice_bell(d, 2.2);

    for (int i = 1; i < path->n; i++) {
        const struct point *at = &path->at[i];
        low = (struct point){at->x < low.x ? at->x : low.x, at->y < low.y ? at->y : low.y};
        high = (struct point){at->x > high.x ? at->x : high.x, at->y > high.y ? at->y : high.y};
    }
    x += 0.5 * (SIDE - low.x - high.x);
    y += 0.5 * (SIDE - low.y - high.y);
    for (int i = 0; i < path->n; i++)
        path->at[i] = (struct point){path->at[i].x + x, path->at[i].y + y};
}

/* First and last pixel column (or row) that ink between a and b can reach, radius included. */
static void extent(double a, double b, double radius, int *first, int *end)
{
    double low = (a < b ? a : b) - radius, high = (a > b ? a : b) + radius;

    *first = low < 0 ? 0 : low > SIDE ? SIDE : (int)low;
    *end = high < 0 ? 0 : high >= SIDE ? SIDE : (int)high + 1;
}

/* ink = max(ink, radius + 1/2 - distance to the piece from a to b), for the pixels near it. */
static void draw_piece(struct point a, struct point b, double radius, double *ink)
{
    double dx = b.x - a.x, dy = b.y - a.y, per_length2 = 1 / (dx * dx + dy * dy + 1e-9);
    int x0, x1, y0, y1;

    extent(a.x, b.x, radius + 0.5, &x0, &x1);
    extent(a.y, b.y, radius + 0.5, &y0, &y1);
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) {
            double px = x + 0.5 - a.x, py = y + 0.5 - a.y;
            double t = (px * dx + py * dy) * per_length2;
            t = t > 0 ? t : 0;
            t = t < 1 ? t : 1;
            px -= t * dx;
            py -= t * dy;
            double cover = radius + 0.5 - __builtin_sqrt(px * px + py * py);
            ink[y * SIDE + x] = ink[y * SIDE + x] > cover ? ink[y * SIDE + x] : cover;
        }
}

/* The pen presses harder at one end of the way than at the other. */
static void draw(struct dice *d, const struct path *path, double *ink)
{
    double radius = dice_between(d, 0.8, 1.9), drift = dice_bell(d, 0.35) * radius / path->n;

    for (int i = 0; i < PIXELS; i++)
        ink[i] = 0;
    for (int i = 1; i < path->n; i++)
        if (!path->up[i])
            draw_piece(path->at[i - 1], path->at[i], radius + drift * (2 * i - path->n), ink);
}

/* Ink to grey: contrast, and grain where there is ink. */
static void develop(struct dice *d, const double *ink, uint8_t *x)
{
    double white = dice_between(d, 180, 255.9), grain = dice_between(d, 0, 0.3), hard = dice_between(d, 0.7, 1.4);

    for (int i = 0; i < PIXELS; i++) {
        double cover = hard * ink[i];
        x[i] = 0;
        if (cover > 0)
            x[i] = (uint8_t)(white * (cover < 1 ? cover : 1) * (1 - dice_between(d, 0, grain)));
    }
}

uint8_t ls_digits_draw(enum lockstep_part part, size_t row, uint8_t *x)
{
    struct dice d = {.counter = {(uint32_t)row, (uint32_t)part, 0, 0}, .used = 4};
    const struct hand *hand = &HANDS[dice_below(&d, HANDS_N)];
    struct path path;
    double ink[PIXELS];

    write_hand(hand, &d, &path);
    turn(&d, &path);
    bend(&d, &path);
    place(&d, &path);
    draw(&d, &path, ink);
    develop(&d, ink, x);
    return (uint8_t)hand->digit;
}

struct job {
    enum lockstep_part part;
    struct lockstep_data *data;
};

static void draw_span(void *arg, struct ls_worker *w)
{
    const struct job *job = arg;
    size_t first, end;

    ls_span(job->data->rows, w->T, w->t, &first, &end);
    for (size_t row = first; row < end; row++)
        job->data->label[row] = ls_digits_draw(job->part, row, job->data->x + row * PIXELS);
}

enum lockstep_status ls_digits_open(enum lockstep_part part, unsigned threads, struct lockstep_data *out,
                                    struct lockstep_error *err)
{
    struct lockstep_data data = {
        .rows = part == LOCKSTEP_TRAIN ? LS_DIGITS_TRAIN : LS_DIGITS_TEST,
        .channels = SIDE,
        .length = SIDE,
        .classes = 10,
    };
    struct job job = {part, &data};

    *out = (struct lockstep_data){0};
    data.x = ls_alloc(data.rows, PIXELS, err);
    data.label = data.x ? ls_alloc(data.rows, 1, err) : NULL;
    if (!data.label) {
        ls_free(data.x);
        return LOCKSTEP_E_MEMORY;
    }
    ls_team_run(threads, draw_span, &job);
    *out = data;
    return LOCKSTEP_OK;
}
