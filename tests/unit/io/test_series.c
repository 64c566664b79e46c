/* test_series.c - names of checkpoints: every pattern, its step and tokens; order; doubles; what is no checkpoint; what is left out, and
 * why. */
#include "scratch.h"

#include <needlescope/checkpoint.h>
#include <needlescope/series.h>

static const char *corpus;     /* of what torch.save wrote */

static void names(void **state)
{
    (void)state;
    static const struct { const char *name; int64_t stage, step, tokens; } known[] = {
        {"checkpoint-1000", 0, 1000, -1}, {"step1000", 0, 1000, -1}, {"step000120", 0, 120, -1}, {"step1000-tokens4B", 0, 1000, 4000000000},
        {"step1000-unsharded", 0, 1000, -1}, {"stage1-step1000-tokens5B", 1, 1000, 5000000000},
        {"stage2-ingredient1-step7-tokens12M", 2, 7, 12000000},
        {"global_step1000", 0, 1000, -1}, {"iter_0001000", 0, 1000, -1}, {"epoch=0-step=1000", 0, 1000, -1},
        {"epoch=3-step=12-val_loss=0.5", 0, 12, -1},
        {"step-1000", 0, 1000, -1}, {"step_1000", 0, 1000, -1}, {"ep0-ba1000", 0, 1000, -1},
        {"step-50K-105b", 0, 50000, 105000000000}, {"step-240k-503b", 0, 240000, 503000000000},
        {"step-1195k-token-2.5T", 0, 1195000, 2500000000000},
        {"TinyLlama-1.1B-intermediate-step-715k-1.5T", 0, 715000, 1500000000000}, {"ckpt_000", 0, 0, -1}, {"ckpt-7", 0, 7, -1},
        {"ckpt1000", 0, 1000, -1},
        {"CrystalCoder_phase2_checkpoint_055500", 2, 55500, -1}, {"stage1-step-40000", 1, 40000, -1},
        {"lc-4k-to-32k-step-4000", 1032, 4000, -1},
        {"lc-32k-to-64k-step-20000", 1064, 20000, -1}, {"epoch_3", 0, 3, -1}, {"iteration_10", 0, 10, -1}, {"iter_0001000-hf", 0, 1000, -1},
        {"1000", 0, 1000, -1},
        {"stage2-ingredient1+2-step23842", 2, 23842, -1}, {"ep0-ba1000-rank0", 0, 1000, -1}, {"model_step_1000", 0, 1000, -1},
        {"ckpt-step1000", 0, 1000, -1}, {"gpt2_iter1000", 0, 1000, -1}, {"epoch=1-step=7-val=0.5-v1", 0, 7, -1},
        {"step-00001000", 0, 1000, -1},
    };
    ns_series_item item;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_true(ns_series_parse(known[i].name, &item));
        assert_int_equal(item.stage, known[i].stage);
        assert_int_equal(item.step, known[i].step);
        assert_int_equal(item.tokens, known[i].tokens);
        assert_false(item.final);
    }
    static const char *const finals[] = {"main", "final", "last", "latest", "checkpoint-final"};
    for (size_t i = 0; i < sizeof finals / sizeof *finals; i++)
        assert_true(ns_series_parse(finals[i], &item) && item.final);
    assert_true(ns_series_parse("stage2-ingredient3-step7-tokens1B", &item) && item.branch == 3);
    static const char *const unknown[] = {"best", "it-SFT", "ckpt", "step-k-105b", "1.5", "ckpt_best", "lc-x-to-y-step-1","optimizer",
                                          "step", "stepX", "checkpoint-", "checkpoint-1-optimizer", "mystep10", "model_step",
                                          "model_step_x", "a b_step5", "step99999999999999999999"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (ns_series_parse(unknown[i], &item))
            fail_msg("'%s' is taken for step %lld", unknown[i], (long long)item.step);
}

/* ---- a run's folder ---- */

static void put_checkpoint(const char *name, const char *bytes)
{
    char path[300];
    put_folder(name);
    snprintf(path, sizeof path, "%s/model.safetensors", name);
    put_text(path, bytes);
}

static void expect_order(const char *folder, const char *const *labels)
{
    ns_series s;
    ns_error err = {""};
    if (ns_series_find(&s, in_scratch(folder), &err))
        fail_msg("%s", err.message);
    int64_t n = 0;
    for (; labels[n]; n++) {
        assert_true(n < s.n);
        assert_string_equal(s.list[n].label, labels[n]);
        assert_true(n == 0 || s.list[n].step > s.list[n - 1].step);
    }
    assert_int_equal(s.n, n);
    ns_series_clear(&s);
}

