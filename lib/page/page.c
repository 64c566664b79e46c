/* page.c - files -> a tree of what they hold and blocks of numbers -> one HTML file: style, shell, tree, script, blocks. The script is
 * known to the page's policy by its hash, and nothing else is ever run; what comes from files is JSON and base64 in blocks of data. */
#include "page/page.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "draw/colormap_tables.h"

enum { LEVEL = 6 };
static const ns_kinds shown = NS_KINDS(NS_KIND_SCORES) | NS_KINDS(NS_KIND_STUDY) | NS_KINDS(NS_KIND_RECORDING) |
                              NS_KINDS(NS_KIND_ABLATION) | NS_KINDS(NS_KIND_PATCHING) | NS_KINDS(NS_KIND_ATTRIBUTION);

bool ns_web_wants_case(ns_web *p, const char *id)
{
    for (int64_t i = 0; i < p->params.n_cases; i++)
        if (strcmp(p->params.cases[i], id) == 0)
            return p->case_found[i] = true;
    return p->params.n_cases == 0;
}

bool ns_web_wants_head(ns_web *p, int64_t layer, int64_t head)
{
    for (int64_t i = 0; i < p->params.n_heads; i++)
        if (p->params.heads[i].layer == layer && p->params.heads[i].head == head)
            return p->head_found[i] = true;
    return p->params.n_heads == 0;
}

/* What was asked for and is nowhere. */
static int check_found(const ns_web *p, ns_error *err)
{
    const ns_page_params *const a = &p->params;
    if (!p->any_recording && (a->n_cases || a->n_heads || a->tokenizer))
        return ns_fail(err, NS_E_ARG, "cases, heads and a tokenizer are chosen of a recording, and none is among the files");
    for (int64_t i = 0; i < a->n_cases; i++)
        if (!p->case_found[i])
            return ns_fail(err, NS_E_ARG, "case '%s': no recording among the files has it", a->cases[i]);
    for (int64_t i = 0; i < a->n_heads; i++)
        if (!p->head_found[i])
            return ns_fail(err, NS_E_ARG, "head %lld.%lld: no recording among the files has it", (long long)a->heads[i].layer,
                           (long long)a->heads[i].head);
    return NS_OK;
}

/* ---- one file ---- */

static const char *kind_word(ns_kind kind)
{
    return kind == NS_KIND_STUDY         ? "study"
           : kind == NS_KIND_RECORDING   ? "recording"
           : kind == NS_KIND_ABLATION    ? "ablation"
           : kind == NS_KIND_PATCHING    ? "patching"
           : kind == NS_KIND_ATTRIBUTION ? "attribution"
                                         : "scores";
}

/* What the file says of itself, but for long JSON. */
static void facts(ns_web *p, cJSON *file, const ns_file *f)
{
    enum { LONGEST = 200 };
    static const char *const passing[] = {"created_utc", "hostname", "inputs_json"};       /* a machine's, or told elsewhere */
    cJSON *const out = ns_web_object(p, file, "facts");
    for (int64_t i = 0; i < ns_file_fact_count(f); i++) {
        const char *const name = ns_file_fact_name(f, i), *const value = ns_file_fact(f, name);
        bool left = !value || strlen(value) > LONGEST;
        for (size_t k = 0; k < sizeof passing / sizeof *passing; k++)
            left |= strcmp(name, passing[k]) == 0;
        if (!left && !cJSON_GetObjectItemCaseSensitive(out, name))
            ns_web_text(p, out, name, value);
    }
}

static int with_study(ns_web *p, cJSON *file, const char *path, ns_kind kind, bool needed, ns_error *err)
{
    ns_study *s = NULL;
    int rc = ns_study_open(&s, path, err);
    if (rc == NS_OK && needed) {
        facts(p, file, ns_study_file(s));
        rc = ns_web_study(p, file, s, err);
        rc = rc != NS_OK || kind != NS_KIND_STUDY ? rc : ns_web_births(p, file, s, err);
        rc = rc != NS_OK ? rc : ns_web_conditions(p, file, ns_study_file(s), err);
    } else if (rc == NS_OK) {
        rc = ns_web_study_hits(p, file, s, err);
    }
    ns_study_close(s);
    return rc;
}

