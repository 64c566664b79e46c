/* write.c - cases to JSONL, streamed into a temporary that replaces the file once it is whole. What is written reads back as the
 * same case: ids and token spans lead, text stands beside them for the reader's eye. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <needlescope/case.h>

#include "core/core.h"

static void put_string(FILE *f, const char *text)
{
    fputc('"', f);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(f, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            fprintf(f, "\\u%04x", *p);
        else
            fputc(*p, f);
    }
    fputc('"', f);
}

static void put_text(FILE *f, const char *key, const char *text)
{
    if (!text)
        return;
    fprintf(f, ", \"%s\": ", key);
    put_string(f, text);
}

static void put_ids(FILE *f, const char *key, const int32_t *ids, int64_t n)
{
    fprintf(f, ", \"%s\": [", key);
    for (int64_t i = 0; i < n; i++)
        fprintf(f, i ? ", %d" : "%d", (int)ids[i]);
    fputc(']', f);
}

static void put_spans(FILE *f, const ns_case *c)
{
    fputs(", \"spans\": {", f);
    for (int i = 0; i < c->n_spans; i++) {
        fputs(i ? ", " : "", f);
        put_string(f, c->spans[i].name);
        fprintf(f, ": [%lld, %lld]", (long long)c->spans[i].begin, (long long)c->spans[i].end);
    }
    fputc('}', f);
}

/* A newline inside meta may only be whitespace of JSON: strings escape theirs. */
static void put_meta(FILE *f, const char *meta)
{
    if (!meta)
        return;
    fputs(", \"meta\": ", f);
    for (; *meta; meta++)
        fputc(*meta == '\n' || *meta == '\r' ? ' ' : *meta, f);
}

static void put_case(FILE *f, const ns_case *c)
{
    fputs("{\"id\": ", f);
    put_string(f, c->id);
    put_text(f, "twin_of", c->twin_of);
    put_meta(f, c->meta);
    put_spans(f, c);
    if (c->n_answer > 0)
        put_ids(f, "answer", c->answer, c->n_answer);
    if (c->n_lead > 0)
        fprintf(f, ", \"lead\": %lld", (long long)c->n_lead);
    put_text(f, "answer_text", c->answer_text);
    put_text(f, "text", c->text);
    put_ids(f, "tokens", c->tokens, c->n_tokens);
    fputs("}\n", f);
}

int ns_cases_write(const ns_cases *cases, const char *path, ns_error *err)
{
    ns_atomic_file file;
    int rc = ns_kind_check_output(path, NS_KINDS(NS_KIND_CASES), err);
    rc = rc != NS_OK ? rc : ns_atomic_begin_text(&file, path, err);
    if (rc != NS_OK)
        return rc;
    FILE *const f = ns_atomic_stream(&file, &rc, err);
    for (int64_t i = 0; rc == NS_OK && i < cases->n && !ferror(f); i++)
        put_case(f, &cases->list[i]);
    return ns_atomic_end(&file, f, rc, err);
}
