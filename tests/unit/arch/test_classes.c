/* test_classes.c - every class of the list: what is read from JSON is what is named, shaped, packed and freed, and what it shows can be
 * asked for. A new class is tested by its line in the list. */
#include "arch_test.h"

/* Every class of the table. */
#define EACH(c) for (const ns_branch_class *const *at = ns_branch_classes, *c; (c = *at); at++)

static void found_by_its_words(void **state)
{
    (void)state;
    assert_true(NS_N_BRANCH_CLASSES >= 3);
    int n = 0;
    EACH(c) {
        n++;
        assert_true(c->name && c->part && c->fields && c->slots && c->sizes && c->check && c->forward && c->params_size && c->no_step);
        if (ns_branch_class_find(c->part, c->mixer) != c)
            fail_msg("%s: '%s', '%s' is another class", c->name, c->part, c->mixer ? c->mixer : "-");
        const ns_branch_class *const first = ns_branch_class_find(c->part, NULL);
        assert_true(first == c || (c->mixer && first->mixer));        /* a second one of a part needs a word, and so does the first */
        assert_null(ns_branch_class_find(c->part, "no such mixer"));
        assert_null(ns_branch_class_find("no such part", c->mixer));
    }
    assert_int_equal(n, NS_N_BRANCH_CLASSES);
    assert_string_equal(ns_branch_class_find("attn", NULL)->mixer, "softmax");      /* files from before there were mixers */
}

/* ---- fields and slots are the same weights ---- */

static int weights_of_fields(const ns_branch_class *c, ns_field_kind kind, size_t at)
{
    int n = 0;
    for (const ns_field *f = c->fields; f->key; f++)
        n += f->kind == kind && f->offset == at;
    return n;
}

static int weights_of_slots(const ns_branch_class *c, ns_field_kind kind, size_t at)
{
    int n = 0;
    for (const ns_slot *s = c->slots; s->role; s++)
        if (s->kind == NS_SLOT_NORM)
            n += kind == NS_FIELD_NORM && s->at == at;
        else
            n += kind == NS_FIELD_TREF && (s->at == at || (s->bias && s->bias == at));
    return n;
}

static void read_is_packed_and_freed(void **state)
{
    (void)state;
    EACH(c) {
        for (const ns_field *f = c->fields; f->key; f++) {
            const bool weight = f->kind == NS_FIELD_TREF || f->kind == NS_FIELD_NORM;
            if (weight && weights_of_slots(c, f->kind, f->offset) != 1)
                fail_msg("%s: field '%s' is not one slot", c->name, f->key);
            if (f->kind != NS_FIELD_FIXED)
                assert_true(f->offset < c->params_size);
            assert_ptr_equal(ns_field_find(c->fields, f->key), f);      /* no key twice */
        }
        for (int i = 0; i < ns_branch_n_slots(c); i++) {
            const ns_slot *const s = &c->slots[i];
            const ns_field_kind kind = s->kind == NS_SLOT_NORM ? NS_FIELD_NORM : NS_FIELD_TREF;
            if (weights_of_fields(c, kind, s->at) != 1 || (s->bias && weights_of_fields(c, kind, s->bias) != 1))
                fail_msg("%s: slot '%s' has no key in JSON", c->name, s->role);
            assert_int_equal(ns_slot_find(c, s->role), i);              /* no role twice */
        }
        assert_int_equal(ns_slot_find(c, "no such role"), -1);
    }
}

/* Each size another prime: a shape is the product that its letters say. */
static int64_t prime(int i)
{
    static const int64_t primes[] = {3, 5, 7, 11, 13, 17, 19, 23, 31};
    assert_true(i < (int)(sizeof primes / sizeof *primes));
    return primes[i];
}

static int64_t value_of(const ns_branch_class *c, const char *letters, int64_t d_model)
{
    int64_t n = 1;
    for (; *letters && *letters != ','; letters++) {
        int i = 0;
        while (*letters != 'D' && c->sizes[i].letter && c->sizes[i].letter != *letters)
            i++;
        if (*letters != 'D' && !c->sizes[i].letter)
            fail_msg("%s: no size '%c'", c->name, *letters);
        n *= *letters == 'D' ? d_model : prime(i);
    }
    return n;
}

