/* notebook.h - nbformat 4.5 as it is built: cells, their outputs, tables. A failed allocation is remembered; ns_notebook_write tells.
 * Internal. */
#ifndef NS_EXPORT_NOTEBOOK_H
#define NS_EXPORT_NOTEBOOK_H

#include <stdio.h>

#include <needlescope/export.h>

#include "core/core.h"

typedef struct ns_notebook { cJSON *root, *cells; int64_t executed; bool failed; } ns_notebook;

void ns_notebook_begin(ns_notebook *);
void ns_notebook_facts(ns_notebook *, const ns_fact_list *);               /* into its metadata */
int  ns_notebook_write(ns_notebook *, const char *path, ns_error *);       /* frees in any case */
void ns_notebook_drop(ns_notebook *);

/* Text in the making. */
typedef struct ns_text { ns_stream *stream; FILE *f; } ns_text;
bool ns_text_begin(ns_text *, ns_notebook *);                              /* false: no memory, remembered */
/* These end it. id: letters, digits, - and _, unique. */
void   ns_notebook_markdown(ns_notebook *, const char *id, ns_text *);
/* The text, then the lines; NULL when out of memory. */
cJSON *ns_notebook_code(ns_notebook *, const char *id, ns_text *, const char *const *lines);
void   ns_notebook_says(ns_notebook *, cJSON *cell, ns_text *);            /* its output on stdout */

/* A figure that the cell shows, with the words for who cannot see it. */
void ns_notebook_png(ns_notebook *, cJSON *cell, ns_export_png, const char *alt);

/* The value of the cell's last line as HTML, and in words. */
void ns_notebook_html(ns_notebook *, cJSON *cell, ns_text *, const char *plain);

/* The value of the cell's last line: a table, cell after cell. */
typedef struct ns_grid { char **cell; int64_t n, capacity, columns; } ns_grid;     /* the first row: names of the columns */
void ns_grid_add(ns_notebook *, ns_grid *, const char *format, ...) NS_PRINTF(3, 4);
void ns_notebook_grid(ns_notebook *, cJSON *cell, ns_grid *);                      /* frees the cells */

#endif
