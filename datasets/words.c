/* words.c - names for needles' keys: adjective-noun pairs of plain English words. */
#include <stdio.h>
#include <string.h>

#include "needle_internal.h"

static const char *const adjectives[] = {
    "amber",   "ancient", "bitter", "brave",  "brisk", "bright",  "broken", "calm",   "careful",  "clever", "cold",   "cosmic", "crisp",
    "curious", "daring",  "dusty",  "eager",  "early", "elegant", "faint",  "famous", "fearless", "fierce", "foggy",  "fresh",  "frozen",
    "gentle",  "giant",   "golden", "grand",  "happy", "hardy",   "heavy",  "hollow", "honest",   "humble", "icy",    "jolly",  "keen",
    "late",    "little",  "lively", "lonely", "loud",  "lucky",   "mellow", "mighty", "misty",    "modern", "narrow", "noble",  "odd",
    "patient", "plain",   "polite", "proud",  "quick", "quiet",   "rapid",  "rare",   "restless", "rough",  "royal",  "rusty",
};
static const char *const nouns[] = {
    "acorn",   "anchor",  "apple",  "arrow",   "badge",  "basket",   "beacon",  "bell",   "bottle",  "bridge",   "bucket",
    "button",  "candle",  "canyon", "castle",  "cedar",  "circle",   "cliff",   "clock",  "cloud",   "comet",    "copper",
    "cottage", "crystal", "desert", "diamond", "engine", "falcon",   "feather", "ferry",  "forest",  "fountain", "garden",
    "glacier", "hammer",  "harbor", "island",  "ivory",  "jacket",   "kettle",  "ladder", "lantern", "lemon",    "library",
    "mantle",  "maple",   "marble", "meadow",  "mirror", "mountain", "nettle",  "ocean",  "orchard", "paddle",   "pebble",
    "pepper",  "pillow",  "planet", "pocket",  "river",  "saddle",   "shadow",  "silver", "spoon",
};
enum { N_ADJECTIVES = sizeof adjectives / sizeof *adjectives, N_NOUNS = sizeof nouns / sizeof *nouns };

int64_t ns_words_count(void)
{
    return (int64_t)N_ADJECTIVES * N_NOUNS;
}

void ns_words_name(int64_t i, char out[40])
{
    snprintf(out, 40, "%s-%s", adjectives[i / N_NOUNS % N_ADJECTIVES], nouns[i % N_NOUNS]);
}

bool ns_words_alike(const char *a, const char *b)
{
    const size_t first = strcspn(a, "-");
    return strcmp(a + first, b + strcspn(b, "-")) == 0 || (first == strcspn(b, "-") && strncmp(a, b, first) == 0);
}

const char *ns_word(int64_t i)
{
    return i < N_ADJECTIVES ? adjectives[i] : i < N_ADJECTIVES + N_NOUNS ? nouns[i - N_ADJECTIVES] : NULL;
}

uint64_t ns_stream_of(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
    return hash ? hash : 1;
}
