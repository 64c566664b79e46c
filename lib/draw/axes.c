/* axes.c - scales, round ticks, labels, axes.
 *
 * Ticks step by 1, 2 or 5 times a power of ten (whole numbers on integer axes); on log axes they are decades, thinned where
 * there are many, with 2 and 5 between where there are few. */
#include "draw/axes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double TICK = 2.2, TICK_GAP = 1.8, LABEL_GAP = 2.5, LEAST_LABEL = 6, EDGE = 1,
                    BEYOND = 14;  /* by which an upright label may be longer than its axis, at both ends */

double ns_scale_at(const ns_scale *s, double value)
{
    if (s->log)
        return value > 0 ? log10(value / s->min) / log10(s->max / s->min) : -INFINITY;
    return (value - s->min) / (s->max - s->min);
}

double ns_scale_room(double value)
{
    return fmax(.5, 1e-6 * fabs(value));
}

static double power10(int e)
{
    double p = 1;
    for (int i = 0; i < (e < 0 ? -e : e); i++)
        p *= 10;
    return e < 0 ? 1 / p : p;
}

/* 2e-5, 1.5e9: where plain decimals would be long. */
static void format_exponent(char out[32], double value, double step)
{
    const int e = (int)floor(log10(fabs(value)) + 1e-9);
    const double mantissa = value / power10(e), mantissa_step = step / power10(e);
    char digits[32];
    int decimals = 0;
    while (decimals < 3 && fabs(round(mantissa_step * power10(decimals)) - mantissa_step * power10(decimals)) > 1e-6)
        decimals++;
    ns_format_fixed(digits, mantissa, decimals);
    snprintf(out, 32, "%.19se%d", digits, e);
}

void ns_true_minus(char text[32])
{
    if (text[0] != '-' || strlen(text) > 28)
        return;
    memmove(text + 3, text + 1, strlen(text));
    memcpy(text, "\xe2\x88\x92", 3);
}

void ns_format_tick(char out[32], double value, double step)
{
    if (step < 0.99e-4 && fabs(value) < 1e-6 * step) {
        strcpy(out, "0");
        return;
    }
    if (fabs(value) >= 1e6 || step < 0.99e-4) {
        format_exponent(out, value, step);
        ns_true_minus(out);
        return;
    }
    int decimals = 0;
    while (decimals < 4 && step > 0 && fabs(round(step * power10(decimals)) - step * power10(decimals)) > 1e-6)
        decimals++;
    ns_format_fixed(out, value, decimals);
    ns_true_minus(out);
}

void ns_format_cell(char out[32], double value)
{
    if (fabs(value) >= 1e6) {
        ns_format_tick(out, value, value / 10);
        return;
    }
    ns_format_fixed(out, value, fabs(value) >= 9.95 ? 0 : fabs(value) >= 0.995 ? 1 : 2);
    char *zero = strstr(out, "0.");
    if (zero && (zero == out || zero[-1] == '-'))
        memmove(zero, zero + 1, strlen(zero));
    ns_true_minus(out);
}

static void add_tick(ns_ticks *t, double value, double step)
{
    t->at[t->n] = value;
    ns_format_tick(t->label[t->n++], value, step);
}

/* 50k, 2M: decades apart, so short and alike; from 1e9 on people do not agree on a letter. */
static void add_log_tick(ns_ticks *t, double value, double max)
{
    add_tick(t, value, value);
    if (value >= 1e3 * (1 - 1e-9) && max < 1e9)
        snprintf(t->label[t->n - 1], sizeof t->label[0], value < 1e6 * (1 - 1e-9) ? "%.0fk" : "%.0fM",
                 value < 1e6 * (1 - 1e-9) ? value / 1e3 : value / 1e6);
}

static double round_step(double least, bool integers)
{
    if (integers && least <= 1)
        return 1;
    const int e = (int)floor(log10(least) + 1e-9);
    static const double nice[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++)
        if (nice[i] * power10(e) >= least * (1 - 1e-9))
            return nice[i] * power10(e);
    return power10(e + 1);
}

