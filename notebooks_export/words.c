/* words.c - escaping: one table of characters for each language. */
#include "words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

typedef struct escape { char from; const char *to; } escape;

void ns_words_number(FILE *f, const char *format, double value)
{
    if (isnan(value))
        return;
    char buffer[64];
    snprintf(buffer, sizeof buffer, format, value);
    for (char *at = buffer; *at; at++)
        fputc(*at == ',' ? '.' : *at, f);
}

static void escaped(FILE *f, const char *text, const escape *table)
{
    for (; *text; text++) {
        const escape *row = table;
        while (row->from && row->from != *text)
            row++;
        if (row->from)
            fputs(row->to, f);
        else if ((unsigned char)*text < ' ' || *text == 127)
            fputc(' ', f);
        else
            fputc(*text, f);
    }
}

void ns_words_latex(FILE *f, const char *text)
{
    ns_latex_text(f, text);
}

void ns_words_html(FILE *f, const char *text)
{
    static const escape table[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}, {0}};
    escaped(f, text, table);
}

void ns_words_html_page(FILE *f, const char *text)
{
    static const escape table[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"},
                                   {'\n', "\n"}, {'\t', "\t"}, {0}};
    escaped(f, text, table);
}

void ns_words_markdown(FILE *f, const char *text)
{
    static const escape table[] = {
        {'\\', "\\\\"}, {'`', "\\`"}, {'*', "\\*"}, {'_', "\\_"}, {'{', "\\{"}, {'}', "\\}"}, {'[', "\\["}, {']', "\\]"}, {'<', "&lt;"},
        {'>', "&gt;"}, {'#', "\\#"}, {'|', "\\|"}, {'$', "\\$"}, {'&', "&amp;"}, {'~', "\\~"}, {'!', "\\!"}, {0},
    };
    escaped(f, text, table);
}

/* JSON's strings are Python's. */
char *ns_words_python(const char *text)
{
    cJSON *const string = cJSON_CreateString(text);
    char *const literal = string ? ns_json_print(string, false) : NULL;
    cJSON_Delete(string);
    return literal;
}