typedef struct left { const char *name, *why; } left;

/* Every one that is left out, with words of the reason. */
static void expect_left(const char *folder, const left *want)
{
    ns_series s;
    ns_error err = {""};
    if (ns_series_find(&s, in_scratch(folder), &err))
        fail_msg("%s", err.message);
    int64_t n = 0;
    for (; want[n].name; n++) {
        assert_true(n < s.n_left_out);
        assert_string_equal(s.left_out[n].name, want[n].name);
        if (!strstr(s.left_out[n].why, want[n].why))
            fail_msg("%s: '%s' without '%s'", want[n].name, s.left_out[n].why, want[n].why);
    }
    assert_int_equal(s.n_left_out, n);
    ns_series_clear(&s);
}

static void expect_failure(const char *folder, int code, const char *says)
{
    ns_series s;
    ns_error err = {""};
    assert_int_equal(ns_series_find(&s, in_scratch(folder), &err), code);
    if (!strstr(err.message, says))
        fail_msg("%s", err.message);
    assert_int_equal(s.n + s.n_left_out, 0);
}

static void order(void **state)
{
    (void)state;
    static const char *const folders[] = {"stage2-step5", "stage1-step1000",       "stage1-step20",
                                          "main",         "stage1-step3-tokens1B", "lc-4k-to-32k-step-40"};
    put_folder("order");
    put_folder("order/logs");
    put_folder("order/.git");
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char name[100];
        snprintf(name, sizeof name, "order/%s", folders[i]);
        put_folder(name);
        snprintf(name, sizeof name, "order/%s/config.json", folders[i]);
        put_text(name, "{}");
    }
    expect_order("order", (const char *const[]){"stage1-step3-tokens1B", "stage1-step20", "stage1-step1000", "stage2-step5",
                                                "lc-4k-to-32k-step-40", NULL});
    expect_left("order", (const left[]){{"logs", "no weights in it"}, {"main", "nothing says its step"}, {NULL, NULL}});
}

static void folders_left_out(void **state)
{
    (void)state;
    put_folder("run");
    put_checkpoint("run/checkpoint-100", "a");
    put_checkpoint("run/checkpoint-20", "b");
    put_checkpoint("run/best", "c");
    put_checkpoint("run/named-inside", "d");
    put_text("run/named-inside/trainer_state.json", "{\"epoch\": 1.5, \"global_step\": 50}");
    put_folder("run/step7");
    put_text("run/step7/pytorch_model.bin", "");        /* taken: what is wrong with it, its scan says */
    put_folder("run/step9");
    put_text("run/step9/flax_model.msgpack", "");
    put_folder("run/state");
    put_text("run/state/optimizer.pt", "");
    put_folder("run/step8");
    put_folder("run/wandb");
    put_folder("run/torch");
    put_text("run/torch/__0_0.distcp", "");
    assert_int_equal(symlink("checkpoint-100", in_scratch("run/last")), 0);
    assert_int_equal(symlink("checkpoint-20", in_scratch("run/step20")), 0);
    assert_int_equal(symlink("checkpoint-10", in_scratch("run/step10")), 0);          /* pruned */
    assert_int_equal(symlink("nowhere", in_scratch("run/newest")), 0);
    assert_int_equal(symlink("checkpoint-20", in_scratch("run/chosen")), 0);
    put_folder("elsewhere");
    put_checkpoint("elsewhere/weights", "e");
    assert_int_equal(symlink("../elsewhere/weights", in_scratch("run/foreign")), 0);
    put_text("run/step30.tar.gz", "");
    put_text("run/step40", "");
    put_text("run/notes.txt", "");
    expect_order("run", (const char *const[]){"step7", "checkpoint-20", "named-inside", "checkpoint-100", NULL});
    expect_left("run", (const left[]){{"best", "--manifest"}, {"chosen", "a link to checkpoint-20"},
                                      {"foreign", "no step in its name"}, {"last", "the same weights as checkpoint-100"},
                                      {"newest", "a link to what is not there"}, {"state", "no weights in it"},
                                      {"step10", "a link to what is not there"}, {"step20", "the same weights as checkpoint-20"},
                                      {"step30.tar.gz", "neither a folder nor a file of weights"}, {"step40", "neither a folder nor"},
                                      {"step8", "no model.safetensors"}, {"step9", "a Flax checkpoint"},
                                      {"torch", "distributed checkpoint"},
                                      {"wandb", "no weights in it"}, {NULL, NULL}});
    put_folder("nothing");
    put_checkpoint("nothing/best", "c");
    put_folder("nothing/wandb");
    expect_failure("nothing", NS_E_MISSING, "no checkpoint could be put in order: 'best': no step in its name");
    put_folder("empty");
    put_folder("empty/wandb");
    expect_failure("empty", NS_E_MISSING, "no checkpoints (folders named step1000");
    put_folder("dcp");                                  /* the line of `inspect`, with what converts it */
    put_text("dcp/__0_0.distcp", "");
    expect_failure("dcp", NS_E_UNSUPPORTED, "dcp: a PyTorch distributed checkpoint (DCP) ('__0_0.distcp'), which needlescope does not read "
                   "(convert it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch");
    put_folder("zero");
    put_folder("zero/global_step5");
    put_text("zero/zero_to_fp32.py", "");
    expect_failure("zero", NS_E_UNSUPPORTED, "zero: a DeepSpeed ZeRO checkpoint ('zero_to_fp32.py'), which needlescope does not read "
                   "(convert it: python zero_to_fp32.py . OUT");
    put_folder("hub");
    put_folder("hub/models--o--x");
    expect_failure("hub", NS_E_UNSUPPORTED, "hub: a Hugging Face cache of several models ('models--o--x'), which needlescope does not read "
                   "(name one models--ORG--NAME folder");
    put_folder("neox");
    put_folder("neox/global_step5");
    put_text("neox/global_step5/mp_rank_00_model_states.pt", "");
    put_text("neox/global_step5/layer_00-model_00-model_states.pt", "");
    expect_failure("neox", NS_E_UNSUPPORTED, "a folder of GPT-NeoX checkpoints");
    put_folder("bare");                                 /* folders around checkpoints are no form */
    put_folder("bare/step10");
    expect_failure("bare", NS_E_MISSING, "no checkpoint could be put in order: 'step10': no model.safetensors");
    put_folder("twice");
    put_checkpoint("twice/step5", "a");
    put_checkpoint("twice/checkpoint-5", "b");
    expect_failure("twice", NS_E_FORMAT, "are both step 5");
}

