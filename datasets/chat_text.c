/* chat_text.c - what a chat template says in so many words: its literals in a row, one byte for each value and each statement between
 * them. Nothing is evaluated: which branch is taken, and what a variable holds, stays unknown. */
#include <stdlib.h>
#include <string.h>

#include "needle_internal.h"

/* at: its opening quote. Gives what is behind the closing one. */
static const char *copy_literal(const char *at, char **to)
{
    const char quote = *at++;
    for (; *at && *at != quote; at++) {
        const bool escape = *at == '\\' && at[1];
        at += escape;
        *(*to)++ = (char)(escape && *at == 'n' ? '\n' : *at);
    }
    return at + (*at == quote);
}

/* An expression, or what a statement sets, up to `close`. Literals that are joined by + or ~ are one. */
static const char *copy_expression(const char *at, const char *close, char **to)
{
    while (*at && !ns_starts(at, close)) {
        if (*at == '\'' || *at == '"') {
            at = copy_literal(at, to);
            continue;
        }
        if (!strchr("+-~() \t\r\n", *at) && (*to)[-1] != NS_CHAT_VALUE)
            *(*to)++ = NS_CHAT_VALUE;
        at++;
    }
    return at + (*at ? 2 : 0);
}

static const char *behind(const char *at, const char *close)
{
    const char *const end = strstr(at, close);
    return end ? end + strlen(close) : at + strlen(at);
}

static const char *copy_statement(const char *at, char **to)
{
    const char *const word = at + 2 + strspn(at + 2, "+- \t\r\n");
    *(*to)++ = NS_CHAT_STATEMENT;
    return ns_starts(word, "set ") ? copy_expression(word + 4, "%}", to) : behind(at, "%}");
}

/* Text outside of the braces. Nothing but blanks: they lay out the template (transformers trims its blocks). */
static const char *copy_raw(const char *at, char **to)
{
    size_t n = 1;
    while (at[n] && !ns_starts(at + n, "{{") && !ns_starts(at + n, "{%") && !ns_starts(at + n, "{#"))
        n++;
    if (strspn(at, " \t\r\n") < n) {
        memcpy(*to, at, n);
        *to += n;
    }
    return at + n;
}

char *ns_chat_text(const char *template_)
{
    char *const text = malloc(strlen(template_) + 2), *to = text;      /* nothing becomes longer than it was, but for the first byte */
    if (!text)
        return NULL;
    *to++ = NS_CHAT_STATEMENT;
    for (const char *at = template_; *at;) {
        if (ns_starts(at, "{#"))
            at = behind(at, "#}");
        else if (ns_starts(at, "{{"))
            at = copy_expression(at + 2, "}}", &to);
        else if (ns_starts(at, "{%"))
            at = copy_statement(at, &to);
        else
            at = copy_raw(at, &to);
    }
    *to = '\0';
    return text;
}
