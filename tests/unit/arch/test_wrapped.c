/* test_wrapped.c - every fixture of the golden tests inside a model of images: its config as text_config of a wrapper that is not known,
 * its tensors behind both prefixes of transformers, a tower and a projector beside them. It is the model that it was, and what is left out
 * is counted.   test_wrapped FIXTURES */
#include "arch_test.h"

#include <unistd.h>

enum { LARGEST = 64 << 20, DEPTH = 32, LEAST = 40 };
static const char *fixtures;
static char folder[] = "/tmp/ns-wrapped-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static void put(const char *name, const void *a, size_t na, const void *b, size_t nb)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(a, 1, na, f), na);
    assert_int_equal(fwrite(b, 1, nb, f), nb);
    assert_int_equal(fclose(f), 0);
}

static int tear_down(void **state)
{
    (void)state;
    char path[100];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    return rmdir(folder);
}

/* model.layers.0 -> language_model.model.layers.0 of transformers 4, model.language_model.layers.0 of 5. */
static char *prefixed(const char *name, bool five)
{
    return !five ? ns_printf_alloc("language_model.%s", name)
           : ns_starts(name, "model.") ? ns_printf_alloc("model.language_model.%s", name + strlen("model.")) : ns_strdup(name);
}

static void add_empty(cJSON *header, const char *name, double end)
{
    cJSON *const t = cJSON_AddObjectToObject(header, name);
    cJSON_AddStringToObject(t, "dtype", "F32");
    cJSON_AddItemToObject(t, "shape", cJSON_CreateDoubleArray((double[]){0, 4}, 2));
    cJSON_AddItemToObject(t, "data_offsets", cJSON_CreateDoubleArray((double[]){end, end}, 2));
}

/* The header anew over the same bytes of data. */
static void wrap_weights(const char *path, bool five)
{
    char *bytes;
    size_t n;
    uint64_t length;
    cJSON *old, *const header = cJSON_CreateObject();
    assert_int_equal(ns_file_read(path, LARGEST, &bytes, &n, NULL), NS_OK);
    memcpy(&length, bytes, 8);
    assert_int_equal(ns_json_parse(&old, bytes + 8, length, DEPTH, path, NULL), NS_OK);
    for (const cJSON *t = old->child; t; t = t->next) {
        char *const name = strcmp(t->string, "__metadata__") ? prefixed(t->string, five) : NULL;
        if (name)
            cJSON_AddItemToObject(header, name, cJSON_Duplicate(t, true));
        free(name);
    }
    add_empty(header, "vision_tower.encoder.layers.0.weight", (double)(n - 8 - length));
    add_empty(header, "multi_modal_projector.linear.weight", (double)(n - 8 - length));
    char *const text = ns_json_print(header, false), *const head = malloc(8 + strlen(text));
    const uint64_t m = strlen(text);
    memcpy(head, &m, 8);
    memcpy(head + 8, text, m);
    put("model.safetensors", head, 8 + m, bytes + 8 + length, n - 8 - length);
    cJSON_Delete(old);
    cJSON_Delete(header);
    free(head);
    free(text);
    free(bytes);
}

static ns_arch *arch_at(const char *path, ns_checkpoint **ck)
{
    ns_arch *arch = NULL;
    ns_error err = {""};
    if (ns_checkpoint_open(ck, path, NULL, &err) || ns_arch_from_checkpoint(&arch, *ck, NULL, &err) || ns_arch_check(arch, *ck, &err))
        fail_msg("%s: %s", path, err.message);
    return arch;
}

static int64_t ignored(const ns_arch *arch, const ns_checkpoint *ck)
{
    int64_t n = 0;
    for (int64_t i = 0; i < ns_checkpoint_count(ck); i++)
        n += ns_arch_ignores(arch, ns_checkpoint_tensor(ck, i)->name);
    return n;
}

/* The description without its prefixes and what it leaves out. */
static char *plain_text(const ns_arch *arch)
{
    char *text;
    cJSON *root;
    assert_int_equal(ns_arch_to_json(arch, &text, NULL), NS_OK);
    assert_int_equal(ns_json_parse(&root, text, strlen(text), DEPTH, "a description", NULL), NS_OK);
    cJSON_DeleteItemFromObject(root, "ignored");
    free(text);
    text = ns_json_print(root, false);
    cJSON_Delete(root);
    for (char *at; (at = strstr(text, "language_model."));)
        memmove(at, at + strlen("language_model."), strlen(at + strlen("language_model.")) + 1);
    return text;
}

static void check_fixture(const char *path, bool five)
{
    char *config, *const weights = ns_path_join(path, "model.safetensors"), *const json = ns_path_join(path, "config.json");
    static const char before[] = "{\"model_type\": \"any_images\", \"vision_config\": {\"hidden_size\": 3}, \"text_config\": ";
    ns_checkpoint *own, *wrapped;
    size_t n;
    assert_int_equal(ns_file_read(json, LARGEST, &config, &n, NULL), NS_OK);
    char *const outer = ns_printf_alloc("%s%s", before, config);
    put("config.json", outer, strlen(outer), "}", 1);
    wrap_weights(weights, five);
    ns_arch *const plain = arch_at(path, &own), *const inside = arch_at(folder, &wrapped);
    char *const a = plain_text(plain), *const b = plain_text(inside);
    if (strcmp(a, b))
        fail_msg("%s%s: another model\n%.2000s\n%.2000s", path, five ? ", prefix of transformers 5" : "", a, b);
    assert_int_equal(ignored(inside, wrapped), ignored(plain, own) + 2);
    free(a);
    free(b);
    ns_arch_free(plain);
    ns_arch_free(inside);
    ns_checkpoint_free(own);
    ns_checkpoint_free(wrapped);
    free(outer);
    free(config);
    free(weights);
    free(json);
}

static void every_family(void **state)
{
    (void)state;
    char **names;
    int64_t n, checked = 0;
    assert_int_equal(ns_folder_list(&names, &n, fixtures, NULL), NS_OK);
    for (int64_t i = 0; i < n; i++) {
        char *const path = ns_path_join(fixtures, names[i]), *const weights = ns_path_join(path, "model.safetensors");
        if (ns_path_exists(weights) && !ns_starts(names[i], "wrapper-")) {
            check_fixture(path, false);
            check_fixture(path, true);
            checked++;
        }
        free(weights);
        free(path);
    }
    ns_free_strings(names, n);
    assert_true(checked >= LEAST);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_family)};
    fixtures = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