static void put_numbers(const char *name, float w[1000])
{
    char path[300];
    const int64_t n = 1000;
    ns_error err = {""};
    snprintf(path, sizeof path, "%s/model.safetensors", name);
    if (ns_safetensors_write(in_scratch(path), &(ns_tensor_out){"w", ns_view_of(w, NS_F32, 1, &n), NS_F32}, 1, &err))
        fail_msg("%s", err.message);
}

/* One number of a thousand is enough to be another checkpoint, wherever it stands. */
static void compared_whole(void **state)
{
    (void)state;
    float w[1000] = {1};
    const char *const folders[] = {"whole", "whole/step1", "whole/step2", "whole/main"};
    for (int i = 0; i < 4; i++)
        put_folder(folders[i]);
    put_numbers("whole/step1", w);
    w[7] = 2;
    put_numbers("whole/step2", w);
    put_numbers("whole/main", w);
    expect_left("whole", (const left[]){{"main", "the same weights as step2"}, {NULL, NULL}});
    w[300] = 3;
    put_numbers("whole/main", w);
    expect_left("whole", (const left[]){{"main", "nothing says its step"}, {NULL, NULL}});
}

/* Ingredients are trained beside each other: the first is the run, the others and their soup are runs of their own. */
static void branches(void **state)
{
    (void)state;
    put_folder("olmo");
    put_checkpoint("olmo/stage1-step10-tokens1B", "a");
    put_checkpoint("olmo/stage2-ingredient2-step5-tokens1B", "b");
    put_checkpoint("olmo/stage2-ingredient2-step9-tokens2B", "c");
    put_checkpoint("olmo/stage2-ingredient3-step5-tokens1B", "d");
    put_checkpoint("olmo/stage2-ingredient2+3-step9", "e");
    put_checkpoint("olmo/main", "f");
    expect_order("olmo", (const char *const[]){"stage1-step10-tokens1B", "stage2-ingredient2-step5-tokens1B",
                                               "stage2-ingredient2-step9-tokens2B", NULL});
    ns_series s;
    assert_int_equal(ns_series_find(&s, in_scratch("olmo"), NULL), NS_OK);      /* a later stage counts its tokens anew */
    for (int64_t i = 0; i < 3; i++)
        assert_int_equal(s.list[i].tokens, ((const int64_t[]){1000000000, 2000000000, 3000000000})[i]);
    ns_series_clear(&s);
    expect_left("olmo", (const left[]){{"main", "nothing says its step"},
                                       {"stage2-ingredient2+3-step9", "trained beside stage2-ingredient2-step5-tokens1B"},
                                       {"stage2-ingredient3-step5-tokens1B", "a run of its own"}, {NULL, NULL}});
}

