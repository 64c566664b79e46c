/* latex.c - texts of strangers in LaTeX. */
#include "core/core.h"

/* A [ or * after \\ would be its argument; two of - ' , are another sign. */
void ns_latex_text(FILE *f, const char *text)
{
    static const struct { char from; const char *to; } escapes[] = {
        {'\\', "\\textbackslash{}"}, {'{', "\\{"}, {'}', "\\}"}, {'$', "\\$"}, {'&', "\\&"}, {'#', "\\#"}, {'_', "\\_"}, {'%', "\\%"},
        {'~', "\\textasciitilde{}"}, {'^', "\\textasciicircum{}"}, {'<', "\\textless{}"}, {'>', "\\textgreater{}"}, {'|', "\\textbar{}"},
        {'`', "\\textasciigrave{}"}, {'\'', "\\textquotesingle{}"}, {'[', "{[}"}, {']', "{]}"}, {'*', "{*}"}, {'-', "-{}"}, {',', ",{}"},
    };
    for (; *text; text++) {
        size_t i = 0;
        while (i < sizeof escapes / sizeof *escapes && escapes[i].from != *text)
            i++;
        if ((unsigned char)*text < ' ' || *text == 127)
            fputc(' ', f);
        else if (i < sizeof escapes / sizeof *escapes)
            fputs(escapes[i].to, f);
        else
            fputc(*text, f);
    }
}
