/* page.h - the summary of the laboratory while it is written: births and their orders (births.c), claims (claims.c, claims_more.c,
 * claims_mixers.c), the page around them (summary.c). */
#ifndef NS_LAB_PAGE_H
#define NS_LAB_PAGE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "laboratory.h"

typedef struct page {
    const laboratory *lab;
    ns_stream *stream;
    FILE  *text;             /* the stream's */
    cJSON *root, *claims;
    bool   failed;                       /* memory ran out somewhere */
} page;
void ns_page_say(page *, const char *fmt, ...) NS_PRINTF(2, 3);
/* JSON; an object or list of NULL is fine, since then the page has failed already. NaN becomes null. */
void   ns_page_put(page *, cJSON *object, const char *key, double value);
void   ns_page_put_text(page *, cJSON *object, const char *key, const char *value);
void   ns_page_put_bool(page *, cJSON *object, const char *key, bool value);
void   ns_page_put_list(page *, cJSON *object, const char *key, const double *values, int n);
cJSON *ns_page_list(page *, cJSON *object, const char *key);
cJSON *ns_page_item(page *, cJSON *list);                /* a new object at its end */
/* Starts a claim: its words and verdict; the object takes more. */
cJSON *ns_page_claim(page *, const char *key, const char *words, const char *verdict);
/* The evidence of a claim: p, the least it could be, how many seeds, and the test's name; in text too. */
void   ns_page_put_evidence(page *, cJSON *object, const char *test, ns_evidence);

/* ---- births ---- */
typedef ns_event birth_of(const lab_result *);
ns_event ns_birth_find(const lab_result *);
ns_event ns_birth_previous(const lab_result *);
/* NULL where it was not measured. */
const lab_result *ns_laboratory_result_of(const laboratory *, const char *arm, int64_t window, int64_t seed);
enum { LAB_TIME = 24 };
const char *ns_birth_text(ns_event, char out[LAB_TIME]);                          /* "240", ">800", "-" */
void ns_page_births(page *);                                                      /* the table */
enum { LAB_WINDOWS = 32 };
int  ns_laboratory_windows(const laboratory *, int64_t out[LAB_WINDOWS]);         /* of the main arm, ascending */

/* A column of a grid of seeds. */
typedef struct lab_arm { const char *arm; int64_t window; } lab_arm;
enum { ARM_TEXT = 128 };                             /* a pattern has 64 letters at most */
const char *ns_laboratory_arm_text(const laboratory *, lab_arm, char out[ARM_TEXT]);       /* "SSFS W=4" */
/* Is the pattern's efficient mixer a recurrence? */
bool ns_laboratory_recurs(const char *pattern);
/* Births of those arms, a row a seed. p->failed and an empty grid without memory. */
ns_birth_grid ns_page_grid(page *, const lab_arm *arms, int n, birth_of *);
ns_order ns_page_order_of(page *, lab_arm a, lab_arm b, birth_of *);
void ns_page_order(page *, cJSON *list, const char *what, const char *a, const char *b, ns_order);
ns_birth_grid ns_page_window_grid(page *, birth_of *);                                   /* of the windows of the main arm */
ns_grid_trend ns_page_window_trend(page *, birth_of *);                                  /* over the windows of the main arm */

/* ---- claims ---- */
void ns_claim_heads(page *);
void ns_claim_delay(page *);
void ns_claim_cause(page *);
void ns_claim_competition(page *);
void ns_claim_convergence(page *);
void ns_claim_nope(page *);
void ns_claim_recurrent(page *);
void ns_claim_whether(page *);
void ns_claim_when(page *);
/* Is run i of that arm, and measured? */
bool ns_laboratory_has(const laboratory *, int64_t i, const char *arm);
/* Sign test with the seed as unit: a seed shows the claim where each of its runs of that arm does (shows: 1, 0; -1 = does not count). */
typedef int lab_shows(const laboratory *, int64_t run);
ns_evidence ns_laboratory_seeds_that(const laboratory *, lab_shows *);

#endif
