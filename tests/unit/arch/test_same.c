/* test_same.c - ns_arch_same of every family: a description is the same as what was written and read back, by whatever names of tensors,
 * and another one with any single number or switch changed. */
#include "arch_test.h"

static ns_error err;

static ns_arch *read_back(cJSON *root, bool must)
{
    ns_arch *a = NULL;
    char *const text = cJSON_PrintUnformatted(root);
    const int rc = ns_arch_from_json(&a, text, strlen(text), "test", NULL, &err);
    if (must && rc != NS_OK)
        fail_msg("%s", err.message);
    free(text);
    return a;
}

/* Where a weight lies in its tensor is no part of what is computed. */
static bool is_place(const char *key)
{
    static const char *const places[] = {"start", "group", "stride", "transposed", "needlescope_arch"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strcmp(key, places[i]) == 0)
            return true;
    return false;
}

typedef struct changed { const ns_arch *own; cJSON *root; const char *family; int told, named; } changed;

static void try_value(changed *c, cJSON *at, const char *key)
{
    char where[160] = "";
    ns_arch *const a = read_back(c->root, false);           /* what is no description any more is another test's business */
    if (a && ns_arch_same(c->own, a, where, sizeof where))
        fail_msg("%s: %s changed to %g, and nobody noticed", c->family, key, at->valuedouble);
    if (a && !where[0])
        fail_msg("%s: %s differs without a word", c->family, key);
    c->told += a != NULL;
    ns_arch_free(a);
}

static void try_number(changed *c, cJSON *at, const char *key)
{
    const double value = at->valuedouble;
    cJSON_SetNumberValue(at, value == (double)(int64_t)value ? value + 1 : value * 1.5);
    try_value(c, at, key);
    cJSON_SetNumberValue(at, value);
}

static void try_switch(changed *c, cJSON *at, const char *key)
{
    at->type ^= cJSON_True | cJSON_False;
    try_value(c, at, key);
    at->type ^= cJSON_True | cJSON_False;
}

/* A word that is none is refused; what is read is a name. */
static void try_text(changed *c, cJSON *at, const char *key)
{
    char where[160];
    char *const own = strdup(at->valuestring), *const longer = malloc(strlen(own) + 2);
    sprintf(longer, "%sx", own);
    assert_non_null(cJSON_SetValuestring(at, longer));
    ns_arch *const a = read_back(c->root, false);
    if (a && strcmp(key, "head") != 0 && strcmp(key, "embed") != 0 && !ns_arch_same(c->own, a, where, sizeof where))
        fail_msg("%s: %s has another name, and is taken for another model: %s", c->family, key, where);
    c->named += a != NULL;
    ns_arch_free(a);
    assert_non_null(cJSON_SetValuestring(at, own));
    free(longer);
    free(own);
}

static bool is_used(const ns_arch *a, int rope)
{
    for (int64_t l = 0; l < a->n_layers; l++)
        if (ns_arch_attn(a, l) && ns_arch_attn(a, l)->rope == rope)
            return true;
    return false;
}

/* Sets that nobody rotates by are no part either. */
static void try_all(changed *c, cJSON *node, const char *key)
{
    int i = 0;
    for (cJSON *v = node->child; v; v = v->next) {
        if (strcmp(key, "ropes") == 0 && cJSON_IsObject(v) && !is_used(c->own, i++))
            continue;
        const char *const of = v->string ? v->string : key;
        if (cJSON_IsNumber(v) && !is_place(of))
            try_number(c, v, of);
        if (cJSON_IsBool(v) && !is_place(of))
            try_switch(c, v, of);
        if (cJSON_IsString(v))
            try_text(c, v, of);
        try_all(c, v, of);
    }
}

static void single_changes(void **state)
{
    (void)state;
    int told = 0, named = 0;
    for (size_t i = 0; i < sizeof small_configs / sizeof *small_configs; i++) {
        ns_arch *own;
        char *text, where[160] = "";
        const char *const json = small_configs[i].json;
        assert_int_equal(ns_arch_from_config(&own, json, strlen(json), "test", NULL, &err), NS_OK);
        assert_int_equal(ns_arch_to_json(own, &text, &err), NS_OK);
        changed c = {.own = own, .root = cJSON_Parse(text), .family = small_configs[i].name};
        ns_arch *const again = read_back(c.root, true);
        if (!ns_arch_same(own, again, where, sizeof where))
            fail_msg("%s, read back: %s", c.family, where);
        try_all(&c, c.root, "");
        assert_true(c.told > 20 && c.named > 5);
        told += c.told;
        named += c.named;
        ns_arch_free(again);
        ns_arch_free(own);
        cJSON_Delete(c.root);
        free(text);
    }
    print_message("%d changes, %d names\n", told, named);
}

/* A head that is the embedding is not one of its own. */
static void tied_heads(void **state)
{
    (void)state;
    static const char *const both[] = {
        "{\"model_type\":\"llama\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_hidden_layers\":1,\"intermediate_size\":24,"
        "\"vocab_size\":32,\"tie_word_embeddings\":true}",
        "{\"model_type\":\"llama\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_hidden_layers\":1,\"intermediate_size\":24,"
        "\"vocab_size\":32,\"tie_word_embeddings\":false}"};
    ns_arch *a[2];
    char where[160];
    for (int i = 0; i < 2; i++)
        assert_int_equal(ns_arch_from_config(&a[i], both[i], strlen(both[i]), "test", NULL, &err), NS_OK);
    assert_false(ns_arch_same(a[0], a[1], where, sizeof where));
    assert_string_equal(where, "the head is the embedding here and its own there");
    for (int i = 0; i < 2; i++)
        ns_arch_free(a[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(single_changes), cmocka_unit_test(tied_heads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
