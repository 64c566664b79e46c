/* scan_seen.c - what is remembered of a checkpoint beside its shard, so that a second call need not open either: stepNNNNNN.seen says that
 * this shard is what was asked for of a checkpoint with these files (and, on a line before that, why its tokenizer could not be read);
 * stepNNNNNN.failed says why there is none, and of what that holds.
 *
 * Both are memories: without them, or where anything is not as they say, the shard and the checkpoint are opened and looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan_shard.h"

enum { LARGEST = 1 << 16 };

/* Of a file that describes checkpoints (--arch, --names); "" without one. */
static int hash_file(const char *path, char hex[65], ns_error *err)
{
    enum { MOST = 64 << 20 };
    char *text = NULL;
    size_t n = 0;
    ns_sha256 sha;
    hex[0] = '\0';
    if (!path)
        return NS_OK;
    const int rc = ns_file_read(path, MOST, &text, &n, err);
    ns_sha256_begin(&sha);
    if (rc == NS_OK)
        ns_sha256_add(&sha, text, n);
    ns_sha256_end(&sha, hex);
    free(text);
    return rc;
}

static void ask_more(ns_scan_pass *s, const char *line)
{
    char *const before = s->question;
    s->question = before ? ns_printf_alloc("%s%s\n", before, line) : NULL;
    free(before);
}

/* What all checkpoints are asked. */
int ns_scan_question(ns_scan_pass *s)
{
    const ns_open_params *const how = &s->p->open;
    char arch[65], names[65];
    int rc = hash_file(how->arch, arch, s->err);
    rc = rc != NS_OK ? rc : hash_file(how->names, names, s->err);
    if (rc != NS_OK)
        return rc;
    s->question = ns_printf_alloc("%s\n%s\n%s\n%s\n%s\n%s\n%d\n", ns_version(), s->probes,
                                  ns_engine_kernel_class(how->engine), arch, names, how->olmo3_rope ? how->olmo3_rope : "", how->no_hash);
    if (how->heads_of)
        ask_more(s, how->heads_of);
    for (int64_t i = 0; i < how->n_constrain; i++)
        ask_more(s, how->constrain[i]);
    return s->question ? NS_OK : ns_oom(s->err, "the scan");
}

static int hash_asked(const ns_scan_pass *s, char hex[65], ns_error *err)
{
    ns_sha256 sha;
    char *const text = ns_printf_alloc("%s%s\n%s\n%s\n%s%lld %lld %lld\n", s->question, s->cases_sha256, s->run->name, s->run->coords,
                                       s->reference_stamp, (long long)s->item->stage, (long long)s->item->stage_step,
                                       (long long)(ns_series_stage(s->item) == 1 ? s->item->tokens : -1));
    ns_sha256_begin(&sha);
    if (text)
        ns_sha256_add(&sha, text, strlen(text));
    ns_sha256_end(&sha, hex);
    free(text);
    return text ? NS_OK : ns_oom(err, s->item->path);
}

void ns_scan_place_clear(ns_scan_place *at)
{
    char *const paths[] = {at->shard, at->failed, at->seen, at->claim};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        free(paths[i]);
    *at = (ns_scan_place){0};
}

int ns_scan_place_of(const ns_scan_pass *s, const char *folder, ns_scan_place *at, ns_error *err)
{
    *at = (ns_scan_place){.shard = ns_shard_path(s, folder, "h5"), .failed = ns_shard_path(s, folder, "failed"),
                          .seen = ns_shard_path(s, folder, "seen"), .claim = ns_shard_path(s, folder, "claim")};
    if (!at->shard || !at->failed || !at->seen || !at->claim)
        return ns_oom(err, folder);
    const int rc = hash_asked(s, at->asked, err);
    return rc != NS_OK ? rc : ns_checkpoint_stamp(s->item->path, s->item->revision, at->stamp, err);
}

