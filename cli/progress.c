/* progress.c - what the program says on stderr: notes, warnings, the final error, and a bar with the time left where stderr is a terminal
 * (elsewhere a line every half minute, so that a log stays readable). */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

static const double redraw_every = 0.1, log_every = 30;   /* seconds */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool is_plain_terminal(void)
{
    const char *const term = getenv("TERM");
    return !term || strcmp(term, "dumb") == 0;
}

bool cli_use_colour(int fd)
{
    const char *const no_colour = getenv("NO_COLOR");
    return isatty(fd) && !is_plain_terminal() && !(no_colour && *no_colour);
}

cli_progress cli_progress_begin(const cli *app, const char *what)
{
    const double t = now();
    return (cli_progress){.what = what, .silent = app->globals.quiet, .tty = isatty(STDERR_FILENO) && !is_plain_terminal(), .start = t,
                          .shown = t};
}

void cli_print_clean(FILE *to, const char *text)
{
    ns_put_visible(to, text, "\n\t");
}

enum { LINE = 8192 };

/* What is said may name files and runs of strangers: no control characters to a terminal, and no second line. */
static const char *clean_line(char own[LINE], const char *line)
{
    snprintf(own, LINE, "%s", line);
    return ns_one_line(own);
}

static void format_seconds(char *out, size_t n, double seconds)
{
    const long s = lround(fmin(seconds, 359999));
    if (s >= 3600)
        snprintf(out, n, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, n, "%ld:%02ld", s / 60, s % 60);
}

static void draw_bar(const char *what, double fraction, const char *left)
{
    enum { CELLS = 30 };
    char bar[CELLS + 1];
    const int full = (int)(fraction * CELLS);
    for (int i = 0; i < CELLS; i++)
        bar[i] = i < full ? '#' : '-';
    bar[CELLS] = '\0';
    fprintf(stderr, "\r%s [%s] %3.0f %%  %s left\033[K", what, bar, 100 * fraction, left);
    fflush(stderr);
}

void cli_progress_update(void *user, double fraction)
{
    cli_progress *const p = user;
    const double t = now(), elapsed = t - p->start;
    if (p->silent || t - p->shown < (p->tty ? redraw_every : log_every))
        return;
    p->shown = t;
    fraction = fmin(fmax(fraction, 0), 1);
    char left[32] = "?";
    if (fraction > 0.001)
        format_seconds(left, sizeof left, elapsed / fraction * (1 - fraction));
    char own[LINE];
    const char *const what = clean_line(own, p->what);
    if (p->tty)
        draw_bar(what, fraction, left);
    else
        fprintf(stderr, "%s: %.0f %%, %s left\n", what, 100 * fraction, left);
    p->drawn = true;
}

void cli_progress_end(cli_progress *p)
{
    if (p->drawn && p->tty)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}

void cli_progress_note(void *user, const char *line)
{
    char own[LINE];
    cli_progress *const p = user;
    cli_progress_end(p);
    if (!p->silent)
        fprintf(stderr, "%s\n", clean_line(own, line));
}

void cli_note(const cli *app, const char *fmt, ...)
{
    if (app->globals.quiet)
        return;
    char own[LINE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(own, LINE, fmt, args);
    va_end(args);
    fprintf(stderr, "%s\n", ns_one_line(own));
}

void cli_detail(const cli *app, const char *fmt, ...)
{
    if (!app->globals.verbose)
        return;
    char own[LINE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(own, LINE, fmt, args);
    va_end(args);
    fprintf(stderr, "%s\n", ns_one_line(own));
}

void cli_warn(void *user, const char *line)
{
    const cli *const app = user;
    char own[LINE];
    const bool colour = cli_use_colour(STDERR_FILENO);
    if (!app->globals.quiet)
        fprintf(stderr, "%swarning:%s %s\n", colour ? "\033[33m" : "", colour ? "\033[0m" : "", clean_line(own, line));
}

void cli_complain(const char *where, const char *line)
{
    char own[LINE];
    const bool colour = cli_use_colour(STDERR_FILENO);
    fprintf(stderr, "%s: %serror:%s %s\n", where, colour ? "\033[31m" : "", colour ? "\033[0m" : "", clean_line(own, line));
}
