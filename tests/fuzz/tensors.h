/* tensors.h - what must hold of a checkpoint that was opened: names in order, each found, each tensor readable from its first to its last
 * byte. */
#ifndef FUZZ_TENSORS_H
#define FUZZ_TENSORS_H

#include "fuzz.h"

#include <needlescope/checkpoint.h>

static inline void fuzz_read_tensors(const ns_checkpoint *ck)
{
    float x[16];
    uint8_t bytes[256];
    const char *last = NULL;
    for (int64_t i = 0; i < ns_checkpoint_count(ck); i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(ck, i);
        const int64_t count = ns_view_count(&t->view), n = count < 16 ? count : 16, m = t->n_bytes < 255 ? t->n_bytes : 255;
        fuzz_check(!last || strcmp(last, t->name) < 0, "tensors are sorted and unique");
        fuzz_check(ns_checkpoint_find(ck, t->name) == t, "every tensor is found by its name");
        fuzz_check(count * (int64_t)ns_dtype_size(t->view.dtype) == t->n_bytes, "the shape is the size");
        const int rc = ns_tensor_read_f32(t, count - n, n, x, NULL);
        fuzz_check(rc == NS_OK || rc == NS_E_UNSUPPORTED, "a tensor's end can be read");
        fuzz_check(ns_tensor_read(t, 0, m, bytes, NULL) == NS_OK && ns_tensor_read(t, t->n_bytes - m, m, bytes, NULL) == NS_OK,
                   "a tensor's first and last bytes can be read");
        last = t->name;
    }
}

#endif