static void expect_item(const char *folder, const char *label, int64_t stage, int64_t stage_step, int64_t step, int64_t tokens)
{
    ns_series s;
    assert_int_equal(ns_series_find(&s, in_scratch(folder), NULL), NS_OK);
    int64_t i = 0;
    while (i < s.n && strcmp(s.list[i].label, label) != 0)
        i++;
    if (i == s.n)
        fail_msg("%s: no %s", folder, label);
    const ns_series_item *const item = &s.list[i];
    if (ns_series_stage(item) != stage || item->stage_step != stage_step || item->step != step || item->tokens != tokens)
        fail_msg("%s: stage %lld step %lld, laid at %lld, %lld tokens", label, (long long)item->stage, (long long)item->stage_step,
                 (long long)item->step, (long long)item->tokens);
    ns_series_clear(&s);
}

/* What a checkpoint is found by again stays, whatever comes before it; where it lies, and its tokens, go on over the stages. */
static void stages(void **state)
{
    (void)state;
    put_folder("grows");
    put_checkpoint("grows/main", "m");
    expect_item("grows", "main", 1, 0, 0, -1);                     /* it is all there is */
    put_checkpoint("grows/stage2-step5", "a");
    put_checkpoint("grows/stage2-step9-tokens1B", "b");
    expect_item("grows", "stage2-step5", 2, 5, 5, -1);
    expect_left("grows", (const left[]){{"main", "nothing says its step"}, {NULL, NULL}});
    put_checkpoint("grows/stage1-step10-tokens2B", "c");
    expect_item("grows", "stage2-step5", 2, 5, 16, -1);
    expect_item("grows", "stage2-step9-tokens1B", 2, 9, 20, 3000000000);
    put_checkpoint("grows/step20-tokens4B", "d");                  /* some of the first stage do not say it */
    expect_item("grows", "step20-tokens4B", 1, 20, 20, 4000000000);
    expect_item("grows", "stage1-step10-tokens2B", 1, 10, 10, 2000000000);
    expect_item("grows", "stage2-step9-tokens1B", 2, 9, 30, 5000000000);
    put_checkpoint("grows/stage3-step40-tokens9B", "e");           /* goes on counting */
    expect_item("grows", "stage3-step40-tokens9B", 3, 40, 40, 9000000000);
    put_checkpoint("grows/final", "f");
    expect_left("grows", (const left[]){{"final", "nothing says its step"}, {"main", "nothing says its step"}, {NULL, NULL}});
    put_folder("finals");
    put_checkpoint("finals/main", "m");
    put_checkpoint("finals/final", "f");
    expect_failure("finals", NS_E_MISSING, "'final': nothing says its step");
}

/* The stamp after a change, which is another, or the same; "" where it cannot be said. */
static void expect_stamp(const char *folder, const ns_series *s, char stamp[65], bool same)
{
    char before[65];
    strcpy(before, stamp);
    assert_int_equal(ns_series_stamp(s, in_scratch(folder), stamp, NULL), NS_OK);
    if ((strcmp(before, stamp) == 0) != same)
        fail_msg("%s: '%s' before, '%s' now", folder, before, stamp);
}

static void stamps(void **state)
{
    (void)state;
    char stamp[65] = "";
    put_folder("stamped");
    put_folder("stamped/checkpoints");
    put_folder("stamped/logs");
    put_folder("stamped/step9");
    put_checkpoint("stamped/step1", "a");
    put_checkpoint("stamped/checkpoints/step2", "b");
    put_text("stamped/run.json", "{}");
    ns_series s;
    assert_int_equal(ns_series_find(&s, in_scratch("stamped"), NULL), NS_OK);
    expect_stamp("stamped", &s, stamp, false);
    expect_stamp("stamped", &s, stamp, true);
    put_text("stamped/step1/model.safetensors", "other");          /* its own scan sees it */
    put_text("stamped/checkpoints/step2/more", "");
    expect_stamp("stamped", &s, stamp, true);
    put_text("stamped/run.json", "{\"name\": \"x\"}");
    expect_stamp("stamped", &s, stamp, false);
    put_text("stamped/step9/model.safetensors", "c");              /* what was left out for having none */
    expect_stamp("stamped", &s, stamp, false);
    assert_int_equal(unlink(in_scratch("stamped/step9/model.safetensors")), 0);
    expect_stamp("stamped", &s, stamp, false);
    put_folder("stamped/checkpoints/step3");                       /* neither taken nor left out: came meanwhile */
    expect_stamp("stamped", &s, stamp, false);
    assert_string_equal(stamp, "");
    ns_series_clear(&s);
    assert_int_equal(ns_series_find(&s, in_scratch("stamped"), NULL), NS_OK);
    expect_stamp("stamped", &s, stamp, false);
    put_folder("stamped/snapshots");
    expect_stamp("stamped", &s, stamp, false);
    assert_string_equal(stamp, "");
    ns_series_clear(&s);
}