static int with_file(ns_web *p, cJSON *file, const char *path, ns_kind kind, bool needed, ns_error *err)
{
    ns_file *f = NULL;
    int rc = ns_file_open(&f, path, err);
    if (rc == NS_OK && needed) {
        facts(p, file, f);
        rc = kind == NS_KIND_RECORDING ? ns_web_recording(p, file, f, err) : ns_web_ablation(p, file, f, err);
    } else if (rc == NS_OK && kind == NS_KIND_RECORDING) {
        rc = ns_web_recording_maps(p, file, f, err);
    }
    ns_file_close(f);
    return rc;
}

static int one_file(ns_web *p, cJSON *file, const char *path, ns_kind kind, bool needed, ns_error *err)
{
    const bool study = NS_KINDS(kind) & (NS_KINDS(NS_KIND_SCORES) | NS_KINDS(NS_KIND_STUDY) | NS_KINDS(NS_KIND_PATCHING) |
                                         NS_KINDS(NS_KIND_ATTRIBUTION));
    const int rc = study ? with_study(p, file, path, kind, needed, err) : with_file(p, file, path, kind, needed, err);
    return ns_fail_of(err, rc != NS_OK ? rc : p->failed ? ns_oom(err, "the page") : NS_OK, path);
}

static int kind_of(const char *path, ns_kind *out, ns_error *err)
{
    ns_file *f = NULL;
    const int rc = ns_file_open_as(&f, path, shown, "scores, a study, a recording, an ablation, a patching or an attribution", err);
    ns_file_close(f);
    *out = rc == NS_OK ? ns_kind_of(path) : NS_KIND_NONE;
    return rc;
}

/* By its own name, or where another file has the same by the path that was given. */
static const char *called(const ns_page_params *params, int file)
{
    const char *const path = params->files[file], *const name = ns_path_base(path);
    for (int i = 0; i < params->n_files; i++)
        if (i != file && strcmp(ns_path_base(params->files[i]), name) == 0)
            return path;
    return name;
}

/* Twice over the files: first what the page cannot do without, then what the limit has room for. */
static int every_file(ns_web *p, cJSON *files, ns_error *err)
{
    int rc = NS_OK;
    ns_kind *const kinds = ns_alloc_array((size_t)p->params.n_files, sizeof *kinds);
    cJSON **const tree = ns_alloc_array((size_t)p->params.n_files, sizeof *tree);
    p->case_found = ns_alloc_array((size_t)p->params.n_cases, sizeof *p->case_found);
    p->head_found = ns_alloc_array((size_t)p->params.n_heads, sizeof *p->head_found);
    if (!kinds || !tree || !p->case_found || !p->head_found)
        rc = ns_oom(err, "the page");
    for (int i = 0; i < p->params.n_files && rc == NS_OK; i++) {
        const char *const path = p->params.files[i];
        rc = kind_of(path, &kinds[i], err);
        tree[i] = rc == NS_OK ? ns_web_object(p, files, NULL) : NULL;
        ns_web_text(p, tree[i], "name", rc == NS_OK ? called(&p->params, i) : NULL);
        ns_web_text(p, tree[i], "kind", kind_word(kinds[i]));
        rc = rc != NS_OK ? rc : one_file(p, tree[i], path, kinds[i], true, err);
    }
    char *const text = rc == NS_OK ? ns_web_print(p, p->root) : NULL;
    p->used += text ? (int64_t)strlen(text) : 0;
    rc = rc == NS_OK && !text ? ns_oom(err, "the page") : rc;
    free(text);
    for (int i = 0; i < p->params.n_files && rc == NS_OK; i++)
        rc = one_file(p, tree[i], p->params.files[i], kinds[i], false, err);
    rc = rc != NS_OK ? rc : check_found(p, err);
    free(kinds);
    free(tree);
    return rc;
}

/* ---- the page ---- */

static const char *const *const scripts[] = {ns_asset_data, ns_asset_pen, ns_asset_state, ns_asset_heads, ns_asset_tokens, ns_asset_map,
                                             ns_asset_rows, ns_asset_study, ns_asset_conditions, ns_asset_main};

