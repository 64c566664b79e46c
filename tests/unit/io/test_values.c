/* test_values.c - every half and bfloat16 widened exactly, every rounding to them to nearest even; write and read back. */
#include "scratch.h"

#include <math.h>
#include <needlescope/checkpoint.h>

enum { N = 65536 };

/* By the formats' definition: s | e | m, no bit tricks. */
static double value_of(uint16_t bits, int mantissa_bits, int bias)
{
    const int e = bits >> mantissa_bits & ((1 << (15 - mantissa_bits)) - 1), m = bits & ((1 << mantissa_bits) - 1);
    const double sign = bits & 0x8000 ? -1 : 1;
    if (e == (1 << (15 - mantissa_bits)) - 1)
        return m ? NAN : sign * INFINITY;
    return sign * (e ? ldexp(m + (1 << mantissa_bits), e - bias - mantissa_bits) : ldexp(m, 1 - bias - mantissa_bits));
}

static const struct format {
    const char *name;
    ns_dtype    dtype;
    int         mantissa_bits, bias;
} formats[] = {{"F16", NS_F16, 10, 15}, {"BF16", NS_BF16, 7, 127}};

/* At an odd address too: the tensor begins at data byte 1. */
static void widens_every_value_exactly(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        char json[200];
        const int n = snprintf(json, sizeof json,
                               "{\"pad\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"w\":{\"dtype\":\"%s\",\"shape\":[%d],"
                               "\"data_offsets\":[1,%d]}}",
                               formats[f].name, N, 1 + 2 * N);
        uint8_t *const all = calloc(1, 8 + (size_t)n + 1 + 2 * N);
        float *const out = malloc(N * sizeof *out);
        assert_true(all && out);
        all[0] = (uint8_t)n;
        memcpy(all + 8, json, (size_t)n);
        for (int i = 0; i < N; i++)
            memcpy(all + 8 + n + 1 + 2 * i, &(uint16_t){(uint16_t)i}, 2);
        put_file("values.safetensors", all, 8 + (size_t)n + 1 + 2 * N);
        ns_checkpoint *ck = NULL;
        ns_error err;
        assert_int_equal(ns_checkpoint_open(&ck, in_scratch("values.safetensors"), NULL, &err), NS_OK);
        const ns_tensor *const w = ns_checkpoint_find(ck, "w");
        assert_int_equal(ns_tensor_read_f32(w, 0, N, out, &err), NS_OK);
        for (int i = 0; i < N; i++) {
            const double want = value_of((uint16_t)i, formats[f].mantissa_bits, formats[f].bias);
            assert_true(isnan(want) ? isnan(out[i]) : (double)out[i] == want && !signbit(out[i]) == !signbit(want));
        }
        float tail[3];
        assert_int_equal(ns_tensor_read_f32(w, 0x3c00, 3, tail, &err), NS_OK);
        assert_memory_equal(tail, out + 0x3c00, sizeof tail);
        assert_int_equal(ns_tensor_read_f32(w, N - 1, 2, tail, &err), NS_E_ARG);
        assert_int_equal(ns_tensor_read_f32(w, -1, 1, tail, &err), NS_E_ARG);
        assert_int_equal(ns_tensor_read_f32(w, 1, INT64_MAX, tail, &err), NS_E_ARG);
        ns_checkpoint_free(ck);
        free(all);
        free(out);
    }
}

