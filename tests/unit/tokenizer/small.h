/* small.h - tokenizers small enough to read in a test: JSON with ' for ", and token lists as "id:begin:end id:begin:end". */
#ifndef TEST_TOKENIZER_SMALL_H
#define TEST_TOKENIZER_SMALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/core.h"
#include <needlescope/tokenizer.h>

static inline int open_bytes(ns_tokenizer **out, const char *json, size_t n, ns_error *err)
{
    char path[64];
    const int fd = memfd_create("tokenizer", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, json, n), (ssize_t)n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int rc = ns_tokenizer_open(out, path, err);
    close(fd);
    return rc;
}

static inline int open_quoted(ns_tokenizer **out, const char *quoted, ns_error *err)
{
    char *const json = ns_strdup(quoted);
    assert_non_null(json);
    for (char *s = json; *s; s++)
        if (*s == '\'')
            *s = '"';
    const int rc = open_bytes(out, json, strlen(json), err);
    free(json);
    return rc;
}

static inline ns_tokenizer *must_open(const char *quoted)
{
    ns_tokenizer *tok;
    ns_error err = {""};
    if (open_quoted(&tok, quoted, &err) != NS_OK)
        fail_msg("%s", err.message);
    return tok;
}

static inline void expect_bytes(const ns_tokenizer *tok, const char *text, size_t n, bool special, const char *expected)
{
    ns_encoding e;
    ns_error err = {""};
    char got[4096] = "";
    size_t at = 0;
    if (ns_encode(tok, text, n, special, &e, &err) != NS_OK)
        fail_msg("%s", err.message);
    for (int64_t i = 0; i < e.n && at < sizeof got; i++)
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%d:%lld:%lld", i ? " " : "",
                               e.ids[i], (long long)e.begin[i], (long long)e.end[i]);
    ns_encoding_clear(&e);
    assert_string_equal(got, expected);
}

static inline void expect(const ns_tokenizer *tok, const char *text, const char *expected)
{
    expect_bytes(tok, text, strlen(text), true, expected);
}

static inline void expect_text(const ns_tokenizer *tok, const int32_t *ids, int64_t n, bool skip, const char *expected)
{
    char *text;
    ns_error err = {""};
    if (ns_decode(tok, ids, n, skip, &text, &err) != NS_OK)
        fail_msg("%s", err.message);
    assert_string_equal(text, expected);
    free(text);
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, (int64_t)(sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

#endif
