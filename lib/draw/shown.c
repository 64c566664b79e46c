/* shown.c - the text of a token, which may hold anything, as a figure can show it. */
#include "draw/type.h"
#include "core/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 200 };

/* One character as it is written: line ends and tabs by their signs, what controls, has no ink or is in no font by its code. */
static int write_char(const ns_type *type, const char *one, uint32_t code, char out[16], bool *coded, ns_error *err)
{
    if (code == '\n' || code == '\t' || code == '\r') {
        strcpy(out, code == '\n' ? "\xe2\x86\xb5" : code == '\t' ? "\xe2\x87\xa5" : "\xe2\x86\x90");
        return NS_OK;
    }
    ns_error why;
    const bool unseen = code < ' ' || (code >= 0x7f && code < 0xa0) || ns_is_unseen(code);
    const int rc = unseen ? NS_E_UNSUPPORTED : ns_type_check(type, one, "a token", &why);
    if (rc == NS_OK)
        strcpy(out, one);
    else if (rc == NS_E_UNSUPPORTED)
        snprintf(out, 16, "\xe2\x80\xb9%04X\xe2\x80\xba", (unsigned)code);
    else
        return ns_fail(err, rc, "%s", why.message);
    *coded |= rc != NS_OK;
    return NS_OK;
}

int ns_shown_text(char **shown, const ns_type *type, const char *text, bool *coded, ns_error *err)
{
    const size_t n = strlen(text);
    size_t used = 0;
    *coded = false;
    *shown = ns_alloc_array((n < LONGEST ? n : LONGEST) + 1, 16);
    int rc = *shown ? NS_OK : ns_oom(err, "a figure");
    for (size_t i = 0; i < n && i < LONGEST && rc == NS_OK;) {
        char one[8] = "", out[16] = "";
        uint32_t code;
        const int step = ns_utf8_next(text + i, n - i, &code);
        if (step <= 0)
            break;
        memcpy(one, text + i, (size_t)step);
        rc = write_char(type, one, code, out, coded, err);
        memcpy(*shown + used, out, strlen(out));
        used += strlen(out);
        i += (size_t)step;
    }
    if (*shown)
        (*shown)[used] = '\0';
    return rc;
}
