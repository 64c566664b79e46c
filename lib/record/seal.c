/* seal.c - the last line of a file of ours: CRC-32 of all bytes before it. HDF5 ignores what lies behind its end of file, and h5repack
 * drops it. HDF5 1.10 itself crashes or loops on flipped bytes, so damage must be found before it opens the file. CRC-32 and not SHA-256:
 * it is there to find damage, at the speed of memory; who changes a file on purpose can seal it again, so it vouches for nothing
 * (vet.c). */
#include "record/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libdeflate.h>

#define SEAL_HEAD "\nneedlescope crc32 "
enum { HEAD_BYTES = sizeof SEAL_HEAD - 1, SEAL_BYTES = HEAD_BYTES + 8 + 1, READ_BYTES = 1 << 16 };

/* CRC-32 of the first n bytes, as 8 hexadecimal digits. */
static int digest(int fd, int64_t n, char hex[9], const char *label, ns_error *err)
{
    uint8_t buffer[READ_BYTES];
    uint32_t crc = 0;
    int64_t at = 0;
    while (at < n) {
        const ssize_t got = pread(fd, buffer, (size_t)(n - at < READ_BYTES ? n - at : READ_BYTES), at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ns_fail_errno(err, NS_E_IO, label, "reading failed");
        if (got == 0)
            return ns_fail(err, NS_E_IO, "%s: became shorter while it was read", label);
        crc = libdeflate_crc32(crc, buffer, (size_t)got);
        at += got;
    }
    snprintf(hex, 9, "%08x", (unsigned)crc);
    return NS_OK;
}

int ns_seal_add(int fd, const char *label, ns_error *err)
{
    struct stat st;
    char seal[SEAL_BYTES + 1], hex[9];
    int rc = fstat(fd, &st) == 0 ? digest(fd, st.st_size, hex, label, err) : ns_fail_errno(err, NS_E_IO, label, "cannot be read");
    if (rc != NS_OK)
        return rc;
    snprintf(seal, sizeof seal, SEAL_HEAD "%s\n", hex);
    errno = ENOSPC;                                      /* of a piece that was written, which sets none */
    return pwrite(fd, seal, SEAL_BYTES, st.st_size) == SEAL_BYTES ? NS_OK : ns_fail_errno(err, NS_E_IO, label, "writing failed");
}

static bool read_seal(int fd, int64_t size, char seal[SEAL_BYTES])
{
    return size > SEAL_BYTES && pread(fd, seal, SEAL_BYTES, size - SEAL_BYTES) == SEAL_BYTES && memcmp(seal, SEAL_HEAD, HEAD_BYTES) == 0;
}

static const char magic[] = "\211HDF\r\n\032\n";

bool ns_file_is_unsealed(const char *path)
{
    ns_input in;
    char seal[SEAL_BYTES], head[sizeof magic - 1];
    if (ns_input_open(&in, path, NULL) != NS_OK)
        return false;
    const bool hdf5 = pread(in.fd, head, sizeof head, 0) == sizeof head && memcmp(head, magic, sizeof head) == 0;
    const bool unsealed = hdf5 && !read_seal(in.fd, in.size, seal);
    ns_input_close(&in);
    return unsealed;
}

/* Where the superblock of each version has the address of the file's end (HDF5 File Format Specification, II.A); ours have 2 or 3. */
bool ns_file_is_uncut(const char *path)
{
    enum { HEAD = 64, VERSION = 8, N_VERSIONS = 4 };
    static const int end_at[N_VERSIONS] = {40, 44, 28, 28};
    uint8_t head[HEAD] = {0};
    uint64_t end;
    ns_input in;
    if (ns_input_open(&in, path, NULL) != NS_OK)
        return false;
    const bool hdf5 = in.size >= HEAD && ns_input_read(&in, 0, head, HEAD, path, NULL) == NS_OK &&
                      memcmp(head, magic, sizeof magic - 1) == 0 && head[VERSION] < N_VERSIONS;
    memcpy(&end, head + (hdf5 ? end_at[head[VERSION]] : 0), sizeof end);
    const bool uncut = hdf5 && end <= (uint64_t)in.size;
    ns_input_close(&in);
    return uncut;
}

static int check_seal(int fd, int64_t size, bool *sealed, const char *path, ns_error *err)
{
    char seal[SEAL_BYTES], hex[9];
    *sealed = read_seal(fd, size, seal);
    if (!*sealed)
        return NS_OK;
    const int rc = digest(fd, size - SEAL_BYTES, hex, path, err);
    if (rc != NS_OK)
        return rc;
    return memcmp(seal + HEAD_BYTES, hex, 8) == 0
               ? NS_OK
               : ns_fail(err, NS_E_FORMAT, "%s: damaged: its bytes are not those that were written (copy it anew, or make it again)", path);
}

int ns_seal_check(const char *path, bool *sealed, ns_identity *as, ns_error *err)
{
    ns_input in;
    *sealed = false;
    int rc = ns_input_open(&in, path, err);
    if (rc == NS_OK && !ns_identity_of(in.fd, as))
        rc = ns_fail_errno(err, NS_E_IO, path, "cannot be read");
    rc = rc != NS_OK ? rc : check_seal(in.fd, as->size, sealed, path, err);
    ns_input_close(&in);
    return rc;
}