static void shapes(void **state)
{
    (void)state;
    EACH(c) {
        const int64_t D = 29;
        ns_branch b = {0};
        assert_true(ns_branch_begin(&b, c));
        for (int i = 0; c->sizes[i].letter; i++)
            *(int64_t *)((char *)b.params + c->sizes[i].at) = prime(i);
        for (const ns_slot *s = c->slots; s->role; s++) {
            ns_shape shape;
            ns_slot_shape(&b, s, D, &shape);
            const char *const comma = strchr(s->shape, ',');
            assert_int_equal(shape.n_out, value_of(c, s->shape, D));
            assert_int_equal(shape.n_in, comma ? value_of(c, comma + 1, D) : 1);
            assert_true(s->kind == NS_SLOT_TABLE || (comma != NULL) == (s->kind == NS_SLOT_MATRIX));      /* a table may be either */
        }
        free(b.params);
    }
}

/* Packed weights are numbered from 0 on without a gap; the slots of one have the same inputs. */
static void weights(void **state)
{
    (void)state;
    EACH(c) {
        for (int w = 0; w < ns_branch_n_weights(c); w++) {
            const char *inputs = NULL;
            int n = 0;
            for (const ns_slot *s = c->slots; s->role; s++)
                if (s->kind == NS_SLOT_MATRIX && s->weight == w) {
                    assert_true(!inputs || strcmp(inputs, strchr(s->shape, ',')) == 0);
                    inputs = strchr(s->shape, ',');
                    n++;
                }
            if (n < 1 || n > NS_SLOTS_A_WEIGHT)
                fail_msg("%s: weight %d is made of %d slots", c->name, w, n);
        }
        assert_true(ns_branch_n_weights(c) > 0);
    }
}

/* ---- points ---- */

static void points(void **state)
{
    (void)state;
    EACH(c) {
        const uint64_t ends = UINT64_C(1) << c->in_point | UINT64_C(1) << c->out_point;
        assert_true(c->in_point < c->out_point && !(c->points & ends) && c->points >> NS_N_POINTS == 0);
        for (int p = 0; p < NS_N_POINTS; p++)
            if (c->points >> p & 1)
                assert_true(p > (int)c->in_point && p < (int)c->out_point);       /* the order of the pass */
        assert_true(!c->heads || (c->points >> NS_POINT_PATTERN & 1));
        assert_true(!(c->points >> NS_POINT_SCORES & 1) || c->rows == NS_ROW_SOFTMAX);
    }
}

/* A layer shows what its branches show, and no more. */
static void of_layers(void **state)
{
    (void)state;
    ns_arch *const a = arch_of(small_config("minimax"));
    assert_false(ns_point_exists(a, NS_POINT_SCORES, 0));
    assert_true(ns_point_exists(a, NS_POINT_SCORES, 1) && ns_point_exists(a, NS_POINT_PATTERN, 0));
    assert_true(ns_arch_row_kind(a, 0) == NS_ROW_UNROLLED && ns_arch_row_kind(a, 1) == NS_ROW_SOFTMAX);
    assert_true(ns_point_exists(a, NS_POINT_MLP_POST, 0) && ns_point_exists(a, NS_POINT_LN2, 0));
    const int stages = a->layers[0].n_stages;
    a->layers[0].n_stages = 1;
    static const ns_point gone[] = {NS_POINT_MLP_POST, NS_POINT_MLP_OUT, NS_POINT_LN2, NS_POINT_RESID_MID};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        assert_false(ns_point_exists(a, gone[i], 0));
    assert_true(ns_point_exists(a, NS_POINT_ATTN_OUT, 0) && ns_point_exists(a, NS_POINT_RESID_POST, 0));
    a->layers[0].n_stages = stages;
    ns_arch_free(a);
}

