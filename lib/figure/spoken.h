/* spoken.h - the texts of a recording's tokens, which holds ids alone. */
#ifndef NS_FIGURE_SPOKEN_H
#define NS_FIGURE_SPOKEN_H

#include "figure/recorded.h"

#include <needlescope/tokenizer.h>

/* The tokenizer that is given (NS_E_ARG: it is another than the recording's), else the one that the recording names, where it is still
 * there and still the same; else *t = NULL, and why says it. */
int ns_spoken_tokenizer(ns_tokenizer **t, const ns_file *, const char *given, char *why, size_t size, ns_error *);
/* What a token adds behind the one before it (NULL: the first), malloc'd: alone it would lose its space. before and id are neighbours in
 * one array. Part of a character alone is as the vocabulary has it. */
int ns_spoken_text(const ns_tokenizer *, const int32_t *before, const int32_t *id, char **out, ns_error *);
/* The texts of all positions of the case by that tokenizer, malloc'd; NULL where there is none. */
int ns_spoken_texts(char ***out, const ns_recorded *, const char *tokenizer, char *why, size_t size, ns_error *);

#endif