/* Eight bits: all codes, and pieces of them. */
static void widens_eight_bits(void **state)
{
    (void)state;
    static const struct { const char *name; int mantissa_bits, bias; bool infinite; } kinds[] = {{"F8_E4M3", 3, 7, false},
                                                                                                 {"F8_E5M2", 2, 15, true}};
    for (int f = 0; f < 2; f++) {
        uint8_t all[8 + 200 + 256] = {0};
        const int n = snprintf((char *)all + 8, 200, "{\"w\":{\"dtype\":\"%s\",\"shape\":[256],\"data_offsets\":[0,256]}}", kinds[f].name);
        all[0] = (uint8_t)n;
        for (int i = 0; i < 256; i++)
            all[8 + n + i] = (uint8_t)i;
        put_file("eights.safetensors", all, 8 + (size_t)n + 256);
        ns_checkpoint *ck = NULL;
        ns_error err;
        float out[256], part[3];
        assert_int_equal(ns_checkpoint_open(&ck, in_scratch("eights.safetensors"), NULL, &err), NS_OK);
        const ns_tensor *const w = ns_checkpoint_find(ck, "w");
        assert_string_equal(ns_tensor_stored(w), kinds[f].name);
        assert_int_equal(ns_tensor_read_f32(w, 0, 256, out, &err), NS_OK);
        for (int i = 0; i < 256; i++) {
            const int m_bits = kinds[f].mantissa_bits, top = (1 << (7 - m_bits)) - 1, e = i >> m_bits & top, m = i & ((1 << m_bits) - 1);
            const bool nan = kinds[f].infinite ? e == top && m : (i & 0x7f) == 0x7f, inf = kinds[f].infinite && e == top && !m;
            const double magnitude = inf ? INFINITY : ldexp(m + (e ? 1 << m_bits : 0), (e ? e : 1) - kinds[f].bias - m_bits);
            const double want = i & 0x80 ? -magnitude : magnitude;
            assert_true(nan ? isnan(out[i]) : (double)out[i] == want && !signbit(out[i]) == !signbit(want));
        }
        assert_int_equal(ns_tensor_read_f32(w, 200, 3, part, &err), NS_OK);
        assert_memory_equal(part, out + 200, sizeof part);
        ns_checkpoint_free(ck);
    }
}

/* A file of n doubles behind one byte. */
static void put_doubles(const char *name, const double *w, int n)
{
    char json[200];
    const int header = snprintf(json, sizeof json,
                                "{\"pad\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"w\":{\"dtype\":\"F64\",\"shape\":[%d],"
                                "\"data_offsets\":[1,%d]}}", n, 1 + 8 * n);
    uint8_t *const all = calloc(1, 9 + (size_t)header + 8 * (size_t)n);
    assert_non_null(all);
    all[0] = (uint8_t)header;
    memcpy(all + 8, json, (size_t)header);
    memcpy(all + 9 + header, w, 8 * (size_t)n);
    put_file(name, all, 9 + (size_t)header + 8 * (size_t)n);
    free(all);
}

/* Between neighbours of f32 the middle goes to the even one, a hair beside it to the nearer; what f32 cannot hold is Inf. It is noted. */
static void rounds_doubles(void **state)
{
    (void)state;
    enum { ALL = 8192 };
    double w[ALL];
    float want[ALL], out[ALL];
    for (int i = 0; i < ALL; i += 4) {
        const uint32_t bits = (uint32_t)i * 0x3f501u % 0x7f7fffffu;
        float a, b;
        memcpy(&a, &bits, 4);
        b = nextafterf(a, INFINITY);
        const double middle = ((double)a + (double)b) / 2;
        const float even = bits & 1 ? b : a;
        w[i] = (double)a, want[i] = a;
        w[i + 1] = middle, want[i + 1] = even;
        w[i + 2] = -nextafter(middle, INFINITY), want[i + 2] = -b;
        w[i + 3] = nextafter(middle, 0), want[i + 3] = a;
    }
    w[ALL - 1] = 1e39, want[ALL - 1] = INFINITY;
    put_doubles("doubles.safetensors", w, ALL);
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("doubles.safetensors"), NULL, &err), NS_OK);
    const ns_tensor *const t = ns_checkpoint_find(ck, "w");
    assert_int_equal(ns_tensor_read_f32(t, 0, ALL, out, &err), NS_OK);
    for (int i = 0; i < ALL; i++)
        if (memcmp(&out[i], &want[i], 4))
            fail_msg("%a became %a, not %a", w[i], (double)out[i], (double)want[i]);
    assert_int_equal(ns_tensor_read_f32(t, 2047, 3, out, &err), NS_OK);
    assert_memory_equal(out, want + 2047, 3 * sizeof *out);
    assert_null(ns_checkpoint_note(ck, 1));
    assert_non_null(strstr(ns_checkpoint_note(ck, 0), "1 of its 2 tensors are F64: their numbers are rounded to F32"));
    ns_checkpoint_free(ck);
}

static void write_list(const char *name, const ns_tensor_out *list, int64_t n)
{
    ns_error err = {""};
    if (ns_safetensors_write(in_scratch(name), list, n, &err))
        fail_msg("%s", err.message);
}