static void absent(const ns_arch *a, ns_point p, int64_t layer, const char *says)
{
    const char *const why = ns_point_absent(a, p, layer);
    if (!why || !says || !strstr(why, says))
        fail_msg("%s of layer %lld: '%s', expected '%s'", ns_point_name(p), (long long)layer, why ? why : "it is there", says);
}

/* Of two mixers side by side one has the heads: the first, until the other is asked for. */
static void heads_of_either(void **state)
{
    (void)state;
    ns_error err = {""};
    ns_arch *a = arch_of(small_config("falcon_h1"));
    const ns_branch *const pair = a->layers[1].stages[0].branches;
    char *before, *after;
    assert_int_equal(ns_arch_to_json(a, &before, &err), NS_OK);
    assert_ptr_equal(ns_layer_shows(&a->layers[1], NS_POINT_SCORES), &pair[0]);
    assert_int_equal(ns_arch_show_heads(a, "recurrence", &err), NS_OK);
    assert_int_equal(ns_arch_validate(a, "test", &err), NS_OK);
    const ns_point moved[] = {NS_POINT_PATTERN, NS_POINT_Z, NS_POINT_RESULT, NS_POINT_Q, NS_POINT_K, NS_POINT_V, NS_POINT_ATTN_OUT};
    for (size_t i = 0; i < sizeof moved / sizeof *moved; i++)
        assert_ptr_equal(ns_layer_shows(&a->layers[1], moved[i]), &pair[1]);
    assert_ptr_equal(ns_arch_attn(a, 1), pair[1].params);
    assert_int_equal(ns_arch_row_kind(a, 1), NS_ROW_UNROLLED);
    absent(a, NS_POINT_SCORES, 1, "not scores that a softmax has normalised");
    assert_int_equal(ns_arch_to_json(a, &after, &err), NS_OK);
    assert_non_null(strstr(after, "\"points_of\""));
    ns_arch *again;
    assert_int_equal(ns_arch_from_json(&again, after, strlen(after), "test", NULL, &err), NS_OK);
    assert_int_equal(ns_arch_row_kind(again, 0), NS_ROW_UNROLLED);
    free(after);
    assert_int_equal(ns_arch_show_heads(again, "attention", &err), NS_OK);
    assert_int_equal(ns_arch_to_json(again, &after, &err), NS_OK);
    assert_string_equal(after, before);
    again->layers[0].stages[0].points_of = 2;
    assert_int_equal(ns_arch_validate(again, "test", &err), NS_E_FORMAT);
    again->layers[0].stages[0].points_of = 0;
    again->layers[0].stages[1].points_of = -1;
    assert_int_equal(ns_arch_validate(again, "test", &err), NS_E_FORMAT);
    assert_int_equal(ns_arch_show_heads(again, "both", &err), NS_E_ARG);
    ns_arch_free(again);
    ns_arch_free(a);
    a = arch_of(small_config("minimax"));
    assert_int_equal(ns_arch_show_heads(a, "recurrence", &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "no layer of minimax has attention and a recurrence side by side"));
    ns_arch_free(a);
    free(before);
    free(after);
}