/* Lines of one text or of several, as one; malloc'd. */
static char *joined(const char *const *const *texts, size_t n)
{
    ns_stream *const stream = ns_stream_open();
    char *out = NULL;
    for (size_t i = 0; stream && i < n; i++)
        for (const char *const *line = texts[i]; *line; line++)
            fprintf(ns_stream_file(stream), "%s\n", *line);
    return stream && ns_stream_end(stream, "the page", &out, NULL, NULL) == NS_OK ? out : NULL;
}

/* 'sha256-BASE64' of a text, as a policy names it. */
static char *source_hash(const char *text)
{
    char hex[65];
    uint8_t bytes[32];
    ns_sha256_of(text, strlen(text), hex);
    for (int i = 0; i < 32; i++) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        bytes[i] = (uint8_t)byte;
    }
    char *const base = ns_base64(bytes, sizeof bytes), *const out = base ? ns_printf_alloc("'sha256-%s'", base) : NULL;
    free(base);
    return out;
}

static int colours(ns_web *p, ns_error *err)
{
    cJSON *const out = ns_web_object(p, p->root, "colours");
    const int rc = ns_web_bytes(p, out, "cividis", cividis, sizeof cividis, NS_WEB_NEEDED, err);
    return rc != NS_OK ? rc : ns_web_bytes(p, out, "diverging", bluered, sizeof bluered, NS_WEB_NEEDED, err);
}

static int own_facts(ns_web *p, ns_error *err)
{
    ns_fact_list list = {0};
    const ns_provenance *const by = p->params.by;
    int rc = ns_provenance_of_run(&list, NULL, err);
    rc = rc != NS_OK || !by ? rc : ns_fact_list_add(&list, "command_line", by->caller, true, err);
    for (int i = 0; i < p->params.n_files && rc == NS_OK; i++)
        rc = ns_provenance_of_file(&list, p->params.files[i], i + 1, err);
    cJSON *const out = ns_web_object(p, p->root, "facts");
    for (int64_t i = 0; i < list.n && rc == NS_OK; i++)
        ns_web_text(p, out, list.list[i].name, list.list[i].value);
    ns_fact_list_clear(&list);
    return rc;
}

typedef struct pieces { char *style, *style_hash, *script, *script_hash, *body, *tree; } pieces;

static int make_pieces(pieces *x, ns_error *err)
{
    const char *const *const style[] = {ns_asset_style}, *const *const body[] = {ns_asset_body};
    x->style = joined(style, 1);
    x->body = joined(body, 1);
    x->script = joined(scripts, sizeof scripts / sizeof *scripts);
    x->style_hash = x->style ? source_hash(x->style) : NULL;
    x->script_hash = x->script ? source_hash(x->script) : NULL;
    return x->body && x->style_hash && x->script_hash ? NS_OK : ns_oom(err, "the page");
}

static void drop_pieces(pieces *x)
{
    free(x->style);
    free(x->style_hash);
    free(x->script);
    free(x->script_hash);
    free(x->body);
    free(x->tree);
}

/* What is painted first stands first: the blocks are looked up when they are needed. */
static int put_page(const ns_web *p, const pieces *x, FILE *f, int64_t *bytes, ns_error *err)
{
    *bytes += fprintf(f, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                         "<meta name=\"generator\" content=\"needlescope\">\n"
                         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src %s; style-src %s; "
                         "img-src data: blob:; base-uri 'none'; form-action 'none'\">\n"
                         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                         "<meta name=\"color-scheme\" content=\"light dark\">\n"
                         "<title>needlescope view</title>\n<style>%s</style>\n</head>\n<body>\n%s"
                         "<script type=\"application/json\" id=\"tree\">%s</script>\n<script>%s</script>\n",
                      x->script_hash, x->style_hash, x->style, x->body, x->tree, x->script);
    for (int64_t i = 0; i < p->n_blocks; i++) {
        char *const text = ns_base64(p->block[i].data, p->block[i].n);
        if (!text)
            return ns_oom(err, "the page");
        *bytes += fprintf(f, "<script type=\"application/octet-stream\" id=\"b%lld\">%s</script>\n", (long long)i, text);
        free(text);
    }
    *bytes += fprintf(f, "</body>\n</html>\n");
    return NS_OK;
}

