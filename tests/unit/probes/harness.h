/* harness.h - a model from a folder, a planted folder in /tmp, needle cases: what the end-to-end tests share. */
#ifndef TEST_PROBES_HARNESS_H
#define TEST_PROBES_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <needlescope/dataset.h>
#include <needlescope/probe.h>

typedef struct loaded {
    ns_engine     *engine;
    ns_checkpoint *checkpoint;
    ns_arch       *arch;
    ns_model      *model;
} loaded;

#define OK(call)                                                     \
    do {                                                             \
        err.message[0] = '\0';                                       \
        const int ok_ = (call);                                      \
        if (ok_ != NS_OK)                                            \
            fail_msg("%s gave %d: %s", #call, ok_, err.message);     \
    } while (0)

static inline loaded load(const char *folder, int threads, const char *cpu, int64_t memory)
{
    ns_error err = {0};
    loaded m = {0};
    OK(ns_engine_new(&m.engine, &(ns_engine_params){.size = sizeof(ns_engine_params), .threads = threads, .cpu = cpu}, &err));
    OK(ns_checkpoint_open(&m.checkpoint, folder, NULL, &err));
    OK(ns_arch_from_checkpoint(&m.arch, m.checkpoint, NULL, &err));
    OK(ns_model_load(&m.model, m.engine, m.checkpoint, m.arch,
                     &(ns_model_params){.size = sizeof(ns_model_params), .memory = memory, .hash = true}, &err));
    return m;
}

static inline void unload(loaded *m)
{
    ns_model_free(m->model);
    ns_arch_free(m->arch);
    ns_checkpoint_free(m->checkpoint);
    ns_engine_free(m->engine);
}

static inline void remove_plant(const char *folder)
{
    static const char *const names[] = {"config.json", "planted.json", "model.safetensors", "scores.h5"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);        /* nothing else was left behind */
}

static inline void needle_cases(ns_cases *cases, const int64_t *lengths, int n_lengths, int count, uint64_t seed)
{
    static const double depths[] = {0, 0.4, 1};
    ns_error err = {0};
    const ns_needle_params p = {.size = sizeof p, .lengths = lengths, .n_lengths = n_lengths, .depths = depths, .n_depths = 3,
                                .count = count,
                                .seed = seed, .vocab = 512};
    OK(ns_needle_cases(cases, &p, &err));
}

#endif