/* Of two mixers side by side the points are those of one, and what both add is another point. */
static void side_by_side(void **state)
{
    (void)state;
    ns_arch *a = arch_of(small_config("falcon_h1"));
    const ns_point of_one[] = {NS_POINT_PATTERN, NS_POINT_Z, NS_POINT_RESULT, NS_POINT_Q, NS_POINT_K, NS_POINT_V};
    for (size_t i = 0; i < sizeof of_one / sizeof *of_one; i++)
        assert_non_null(strstr(ns_point_beside(a, of_one[i], 1), "of one of two mixers side by side"));
    assert_non_null(strstr(ns_point_beside(a, NS_POINT_ATTN_OUT, 0), "what the mixer with the heads adds"));
    assert_null(ns_point_beside(a, NS_POINT_SSM_STATE, 0));            /* of the recurrence alone */
    assert_null(ns_point_beside(a, NS_POINT_SCORES, 0));               /* of the attention alone */
    assert_null(ns_point_beside(a, NS_POINT_MLP_OUT, 0));
    assert_null(ns_point_beside(a, NS_POINT_PATTERN, a->n_layers));
    ns_branch *const pair = a->layers[0].stages[0].branches;
    const ns_branch first = pair[0];
    const ns_norm norm = pair[1].in_norm;
    ns_error err = {""};
    assert_int_equal(ns_arch_validate(a, "test", &err), NS_OK);
    pair[0] = pair[1];                     /* the other way round: both would show rows under one name */
    pair[1] = first;
    pair[0].in_norm = first.in_norm;
    pair[1].in_norm = norm;
    pair[0].shares_norm = false;
    pair[1].shares_norm = true;
    assert_int_equal(ns_arch_validate(a, "test", &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "layer 0: of two attn branches side by side the first is the one that keeps keys"));
    ns_arch_free(a);
    a = arch_of(small_config("lfm2"));
    for (int64_t l = 0; l < a->n_layers; l++)
        for (int p = 0; p < NS_N_POINTS; p++)
            assert_null(ns_point_beside(a, p, l));
    ns_arch_free(a);
}

/* A point that is not there says why, in words that are those of its class or layer. */
static void why_not(void **state)
{
    (void)state;
    ns_arch *a = arch_of(small_config("lfm2"));
    absent(a, NS_POINT_PATTERN, 0, "it has no heads");
    absent(a, NS_POINT_SCORES, 0, "a short convolution has no such step");
    absent(a, NS_POINT_BETA, 1, "softmax attention has no such step");
    absent(a, NS_POINT_ROUTER, 1, "an MLP has no such step");
    absent(a, NS_POINT_POS_EMBED, -1, "positions are not learned");
    absent(a, NS_POINT_EMBED, 0, "it lies outside the layers");
    absent(a, NS_POINT_LN1, -1, "it is a point of layers");
    absent(a, NS_POINT_LN1, 3, "there is no such layer");
    const ns_layer whole = a->layers[1];
    a->layers[1].n_stages = 1;
    absent(a, NS_POINT_RESID_MID, 1, "all branches of the layer read the same stream");
    absent(a, NS_POINT_MLP_POST, 1, "the layer has no MLP");
    a->layers[1].stages[0] = whole.stages[1];
    absent(a, NS_POINT_PATTERN, 1, "the layer has no mixer");
    assert_true(ns_point_exists(a, NS_POINT_LN2, 1) && !ns_arch_attn(a, 1) && ns_arch_axis(a, 1, "head") == 0);
    /* Of two mixers side by side a point is of the first that has it. */
    a->layers[1] = (ns_layer){.stages = {{.branches = {whole.stages[0].branches[0], a->layers[0].stages[0].branches[0]}, .n_branches = 2},
                                         whole.stages[1]}, .n_stages = 2};
    assert_ptr_equal(ns_layer_shows(&a->layers[1], NS_POINT_ATTN_OUT), &a->layers[1].stages[0].branches[0]);
    assert_ptr_equal(ns_layer_shows(&a->layers[1], NS_POINT_RECURRENCE_OUT), &a->layers[1].stages[0].branches[1]);
    assert_null(ns_layer_shows(&a->layers[1], NS_POINT_RESID_MID));
    a->layers[1] = whole;
    ns_arch_free(a);
    a = arch_of(small_config("minimax"));
    absent(a, NS_POINT_LOG_DECAY, 0, "its decay is constant");
    absent(a, NS_POINT_V_PRE_CONV, 0, "it has no short convolution");
    absent(a, NS_POINT_SCORES, 0, "not scores that a softmax has normalised");
    ns_arch_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(found_by_its_words), cmocka_unit_test(read_is_packed_and_freed),
                                       cmocka_unit_test(shapes), cmocka_unit_test(weights), cmocka_unit_test(points),
                                       cmocka_unit_test(of_layers), cmocka_unit_test(why_not), cmocka_unit_test(side_by_side),
                                       cmocka_unit_test(heads_of_either)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
