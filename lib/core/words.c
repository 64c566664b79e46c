/* words.c - the word that was likely meant: for every "did you mean". */
#include "core/core.h"

#include <string.h>

enum { LONGEST = 64 };                               /* longer names are not compared */

/* "aligned:needle" is compared up to its colon: what follows is the user's own. */
static size_t compared_length(const char *word)
{
    return strcspn(word, ":");
}

/* Levenshtein's distance; LONGEST when a word is too long. */
static int64_t edit_distance(const char *a, const char *b)
{
    const size_t m = compared_length(a), n = compared_length(b);
    if (m >= LONGEST || n >= LONGEST)
        return LONGEST;
    int64_t row[LONGEST];
    for (size_t j = 0; j <= n; j++)
        row[j] = (int64_t)j;
    for (size_t i = 0; i < m; i++) {
        int64_t diagonal = row[0];
        row[0] = (int64_t)i + 1;
        for (size_t j = 0; j < n; j++) {
            const int64_t replace = diagonal + (a[i] != b[j]), step = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = replace < step ? replace : step;
        }
    }
    return row[n];
}

const char *ns_nearest_word(const char *word, const char *const *words, int64_t n)
{
    const char *best = NULL;
    int64_t least = 2 + (int64_t)compared_length(word) / 3;
    for (int64_t i = 0; i < n; i++) {
        const int64_t d = *word && ns_starts(words[i], word) ? 0 : edit_distance(word, words[i]);
        if (d < least) {
            best = words[i];
            least = d;
        }
    }
    return best;
}
