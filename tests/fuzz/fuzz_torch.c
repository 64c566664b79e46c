/* fuzz_torch.c - the input as a whole file of torch.save's; as the pickle in a sound zip archive of three storages; and as what follows the
 * head of a legacy file: so that mutations are not all stopped by the directory or by the magic number. */
#include "tensors.h"

enum { STORAGES = 3, STORAGE_BYTES = 64, ROOM = 1 << 15 };

typedef struct archive { uint8_t bytes[ROOM], directory[1024]; size_t n, n_directory; int entries; } archive;

static void open_file(const uint8_t *data, size_t n)
{
    fuzz_open_weights(data, n, "torch", fuzz_read_tensors);
}

/* From an exact copy, so that the sanitizers see the first byte beyond it. */
static void open_copy(const uint8_t *data, size_t n)
{
    uint8_t *const copy = malloc(n);
    fuzz_check(copy != NULL, "malloc");
    memcpy(copy, data, n);
    open_file(copy, n);
    free(copy);
}

static void put(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* Header, name, data; and the entry of the directory. */
static void add(archive *a, const char *name, const uint8_t *data, size_t n)
{
    uint8_t *const local = a->bytes + a->n, *const entry = a->directory + a->n_directory;
    const size_t n_name = strlen(name);
    memcpy(local, "PK\3\4", 4);
    memset(local + 4, 0, 26);
    put(local + 26, n_name, 2);
    memcpy(local + 30, name, n_name);
    memcpy(local + 30 + n_name, data, n);
    memcpy(entry, "PK\1\2", 4);
    memset(entry + 4, 0, 42);
    put(entry + 20, n, 4);
    put(entry + 24, n, 4);
    put(entry + 28, n_name, 2);
    put(entry + 42, a->n, 4);
    memcpy(entry + 46, name, n_name);
    a->n += 30 + n_name + n;
    a->n_directory += 46 + n_name;
    a->entries++;
}

static void as_pickle(const uint8_t *data, size_t n)
{
    static archive a;
    uint8_t numbers[STORAGE_BYTES];
    char name[32];
    if (n > ROOM / 2)
        return;
    a.n = a.n_directory = 0;
    a.entries = 0;
    memset(numbers, 0x3c, sizeof numbers);
    add(&a, "archive/data.pkl", data, n);
    for (int i = 0; i < STORAGES; i++) {
        snprintf(name, sizeof name, "archive/data/%d", i);
        add(&a, name, numbers, sizeof numbers);
    }
    uint8_t *const end = a.bytes + a.n + a.n_directory;
    memcpy(a.bytes + a.n, a.directory, a.n_directory);
    memset(end, 0, 22);
    memcpy(end, "PK\5\6", 4);
    put(end + 8, (uint64_t)a.entries, 2);
    put(end + 10, (uint64_t)a.entries, 2);
    put(end + 12, a.n_directory, 4);
    put(end + 16, a.n, 4);
    open_copy(a.bytes, a.n + a.n_directory + 22);
}

static void as_legacy(const uint8_t *data, size_t n)
{
    static const char head[] = "\x80\2\x8a\12l\xfc\x9c" "F\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}X\x0d\0\0\0little_endian\x88s.";
    static uint8_t whole[ROOM];
    if (n > ROOM - sizeof head)
        return;
    memcpy(whole, head, sizeof head - 1);
    memcpy(whole + sizeof head - 1, data, n);
    open_copy(whole, sizeof head - 1 + n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    open_file(data, n);
    as_pickle(data, n);
    as_legacy(data, n);
    return 0;
}
