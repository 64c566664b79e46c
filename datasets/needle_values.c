/* needle_values.c - the table of value types: what a key's value looks like, and when two of them would begin alike.
 * RULER's types (numbers of 7 digits, adjective-noun words, version-4 uuids). The first answer token tells which needle was found only
 * if the values of a prompt begin apart, so they do, up to as many keys as that is easily possible for. */
#include <stdio.h>
#include <string.h>

#include "needle_internal.h"

static void draw_number(ns_rng *rng, char out[40])
{
    snprintf(out, 40, "%lld", (long long)(1000000 + ns_rng_below(rng, 9000000)));
}

static void draw_words(ns_rng *rng, char out[40])
{
    ns_words_name(ns_rng_below(rng, ns_words_count()), out);
}

/* RFC 9562, version 4, variant 10. */
static void draw_uuid(ns_rng *rng, char out[40])
{
    const uint64_t high = (ns_rng_u64(rng) & ~0xf000ull) | 0x4000, low = (ns_rng_u64(rng) >> 2) | 1ull << 63;
    snprintf(out, 40, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff),
             (unsigned)(low >> 48), (unsigned long long)(low & 0xffffffffffffull));
}

static bool same_first(const char *a, const char *b)
{
    return a[0] == b[0];
}

static const ns_value_type types[] = {
    {"numbers", "number", "account number", 8, draw_number, same_first},
    {"words", "word", "password", 16, draw_words, ns_words_alike},
    {"uuids", "uuid", "identifier", 12, draw_uuid, same_first},
};
enum { N_TYPES = sizeof types / sizeof *types };

const ns_value_type *ns_value_type_find(const char *name)
{
    for (int i = 0; i < N_TYPES; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

const char *ns_needle_value_type(int i)
{
    return i >= 0 && i < N_TYPES ? types[i].name : NULL;
}
