/* stream.c - text that is written piece by piece into memory. libc's streams lose text, or write it twice, where they find no memory for
 * their buffer (glibc 2.36), and its memory streams tell nobody that they could not grow. These have their buffer from the start, and
 * remember. */
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "core/core.h"

struct ns_stream {
    FILE   *f;
    char   *data;
    int64_t n, capacity;
    bool    failed;
    char    buffer[NS_STREAM_BYTES];
};

static bool keep(ns_stream *s, const char *piece, size_t n)
{
    if (n > PTRDIFF_MAX / 2 || !ns_grow(&s->data, &s->capacity, s->n + (int64_t)n + 1, 1))
        return false;
    memcpy(s->data + s->n, piece, n);
    s->n += (int64_t)n;
    s->data[s->n] = '\0';
    return true;
}

static ssize_t put(void *user, const char *piece, size_t n)
{
    ns_stream *const s = user;
    s->failed |= !keep(s, piece, n);
    return s->failed ? 0 : (ssize_t)n;
}

ns_stream *ns_stream_open(void)
{
    ns_stream *const s = ns_alloc_array(1, sizeof *s);
    if (s && keep(s, "", 0))
        s->f = fopencookie(s, "w", (cookie_io_functions_t){.write = put});
    if (s && s->f && setvbuf(s->f, s->buffer, _IOFBF, sizeof s->buffer) == 0)
        return s;
    ns_stream_drop(s);
    return NULL;
}

FILE *ns_stream_file(const ns_stream *s)
{
    return s->f;
}

void ns_stream_drop(ns_stream *s)
{
    if (!s)
        return;
    if (s->f)
        fclose(s->f);
    free(s->data);
    free(s);
}

int ns_stream_end(ns_stream *s, const char *label, char **text, size_t *n, ns_error *err)
{
    const bool bad = fflush(s->f) != 0 || ferror(s->f) || s->failed;
    *text = bad ? NULL : s->data;
    if (n)
        *n = bad ? 0 : (size_t)s->n;
    s->data = bad ? s->data : NULL;
    ns_stream_drop(s);
    return bad ? ns_oom(err, label) : NS_OK;
}
