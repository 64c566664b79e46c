/* io_list.c - IN PIECE: each tensor of a checkpoint as "name TAB dtype TAB shape TAB SHA-256 of its bytes", read PIECE bytes at a time;
 * notes on standard error. What torch_referee.py drives. */
#include "core/core.h"

#include <needlescope/checkpoint.h>
#include <stdio.h>
#include <stdlib.h>

static int hash_of(const ns_tensor *t, int64_t piece, char hex[65], ns_error *err)
{
    char *const bytes = malloc((size_t)piece);
    int rc = bytes ? NS_OK : NS_E_MEMORY;
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    for (int64_t at = 0, n; at < t->n_bytes && rc == NS_OK; at += n) {
        n = t->n_bytes - at < piece ? t->n_bytes - at : piece;
        rc = ns_tensor_read(t, at, n, bytes, err);
        if (rc == NS_OK)
            ns_sha256_add(&sha, bytes, (size_t)n);
    }
    ns_sha256_end(&sha, hex);
    free(bytes);
    return rc;
}

int main(int argc, char **argv)
{
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    if (argc != 3 || ns_checkpoint_open(&ck, argv[1], NULL, &err))
        return fprintf(stderr, "%s\n", err.message), 1;
    int rc = NS_OK;
    for (int64_t i = 0; ns_checkpoint_note(ck, i); i++)
        fprintf(stderr, "note: %s\n", ns_checkpoint_note(ck, i));
    for (int64_t i = 0; i < ns_checkpoint_count(ck) && rc == NS_OK; i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(ck, i);
        char hex[65];
        rc = hash_of(t, strtoll(argv[2], NULL, 10), hex, &err);
        printf("%s\t%s\t", t->name, ns_dtype_name(t->view.dtype));
        for (int k = 0; k < t->view.rank; k++)
            printf("%s%lld", k ? "," : "", (long long)t->view.shape[k]);
        printf("\t%s\n", hex);
    }
    ns_checkpoint_free(ck);
    if (rc != NS_OK)
        fprintf(stderr, "%s\n", err.message);
    return rc != NS_OK;
}
