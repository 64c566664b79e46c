/* scores.c - score files as figures read them. */
#include "figure/scores.h"

#include <string.h>

int ns_plot_open_scores(ns_study **out, const char *path, ns_error *err)
{
    *out = NULL;
    int rc = ns_study_open(out, path, err);
    if (rc == NS_OK && !ns_study_is_one(*out))
        rc = ns_fail(err, NS_E_ARG, "%s: is a study, not the scores of one checkpoint (needlescope score -o, or a shard of scan)", path);
    if (rc == NS_OK && !ns_study_usual_score(*out))
        rc = ns_fail(err, NS_E_ARG, "%s has no score over heads", path);
    if (rc != NS_OK) {
        ns_study_close(*out);
        *out = NULL;
    }
    return rc;
}

static void add(char *note, size_t size, const char *name, const char *what)
{
    const size_t used = strlen(note);
    snprintf(note + used, size - used, "%s%s: %s", used ? "; " : "", name, what);
}

int ns_plot_ranks(const ns_study *study, const char *score, ns_score_meaning *meaning, char *note, size_t size, ns_error *err)
{
    const int rc = ns_study_ranks(study, score, meaning, err);
    if (rc == NS_OK && meaning->assumed)
        add(note, size, score, "the file is of an older version and does not say which end is best: the largest are taken");
    return rc;
}

void ns_plot_note_cut(char *note, size_t size, const char *name, const ns_best_cut *cut, int64_t k)
{
    char text[120];
    ns_best_note(cut, k, text, sizeof text);
    if (*text)
        add(note, size, name, text);
}