static void expect_manifest(const char *lines, const char *says)
{
    ns_series s;
    ns_error err = {""};
    put_text("stages.jsonl", lines);
    const int rc = ns_series_manifest(&s, in_scratch("stages.jsonl"), &err);
    assert_int_equal(rc, says ? NS_E_FORMAT : NS_OK);
    if (says && !strstr(err.message, says))
        fail_msg("%s", err.message);
    ns_series_clear(&s);
}

static void manifest_stages(void **state)
{
    (void)state;
    expect_manifest("{\"path\": \"a\", \"step\": 9, \"stage\": 2, \"stage_step\": 5}\n", NULL);
    expect_manifest("{\"path\": \"a\", \"step\": 9, \"stage\": 2}\n", "stand together");
    expect_manifest("{\"path\": \"a\", \"step\": 9, \"stage_step\": 5}\n", "stand together");
    expect_manifest("{\"path\": \"a\", \"step\": 9, \"stage\": -1, \"stage_step\": 9}\n", "stage from 1 on");
    expect_manifest("{\"path\": \"a\", \"step\": 5}\n{\"path\": \"b\", \"step\": 9, \"stage\": 1, \"stage_step\": 5}\n",
                    "'a' is step 5 of stage 1 already");
    expect_manifest("{\"path\": \"a\", \"step\": 9, \"stage\": 2, \"stage_step\": 5}\n"
                    "{\"path\": \"b\", \"step\": 10, \"stage\": 2, \"stage_step\": 5}\n", "'a' is step 5 of stage 2 already");
}

/* ---- files, RUN/checkpoints, the folder itself ---- */

