/* sha256.c - nettle's SHA-256 inside a plain block of bytes, so that nettle stays behind this file. */
#include <nettle/sha2.h>
#include <string.h>

#include "core/core.h"

_Static_assert(sizeof(struct sha256_ctx) <= sizeof(ns_sha256), "ns_sha256 is too small for nettle's context");
_Static_assert(_Alignof(struct sha256_ctx) <= 16, "ns_sha256 is not aligned enough");

static struct sha256_ctx *inside(ns_sha256 *hash)
{
    return (struct sha256_ctx *)hash->state;
}

void ns_sha256_begin(ns_sha256 *hash)
{
    memset(hash, 0, sizeof *hash);
    sha256_init(inside(hash));
}

void ns_sha256_add(ns_sha256 *hash, const void *data, size_t n)
{
    if (n)
        sha256_update(inside(hash), n, data);
}

void ns_sha256_end(ns_sha256 *hash, char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(inside(hash), sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[64] = '\0';
}

void ns_sha256_of(const void *data, size_t n, char hex[65])
{
    ns_sha256 hash;
    ns_sha256_begin(&hash);
    ns_sha256_add(&hash, data, n);
    ns_sha256_end(&hash, hex);
}
