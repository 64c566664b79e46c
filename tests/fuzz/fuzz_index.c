/* fuzz_index.c - the input as model.safetensors.index.json of two small shards, x in 1 and y in 2. */
#include "fuzz.h"

#include <needlescope/checkpoint.h>

#define FOLDER FUZZ_ROOT "model"
static const char x[] = "\x39\0\0\0\0\0\0\0{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}    abcd",
                  y[] = "\x39\0\0\0\0\0\0\0{\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}    abcd";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ns_checkpoint *c = NULL;
    ns_error err = {""};
    fuzz_put(FOLDER "/1.safetensors", x, sizeof x - 1);
    fuzz_put(FOLDER "/2.safetensors", y, sizeof y - 1);
    fuzz_put(FOLDER "/model.safetensors.index.json", data, n);
    const int rc = ns_checkpoint_open(&c, FOLDER, NULL, &err);
    fuzz_check_outcome(rc, c, &err);
    fuzz_check(!c || ns_checkpoint_count(c) >= 1, "an index names the tensors of its shards");
    for (int64_t i = 0; c && i < ns_checkpoint_count(c); i++)
        fuzz_check(ns_checkpoint_find(c, ns_checkpoint_tensor(c, i)->name) != NULL, "every tensor is found");
    ns_checkpoint_free(c);
    return 0;
}
