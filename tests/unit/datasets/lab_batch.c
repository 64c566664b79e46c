/* lab_batch.c - prints sequences of the laboratory's language as i32: N T, then N T tokens, then N T distances.   lab_batch N SEED */
#include <stdio.h>
#include <stdlib.h>

#include <needlescope/lab.h>

int main(int argc, char **argv)
{
    enum { T = 64 };
    const int32_t n = argc > 2 ? atoi(argv[1]) : 0;
    const ns_corpus_params p = {.size = sizeof p, .seed = argc > 2 ? (uint64_t)atoll(argv[2]) : 0};
    const int32_t shape[2] = {n, T};
    int32_t *const both = malloc((size_t)n * T * 2 * sizeof *both);
    ns_corpus *corpus = NULL;
    ns_error err = {""};
    int rc = !both || n < 1 ? NS_E_ARG : ns_corpus_open(&corpus, &p, &err);
    if (rc == NS_OK)
        rc = ns_corpus_batch(corpus, 0, n, T, both, both + (size_t)n * T, &err);
    if (rc == NS_OK) {
        fwrite(shape, sizeof *shape, 2, stdout);
        fwrite(both, sizeof *both, (size_t)n * T * 2, stdout);
    } else {
        fprintf(stderr, "lab_batch: %s\n", err.message);
    }
    ns_corpus_close(corpus);
    free(both);
    return rc == NS_OK ? 0 : 1;
}
