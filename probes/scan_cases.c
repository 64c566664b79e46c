/* scan_cases.c - the cases as a run reads them. Cases of text are tokenised by the run's own tokenizer: where the caller read them with
 * another one, their files are read once more. */
#include <stdlib.h>
#include <string.h>

#include "scan_shard.h"

void ns_scan_cases_clear(ns_own_cases *own)
{
    ns_cases_clear(&own->cases);
    free(own->special);
    *own = (ns_own_cases){0};
}

/* What came through a pipe cannot be read again. */
static bool can_read_again(const ns_cases *cases)
{
    bool can = cases->n_files > 0;
    for (int64_t i = 0; i < cases->n_files; i++)
        can &= !ns_path_is_stream(cases->files[i]);
    return can;
}

/* The caller may have taken some of a file's cases: then its files do not say which. */
static bool same_ids(const ns_cases *a, const ns_cases *b)
{
    bool same = a->n == b->n;
    for (int64_t i = 0; same && i < a->n; i++)
        same = strcmp(a->list[i].id, b->list[i].id) == 0;
    return same;
}

static int read_again(ns_scan_pass *s, ns_own_cases *own, bool *read, ns_error *err)
{
    ns_error why = {""};
    *read = false;
    if (!can_read_again(s->p->cases))
        return NS_OK;
    int rc = ns_open_cases(s->first, (const char *const *)s->p->cases->files, s->p->cases->n_files, &own->cases, &why);
    *read = rc == NS_OK && same_ids(&own->cases, s->p->cases);
    if (*read)
        rc = ns_open_special(s->first, &own->special, &own->n_special, &why);
    if (!*read || rc != NS_OK)
        ns_scan_cases_clear(own);
    return rc == NS_E_MEMORY ? ns_fail(err, rc, "%s", why.message) : NS_OK;
}

static void tell(const ns_scan_pass *s)
{
    char line[400];
    if (!s->p->open.warn)
        return;
    ns_line(line, sizeof line, "run '%.120s' has a tokenizer of its own, and the cases are read with it: its study is one of its own "
            "(merge takes runs of one tokenizer)", s->run->name);
    s->p->open.warn(s->p->open.user, line);
}

/* Ids that were made for one run's tokenizer are not measured on another's. */
int ns_scan_read_cases(ns_scan_pass *s)
{
    ns_error why = {""};
    bool read = false;
    const int checked = s->first ? ns_open_check_cases(s->first, s->p->cases, &why) : NS_OK;
    const int rc = checked == NS_E_FORMAT ? read_again(s, s->own, &read, s->err) : NS_OK;
    if (rc != NS_OK || checked == NS_OK)
        return rc;
    if (!read)
        return ns_fail(s->err, checked, "run '%s': %s", s->run->name, why.message);
    tell(s);
    ns_scan_use_cases(s);
    return NS_OK;
}

void ns_scan_use_cases(ns_scan_pass *s)
{
    s->cases = s->own->cases.n ? &s->own->cases : s->p->cases;
    s->special = s->own->cases.n ? s->own->special : s->p->score.special;
    s->n_special = s->own->cases.n ? s->own->n_special : s->p->score.n_special;
    ns_cases_hash(s->cases, s->cases_sha256);
}
