/* replay.c - a target without libFuzzer: replay CORPUS [ROUNDS [DICTIONARY]]
 *
 * Every file of the folder CORPUS as it is, then ROUNDS deterministic mutations of them. The same inputs on every machine
 * and in every run. A crash is repeated with the same arguments; the input is left in the file replay.crash. */
#include "fuzz.h"
#include "core/core.h"

#include <dirent.h>
#include <signal.h>

enum { MAX_SEEDS = 256, INPUT_ROOM = 1 << 20, MAX_TOKENS = 256, MAX_STEPS = 6 };

typedef struct bytes { uint8_t *data; size_t n; } bytes;

static bytes seeds[MAX_SEEDS], tokens[MAX_TOKENS];
static int n_seeds, n_tokens;
static uint8_t input[INPUT_ROOM];
static size_t n_input;

/* Not async-signal-safe, but the process is lost already and the input is what one wants to have. */
static void keep_input(int sig)
{
    FILE *const f = fopen("replay.crash", "wb");
    if (f) {
        fwrite(input, 1, n_input, f);
        fclose(f);
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void load_seeds(const char *folder)
{
    char *names[MAX_SEEDS];
    int n = 0;
    DIR *const dir = opendir(folder);
    fuzz_check(dir != NULL, "the corpus folder can be opened");
    for (const struct dirent *e; (e = readdir(dir));) {
        if (*e->d_name == '.')
            continue;
        fuzz_check(n < MAX_SEEDS, "at most 256 seeds");
        names[n] = ns_path_join(folder, e->d_name);
        fuzz_check(names[n++] != NULL, "memory");
    }
    closedir(dir);
    fuzz_check(n > 0, "the corpus is not empty");
    qsort(names, (size_t)n, sizeof *names, by_text);
    for (; n_seeds < n; n_seeds++) {
        ns_error err = {""};
        const int rc = ns_file_read(names[n_seeds], INPUT_ROOM, (char **)&seeds[n_seeds].data, &seeds[n_seeds].n, &err);
        fuzz_check(rc == NS_OK, err.message);
        free(names[n_seeds]);
    }
}

/* The character behind a backslash, moved behind it: \", \\ or \xAB. */
static char escaped(const char **at)
{
    char hex[3] = "";
    if (**at != 'x')
        return *(*at)++;
    memcpy(hex, *at + 1, strnlen(*at + 1, 2));
    *at += 1 + strlen(hex);
    return (char)strtol(hex, NULL, 16);
}

/* libFuzzer's form, one token a line in quotes. */
static void load_dictionary(const char *path)
{
    FILE *const f = fopen(path, "r");
    char line[1024];
    fuzz_check(f != NULL, "the dictionary can be opened");
    while (fgets(line, sizeof line, f) && n_tokens < MAX_TOKENS) {
        if (*line != '"')
            continue;
        size_t n = 0;
        for (const char *c = line + 1; *c && *c != '"';) {
            const char plain = *c++;
            line[n++] = plain == '\\' && *c ? escaped(&c) : plain;
        }
        tokens[n_tokens].data = malloc(n + 1);
        fuzz_check(tokens[n_tokens].data != NULL, "memory");
        memcpy(tokens[n_tokens].data, line, n);
        tokens[n_tokens++].n = n;
    }
    fclose(f);
}

static size_t below(ns_rng *rng, size_t n)
{
    return (size_t)ns_rng_below(rng, (int64_t)n);
}

/* Replaces `cut` bytes at `at` by n bytes; too long a result is left alone. */
static void splice(size_t at, size_t cut, const void *data, size_t n)
{
    if (n_input - cut + n > INPUT_ROOM)
        return;
    memmove(input + at + n, input + at + cut, n_input - at - cut);
    memcpy(input + at, data, n);
    n_input += n - cut;
}

static void mutate_number(ns_rng *rng)
{
    static const char *const numbers[] = {"0", "1", "-1", "2", "3", "8", "9", "255", "65535", "2147483647", "2147483648", "4294967295",
                                          "4294967296",
                                           "9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551615",
                                           "18446744073709551616", "1e3", "1e308", "1e999", "0.5", "-0", "00" };
    size_t at = below(rng, n_input + 1);
    while (at < n_input && (input[at] < '0' || input[at] > '9'))
        at++;
    size_t end = at;
    while (end < n_input && input[end] >= '0' && input[end] <= '9')
        end++;
    const char *const number = numbers[below(rng, sizeof numbers / sizeof *numbers)];
    splice(at, end - at, number, strlen(number));
}

static void mutate(ns_rng *rng)
{
    const size_t at = below(rng, n_input + 1), left = n_input - at, span = below(rng, (left < 32 ? left : 32) + 1);
    const uint8_t byte = (uint8_t)ns_rng_u64(rng);
    switch (below(rng, 9)) {
    case 0:
        if (left)
            input[at] ^= (uint8_t)(1u << below(rng, 8));
        break;
    case 1:
        splice(at, left ? 1 : 0, &byte, 1);
        break;
    case 2:
        splice(at, 0, &byte, 1);
        break;
    case 3:
        splice(at, span, "", 0);
        break;
    case 4: {                                   /* repeat a piece */
        uint8_t piece[32];
        memcpy(piece, input + at, span);
        splice(at, 0, piece, span);
        break;
    }
    case 5:
        n_input = at;
        break;
    case 6:
        mutate_number(rng);
        break;
    case 7:                                     /* go on as another seed does */
        if (n_seeds > 1) {
            const bytes *const other = &seeds[below(rng, (size_t)n_seeds)];
            const size_t from = below(rng, other->n + 1);
            splice(at, left, other->data + from, other->n - from);
        }
        break;
    default:
        if (n_tokens) {
            const bytes *const token = &tokens[below(rng, (size_t)n_tokens)];
            splice(at, span < 4 ? span : 0, token->data, token->n);
        }
    }
}

static void load(const bytes *seed)
{
    n_input = seed->n < INPUT_ROOM ? seed->n : INPUT_ROOM;
    memcpy(input, seed->data, n_input);
}

/* From an exact copy on the heap, so that valgrind and the sanitizers see the first byte beyond it. */
static void run(void)
{
    uint8_t *const copy = malloc(n_input ? n_input : 1);
    fuzz_check(copy != NULL, "memory");
    memcpy(copy, input, n_input);
    LLVMFuzzerTestOneInput(copy, n_input);
    free(copy);
}

int main(int argc, char **argv)
{
    fuzz_check(argc >= 2, "usage: replay CORPUS [ROUNDS [DICTIONARY]]");
    const int64_t rounds = argc > 2 ? strtoll(argv[2], NULL, 10) : 0;
    load_seeds(argv[1]);
    if (argc > 3)
        load_dictionary(argv[3]);
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], keep_input);
    for (int i = 0; i < n_seeds; i++) {
        load(&seeds[i]);
        run();
    }
    for (int64_t r = 0; r < rounds; r++) {
        ns_rng rng = ns_rng_seed(20240501, (uint64_t)r);
        load(&seeds[below(&rng, (size_t)n_seeds)]);
        for (size_t steps = 1 + below(&rng, MAX_STEPS); steps > 0; steps--)
            mutate(&rng);
        run();
    }
    for (int i = 0; i < n_seeds; i++)
        free(seeds[i].data);
    for (int i = 0; i < n_tokens; i++)
        free(tokens[i].data);
    printf("%d seeds, %lld mutations: no promise broken\n", n_seeds, (long long)rounds);
    return 0;
}
