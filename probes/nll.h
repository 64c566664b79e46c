/* nll.h - what the files of losses share. Internal. */
#ifndef NS_NLL_H
#define NS_NLL_H

#include <needlescope/nll.h>

#include "core/core.h"

/* ---- nll_texts.c: the texts of cases, as their tokens and, where keys are asked for, their characters ---- */
int  ns_nll_texts(ns_nll *, const ns_cases *, const ns_nll_params *, ns_error *);

/* ---- nll_keys.c ---- */
/* Marks the tokens that lie wholly inside an interval of the file. */
int  ns_nll_read_keys(ns_nll *, const char *path, ns_error *);
/* Marks the tokens whose loss is below 2 and was more than 2 above in the short context. */
int  ns_nll_find_keys(ns_nll *, ns_error *);

#endif
