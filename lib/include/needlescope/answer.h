/* answer.h - what an analysis answers, fact by fact and table by table: to be printed, or made into JSON. */
#ifndef NEEDLESCOPE_ANSWER_H
#define NEEDLESCOPE_ANSWER_H

#include <needlescope/error.h>

NS_BEGIN

typedef enum ns_cell_kind { NS_CELL_TEXT, NS_CELL_INT, NS_CELL_NUMBER } ns_cell_kind;
typedef struct ns_cell {
    ns_cell_kind kind;
    const char  *text;                   /* NULL: none */
    int64_t      integer;
    double       number;                 /* NaN: none */
} ns_cell;
typedef struct ns_column {
    const char  *key, *title;            /* in JSON, and over a printed column */
    ns_cell_kind kind;
} ns_column;

/* Callbacks get borrowed strings; columns hold until `end`. */
typedef struct ns_answer {
    void  *user;
    bool   brief;                        /* for a reader's eyes: without rows and columns that say nothing to them */
    void (*fact)(void *user, const char *key, const char *label, ns_cell);
    void (*table)(void *user, const char *key, const char *title, const ns_column *columns, int n_columns); /* cells follow, row by row */
    void (*cell)(void *user, ns_cell);
    void (*end)(void *user);             /* of the table */
} ns_answer;

/* One JSON object of all that `tell` says of `what`; a table is a list of objects. *out: free(). */
NS_API NS_MUST_CHECK int ns_answer_json(void (*tell)(const void *what, const ns_answer *), const void *what, const char *schema, char **out,
                                        ns_error *);

NS_END
#endif
