/* list_text.c - lists of heads that are text: names, best first; and DuoAttention's table of gates. */
#include "heads/list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- 13-18,13-21 ---- */

static const char between[] = ", \r\n";

int ns_list_parse_names(ns_list_maker *m, const char *text)
{
    char word[24];
    int rc = NS_OK;
    m->list->format = "names";
    m->list->ordered = true;
    for (text += strspn(text, between); *text && rc == NS_OK; text += strspn(text, between)) {
        const size_t n = strcspn(text, between);
        ns_head head;
        snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), text);
        rc = n < sizeof word && ns_head_of_text(word, &head)
                 ? ns_list_add(m, (double)head.layer, (double)head.head, 0, true)
                 : ns_fail(m->err, NS_E_FORMAT, "%s: '%s' is no head: one is LAYER-HEAD or LAYER.HEAD, as in 13-18", m->label, word);
        text += n;
    }
    for (int64_t i = 0; i < m->list->n; i++)
        m->list->list[i].score = (double)(m->list->n - i);
    return rc;
}

/* ---- a row a layer, a column a KV head ---- */

/* One line, up to its end; *columns: how many it has. */
static int read_row(ns_list_maker *m, const char *line, const char *end, int64_t layer, int64_t *columns)
{
    int rc = NS_OK;
    *columns = 0;
    while (line < end && rc == NS_OK) {
        char *stop;
        const double value = strtod(line, &stop);
        if (stop == line || stop > end || !isfinite(value) || (*stop != '\t' && *stop != '\r' && stop != end))
            return ns_fail(m->err, NS_E_FORMAT, "%s: row %lld, column %lld: no number", m->label, (long long)layer + 1,
                           (long long)*columns + 1);
        /* their own reader clips: training leaves small negatives */
        rc = ns_list_add(m, (double)layer, (double)(*columns)++, value < 0 ? 0 : value > 1 ? 1 : value, false);
        line = *stop == '\r' ? end : stop + (stop < end);
    }
    return rc;
}

int ns_list_parse_table(ns_list_maker *m, const char *text)
{
    int64_t layer = 0, width = 0, columns = 0;
    int rc = NS_OK;
    m->list->format = "duo";
    m->list->of_kv = true;
    while (*text && rc == NS_OK) {
        const char *const end = text + strcspn(text, "\n");
        rc = read_row(m, text, end, layer, &columns);
        width = layer ? width : columns;
        if (rc == NS_OK && columns != width)
            rc = ns_fail(m->err, NS_E_FORMAT, "%s: row %lld has %lld columns, the first has %lld (a row is a layer, a column a KV head)",
                         m->label, (long long)layer + 1, (long long)columns, (long long)width);
        text = end + (*end == '\n');
        layer++;
    }
    return rc;
}