/* Two tensors of 64 and 4 numbers, whose bytes begin with `first`. */
static void put_weights(const char *path, uint8_t first, bool head)
{
    char json[300];
    const int n = snprintf(json, sizeof json, "{\"a\":{\"dtype\":\"F32\",\"shape\":[8,8],\"data_offsets\":[0,256]},"
                           "\"%s\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[256,272]}}", head ? "lm_head.weight" : "b");
    put_safetensors(path, json, (size_t)n, -1, 272);
    FILE *const f = fopen(in_scratch(path), "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 8 + n, SEEK_SET), 0);
    assert_int_equal(fputc(first, f), first);
    assert_int_equal(fclose(f), 0);
}

static void copy_corpus(const char *name, const char *to)
{
    static char bytes[1 << 20];
    char from[5000];
    snprintf(from, sizeof from, "%s/%s", corpus, name);
    FILE *const f = fopen(from, "rb");
    assert_non_null(f);
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    put_file(to, bytes, n);
}

static void files(void **state)
{
    (void)state;
    put_folder("files");
    put_weights("files/step300.safetensors", 3, false);
    put_weights("files/epoch=0-step=100.ckpt", 1, false);
    put_weights("files/step300.bin", 3, false);
    put_weights("files/best.pt", 9, false);
    put_text("files/step400-00001-of-00002.gguf", "");
    put_text("files/step400-00002-of-00002.gguf", "");
    put_text("files/model-00001-of-00002.safetensors", "");
    put_text("files/optimizer.pt", "");
    put_text("files/notes.txt", "");
    copy_corpus("zip-2.1-trainer", "files/last.ckpt");             /* iter_num 7 in it */
    copy_corpus("zip-nanogpt", "files/ckpt.pt");                   /* 5 */
    assert_int_equal(symlink("epoch=0-step=100.ckpt", in_scratch("files/latest.ckpt")), 0);
    expect_order("files", (const char *const[]){"ckpt.pt", "last.ckpt", "epoch=0-step=100.ckpt", "step300.safetensors",
                                                "step400-00001-of-00002.gguf", NULL});
    expect_left("files", (const left[]){{"best.pt", "--manifest"}, {"latest.ckpt", "the same weights as epoch=0-step=100.ckpt"},
                                        {"model-00001-of-00002.safetensors", "their index is not there"},
                                        {"step300.bin", "the same name in another format than step300.safetensors"}, {NULL, NULL}});
    ns_series s;
    assert_int_equal(ns_series_find(&s, in_scratch("files"), NULL), NS_OK);
    assert_int_equal(s.list[0].step, 5);
    assert_int_equal(s.list[1].step, 7);
    assert_true(s.list[1].inside && !s.list[1].final);
    ns_series_clear(&s);
    put_folder("one");                                             /* a single file without a step is the folder's checkpoint */
    put_weights("one/model-Q4.pt", 1, false);
    expect_order("one", (const char *const[]){"one", NULL});
    expect_left("one", (const left[]){{NULL, NULL}});
}

static void nested(void **state)
{
    (void)state;
    put_folder("nested");
    put_folder("nested/checkpoints");
    put_folder("nested/checkpoints/step10");
    put_folder("nested/w8");
    put_folder("nested/w8/checkpoint-5");
    put_text("nested/config.json", "{}");
    put_text("nested/tokenizer.json", "{}");
    put_text("nested/checkpoints/config.json", "{}");
    put_weights("nested/checkpoints/step10/model.safetensors", 1, false);
    put_weights("nested/checkpoints/step20.safetensors", 2, false);
    put_weights("nested/w8/checkpoint-5/model.safetensors", 4, false);
    expect_order("nested", (const char *const[]){"checkpoints/step10", "checkpoints/step20.safetensors", NULL});
    expect_left("nested", (const left[]){{"w8", "a folder of training checkpoints ('checkpoint-5')"}, {NULL, NULL}});
    put_weights("nested/model.safetensors", 3, false);             /* the run's folder itself, of no known step */
    put_text("nested/pytorch_model.bin", "");
    expect_order("nested", (const char *const[]){"checkpoints/step10", "checkpoints/step20.safetensors", NULL});
    expect_left("nested", (const left[]){{"nested", "nothing says its step"}, {"pytorch_model.bin", "beside model.safetensors"},
                                         {"w8", "a folder of training checkpoints"}, {NULL, NULL}});
    put_weights("nested/model.safetensors", 2, false);             /* one of the steps once more */
    expect_left("nested", (const left[]){{"nested", "the same weights as checkpoints/step20.safetensors"},
                                         {"pytorch_model.bin", "beside"}, {"w8", "a folder of training"}, {NULL, NULL}});
    put_weights("nested/model.safetensors", 3, false);
    put_text("nested/trainer_state.json", "{\"global_step\": 15}");
    expect_order("nested", (const char *const[]){"checkpoints/step10", "nested", "checkpoints/step20.safetensors", NULL});
    put_text("nested/trainer_state.json", "{\"global_step\": 20}");
    expect_order("nested", (const char *const[]){"checkpoints/step10", "checkpoints/step20.safetensors", NULL});
    expect_left("nested", (const left[]){{"nested", "by its own account it is of the step of checkpoints/step20.safetensors"},
                                         {"pytorch_model.bin", "beside model.safetensors"},
                                         {"w8", "a folder of training checkpoints"}, {NULL, NULL}});
}

static void expect_other(const char *text, bool other, int64_t step)
{
    ns_series s;
    ns_error err = {""};
    put_text("says/checkpoint-500/trainer_state.json", text);
    if (ns_series_find(&s, in_scratch("says"), &err))
        fail_msg("%s", err.message);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.list[1].step, 500);
    assert_int_equal(s.list[1].other, other);
    if (other)
        assert_int_equal(s.list[1].other_step, step);
    assert_false(s.list[0].other);
    ns_series_clear(&s);
}

/* The name's step is taken; what its trainer says beside it is known where it is another, wherever in the file it stands. */
static void name_and_trainer(void **state)
{
    (void)state;
    put_folder("says");
    put_checkpoint("says/checkpoint-400", "a");
    put_checkpoint("says/checkpoint-500", "b");
    expect_other("{\"epoch\": 1.5, \"global_step\": 400}", true, 400);
    expect_other("{\"global_step\" : 0 , \"epoch\": 1.5}", true, 0);
    expect_other("{\"epoch\": 1.5, \"global_step\": 500}", false, 0);
    expect_other("{\"a\": {\"global_step\": 3}, \"b\": \"\\\"global_step\\\": 4\", \"c\": [\"global_step\"], "
                 "\"global_step\": 500}", false, 0);
    expect_other("{\"epoch\": 1.5}", false, 0);
    expect_other("{\"global_step\": 4", false, 0);                 /* cut, perhaps within the number */
    expect_other("", false, 0);
    static char far[40000];
    int n = snprintf(far, sizeof far, "{\"log_history\": [");
    while (n < 30000)
        n += snprintf(far + n, sizeof far - (size_t)n, "{\"global_step\": 7}, ");
    snprintf(far + n, sizeof far - (size_t)n, "0], \"global_step\": 450}");
    expect_other(far, true, 450);
}

