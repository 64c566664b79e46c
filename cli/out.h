/* out.h - one description of an answer, printed as text or (--json) as one JSON object with a `schema` field. Nothing reaches stdout
 * before cli_out_end, so a command that fails prints no half answer. Texts come from files of strangers: printed as text, their control
 * characters are escaped (\x1b), so that they steer no terminal and forge no line. */
#ifndef NS_CLI_OUT_H
#define NS_CLI_OUT_H

#include <needlescope/answer.h>

#include "cli/cli.h"

#define CELL_TEXT   NS_CELL_TEXT
#define CELL_INT    NS_CELL_INT
#define CELL_NUMBER NS_CELL_NUMBER
typedef ns_column cli_column;

typedef struct cli_out {
    FILE  *to;                    /* stdout; stderr when an output file goes there; NULL then with --quiet */
    bool   json, failed;          /* failed: memory ran out somewhere; cli_out_end says so */
    ns_stream *stream;            /* the text form, in memory */
    FILE  *text;                  /* the stream's */
    cJSON *root;
    /* the open table */
    const char *title;            /* printed above the first row, so not at all without one */
    const cli_column *columns;
    int     n_columns;
    cJSON  *rows, *row;
    char  **cells;
    int64_t n_cells, cells_capacity;
} cli_out;

void cli_out_begin(cli_out *, const cli *, const char *schema);
/* label NULL: only in JSON. value NULL: null in JSON, left out of the text. */
void cli_out_text(cli_out *, const char *key, const char *label, const char *value);
void cli_out_need(cli_out *, const void *made);         /* NULL: memory ran out, and the answer with it */
void cli_out_int(cli_out *, const char *key, const char *label, int64_t value);
void cli_out_number(cli_out *, const char *key, const char *label, double value);
void cli_out_bool(cli_out *, const char *key, const char *label, bool value);
void cli_out_ints(cli_out *, const char *key, const int64_t *list, int64_t n);          /* JSON only */
void cli_out_say(cli_out *, const char *fmt, ...) NS_PRINTF(2, 3);                      /* text only */
void cli_out_verbatim(cli_out *, const char *text);                                    /* text only: its own bytes, but to a terminal */
/* Rows follow, cell by cell; every n_columns cells make a row. */
void cli_out_table(cli_out *, const char *key, const char *title, const cli_column *columns, int n_columns);
void cli_cell_text(cli_out *, const char *value);
void cli_cell_int(cli_out *, int64_t value);
void cli_cell_number(cli_out *, double value);
void cli_out_table_end(cli_out *);
/* Facts and tables that the library tells. */
ns_answer cli_out_answer(cli_out *);
/* Prints and frees. */
int  cli_out_end(cli_out *, ns_error *);
void cli_out_drop(cli_out *);

/* Adds a file of ours and its content_sha256, read back from it, to the answer. */
int  cli_out_written(cli *, cli_out *, const char *path);

#endif
