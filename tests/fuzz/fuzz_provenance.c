/* fuzz_provenance.c - the input as a figure, table or notebook that says what made it; its first byte chooses which. What comes of it are
 * facts: short names and texts out of the file, in UTF-8. */
#include "fuzz.h"

#include <needlescope/fact.h>

#include "core/core.h"
#include "record/provenance_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enum { SPELLED = 4 };                           /* a byte that is no UTF-8 is \xff */
    static const ns_kind kinds[] = {NS_KIND_PNG, NS_KIND_PDF, NS_KIND_SVG, NS_KIND_TEXT, NS_KIND_NOTEBOOK, NS_KIND_JSON, NS_KIND_PAGE};
    ns_fact_list facts = {0};
    ns_error err = {""};
    if (n < 1)
        return 0;
    char *const text = malloc(n);                   /* without the first byte, with a NUL */
    fuzz_check(text != NULL, "memory");
    memcpy(text, data + 1, n - 1);
    text[n - 1] = '\0';
    const int rc = ns_provenance_parse(&facts, kinds[data[0] % (sizeof kinds / sizeof *kinds)], text, n - 1, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &facts : NULL, &err);
    for (int64_t i = 0; i < facts.n; i++) {
        const char *const name = facts.list[i].name, *const value = facts.list[i].value;
        size_t bad;
        fuzz_check(name[0] && strlen(name) <= NS_MAX_FACT_NAME, "a fact has a name, of a line");
        fuzz_check(value && strlen(value) <= SPELLED * (n - 1), "a value is of the file");
        fuzz_check(ns_utf8_valid(name, strlen(name), &bad) && ns_utf8_valid(value, strlen(value), &bad), "facts are UTF-8");
    }
    ns_fact_list_clear(&facts);
    free(text);
    return 0;
}