/* The same tensors in other files, and with a head that is the embedding; one number is enough to be another. */
static void same_tensors(void **state)
{
    (void)state;
    put_folder("same");
    put_weights("same/step10.safetensors", 1, false);
    put_weights("same/step20.safetensors", 2, true);
    put_weights("same/main.safetensors", 2, true);
    put_weights("same/final.safetensors", 3, true);
    put_weights("same/checkpoint-10.safetensors", 1, false);
    expect_order("same", (const char *const[]){"checkpoint-10.safetensors", "step20.safetensors", NULL});
    expect_left("same", (const left[]){{"final.safetensors", "nothing says its step"},
                                       {"main.safetensors", "the same weights as step20.safetensors"},
                                       {"step10.safetensors", "the same weights as checkpoint-10.safetensors"}, {NULL, NULL}});
    put_weights("same/step10.safetensors", 5, false);
    expect_failure("same", NS_E_FORMAT, "are both step 10");
}

static void expect_gaps(const int64_t *steps, const int64_t *stages, int64_t n, const ns_series_gap *want, int64_t n_want)
{
    ns_series_item list[16] = {{0}};
    ns_series_gap *gaps;
    int64_t n_gaps;
    for (int64_t i = 0; i < n; i++)
        list[i] = (ns_series_item){.step = steps[i], .stage = stages ? stages[i] : 0};
    assert_int_equal(ns_series_gaps(&(ns_series){.list = list, .n = n}, &gaps, &n_gaps, NULL), NS_OK);
    assert_int_equal(n_gaps, n_want);
    for (int64_t i = 0; i < n_want; i++)
        assert_true(gaps[i].after == want[i].after && gaps[i].before == want[i].before && gaps[i].missing == want[i].missing);
    free(gaps);
}

#define GAPS(n, ...) (const ns_series_gap[]){__VA_ARGS__}, n
#define STEPS(...) (const int64_t[]){__VA_ARGS__}, NULL, sizeof (int64_t[]){__VA_ARGS__} / sizeof(int64_t)

/* Pythia's steps have none; an even spacing has where one is left out, at its ends too, and where the next stage begins it has not. */
static void gaps(void **state)
{
    (void)state;
    expect_gaps(STEPS(0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000, 3000), GAPS(0, {0}));
    expect_gaps(STEPS(0, 1, 2, 4, 8, 512, 1000, 2000, 3000, 6000, 7000, 8000), GAPS(1, {3000, 6000, 2}));
    expect_gaps(STEPS(10, 20, 30, 50, 60, 70, 100), GAPS(2, {30, 50, 1}, {70, 100, 2}));
    expect_gaps(STEPS(10, 30, 40, 50), GAPS(1, {10, 30, 1}));
    expect_gaps(STEPS(10, 20, 30, 40, 60, 80, 100), GAPS(0, {0}));
    expect_gaps(STEPS(10, 20, 30, 45, 55), GAPS(0, {0}));
    expect_gaps(STEPS(10), GAPS(0, {0}));
    const int64_t steps[] = {10, 20, 30, 60, 70, 80}, stages[] = {1, 1, 1, 2, 2, 2};
    expect_gaps(steps, stages, 6, GAPS(0, {0}));
}

/* What is written and read again is the same list. */
static void manifest(void **state)
{
    (void)state;
    put_folder("written");
    put_folder("written/run");
    put_folder("written/run/stage1-step5-tokens1B");
    put_folder("written/elsewhere");
    put_weights("written/run/stage1-step5-tokens1B/model.safetensors", 1, false);
    put_weights("written/run/stage2-step5-tokens1B.safetensors", 2, false);
    for (int i = 0; i < 3; i++) {
        static const char *const places[] = {"written/m.jsonl", "written/run/m.jsonl", "written/elsewhere/m.jsonl"};
        ns_series s, again;
        assert_int_equal(ns_series_find(&s, in_scratch("written/run"), NULL), NS_OK);
        assert_int_equal(ns_series_write_manifest(&s, in_scratch(places[i]), NULL), NS_OK);
        assert_int_equal(ns_series_manifest(&again, in_scratch(places[i]), NULL), NS_OK);
        assert_int_equal(again.n, 2);
        for (int64_t k = 0; k < s.n; k++) {
            assert_string_equal(again.list[k].label, s.list[k].label);
            assert_true(again.list[k].step == s.list[k].step && again.list[k].tokens == s.list[k].tokens);
            char a[5000], b[5000];
            assert_non_null(realpath(again.list[k].path, a));
            assert_non_null(realpath(s.list[k].path, b));
            assert_string_equal(a, b);
        }
        assert_int_equal(again.list[1].step, 11);                  /* stage 2 goes on behind stage 1 */
        assert_int_equal(again.list[1].tokens, 2000000000);
        assert_true(again.list[1].stage == 2 && again.list[1].stage_step == 5);
        ns_series_clear(&s);
        ns_series_clear(&again);
    }
    ns_series s = {0};
    assert_int_equal(ns_series_write_manifest(&s, in_scratch("nowhere/m.jsonl"), NULL), NS_E_CREATE);
}

