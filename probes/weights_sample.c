/* weights_sample.c - a few of a checkpoint's weights, always the same ones: how far two checkpoints of a run lie apart, without reading
 * them again. Places are spread evenly over all weights in the order of their names. */
#include <math.h>
#include <string.h>

#include "score.h"

static bool counts(const ns_arch *arch, const ns_tensor *t)
{
    const ns_dtype d = t->view.dtype;
    const bool weights = d == NS_F32 || d == NS_F16 || d == NS_BF16 || d == NS_F64;
    return weights && ns_view_count(&t->view) >= NS_SAMPLE_RUN && !ns_arch_ignores(arch, t->name);
}

/* How many there are in all; which tensors of which shapes. */
static int64_t lay_out(const ns_arch *arch, const ns_checkpoint *ck, char hex[65])
{
    int64_t all = 0;
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    for (int64_t i = 0; i < ns_checkpoint_count(ck); i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(ck, i);
        const int64_t n = ns_view_count(&t->view);
        if (!counts(arch, t))
            continue;
        ns_sha256_add(&sha, t->name, strlen(t->name) + 1);
        ns_sha256_add(&sha, &n, sizeof n);
        all += n;
    }
    ns_sha256_end(&sha, hex);
    return all;
}

int ns_sample_weights(const ns_arch *arch, const ns_checkpoint *ck, float out[NS_SAMPLE], char of[65], ns_error *err)
{
    const int64_t all = lay_out(arch, ck, of);
    int64_t before = 0, place = 0;
    int rc = NS_OK;
    memset(out, 0, NS_SAMPLE * sizeof *out);
    for (int64_t i = 0; i < ns_checkpoint_count(ck) && rc == NS_OK; i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(ck, i);
        const int64_t n = ns_view_count(&t->view);
        if (!counts(arch, t))
            continue;
        for (; place < NS_SAMPLE_PLACES && rc == NS_OK; place++) {
            const int64_t at = (int64_t)((double)all * ((double)place + .5) / NS_SAMPLE_PLACES) - before;
            if (at >= n)
                break;
            rc = ns_tensor_read_f32(t, at + NS_SAMPLE_RUN <= n ? at : n - NS_SAMPLE_RUN, NS_SAMPLE_RUN, out + place * NS_SAMPLE_RUN, err);
        }
        before += n;
    }
    return rc;
}
