/* fuzz_trainer.c - the input as trainer.json, by which a run is resumed: a run of a tiny model, whose weights are missing, so that it is
 * refused in the end. Any other config than that one is refused before its memory is taken. A hash that does not fit is mended, and the
 * input tried again. */
#include "fuzz.h"

#include "core/core.h"
#include <needlescope/train.h>

static void resume(const void *text, size_t n)
{
    static const char pattern[] = "FS";
    ns_train_config tiny;
    ns_trainer *t = NULL;
    ns_error err = {""};
    ns_train_config_default(&tiny);
    memcpy(tiny.pattern, pattern, sizeof pattern);
    tiny.d_model = tiny.d_ff = tiny.vocab = 8;
    tiny.heads = 2;
    tiny.length = tiny.max_positions = 4;
    tiny.batch = 1;
    fuzz_put(FUZZ_ROOT "step000001/trainer.json", text, n);
    const int rc = ns_trainer_resume(&t, FUZZ_ROOT "step000001", &tiny, NULL, &err);
    fuzz_check_outcome(rc, t, &err);
    fuzz_check(rc != NS_OK, "without weights no run is resumed");
}

/* The same with the hash of its config; NULL: it has none. */
static char *mended(const uint8_t *data, size_t n)
{
    cJSON *root;
    ns_train_config config;
    char hex[65], *out = NULL;
    if (ns_json_parse(&root, (const char *)data, n, 4, "trainer.json", NULL) < 0)
        return NULL;
    char *const part = ns_json_print(cJSON_GetObjectItemCaseSensitive(root, "config"), false);
    if (part && cJSON_IsObject(root) && ns_train_config_from_json(&config, part, strlen(part), "config", NULL) == NS_OK &&
        ns_train_config_sha256(&config, hex, NULL) == NS_OK) {
        cJSON_DeleteItemFromObjectCaseSensitive(root, "config_sha256");
        fuzz_check(cJSON_AddStringToObject(root, "config_sha256", hex) != NULL, "memory");
        out = ns_json_print(root, false);
    }
    free(part);
    cJSON_Delete(root);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    resume(data, n);
    char *const again = mended(data, n);
    if (again)
        resume(again, strlen(again));
    free(again);
    return 0;
}
