/* latex.c - texts of strangers in LaTeX. */
#include "core/core.h"

#include <string.h>

/* What has no ink is written by its code. A [ or * after \\ would be its argument; two of - ' , are another sign. */
void ns_latex_text(FILE *f, const char *text)
{
    static const struct { char from; const char *to; } escapes[] = {
        {'\\', "\\textbackslash{}"}, {'{', "\\{"}, {'}', "\\}"}, {'$', "\\$"}, {'&', "\\&"}, {'#', "\\#"}, {'_', "\\_"}, {'%', "\\%"},
        {'~', "\\textasciitilde{}"}, {'^', "\\textasciicircum{}"}, {'<', "\\textless{}"}, {'>', "\\textgreater{}"}, {'|', "\\textbar{}"},
        {'`', "\\textasciigrave{}"}, {'\'', "\\textquotesingle{}"}, {'[', "{[}"}, {']', "{]}"}, {'*', "{*}"}, {'-', "-{}"}, {',', ",{}"},
    };
    for (; *text; text++) {
        size_t i = 0;
        uint32_t code;
        const int step = (unsigned char)*text < 0x80 ? 0 : ns_utf8_next(text, strlen(text), &code);
        if (step > 0 && ns_is_unseen(code)) {
            fprintf(f, "\\guilsinglleft{}%04X\\guilsinglright{}", (unsigned)code);
            text += step - 1;
            continue;
        }
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
