/* notebook.h - the notebook of a study with its births: what export.h writes, with the section that ns_emergence_run and the figures of
 * plot.h fill. */
#ifndef NEEDLESCOPE_NOTEBOOK_H
#define NEEDLESCOPE_NOTEBOOK_H

#include <needlescope/export.h>
#include <needlescope/page.h>
#include <needlescope/training.h>

NS_BEGIN

typedef struct ns_study_notebook_params {
    size_t           size;
    ns_export_params what;               /* `births` is filled here; what.scores[0] is the score whose births are told */
    ns_birth_params  birth;              /* NS_E_ARG beside no_births, and of the scores of one checkpoint */
    bool             no_births;          /* leave the section out */
    bool             view;               /* with the page of ns_page_write (what.page is filled here) of the study ... */
    const char *const *beside;  int n_beside;     /* ... and of these files; NULL = of the study alone. NS_E_ARG without view */
    const char      *tokenizer;          /* as in ns_page_params; so is limit. NS_E_ARG without view */
    int64_t          limit;
    ns_page_said    *page;               /* what was made of it, where it is asked for; the caller sets its size */
} ns_study_notebook_params;

/* note, NULL or of so many bytes: what was left out and why ("" = nothing): births of the scores of one checkpoint are no question, of a
 * score that has none, of too few checkpoints, or of one that is taken above chance, which the notebook's own cells do not know. */
NS_API NS_MUST_CHECK int ns_study_notebook(ns_study *, const char *path, const ns_study_notebook_params *, char *note, size_t note_size,
                                           ns_error *);

NS_END
#endif