static void ticks_linear(ns_ticks *t, const ns_scale *s, bool integers, int most)
{
    const double step = round_step((s->max - s->min) / most, integers);
    const double slack = 1e-6 * step;
    for (double k = ceil((s->min - slack) / step); k * step <= s->max + slack && t->n < NS_MAX_TICKS; k++)
        add_tick(t, k * step, step);
}

static void ticks_log(ns_ticks *t, const ns_scale *s, int most)
{
    const int first = (int)ceil(log10(s->min) - 1e-9), last = (int)floor(log10(s->max) + 1e-9);
    const int decades = last - first + 1, every = decades > most ? (decades + most - 1) / most : 1;
    static const int between[] = {1, 2, 5};
    const int n_between = every == 1 && decades <= 2 && 3 * decades <= most ? 3 : 1;
    for (int e = first - (n_between > 1); e <= last; e += every)
        for (int i = 0; i < n_between; i++) {
            const double v = between[i] * power10(e);
            if (v >= s->min * (1 - 1e-9) && v <= s->max * (1 + 1e-9) && t->n < NS_MAX_TICKS)
                add_log_tick(t, v, s->max);
        }
}

void ns_ticks_make(ns_ticks *t, const ns_scale *s, bool integers, double length, double room)
{
    const int most = (int)fmin(NS_MAX_TICKS - 2, fmax(1, floor(length / room)));
    t->n = 0;
    if (s->log)
        ticks_log(t, s, most);
    else
        ticks_linear(t, s, integers, most);
}

double ns_ticks_width(const ns_ticks *t, const ns_type *type)
{
    double width = 0;
    for (int i = 0; i < t->n; i++)
        width = fmax(width, ns_type_width(type, t->label[i], NS_SIZE_TICK, false));
    return width;
}

void ns_ticks_fit(ns_ticks *t, const ns_scale *s, bool integers, double length, const ns_type *type)
{
    double room = 10;
    for (int tries = 0; tries < 4; tries++) {
        ns_ticks_make(t, s, integers, length, room);
        const double need = ns_ticks_width(t, type) + NS_SIZE_TICK;
        if (need <= room)
            break;
        room = need;
    }
}

double ns_axis_depth(const ns_axis *a, const ns_type *type)
{
    const double text = a->side == NS_BOTTOM ? NS_CAP_HEIGHT * NS_SIZE_TICK : fmax(a->least, ns_ticks_width(&a->ticks, type));
    const double labels = a->ticks.n == 0 ? 0 : TICK + TICK_GAP + text;
    return a->gap + labels + (a->label ? LABEL_GAP + (NS_CAP_HEIGHT + NS_DESCENT) * NS_SIZE_LABEL : 0);
}

double ns_axis_least(const ns_axis *a, const ns_type *type)
{
    const double label = a->label ? ns_type_width(type, a->label, LEAST_LABEL, false) + 1 : 0;
    return label - (a->tight || a->level ? 0 : BEYOND) - (a->tight ? 0 : BEYOND);
}

/* In the middle under the axis; further left or right, then smaller, then cut, where it would leave the page. */
static void draw_name(const ns_axis *a, ns_canvas *c, ns_box b, double y)
{
    char fit[NS_LABEL_BYTES];
    if (!a->label)
        return;
    const double page = c->width - 2 * EDGE, need = ns_type_width(c->type, a->label, NS_SIZE_LABEL, false);
    const double size = fmax(LEAST_LABEL, NS_SIZE_LABEL * fmin(1, page / need));
    ns_type_fit(c->type, a->label, size, false, page, fit);
    const double half = ns_type_width(c->type, fit, size, false) / 2, left = EDGE - c->dx, right = c->width - EDGE - c->dx;
    ns_canvas_text(c, fmax(left + half, fmin(right - half, b.x + b.w / 2)), y, fit,
                   (ns_style){.size = size, .color = NS_INK, .anchor = NS_AT_MIDDLE});
}

