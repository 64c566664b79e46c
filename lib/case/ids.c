/* ids.c - the ids of a line, packed: a list of numbers is 80 bytes a number in a tree of JSON, and 4 here. They are cut out of the line,
 * which has passed the check of its grammar, and an empty list stays in their place. */
#include <stdlib.h>
#include <string.h>

#include "case/case_internal.h"

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* Behind the string that begins here. */
static const char *skip_string(const char *at)
{
    for (at++; *at != '"'; at++)
        at += *at == '\\';
    return at + 1;
}

/* Behind the value that begins here. */
static const char *skip_value(const char *at)
{
    int depth = 0;
    do {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        depth += (*at == '[' || *at == '{') - (*at == ']' || *at == '}');
        at++;
    } while (depth > 0 || (*at && !strchr(",]} \t\r\n", *at)));
    return at;
}

/* A whole number from 0, in any way JSON writes it (7, 7.0, 7e0). */
static bool read_id(const char **at, int32_t *id)
{
    const char *c = *at;
    double value = 0;
    while (*c >= '0' && *c <= '9')
        value = value * 10 + (*c++ - '0');
    if (c == *at)
        return false;
    if (*c == '.' || *c == 'e' || *c == 'E') {
        char *end;
        value = strtod(*at, &end);
        c = end;
    }
    if (!(value <= INT32_MAX) || value != (int32_t)value)
        return false;
    *at = c;
    *id = (int32_t)value;
    return true;
}

/* at: behind the '['. Gives what is behind the ']'. */
static const char *read_list(const char *at, ns_case_ids *out, int64_t *capacity, bool *room)
{
    *room = true;
    for (at = skip_space(at); *at != ']'; at = skip_space(at + (*at == ','))) {
        int32_t id = 0;
        *room = *room && (out->bad || ns_grow(&out->list, capacity, out->n + 1, sizeof *out->list));
        const bool good = !out->bad && *room && read_id(&at, &id);
        if (good)
            out->list[out->n++] = id;
        else
            at = skip_value(at);
        out->bad |= !good && *room;
        at = skip_space(at);
    }
    return at + 1;
}

static int key_of(const char *at)
{
    static const char *const keys[NS_CASE_N_IDS] = {"\"tokens\"", "\"answer\""};
    int k = 0;
    while (k < NS_CASE_N_IDS && !ns_starts(at, keys[k]))
        k++;
    return k;
}

/* A key that stands twice is left in the line, where it is found to be. */
int ns_case_cut_ids(char *line, size_t *n, ns_case_ids ids[NS_CASE_N_IDS], const char *label, ns_error *err)
{
    const char *at = skip_space(line + (ns_starts(line, "\xEF\xBB\xBF") ? 3 : 0)), *from = at;
    char *to = line + (at - line);
    if (*at != '{')
        return NS_OK;
    while ( (at = skip_space(at + 1))[0] == '"') {
        const int key = key_of(at);
        int64_t capacity = 0;
        bool room = true;
        at = skip_space(skip_string(at));
        at = skip_space(at + 1);
        if (key < NS_CASE_N_IDS && *at == '[' && !ids[key].list && !ids[key].bad) {
            const size_t kept = (size_t)(at + 1 - from);
            memmove(to, from, kept);
            to += kept;
            at = read_list(at + 1, &ids[key], &capacity, &room);
            *to++ = ']';
            from = at;
        } else {
            at = skip_value(at);
        }
        if (!room)
            return ns_oom(err, label);
        at = skip_space(at);
        if (*at == '}') {
            const size_t rest = (size_t)(line + *n - from);
            memmove(to, from, rest + 1);
            *n = (size_t)(to - line) + rest;
            return NS_OK;
        }
    }
    return NS_OK;
}

void ns_case_ids_clear(ns_case_ids ids[NS_CASE_N_IDS])
{
    for (int k = 0; k < NS_CASE_N_IDS; k++)
        free(ids[k].list);
}