static int write_page(const ns_web *p, const pieces *x, const char *path, int64_t *bytes, ns_error *err)
{
    ns_atomic_file out;
    int rc = ns_atomic_begin_text(&out, path, err);
    if (rc != NS_OK)
        return rc;
    FILE *const f = ns_atomic_stream(&out, &rc, err);
    rc = f ? put_page(p, x, f, bytes, err) : rc;
    return ns_atomic_end(&out, f, rc, err);
}

static int page_text(const ns_web *p, const pieces *x, char **html, int64_t *bytes, ns_error *err)
{
    ns_stream *const stream = ns_stream_open();
    if (!stream)
        return ns_oom(err, "the page");
    const int rc = put_page(p, x, ns_stream_file(stream), bytes, err);
    if (rc == NS_OK)
        return ns_stream_end(stream, "the page", html, NULL, err);
    ns_stream_drop(stream);
    return rc;
}

static void remark_left(ns_web *p)
{
    static const char *const what[] = {"arrays of single cases", "lists of tokens", "maps of a head on a case"};
    for (int i = 0; i < NS_WEB_PARTS; i++)
        if (p->left[i])
            ns_web_remark(p, "%lld %s left out: the limit is %lld bytes", (long long)p->left[i], what[i],
                           (long long)(p->params.limit > 0 ? p->params.limit : NS_PAGE_LIMIT));
}

static int make(ns_web *p, pieces *x, ns_error *err)
{
    p->root = cJSON_CreateObject();
    p->deflate = libdeflate_alloc_compressor(LEVEL);
    int rc = p->root && p->deflate ? make_pieces(x, err) : ns_oom(err, "the page");
    if (rc == NS_OK)
        p->used = (int64_t)(strlen(x->style) + strlen(x->script) + strlen(x->body)) + 2048;
    rc = rc != NS_OK ? rc : own_facts(p, err);
    rc = rc != NS_OK ? rc : colours(p, err);
    rc = rc != NS_OK ? rc : every_file(p, ns_web_list(p, p->root, "files"), err);
    remark_left(p);
    ns_web_text(p, p->root, "note", p->note);
    x->tree = rc == NS_OK ? ns_web_print(p, p->root) : NULL;
    return rc == NS_OK && !x->tree ? ns_oom(err, "the page") : rc;
}

static void clear(ns_web *p)
{
    for (int64_t i = 0; i < p->n_blocks; i++)
        free(p->block[i].data);
    free(p->block);
    free(p->rank);
    free(p->case_found);
    free(p->head_found);
    cJSON_Delete(p->root);
    if (p->deflate)
        libdeflate_free_compressor(p->deflate);
}

/* Into a file where path is given, else into *html. */
static int page(const char *path, char **html, const ns_page_params *params, ns_page_said *said, ns_error *err)
{
    ns_web p = {0};
    pieces x = {0};
    int64_t bytes = 0;
    int rc = ns_sized_copy(&p.params, sizeof p.params, params, "ns_page_params", err);
    if (rc == NS_OK && p.params.n_files < 1)
        rc = ns_fail(err, NS_E_ARG, "a page is of one file at least");
    if (path) {
        rc = rc != NS_OK ? rc : ns_check_not_input(path, p.params.files, p.params.n_files, err);
        rc = rc != NS_OK ? rc : ns_output_check(path, NS_KINDS(NS_KIND_PAGE), true, err);
    }
    rc = rc != NS_OK ? rc : make(&p, &x, err);
    rc = rc != NS_OK ? rc : path ? write_page(&p, &x, path, &bytes, err) : page_text(&p, &x, html, &bytes, err);
    if (rc == NS_OK && said) {
        *said = (ns_page_said){.size = said->size, .bytes = bytes, .maps = p.n_maps, .maps_left = p.left[NS_WEB_MAPS],
                               .hits_left = p.left[NS_WEB_HITS], .texts_left = p.left[NS_WEB_TEXTS]};
        snprintf(said->note, sizeof said->note, "%s", p.note);
    }
    drop_pieces(&x);
    clear(&p);
    return rc;
}

int ns_page_write(const char *path, const ns_page_params *params, ns_page_said *said, ns_error *err)
{
    return page(path, NULL, params, said, err);
}

int ns_page_html(char **html, const ns_page_params *params, ns_page_said *said, ns_error *err)
{
    *html = NULL;
    return page(NULL, html, params, said, err);
}
