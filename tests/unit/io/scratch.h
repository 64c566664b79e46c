/* scratch.h - a temporary folder for a test, and files in it. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[4096];

static inline int scratch_make(void **state)
{
    (void)state;
    const char *const tmp = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/ns-io-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st, (void)flag, (void)at;
    return remove(path);
}

static inline int scratch_remove(void **state)
{
    (void)state;
    return nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* scratch/NAME in one of eight buffers. */
static inline const char *in_scratch(const char *name)
{
    static char paths[8][8192];
    static int next;
    char *const path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static inline void put_file(const char *name, const void *data, size_t n)
{
    FILE *const f = fopen(in_scratch(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void put_text(const char *name, const char *text)
{
    put_file(name, text, strlen(text));
}

static inline void put_folder(const char *name)
{
    assert_int_equal(mkdir(in_scratch(name), 0777), 0);
}

/* u64 length | json | n_data bytes 0, 1, 2, ... ; length < 0: as long as json is. */
static inline void put_safetensors(const char *name, const char *json, size_t n_json, int64_t length, size_t n_data)
{
    const uint64_t n = length < 0 ? n_json : (uint64_t)length;
    uint8_t *const all = malloc(8 + n_json + n_data);
    assert_non_null(all);
    memcpy(all, &n, 8);
    memcpy(all + 8, json, n_json);
    for (size_t i = 0; i < n_data; i++)
        all[8 + n_json + i] = (uint8_t)i;
    put_file(name, all, 8 + n_json + n_data);
    free(all);
}

#endif
