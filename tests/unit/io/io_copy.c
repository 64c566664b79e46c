/* io_copy.c - IN OUT DTYPE: every tensor of a checkpoint read as f32 and written as DTYPE. What referee.py drives. */
#include <needlescope/checkpoint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    if (argc != 4 || ns_checkpoint_open(&ck, argv[1], NULL, &err))
        return fprintf(stderr, "%s\n", err.message), 1;
    const int64_t n = ns_checkpoint_count(ck);
    const ns_dtype dtype = !strcmp(argv[3], "F32") ? NS_F32 : !strcmp(argv[3], "F16") ? NS_F16 : NS_BF16;
    ns_tensor_out *const list = calloc((size_t)n, sizeof *list);
    int rc = list ? NS_OK : NS_E_MEMORY;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(ck, i);
        const int64_t count = ns_view_count(&t->view);
        float *const x = malloc((size_t)count * sizeof *x + 1);
        rc = x ? ns_tensor_read_f32(t, 0, count, x, &err) : NS_E_MEMORY;
        list[i] = (ns_tensor_out){t->name, ns_view_of(x, NS_F32, t->view.rank, t->view.shape), dtype};
    }
    if (rc == NS_OK)
        rc = ns_safetensors_write(argv[2], list, n, &err);
    for (int64_t i = 0; i < n && list; i++)
        free(list[i].view.data);
    free(list);
    ns_checkpoint_free(ck);
    if (rc != NS_OK)
        fprintf(stderr, "%s\n", err.message);
    return rc != NS_OK;
}