static void draw_bottom(const ns_axis *a, ns_canvas *c, ns_box b)
{
    const ns_pen pen = {.color = NS_INK, .width = NS_THIN};
    const ns_style tick = {.size = NS_SIZE_TICK, .color = NS_INK, .anchor = NS_AT_MIDDLE};
    const double y = b.y + b.h + a->gap, text = y + TICK + TICK_GAP + NS_CAP_HEIGHT * NS_SIZE_TICK;
    for (int i = 0; i < a->ticks.n; i++) {
        const double x = b.x + b.w * ns_scale_at(&a->scale, a->ticks.at[i]);
        ns_canvas_line(c, x, y, x, y + TICK, pen);
        ns_canvas_text(c, x, text, a->ticks.label[i], tick);
    }
    draw_name(a, c, b, text + LABEL_GAP + NS_CAP_HEIGHT * NS_SIZE_LABEL);
}

static void draw_upright(const ns_axis *a, ns_canvas *c, ns_box b)
{
    const bool left = a->side == NS_LEFT;
    const double out = left ? -1 : 1, x = (left ? b.x : b.x + b.w) + out * a->gap;
    const ns_pen pen = {.color = NS_INK, .width = NS_THIN};
    const ns_style tick = {.size = NS_SIZE_TICK, .color = NS_INK, .anchor = left ? NS_AT_END : NS_AT_START};
    for (int i = 0; i < a->ticks.n; i++) {
        const double t = ns_scale_at(&a->scale, a->ticks.at[i]), y = b.y + b.h * (a->down ? t : 1 - t);
        ns_canvas_line(c, x, y, x + out * TICK, y, pen);
        ns_canvas_text(c, x + out * (TICK + TICK_GAP), ns_baseline(y, NS_SIZE_TICK), a->ticks.label[i], tick);
    }
    if (!a->label)
        return;
    const double depth = ns_axis_depth(a, c->type);
    char fit[NS_LABEL_BYTES];
    const double above = a->tight || a->level ? 0 : BEYOND, under = a->tight ? 0 : BEYOND;
    const double most = b.h + above + under, need = ns_type_width(c->type, a->label, NS_SIZE_LABEL, false);
    const double size = fmax(LEAST_LABEL, NS_SIZE_LABEL * fmin(1, most / need));
    const ns_style label = {.size = size, .color = NS_INK, .anchor = NS_AT_MIDDLE, .angle = 90};
    ns_type_fit(c->type, a->label, size, false, most, fit);
    const double middle = b.y + fmax(b.h / 2, ns_type_width(c->type, fit, size, false) / 2 - above);
    const double edge = left ? b.x - depth + NS_CAP_HEIGHT * NS_SIZE_LABEL : b.x + b.w + depth - NS_DESCENT * NS_SIZE_LABEL;
    ns_canvas_text(c, edge, middle, fit, label);
}

void ns_axis_draw(const ns_axis *a, ns_canvas *c, ns_box b)
{
    if (a->side == NS_BOTTOM)
        draw_bottom(a, c, b);
    else
        draw_upright(a, c, b);
}

/* Pool adjacent violators on at[i] - i * gap: the mean of each pool is its least-squares place. scratch holds pool sizes. */
void ns_spread(double *at, int n, double gap, double lo, double hi, double *scratch)
{
    int pools = 0;
    for (int i = 0; i < n; i++) {
        double mean = at[i] - i * gap, size = 1;
        while (pools > 0 && at[pools - 1] >= mean) {
            mean = (mean * size + at[pools - 1] * scratch[pools - 1]) / (size + scratch[pools - 1]);
            size += scratch[--pools];
        }
        at[pools] = mean;
        scratch[pools++] = size;
    }
    /* Unpack from the back: pool p's mean is still at at[p] because p <= its first member. */
    for (int p = pools - 1, i = n - 1; p >= 0; p--) {
        const double mean = fmax(lo, fmin(hi - (n - 1) * gap, at[p]));
        for (int k = (int)scratch[p]; k > 0; k--, i--)
            at[i] = mean + i * gap;
    }
}