static float *read_all(ns_checkpoint **ck, const char *name)
{
    ns_error err = {""};
    if (ns_checkpoint_open(ck, in_scratch(name), NULL, &err))
        fail_msg("%s", err.message);
    const ns_tensor *const w = ns_checkpoint_find(*ck, "w");
    assert_non_null(w);
    float *const out = malloc((size_t)ns_view_count(&w->view) * sizeof *out);
    assert_non_null(out);
    assert_int_equal(ns_tensor_read_f32(w, 0, ns_view_count(&w->view), out, &err), NS_OK);
    return out;
}

/* For neighbours a < b of the format: the middle goes to the even one, a hair beside it to the nearer, each exact value to itself. */
static void rounds_to_nearest_even(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        const int inf = f ? 0x7f80 : 0x7c00;
        float *const x = malloc((size_t)inf * 8 * sizeof *x), *const want = malloc((size_t)inf * 8 * sizeof *want);
        assert_true(x && want);
        int64_t n = 0;
        for (int i = 0; i < inf; i++) {
            const double a = value_of((uint16_t)i, formats[f].mantissa_bits, formats[f].bias);
            /* above the largest finite value the next step would have been reached: rounding beyond half of it is Inf */
            const double b = i + 1 < inf ? value_of((uint16_t)(i + 1), formats[f].mantissa_bits, formats[f].bias)
                                         : 2 * a - value_of((uint16_t)(i - 1), formats[f].mantissa_bits, formats[f].bias);
            const double upper = i + 1 < inf ? b : INFINITY;
            const float middle = (float)((a + b) / 2);
            if ((double)middle != (a + b) / 2)       /* between f32 subnormals there is no middle */
                continue;
            for (int sign = 1; sign >= -1; sign -= 2) {
                const float values[4] = {(float)a, nextafterf(middle, 0), middle, nextafterf(middle, INFINITY)};
                const double nearest[4] = {a, a, i & 1 ? upper : a, upper};
                for (int k = 0; k < 4; k++) {
                    x[n] = (float)sign * values[k];
                    want[n++] = (float)(sign * nearest[k]);
                }
            }
        }
        assert_true(n > 8 * 30000);
        write_list("round.safetensors", &(ns_tensor_out){"w", ns_view_of(x, NS_F32, 1, &n), formats[f].dtype}, 1);
        ns_checkpoint *ck = NULL;
        float *const got = read_all(&ck, "round.safetensors");
        for (int64_t i = 0; i < n; i++) {
            if (memcmp(&got[i], &want[i], 4))
                fail_msg("%s: %a became %a, not %a", formats[f].name, (double)x[i], (double)got[i], (double)want[i]);
        }
        ns_checkpoint_free(ck);
        free(got);
        free(x);
        free(want);
    }
}

static void keeps_nan_and_infinity(void **state)
{
    (void)state;
    static const uint32_t bits[] = {0x7f800001, 0xffffffff, 0x7fc00000, 0x7f800000, 0xff800000, 0x7f7fffff, 0x80000000};
    float x[7];
    memcpy(x, bits, sizeof x);
    for (int f = 0; f < 2; f++) {
        write_list("nan.safetensors", &(ns_tensor_out){"w", ns_view_of(x, NS_F32, 1, (int64_t[]){7}), formats[f].dtype}, 1);
        ns_checkpoint *ck = NULL;
        float *const got = read_all(&ck, "nan.safetensors");
        assert_true(isnan(got[0]) && isnan(got[1]) && isnan(got[2]));
        assert_true(got[3] == INFINITY && got[4] == -INFINITY && got[5] == INFINITY && signbit(got[6]));
        ns_checkpoint_free(ck);
        free(got);
    }
}

