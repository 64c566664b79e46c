/* lab_page.h - the summary of lab laziness while it is written: births and their orders (lab_births.c), claims (lab_claims.c), the page around
 * them (lab_summary.c). */
#ifndef NS_CLI_LAB_PAGE_H
#define NS_CLI_LAB_PAGE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab.h"
#include "cli/trend.h"

typedef struct cli_page {
    const cli_lab *lab;
    FILE  *text;
    cJSON *root, *claims;
    bool   failed;                       /* memory ran out somewhere */
} cli_page;
void cli_page_say(cli_page *, const char *fmt, ...) NS_PRINTF(2, 3);
/* Starts a claim: its words and verdict; the object takes more. */
cJSON *cli_page_claim(cli_page *, const char *key, const char *words, const char *verdict);
/* JSON; an object or list of NULL is fine, since then the page has failed already. NaN becomes null. */
void   cli_page_put(cli_page *, cJSON *object, const char *key, double value);
void   cli_page_put_text(cli_page *, cJSON *object, const char *key, const char *value);
void   cli_page_put_bool(cli_page *, cJSON *object, const char *key, bool value);
void   cli_page_put_list(cli_page *, cJSON *object, const char *key, const double *values, int n);
cJSON *cli_page_list(cli_page *, cJSON *object, const char *key);
cJSON *cli_page_item(cli_page *, cJSON *list);           /* a new object at its end */

/* ---- births ---- */
typedef cli_lab_birth cli_birth_of(const cli_lab_result *);
cli_lab_birth cli_birth_find(const cli_lab_result *);
cli_lab_birth cli_birth_previous(const cli_lab_result *);
cli_lab_birth cli_birth_at_low_theta(const cli_lab_result *);                     /* as cli_birth_find, with the ends of the sweep */
cli_lab_birth cli_birth_at_high_theta(const cli_lab_result *);
/* NULL where it was not measured. */
const cli_lab_result *cli_lab_result_of(const cli_lab *, const char *arm, int64_t window, int64_t seed);
/* Earlier -1, later 1; 0 when the intervals are the same or both are censored. */
int  cli_birth_compare(cli_lab_birth, cli_lab_birth);
void cli_birth_format(cli_lab_birth, char out[24]);                               /* "240", ">800" */
void cli_page_births(cli_page *);                                                 /* the table */
int  cli_lab_windows(const cli_lab *, int64_t out[32]);                           /* of the main arm, ascending */

/* How many seeds of an arm are born earlier than those of another, and not (trend.h). */
typedef struct cli_arm { const char *arm; int64_t window; } cli_arm;
cli_order cli_order_of(const cli_lab *, cli_arm a, cli_arm b, cli_birth_of *);
void cli_page_order(cli_page *, cJSON *list, const char *what, const char *a, const char *b, cli_order);

/* Over the windows of the main arm (lab_trend.c). */
cli_trend cli_lab_trend(const cli_lab *, const int64_t *windows, int n_windows, cli_birth_of *);

/* ---- claims ---- */
void cli_claim_heads(cli_page *);
void cli_claim_delay(cli_page *);
void cli_claim_cause(cli_page *);
void cli_claim_competition(cli_page *);
void cli_claim_convergence(cli_page *);
void cli_claim_nope(cli_page *);
void cli_claim_recurrent(cli_page *);

#endif
