/* vfd.c - the file driver of output files: plain pread and pwrite, but a write that fails is remembered and everything after it
 * is dropped, while HDF5 is told that all is well. A library that cannot flush cannot close: it keeps the file, tries
 * again at exit, and prints. With this driver H5Fclose always succeeds, the caller learns errno, and the temporary is removed.
 * The file it makes is an ordinary one. */
#include "record/h5.h"

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct disk_file {
    H5FD_t base; /* first: HDF5 casts */
    int fd;
    haddr_t eoa, eof; /* end of what is allocated, of what is written */
    ns_disk *disk;
} disk_file;

typedef struct disk_info {
    ns_disk *disk;
} disk_info;

static H5FD_t *disk_open(const char *name, unsigned flags, hid_t fapl, haddr_t maxaddr)
{
    const disk_info *const info = H5Pget_driver_info(fapl);
    if (!info || info->disk->fd < 0 || !(flags & H5F_ACC_CREAT))
        return NULL;
    disk_file *const file = calloc(1, sizeof *file);
    if (!file)
        return NULL;
    (void)name, (void)maxaddr;
    file->disk = info->disk;
    file->fd = info->disk->fd;       /* made by who names temporaries; ours to close */
    info->disk->fd = -1;
    return &file->base;
}

static herr_t disk_close(H5FD_t *base)
{
    disk_file *const file = (disk_file *)base;
    if (close(file->fd) != 0 && !file->disk->error)
        file->disk->error = errno;
    free(file);
    return 0;
}

static herr_t disk_query(const H5FD_t *base, unsigned long *flags)
{
    (void)base;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA |
             H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static haddr_t disk_eoa(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    return ((const disk_file *)base)->eoa;
}

static herr_t disk_set_eoa(H5FD_t *base, H5FD_mem_t type, haddr_t address)
{
    (void)type;
    ((disk_file *)base)->eoa = address;
    return 0;
}

static haddr_t disk_eof(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    return ((const disk_file *)base)->eof;
}

/* What was never written reads as 0. */
static herr_t disk_read(H5FD_t *base, H5FD_mem_t type, hid_t dxpl, haddr_t address, size_t size, void *buffer)
{
    (void)type, (void)dxpl;
    disk_file *const file = (disk_file *)base;
    char *to = buffer;
    while (size > 0) {
        const ssize_t got = pread(file->fd, to, size, (off_t)address);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        to += got, size -= (size_t)got, address += (haddr_t)got;
    }
    memset(to, 0, size);
    return 0;
}

static herr_t disk_write(H5FD_t *base, H5FD_mem_t type, hid_t dxpl, haddr_t address, size_t size, const void *buffer)
{
    (void)type, (void)dxpl;
    disk_file *const file = (disk_file *)base;
    const char *from = buffer;
    if (address + size > file->eof)
        file->eof = address + size;
    while (size > 0 && !file->disk->error) {
        const ssize_t put = pwrite(file->fd, from, size, (off_t)address);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            file->disk->error = put < 0 ? errno : ENOSPC;
            break;
        }
        from += put, size -= (size_t)put, address += (haddr_t)put;
    }
    return 0;
}

static herr_t disk_truncate(H5FD_t *base, hid_t dxpl, hbool_t closing)
{
    (void)dxpl, (void)closing;
    disk_file *const file = (disk_file *)base;
    if (file->eoa != file->eof && !file->disk->error && ftruncate(file->fd, (off_t)file->eoa) != 0)
        file->disk->error = errno;
    file->eof = file->eoa;
    return 0;
}

static herr_t disk_flush(H5FD_t *base, hid_t dxpl, hbool_t closing)
{
    (void)base, (void)dxpl, (void)closing;
    return 0;
}

/* Two files are one if they share the place where errors go. */
static int disk_compare(const H5FD_t *a, const H5FD_t *b)
{
    const uintptr_t x = (uintptr_t)((const disk_file *)a)->disk, y = (uintptr_t)((const disk_file *)b)->disk;
    return x < y ? -1 : x > y;
}

hid_t ns_disk_driver(void)
{
    static const H5FD_class_t driver = {
#if H5_VERSION_GE(1, 13, 0)
        .version = H5FD_CLASS_VERSION,
        .value = 513, /* from the range HDF5 leaves to applications' own drivers */
#endif
        .name = "needlescope",
        .maxaddr = (haddr_t)INT64_MAX,
        .fc_degree = H5F_CLOSE_STRONG,
        .fapl_size = sizeof(disk_info),
        .open = disk_open,
        .close = disk_close,
        .cmp = disk_compare,
        .query = disk_query,
        .get_eoa = disk_eoa,
        .set_eoa = disk_set_eoa,
        .get_eof = disk_eof,
        .read = disk_read,
        .write = disk_write,
        .flush = disk_flush,
        .truncate = disk_truncate,
        .fl_map = H5FD_FLMAP_DICHOTOMY,
    };
    return H5FDregister(&driver);
}

int ns_disk_use(hid_t fapl, hid_t driver, ns_disk *disk)
{
    const disk_info info = {disk};
    return H5Pset_driver(fapl, driver, &info);
}