/* NULL: there is no such shard, or no memory. */
static char *seen_text(const ns_scan_pass *s, const ns_scan_place *at)
{
    ns_identity id;
    if (!ns_identity_at(at->shard, &id))
        return NULL;
    return ns_printf_alloc("asked %s\nstamp %s\nshard %lld %lld %llu\nlabel %s\n", at->asked, at->stamp, (long long)id.size,
                           (long long)id.mtime_ns, (unsigned long long)id.inode, s->item->label);
}

static const char UNREAD[] = "unread ";

/* Behind the line that says why the checkpoint's tokenizer could not be read. */
static const char *what_was_asked(const char *text)
{
    const char *const end = ns_starts(text, UNREAD) ? strchr(text, '\n') : NULL;
    return end ? end + 1 : text;
}

bool ns_scan_seen(const ns_scan_pass *s, const ns_scan_place *at)
{
    char *const want = seen_text(s, at), *text = NULL;
    const bool same = want && ns_file_read(at->seen, LARGEST, &text, NULL, NULL) == NS_OK && strcmp(what_was_asked(text), want) == 0;
    free(want);
    free(text);
    return same;
}

/* Neither synced nor its folder swept, as files of results are: what is lost is looked at again. */
static void write_memory(const char *path, const char *text)
{
    char *const name = ns_temporary_name(path);
    const int fd = name ? ns_temporary_file(name) : -1;
    const ssize_t n = (ssize_t)strlen(text);
    if (fd >= 0 && (write(fd, text, (size_t)n) != n || rename(name, path) != 0))
        (void)unlink(name);
    if (fd >= 0)
        close(fd);
    free(name);
}

void ns_scan_see(const ns_scan_pass *s, const ns_scan_place *at)
{
    char *const asked = seen_text(s, at);
    char *const text = asked && s->unread[0] ? ns_printf_alloc("%s%s\n%s", UNREAD, s->unread, asked) : asked;
    if (text && !ns_file_is_unsealed(at->shard))        /* those are counted each time */
        write_memory(at->seen, text);
    if (text != asked)
        free(text);
    free(asked);
}

char *ns_scan_seen_unread(const char *path)
{
    char *text = NULL, *why = NULL;
    if (ns_file_read(path, LARGEST, &text, NULL, NULL) == NS_OK && what_was_asked(text) != text) {
        text[strcspn(text, "\n")] = '\0';
        why = ns_printf_alloc("whether the cases are of its tokenizer cannot be checked: %s", text + strlen(UNREAD));
    }
    free(text);
    return why;
}

bool ns_scan_seen_as(const char *shard, const char *label)
{
    ns_identity id;
    char *const path = ns_printf_alloc("%.*s.seen", (int)(strlen(shard) - strlen(".h5")), shard), *text = NULL, *end = NULL;
    if (path && ns_identity_at(shard, &id))
        end = ns_printf_alloc("\nshard %lld %lld %llu\nlabel %s\n", (long long)id.size, (long long)id.mtime_ns,
                              (unsigned long long)id.inode, label);
    const bool seen = end && ns_file_read(path, LARGEST, &text, NULL, NULL) == NS_OK && ns_ends(text, end);
    free(text);
    free(end);
    free(path);
    return seen;
}

/* ---- what failed ---- */

int ns_scan_note_failure(const ns_scan_place *at, const char *why, ns_error *err)
{
    char *const text = ns_printf_alloc("%s\nasked %s\nstamp %s\n", why, at->asked, at->stamp);
    const int rc = text ? ns_file_write(at->failed, text, strlen(text), err) : ns_oom(err, at->failed);
    free(text);
    return rc;
}

bool ns_scan_failed(const ns_scan_place *at, char why[NS_SCAN_WHY])
{
    char *text = NULL, of[200];
    snprintf(of, sizeof of, "asked %s\nstamp %s\n", at->asked, at->stamp);
    const bool read = ns_file_read(at->failed, LARGEST, &text, NULL, NULL) == NS_OK;
    char *const end = read ? strchr(text, '\n') : NULL;
    const bool so = end && strcmp(end + 1, of) == 0;
    if (so) {
        snprintf(why, NS_SCAN_WHY, "%.*s", (int)(end - text), text);
        ns_utf8_whole(why);
    }
    free(text);
    return so;
}
