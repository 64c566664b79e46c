/* test_map.c - the map of a recording: heads, rows and keys are where their axes say, weights are those that a row can have; what a file
 * says otherwise is refused, by its name. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <hdf5.h>

#include <needlescope/plot.h>
#include <needlescope/record.h>

#include "core/core.h"

enum { L = 2, H = 2, T = 3 };
static const char path[] = "test_map_recording.h5", picture[] = "test_map.svg";

typedef struct contents {
    int layer[L], head[H], query[T], key[T];
    float attn[L][H][T][T];
    const char *kinds[L];
} contents;

static contents sound(void)
{
    contents c = {{0, 1}, {0, 1}, {0, 1, 2}, {0, 1, 2}, {{{{0}}}}, {"full", "recurrent"}};
    for (int l = 0; l < L; l++)
        for (int h = 0; h < H; h++)
            for (int t = 0; t < T; t++)
                c.attn[l][h][t][t] = 1;
    return c;
}

static void put(hid_t group, const char *name, hid_t type, int rank, const hsize_t *shape, const void *data)
{
    const hid_t space = H5Screate_simple(rank, shape, NULL);
    const hid_t d = H5Dcreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(d >= 0 && H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(d);
    H5Sclose(space);
}

static void write_recording(const contents *c)
{
    static const ns_fact facts[] = {{"kind", "recording", false}};
    ns_table_writer *w;
    unlink(path);
    assert_int_equal(ns_table_create(&w, path, facts, 1, NULL), NS_OK);
    assert_int_equal(ns_table_count(w, "case", 1, NULL), NS_OK);
    assert_int_equal(ns_table_count(w, "layer", L, NULL), NS_OK);
    assert_int_equal(ns_table_strings(w, "case_id", "case", (const char *const[]){"a"}, 1, NULL), NS_OK);
    assert_int_equal(ns_table_strings(w, "case_group", "case", (const char *const[]){"case0000"}, 1, NULL), NS_OK);
    assert_int_equal(ns_table_strings(w, "layer_kind", "layer", c->kinds, L, NULL), NS_OK);
    assert_int_equal(ns_table_commit(w, NULL), NS_OK);
    const hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), g = H5Gcreate2(f, "case0000", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    put(g, "layer", H5T_NATIVE_INT, 1, (hsize_t[]){L}, c->layer);
    put(g, "head", H5T_NATIVE_INT, 1, (hsize_t[]){H}, c->head);
    put(g, "query", H5T_NATIVE_INT, 1, (hsize_t[]){T}, c->query);
    put(g, "key", H5T_NATIVE_INT, 1, (hsize_t[]){T}, c->key);
    put(g, "attn", H5T_NATIVE_FLOAT, 4, (hsize_t[]){L, H, T, T}, c->attn);
    H5Gclose(g);
    H5Fclose(f);
}

static void expect(const contents *c, int layer, const char *says)
{
    ns_error err = {""};
    write_recording(c);
    const ns_map_plot plot = {.size = sizeof plot, .file = path, .layer = layer, .head = 1};
    const int rc = ns_plot_map(picture, &plot, NULL, NULL, &err);
    if (rc != (says ? NS_E_FORMAT : NS_OK) || (says && (!strstr(err.message, says) || !strstr(err.message, path))))
        fail_msg("code %d, '%s', not '%s'", rc, err.message, says ? says : "");
    unlink(picture);
    unlink(path);
}

static void test_axes(void **state)
{
    (void)state;
    contents c = sound();
    expect(&c, 0, NULL);
    c.head[0] = 1;
    c.head[1] = 0;
    expect(&c, 0, "axis 'head' holds 1 at place 0: it must count from 0, whole and in order");
    c = sound();
    c.query[2] = 3;
    expect(&c, 0, "axis 'query' holds 3 at place 2");
    c = sound();
    c.key[1] = 0;
    expect(&c, 0, "axis 'key' holds 0 at place 1");
    c = sound();
    c.layer[1] = 0;
    expect(&c, 0, "axis 'layer' holds 0 at place 1: it must ascend");
}

static void test_weights(void **state)
{
    (void)state;
    contents c = sound();
    c.attn[0][1][1][0] = 5;
    expect(&c, 0, "holds 5 (value 3), where 0 to 1.001 can be");
    c.attn[0][1][1][0] = -5;
    expect(&c, 0, "holds -5 (value 3)");
    c = sound();
    c.attn[1][1][1][0] = -5;                             /* of a recurrence */
    expect(&c, 1, NULL);
    c = sound();
    c.attn[0][1][0][2] = .25f;
    expect(&c, 0, "the query at 0 has weight 0.25 on key 2, which it cannot see");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_axes), cmocka_unit_test(test_weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
