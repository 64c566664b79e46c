/* bench_maps.c - how fast all maps of a model reach the disk: bench_maps OUT.h5 [layers 30] [heads 9] [T 2048] [threads 2] [f16|f32]
 * Run by hand; the patterns are softmax rows of four kinds of heads (diffuse, local, sharp, sink), made once for all layers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "fake.h"
#include "record/recorder.h"

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Rows row0 .. row0 + 31 of all heads, [H][32][row0 + 32]. */
static float *make_band(int64_t H, int64_t row0, uint64_t *seed)
{
    const int64_t n = row0 + 32;
    float *const out = calloc((size_t)(H * 32 * n), sizeof *out);
    for (int64_t h = 0; h < H; h++)
        for (int64_t r = 0; r < 32; r++) {
            float *const row = out + (h * 32 + r) * n;
            double sum = 0;
            for (int64_t k = 0; k <= row0 + r; k++) {
                *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
                const double noise = (double)(*seed >> 40) / (1 << 24) * 4 - 2;
                const double away = (double)(row0 + r - k);
                row[k] = (float)exp(h % 4 == 1 ? noise - away / 20 : h % 4 == 2 ? 3 * noise : h % 4 == 3 && k == 0 ? 8 : noise);
                sum += (double)row[k];
            }
            for (int64_t k = 0; k <= row0 + r; k++)
                row[k] = (float)((double)row[k] / sum);
        }
    return out;
}

static long peak_mib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss >> 10;
}

int main(int argc, char **argv)
{
    const int L = argc > 2 ? atoi(argv[2]) : 30, H = argc > 3 ? atoi(argv[3]) : 9, threads = argc > 5 ? atoi(argv[5]) : 2;
    const int64_t T = argc > 4 ? atoll(argv[4]) / 32 * 32 : 2048, bands = T / 32;
    static const char *const at[] = {"blocks.*.attn.hook_pattern"};
    ns_recorder_params params = {.size = sizeof params, .at = at, .n_at = 1, .maps = NS_MAPS_DENSE, .max_bytes = INT64_MAX, .top_k = 32};
    if (argc < 2)
        return 2;
    for (int i = 6; i < argc; i++) {
        params.dtype = !strcmp(argv[i], "f16") ? NS_F16 : !strcmp(argv[i], "f32") ? NS_F32 : params.dtype;
        for (int m = 0; m < 6; m++)
            params.maps = !strcmp(argv[i], (const char *const[]){"stats+topk", "dense", "rows", "topk", "pooled", "stats"}[m])
                              ? (ns_maps_kind)m
                              : params.maps;
    }
    params.dtype = argc > 6 ? params.dtype : NS_F16;
    ns_arch *const arch = fake_arch_of(L, H);
    ns_cases cases;
    fake_cases(&cases, &(int64_t){T - 1}, 1);
    float **const data = calloc((size_t)bands, sizeof *data);
    uint64_t seed = 1;
    for (int64_t b = 0; b < bands; b++)
        data[b] = make_band(H, 32 * b, &seed);
    const long before = peak_mib();
    const double start = seconds();
    ns_recorder *r;
    ns_error err = {""};
    int rc = ns_recorder_new_for(&r, arch, threads, &cases, argv[1], &params, NULL, 0, &err);
    for (int64_t l = 0; l < L && rc == NS_OK; l++)
        for (int64_t b = 0; b < bands && rc == NS_OK; b++) {
            const ns_site site = {.size = sizeof site,
                                  .point = NS_POINT_PATTERN,
                                  .layer = l,
                                  .c = &cases.list[0],
                                  .row0 = 32 * b,
                                  .n_rows = 32,
                                  .n_keys = 32 * b + 32,
                                  .n_heads = H,
                                  .n_kv_heads = H,
                                  .attn = ns_arch_attn(arch, l)};
            const ns_view view = ns_view_of(data[b], NS_F32, 3, (int64_t[]){H, 32, site.n_keys});
            rc = ns_recorder_see(r, &site, &view, &err);
        }
    const double passed = seconds() - start;
    if (rc == NS_OK)
        rc = ns_recorder_commit(r, &err);
    if (rc != NS_OK)
        fprintf(stderr, "%s\n", err.message);
    printf("%d maps of %lld x %lld: %.2f s in callbacks, %.2f s with commit (fsync): %.1f maps/s; memory above the input %ld MiB\n", L * H,
           (long long)T, (long long)T, passed, seconds() - start, L * H / passed, peak_mib() - before);
    for (int64_t b = 0; b < bands; b++)
        free(data[b]);
    free(data);
    ns_cases_clear(&cases);
    ns_arch_free(arch);
    return rc != NS_OK;
}
