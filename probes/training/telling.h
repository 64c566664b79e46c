/* telling.h - the words of an answer (answer.h): facts, tables and their cells. Internal. */
#ifndef NS_TELLING_H
#define NS_TELLING_H

#include <needlescope/answer.h>

static inline void tell_text(const ns_answer *a, const char *value)
{
    a->cell(a->user, (ns_cell){NS_CELL_TEXT, value, 0, 0});
}

static inline void tell_integer(const ns_answer *a, int64_t value)
{
    a->cell(a->user, (ns_cell){NS_CELL_INT, NULL, value, 0});
}

static inline void tell_number(const ns_answer *a, double value)
{
    a->cell(a->user, (ns_cell){NS_CELL_NUMBER, NULL, 0, value});
}

static inline void tell_fact(const ns_answer *a, const char *key, const char *label, const char *value)
{
    a->fact(a->user, key, label, (ns_cell){NS_CELL_TEXT, value, 0, 0});
}

static inline void tell_fact_integer(const ns_answer *a, const char *key, const char *label, int64_t value)
{
    a->fact(a->user, key, label, (ns_cell){NS_CELL_INT, NULL, value, 0});
}

static inline void tell_fact_number(const ns_answer *a, const char *key, const char *label, double value)
{
    a->fact(a->user, key, label, (ns_cell){NS_CELL_NUMBER, NULL, 0, value});
}

#define TELL_TABLE(a, key, title, columns) (a)->table((a)->user, key, title, columns, (int)(sizeof(columns) / sizeof *(columns)))

#endif
