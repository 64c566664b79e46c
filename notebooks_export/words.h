/* words.h - names and numbers as CSV, LaTeX, HTML, Markdown and Python want them. Internal. */
#ifndef NS_EXPORT_WORDS_H
#define NS_EXPORT_WORDS_H

#include <stdio.h>

void ns_words_number(FILE *, const char *format, double value);    /* a point whatever the locale; nothing for NaN */
void ns_words_latex(FILE *, const char *text);                     /* in running text; control characters become spaces */
void ns_words_html(FILE *, const char *text);
void ns_words_html_page(FILE *f, const char *text);         /* of many lines, which it keeps: a document in an attribute */
void ns_words_markdown(FILE *, const char *text);                  /* one line, no mark-up, no mathematics */
char *ns_words_python(const char *text);                           /* a literal in quotes, malloc'd */

#endif
