/* tiny.h - a small random model in a temporary folder, made from a config.json text. For tests of the forward pass. */
#ifndef TINY_H
#define TINY_H

#include <needlescope/model.h>

typedef struct tiny {
    char           dir[64];
    ns_checkpoint *checkpoint;
    ns_arch       *arch;
    ns_engine     *engine;
    ns_model      *model;
} tiny;

extern const char *const tiny_llama, *const tiny_mistral, *const tiny_gemma2, *const tiny_gpt_neox, *const tiny_minimax,
                  *const tiny_experts,
                  *const tiny_gpt_oss, *const tiny_llama4, *const tiny_gated,
                  *const tiny_delta, *const tiny_lfm2, *const tiny_lfm2_tap, *const tiny_jamba, *const tiny_griffin,
                  *const tiny_falcon, *const tiny_falcon_rows,
                  *const tiny_nemotron, *const tiny_mamba2, *const tiny_hgrn2, *const tiny_bounds, *const tiny_limits,
                  *const tiny_recurrences;

/* Fails the test on any error. memory 0 = all weights kept; threads 0 = 2. */
void tiny_open(tiny *, const char *config, int threads, const char *cpu, int64_t memory);
/* The same numbers, every second tensor stored as `even`, the others as `odd`. The model is gone: tiny_reopen. */
void tiny_store(tiny *, ns_dtype even, ns_dtype odd);
/* The same checkpoint with another engine. */
void tiny_reopen(tiny *, int threads, const char *cpu, int64_t memory);
void tiny_close(tiny *);
/* Overwrites one value of a tensor's file before loading: see test_model_errors. */
int  tiny_write(const char *dir, const ns_arch *, const char *poisoned, float poison, ns_error *);
/* The same bits; with OpenBLAS, whose products are rounded otherwise beside other rows, to 1e-5 of 1 + |b|. */
void tiny_same(const float *a, const float *b, size_t n);
void tiny_tokens(int32_t *out, int64_t n, int64_t vocab, uint64_t seed);

#endif
