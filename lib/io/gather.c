/* gather.c - elements of a tensor that lies transposed, cut or spread in its file (torch.save keeps strides), in the tensor's own order.
 *
 * Nothing is kept: a block of rows is read along the axis whose elements lie nearest to each other, in as few reads as there are runs. */
#include "io/reader.h"

#include <string.h>

enum { BUFFER = 1 << 16 };

/* The tensor without its dimensions of one element, and neighbours that lie as one joined. */
typedef struct lay {
    const ns_tensor *t;
    int              rank;
    int64_t          shape[NS_MAX_RANK], stride[NS_MAX_RANK], size;        /* size: bytes of an element */
    ns_error        *err;
} lay;

bool ns_is_row_major(const ns_view *v)
{
    int64_t stride = 1;
    for (int i = v->rank - 1; i >= 0; i--) {
        if (v->shape[i] != 1 && v->stride[i] != stride)
            return false;
        stride *= v->shape[i];
    }
    return true;
}

static lay lay_of(const ns_tensor *t, ns_error *err)
{
    lay l = {.t = t, .size = (int64_t)ns_dtype_size(t->view.dtype), .err = err};
    for (int i = 0; i < t->view.rank; i++) {
        const int64_t n = t->view.shape[i], step = t->view.stride[i];
        if (n == 1)
            continue;
        if (l.rank && l.stride[l.rank - 1] == n * step) {
            l.shape[l.rank - 1] *= n;
            l.stride[l.rank - 1] = step;
        } else {
            l.shape[l.rank] = n;
            l.stride[l.rank++] = step;
        }
    }
    return l;
}

/* n elements of the file, `step` apart from the `from`-th on, to every `to_step`-th of out. */
static int read_run(const lay *l, int64_t from, int64_t step, int64_t n, char *out, int64_t to_step)
{
    char near[BUFFER];
    const int64_t room = BUFFER / l->size;
    const bool as_it_lies = step == 1 && to_step == 1;
    const int64_t most = step == 0 || as_it_lies ? n : (room - 1) / step + 1;
    for (int64_t at = 0, count; at < n; at += count) {
        count = n - at < most ? n - at : most;
        const int64_t span = (count - 1) * step + 1, begin = l->t->at + (from + at * step) * l->size;
        char *const straight = as_it_lies ? out : near;
        const int rc = ns_input_read(&l->t->from->in, begin, straight, (size_t)(span * l->size), l->t->file, l->err);
        if (rc != NS_OK)
            return rc;
        for (int64_t i = 0; !as_it_lies && i < count; i++)
            memcpy(out + (at + i) * to_step * l->size, near + i * step * l->size, (size_t)l->size);
    }
    return NS_OK;
}

/* Rows of `width` elements, `step` apart, `down` from row to row: along the rows, or across them where that is nearer. */
static int read_block(const lay *l, int64_t from, int64_t rows, int64_t down, int64_t width, int64_t step, char *out)
{
    const bool across = rows > 1 && down > 0 && down < step;
    int rc = NS_OK;
    for (int64_t i = 0; across && i < width && rc == NS_OK; i++)
        rc = read_run(l, from + i * step, down, rows, out + i * l->size, width);
    for (int64_t i = 0; !across && i < rows && rc == NS_OK; i++)
        rc = read_run(l, from + i * down, step, width, out + i * width * l->size, 1);
    return rc;
}

/* Where the row lies in the file, and how many follow it in its dimension. */
static int64_t row_at(const lay *l, int64_t row, int64_t *left)
{
    int64_t at = 0;
    *left = l->rank > 1 ? l->shape[l->rank - 2] - row % l->shape[l->rank - 2] : 1;
    for (int i = l->rank - 2; i >= 0; i--) {
        at += row % l->shape[i] * l->stride[i];
        row /= l->shape[i];
    }
    return at;
}

int ns_gather(const ns_tensor *t, int64_t first, int64_t n, void *to, ns_error *err)
{
    const lay l = lay_of(t, err);
    const int64_t width = l.rank ? l.shape[l.rank - 1] : 1, step = l.rank ? l.stride[l.rank - 1] : 1;
    const int64_t down = l.rank > 1 ? l.stride[l.rank - 2] : 0;
    char *out = to;
    int rc = NS_OK;
    for (int64_t done = 0, count; done < n && rc == NS_OK; done += count, out += count * l.size) {
        const int64_t row = (first + done) / width, column = (first + done) % width, rows = (n - done) / width;
        int64_t left, begin = row_at(&l, row, &left);
        if (column || rows == 0) {                                      /* a part of one row */
            count = width - column < n - done ? width - column : n - done;
            rc = read_block(&l, begin + column * step, 1, 0, count, step, out);
        } else {
            count = (rows < left ? rows : left) * width;
            rc = read_block(&l, begin, count / width, down, width, step, out);
        }
    }
    return rc;
}
