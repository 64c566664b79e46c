/* answer.c - an answer as JSON. */
#include <math.h>
#include <stdlib.h>

#include <needlescope/answer.h>

#include "core/core.h"

typedef struct json {
    cJSON *root, *rows, *row;
    const ns_column *columns;
    int    n_columns, column;
    bool   failed;
} json;

static void put(json *j, cJSON *object, const char *key, ns_cell c)
{
    cJSON *const item = c.kind == NS_CELL_INT                        ? cJSON_CreateNumber((double)c.integer)
                        : c.kind == NS_CELL_NUMBER && isfinite(c.number) ? cJSON_CreateNumber(c.number)
                        : c.kind == NS_CELL_TEXT && c.text           ? cJSON_CreateString(c.text)
                                                                     : cJSON_CreateNull();
    const bool fine = item && object && cJSON_AddItemToObject(object, key, item);
    if (!fine)
        cJSON_Delete(item);
    j->failed |= !fine;
}

static void put_fact(void *user, const char *key, const char *label, ns_cell c)
{
    (void)label;
    json *const j = user;
    put(j, j->root, key, c);
}

static void begin_table(void *user, const char *key, const char *title, const ns_column *columns, int n_columns)
{
    (void)title;
    json *const j = user;
    j->rows = cJSON_AddArrayToObject(j->root, key);
    j->failed |= !j->rows;
    j->columns = columns;
    j->n_columns = n_columns;
    j->column = 0;
}

static void put_cell(void *user, ns_cell c)
{
    json *const j = user;
    if (j->column == 0) {
        j->row = cJSON_CreateObject();
        if (!j->row || !j->rows || !cJSON_AddItemToArray(j->rows, j->row)) {
            cJSON_Delete(j->row);
            j->row = NULL;
        }
    }
    put(j, j->row, j->columns[j->column].key, c);
    j->column = (j->column + 1) % j->n_columns;
}

static void end_table(void *user)
{
    (void)user;
}

int ns_answer_json(void (*tell)(const void *what, const ns_answer *), const void *what, const char *schema, char **out, ns_error *err)
{
    json j = {.root = cJSON_CreateObject()};
    const ns_answer answer = {&j, false, put_fact, begin_table, put_cell, end_table};
    *out = NULL;
    if (j.root && cJSON_AddStringToObject(j.root, "schema", schema)) {
        tell(what, &answer);
        *out = j.failed ? NULL : ns_json_print(j.root, false);
    }
    cJSON_Delete(j.root);
    return *out ? NS_OK : ns_oom(err, schema);
}
