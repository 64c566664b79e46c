/* coded.c - the numbers of a tensor whose file has them as codes, in another order, or shifted: any part of them, the same bits whichever
 * parts they are read in, since a block is always decoded whole. */
#include "io/blocks.h"
#include "io/reader.h"

#include <string.h>

enum { ROOM = 1 << 14, CHUNK = 1 << 12 };

/* Numbers [first, first + n) of one block. */
static void decode_part(const ns_block *block, const uint8_t *codes, int64_t first, int64_t n, float *out)
{
    float whole[NS_BLOCK_MOST];
    if (n == block->numbers) {
        block->decode(codes, out);
        return;
    }
    block->decode(codes, whole);
    memcpy(out, whole + first, (size_t)n * sizeof *out);
}

/* Numbers in the order of the file. */
static int read_stored(const ns_tensor *t, int64_t first, int64_t n, float *out, ns_error *err)
{
    const ns_block *const block = t->coded->block;
    uint8_t bytes[ROOM];
    int rc = NS_OK;
    if (!block->decode)
        return ns_plain_read(t, block->dtype, first, n, out, err);
    for (int64_t at = first, end = first + n, last; at < end && rc == NS_OK; at = last) {
        const int64_t begin = at / block->numbers, most = begin + ROOM / block->bytes;
        last = most * block->numbers < end ? most * block->numbers : end;
        const int64_t blocks = (last - 1) / block->numbers + 1 - begin;
        rc = ns_input_read(&t->from->in, t->at + begin * block->bytes, bytes, (size_t)(blocks * block->bytes), t->file, err);
        for (int64_t i = 0, from = at, to; i < blocks && rc == NS_OK; i++, from = to) {
            to = (begin + i + 1) * block->numbers < last ? (begin + i + 1) * block->numbers : last;
            decode_part(block, bytes + i * block->bytes, from - (begin + i) * block->numbers, to - from, out + from - first);
        }
    }
    return rc;
}

/* Row r of a head of d rows is the first or second of a pair. */
static int64_t row_in_pairs(int64_t row, int64_t d)
{
    const int64_t r = row % d;
    return row - r + (r < d / 2 ? 2 * r : 2 * (r - d / 2) + 1);
}

static int read_pairs(const ns_tensor *t, int64_t first, int64_t n, float *out, ns_error *err)
{
    const ns_view *const v = &t->view;
    const int64_t width = v->rank > 1 ? ns_view_count(v) / v->shape[0] : 1, d = v->shape[0] / t->coded->heads;
    int rc = NS_OK;
    for (int64_t at = first, end = first + n, last; at < end && rc == NS_OK; at = last) {
        const int64_t row = at / width;
        last = (row + 1) * width < end ? (row + 1) * width : end;
        rc = read_stored(t, row_in_pairs(row, d) * width + at - row * width, last - at, out + at - first, err);
    }
    return rc;
}

/* Of column o of the tensor [n_in, n_out], a row of the file: the elements that are in the range. */
static int read_column(const ns_tensor *t, int64_t o, int64_t first, int64_t end, float *out, ns_error *err)
{
    const int64_t n_in = t->view.shape[0], n_out = t->view.shape[1];
    int64_t i = o < first ? (first - o + n_out - 1) / n_out : 0, last = o < end ? (end - o + n_out - 1) / n_out : 0;
    float part[CHUNK];
    int rc = NS_OK;
    for (int64_t count; i < last && rc == NS_OK; i += count) {
        count = last - i < CHUNK ? last - i : CHUNK;
        rc = read_stored(t, o * n_in + i, count, part, err);
        for (int64_t k = 0; k < count && rc == NS_OK; k++)
            out[(i + k) * n_out + o - first] = part[k];
    }
    return rc;
}

static int read_transposed(const ns_tensor *t, int64_t first, int64_t n, float *out, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t o = 0; o < t->view.shape[1] && rc == NS_OK; o++)
        rc = read_column(t, o, first, first + n, out, err);
    return rc;
}

int ns_coded_read(const ns_tensor *t, int64_t first, int64_t n, float *out, ns_error *err)
{
    const ns_coded *const c = t->coded;
    const int rc = c->heads        ? read_pairs(t, first, n, out, err)
                   : c->transposed ? read_transposed(t, first, n, out, err)
                                   : read_stored(t, first, n, out, err);
    for (int64_t i = 0; c->add != 0 && i < n && rc == NS_OK; i++)
        out[i] += c->add;
    return rc;
}