/* Strided views are written in their own row-major order; f32 comes back bit for bit; order of the list does not matter. */
static void writes_any_view_and_order(void **state)
{
    (void)state;
    float x[6] = {0, 1, 2, 3, 4, 5}, scalar = 7;
    ns_view turned = ns_view_of(x, NS_F32, 2, (int64_t[]){3, 2});
    turned.stride[0] = 1;
    turned.stride[1] = 3;
    const ns_tensor_out list[] = {
        {"w", turned, NS_F32},
        {"half\"\\\n", ns_view_of(x, NS_F32, 1, (int64_t[]){5}), NS_BF16},
        {"none", ns_view_of(NULL, NS_F32, 2, (int64_t[]){0, 4}), NS_F32},
        {"one", ns_view_of(&scalar, NS_F32, 0, NULL), NS_F16},
    };
    const ns_tensor_out again[] = {list[3], list[1], list[0], list[2]};
    ns_checkpoint *ck = NULL;
    ns_error err;
    /* a control character in a name is escaped by the writer and refused by the reader */
    write_list("bad.safetensors", list, 4);
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("bad.safetensors"), NULL, &err), NS_E_FORMAT);
    ns_tensor_out good[4];
    memcpy(good, list, sizeof good);
    good[1].name = "half\"\\";
    write_list("w1.safetensors", good, 4);
    memcpy(good, again, sizeof good);
    good[1].name = "half\"\\";
    write_list("w2.safetensors", good, 4);
    float *const got = read_all(&ck, "w1.safetensors");
    static const float order[6] = {0, 3, 1, 4, 2, 5};
    assert_memory_equal(got, order, sizeof order);
    assert_int_equal(ns_checkpoint_count(ck), 4);
    free(got);
    ns_checkpoint *other = NULL;
    free(read_all(&other, "w2.safetensors"));
    for (int i = 0; i < 4; i++) {
        const ns_tensor *const a = ns_checkpoint_tensor(ck, i), *const b = ns_checkpoint_tensor(other, i);
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->n_bytes, b->n_bytes);
        uint8_t first[64], second[64];
        assert_in_range(a->n_bytes, 0, sizeof first);
        assert_int_equal(ns_tensor_read(a, 0, a->n_bytes, first, NULL), NS_OK);
        assert_int_equal(ns_tensor_read(b, 0, b->n_bytes, second, NULL), NS_OK);
        assert_memory_equal(first, second, (size_t)a->n_bytes);
    }
    ns_checkpoint_free(ck);
    ns_checkpoint_free(other);
}

static void writer_refuses(void **state)
{
    (void)state;
    float x[2] = {0};
    const ns_view v = ns_view_of(x, NS_F32, 1, (int64_t[]){2});
    ns_view negative = v, wide = v, foreign = v;
    negative.shape[0] = -1;
    wide.rank = 9;
    foreign.dtype = NS_I32;
    const struct { ns_tensor_out list[2]; int n; const char *says; } rows[] = {
        {{{"a", v, NS_F32}, {"a", v, NS_BF16}}, 2, "given twice"},
        {{{"a", v, NS_F64}}, 1, "not F64"},
        {{{NULL, v, NS_F32}}, 1, "cannot be the name"},
        {{{"__metadata__", v, NS_F32}}, 1, "cannot be the name"},
        {{{"\xff", v, NS_F32}}, 1, "cannot be the name"},
        {{{"a", negative, NS_F32}}, 1, "dimension 0 is -1"},
        {{{"a", wide, NS_F32}}, 1, "must be f32 of rank"},
        {{{"a", foreign, NS_F32}}, 1, "must be f32"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ns_error err = {""};
        assert_int_equal(ns_safetensors_write(in_scratch("no.safetensors"), rows[i].list, rows[i].n, &err), NS_E_ARG);
        if (!strstr(err.message, rows[i].says))
            fail_msg("'%s' is not in '%s'", rows[i].says, err.message);
        assert_int_not_equal(access(in_scratch("no.safetensors"), F_OK), 0);
    }
    ns_error err;
    assert_int_equal(ns_safetensors_write(in_scratch("absent/no.safetensors"), rows[0].list, 1, &err), NS_E_CREATE);
    assert_int_equal(ns_safetensors_write("/dev/full", rows[0].list, 1, &err), NS_E_CREATE);
    FILE *const notes = fopen(in_scratch("notes.txt"), "w");
    assert_true(fputs("mine\n", notes) >= 0 && fclose(notes) == 0);
    static float one = 1;
    const ns_tensor_out w = {"w", ns_view_of(&one, NS_F32, 1, (int64_t[]){1}), NS_F32};
    assert_int_equal(ns_safetensors_write(in_scratch("notes.txt"), &w, 1, &err), NS_E_CREATE);
    assert_non_null(strstr(err.message, "is a text, and another kind of file would replace it"));
    write_list("again.safetensors", &w, 1);
    write_list("again.safetensors", &w, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widens_every_value_exactly), cmocka_unit_test(widens_eight_bits),
        cmocka_unit_test(rounds_doubles),
        cmocka_unit_test(rounds_to_nearest_even),
        cmocka_unit_test(keeps_nan_and_infinity),
        cmocka_unit_test(writes_any_view_and_order),
        cmocka_unit_test(writer_refuses),
    };
    return cmocka_run_group_tests_name("values", tests, scratch_make, scratch_remove);
}