/* ---- a Hugging Face cache ---- */

static void put_revision(const char *cache, const char *revision, const char *commit)
{
    char path[300];
    snprintf(path, sizeof path, "%s/refs/%s", cache, revision);
    put_text(path, commit);
}

static void revisions(void **state)
{
    (void)state;
    static const char *const folders[] =
        {"models--o--n",           "models--o--n/refs",         "models--o--n/refs/pr",  "models--o--n/refs/hf",
         "models--o--n/refs/refs", "models--o--n/refs/refs/pr", "models--o--n/blobs",    "models--o--n/snapshots",
         "models--o--n/snapshots/other"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        put_folder(folders[i]);
    put_checkpoint("models--o--n/snapshots/aaa", "1");
    put_checkpoint("models--o--n/snapshots/bbb", "2");
    put_checkpoint("models--o--n/snapshots/nameless", "3");
    put_checkpoint("models--o--n/snapshots/request", "4");
    put_text("models--o--n/blobs/9", "9");
    put_folder("models--o--n/snapshots/ccc");
    assert_int_equal(symlink("../../blobs/9", in_scratch("models--o--n/snapshots/ccc/model.safetensors")), 0);
    assert_int_equal(symlink("../../blobs/9", in_scratch("models--o--n/snapshots/other/model.safetensors")), 0);
    put_revision("models--o--n", "step1000", "aaa");
    put_revision("models--o--n", "hf/step2000", "bbb\n");
    put_revision("models--o--n", "step3000", "ccc");
    expect_order("models--o--n", (const char *const[]){"step1000", "hf/step2000", "step3000", NULL});
    put_revision("models--o--n", "main", "other");                 /* another commit, the same blob */
    put_revision("models--o--n", "tag", "aaa");
    put_revision("models--o--n", "step9", "gone");
    put_revision("models--o--n", "step8", "../aaa");
    put_revision("models--o--n", "pr/1", "aaa");
    put_revision("models--o--n", "refs/pr/7", "request");          /* a conversion, say: step 7 it is not */
    expect_order("models--o--n", (const char *const[]){"step1000", "hf/step2000", "step3000", NULL});
    expect_left("models--o--n", (const left[]){{"main", "the same weights as step3000"}, {"nameless", "no revision names"},
                                               {"pr/1", "pull request"}, {"refs/pr/7", "a pull request, not a step"},
                                               {"step8", "is not in the cache"}, {"step9", "its snapshot gone is not in the cache"},
                                               {"tag", "no step in its name"}, {NULL, NULL}});
    ns_series s, again;                                            /* a manifest keeps the revisions apart */
    assert_int_equal(ns_series_find(&s, in_scratch("models--o--n"), NULL), NS_OK);
    assert_int_equal(ns_series_write_manifest(&s, in_scratch("cache.jsonl"), NULL), NS_OK);
    assert_int_equal(ns_series_manifest(&again, in_scratch("cache.jsonl"), NULL), NS_OK);
    assert_int_equal(again.n, 3);
    assert_string_equal(again.list[1].revision, "hf/step2000");
    assert_string_equal(again.list[1].label, "hf/step2000");
    ns_series_clear(&s);
    ns_series_clear(&again);
    put_folder("models--o--m");
    put_folder("models--o--m/snapshots");
    put_checkpoint("models--o--m/snapshots/abc", "1");
    expect_failure("models--o--m", NS_E_MISSING, "'abc': a snapshot that no revision names");
}

int main(int argc, char **argv)
{
    corpus = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names), cmocka_unit_test(order), cmocka_unit_test(folders_left_out), cmocka_unit_test(compared_whole),
        cmocka_unit_test(branches),
        cmocka_unit_test(stages), cmocka_unit_test(stamps), cmocka_unit_test(manifest_stages),
        cmocka_unit_test(files), cmocka_unit_test(nested), cmocka_unit_test(name_and_trainer), cmocka_unit_test(same_tensors),
        cmocka_unit_test(gaps),
        cmocka_unit_test(manifest), cmocka_unit_test(revisions),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
