/* provenance.c - the facts that files, exports and figures carry. Stable ones say what was computed and enter config_sha256 and
 * content_sha256; volatile ones (when, where, by which command) only inform. No path is stable. */
#include <needlescope/provenance.h>

#include <needlescope/record.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/core.h"
#include "record/provenance_read.h"

const char *ns_fact_list_find(const ns_fact_list *f, const char *name)
{
    for (int64_t i = 0; i < f->n; i++)
        if (strcmp(f->list[i].name, name) == 0)
            return f->list[i].value;
    return NULL;
}

int ns_fact_list_add(ns_fact_list *f, const char *name, const char *value, bool is_volatile, ns_error *err)
{
    if (!value || ns_fact_list_find(f, name))
        return NS_OK;
    if (!ns_grow(&f->list, &f->capacity, f->n + 1, sizeof *f->list))
        return ns_oom(err, "the provenance");
    char *const own = ns_strdup(name), *const copy = ns_clean_utf8(value);
    if (!own || !copy) {                                        /* half a fact is none: who looks for another would meet it */
        free(own);
        free(copy);
        return ns_oom(err, "the provenance");
    }
    f->list[f->n++] = (ns_fact){own, copy, is_volatile};
    return NS_OK;
}

int ns_fact_list_add_all(ns_fact_list *f, const ns_fact *facts, int64_t n, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rc = ns_fact_list_add(f, facts[i].name, facts[i].value, facts[i].is_volatile, err);
    return rc;
}

/* Takes the path, which is whole: a program may change its folder before it writes. NULL: it found no memory. */
static int keep_input(ns_fact_list *f, char *whole, ns_error *err)
{
    if (!whole || !ns_grow(&f->inputs, &f->inputs_capacity, f->n_inputs + 1, sizeof *f->inputs)) {
        free(whole);
        return ns_oom(err, "the provenance");
    }
    f->inputs[f->n_inputs++] = whole;
    return NS_OK;
}

int ns_fact_list_add_input(ns_fact_list *f, const char *path, ns_error *err)
{
    return path ? keep_input(f, ns_path_whole(path), err) : NS_OK;
}

static void free_named(ns_named_input *n)
{
    free(n->what);
    free(n->sha256);
    free(n->path);
}

static int keep_named(ns_fact_list *f, const char *what, const char *sha256, const char *whole, ns_error *err)
{
    ns_named_input named = {ns_strdup(what), ns_strdup(sha256), ns_strdup(whole)};
    const bool good = named.what && named.sha256 && named.path;
    if (!good || !ns_grow(&f->named, &f->named_capacity, f->n_named + 1, sizeof *f->named)) {
        free_named(&named);
        return ns_oom(err, whole);
    }
    f->named[f->n_named++] = named;
    return NS_OK;
}

int ns_fact_list_name_input(ns_fact_list *f, const char *what, const char *sha256, const char *path, ns_error *err)
{
    const int rc = ns_fact_list_add_input(f, path, err);
    return rc != NS_OK || !path || !sha256 ? rc : keep_named(f, what, sha256, f->inputs[f->n_inputs - 1], err);
}

int ns_file_bytes_sha256(const char *path, char hex[65], ns_error *err)
{
    enum { CHUNK = 1 << 16 };
    uint8_t bytes[CHUNK];
    ns_input in;
    ns_sha256 sha;
    int rc = ns_input_open(&in, path, err);
    ns_sha256_begin(&sha);
    for (int64_t at = 0, n; rc == NS_OK && at < in.size; at += n) {
        n = in.size - at < CHUNK ? in.size - at : CHUNK;
        rc = ns_input_read(&in, at, bytes, (size_t)n, path, err);
        if (rc == NS_OK)
            ns_sha256_add(&sha, bytes, (size_t)n);
    }
    ns_sha256_end(&sha, hex);
    if (in.open)
        ns_input_close(&in);
    return rc;
}

int ns_fact_list_join(ns_fact_list *f, const ns_fact_list *from, ns_error *err)
{
    int rc = ns_fact_list_add_all(f, from->list, from->n, err);
    for (int64_t i = 0; i < from->n_inputs && rc == NS_OK; i++)
        rc = keep_input(f, ns_strdup(from->inputs[i]), err);
    for (int64_t i = 0; i < from->n_named && rc == NS_OK; i++)
        rc = keep_named(f, from->named[i].what, from->named[i].sha256, from->named[i].path, err);
    return rc;
}

void ns_fact_list_clear(ns_fact_list *f)
{
    ns_free_strings(f->inputs, f->n_inputs);
    for (int64_t i = 0; i < f->n_named; i++)
        free_named(&f->named[i]);
    free(f->named);
    for (int64_t i = 0; i < f->n; i++) {
        free((char *)(uintptr_t)f->list[i].name);
        free((char *)(uintptr_t)f->list[i].value);
    }
    free(f->list);
    *f = (ns_fact_list){0};
}

static bool add_named(cJSON *list, const ns_named_input *n)
{
    cJSON *const item = cJSON_CreateObject();
    const bool good = cJSON_AddItemToArray(list, item) && cJSON_AddStringToObject(item, "what", n->what)
                      && cJSON_AddStringToObject(item, "sha256", n->sha256) && cJSON_AddStringToObject(item, "path", n->path);
    return good;
}

static int add_inputs(ns_fact_list *f, ns_error *err)
{
    cJSON *const list = cJSON_CreateArray();
    bool good = list != NULL;
    for (int64_t i = 0; i < f->n_named && good; i++)
        good = add_named(list, &f->named[i]);
    char *const text = good ? ns_json_print(list, false) : NULL;
    const int rc = !text ? ns_oom(err, "the inputs") : f->n_named ? ns_fact_list_add(f, "inputs_json", text, true, err) : NS_OK;
    free(text);
    cJSON_Delete(list);
    return rc;
}

static int add_host(ns_fact_list *f, ns_error *err)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0)
        return ns_fail(err, NS_E_INTERNAL, "the machine does not say its name");
    return ns_fact_list_add(f, "hostname", host, true, err);
}

static int add_time(ns_fact_list *f, ns_error *err)
{
    char stamp[32] = "";
    const time_t now = time(NULL);
    struct tm utc;
    if (!gmtime_r(&now, &utc) || !strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc))
        return ns_fail(err, NS_E_INTERNAL, "the machine does not say the time");
    return ns_fact_list_add(f, "created_utc", stamp, true, err);
}

static int add_run(ns_fact_list *f, const ns_provenance *by, bool where_and_when, ns_error *err)
{
    int rc = ns_fact_list_add(f, "needlescope_version", NS_VERSION, true, err);
    if (!by || rc != NS_OK)
        return rc;
    rc = ns_fact_list_add(f, "command_line", by->caller, true, err);
    rc = rc != NS_OK || !where_and_when ? rc : add_host(f, err);
    rc = rc != NS_OK || !where_and_when ? rc : add_time(f, err);
    rc = rc != NS_OK ? rc : add_inputs(f, err);
    return rc != NS_OK || !where_and_when ? rc : ns_fact_list_add(f, "slurm_job_id", by->job, true, err);
}

int ns_provenance_of_run(ns_fact_list *f, const ns_provenance *by, ns_error *err)
{
    return add_run(f, by, true, err);
}

int ns_provenance_of_export(ns_fact_list *f, const ns_provenance *by, ns_error *err)
{
    return add_run(f, by, false, err);
}

/* ---- what a thing is made from ---- */

int ns_provenance_of_cases(ns_fact_list *f, const ns_cases *cases, ns_error *err)
{
    char hex[65];
    int rc = NS_OK;
    for (int64_t i = 0; i < cases->n_files && rc == NS_OK; i++) {
        /* what is a stream, or is gone by now, was read all the same */
        const bool there = ns_file_bytes_sha256(cases->files[i], hex, NULL) == NS_OK;
        rc = ns_fact_list_name_input(f, "cases", there ? hex : NULL, cases->files[i], err);
    }
    return rc;
}

int ns_provenance_check_output(const ns_fact_list *f, const char *output, ns_error *err)
{
    return ns_check_not_input(output, (const char *const *)f->inputs, f->n_inputs, err);
}

char *ns_provenance_path_beside(const char *table)
{
    return ns_printf_alloc("%s-metadata.json", table);
}

int ns_provenance_check_table(const ns_fact_list *f, const char *output, ns_error *err)
{
    char *const beside = ns_provenance_path_beside(output);
    int rc = beside ? ns_provenance_check_output(f, output, err) : ns_oom(err, output);
    rc = rc != NS_OK ? rc : ns_provenance_check_output(f, beside, err);
    rc = rc != NS_OK ? rc : ns_kind_check_output(beside, NS_KINDS(NS_KIND_JSON), err);
    free(beside);
    return rc;
}

/* ---- a file as a source ---- */

/* Of a text: its name and the hash of its bytes; a stream is read but once, by who uses it. */
static int add_text(ns_fact_list *f, const char *path, int number, bool stream, ns_error *err)
{
    char name[64], hex[65] = "";
    int rc = stream ? NS_OK : ns_file_bytes_sha256(path, hex, err);
    snprintf(name, sizeof name, number > 1 ? "source_file.%d" : "source_file", number);
    rc = rc != NS_OK ? rc : ns_fact_list_add(f, name, ns_path_base(path), true, err);
    rc = rc != NS_OK ? rc : ns_fact_list_name_input(f, "text", stream ? NULL : hex, path, err);
    snprintf(name, sizeof name, number > 1 ? "source_sha256.%d" : "source_sha256", number);
    return rc != NS_OK || stream ? rc : ns_fact_list_add(f, name, hex, false, err);
}

int ns_provenance_of_file(ns_fact_list *f, const char *path, int number, ns_error *err)
{
    const ns_kind kind = ns_path_stream(path) >= 0 ? NS_KIND_STREAM : ns_kind_of(path);
    if (kind == NS_KIND_TEXT || kind == NS_KIND_STREAM)
        return add_text(f, path, number, kind == NS_KIND_STREAM, err);
    static const char *const names[] = {"content_sha256", "kind", "model_name", "model_revision", "model_family", "layer_kinds",
                                        "weights_sha256", "model_config_sha256", "arch_sha256", "tokenizer_sha256", "cases_sha256",
                                        "kernel_class", "threads", "created_utc"};
    ns_file *file;
    char name[64];
    int rc = ns_file_open(&file, path, err);
    if (rc != NS_OK)
        return rc;
    snprintf(name, sizeof name, number > 1 ? "source_file.%d" : "source_file", number);
    rc = ns_fact_list_add(f, name, ns_path_base(path), true, err);
    rc = rc != NS_OK ? rc : ns_fact_list_name_input(f, "file", ns_file_fact(file, "content_sha256"), path, err);
    for (size_t i = 0; i < sizeof names / sizeof *names && rc == NS_OK; i++) {
        const char *const value = ns_file_fact(file, names[i]);
        const bool of_source = i < 2 || strcmp(names[i], "created_utc") == 0;
        snprintf(name, sizeof name, of_source ? "source_%s" : "%s", names[i]);
        const char *const first = ns_fact_list_find(f, name);
        if (number > 1 && !(first && value && strcmp(first, value) == 0))
            snprintf(name + strlen(name), sizeof name - strlen(name), ".%d", number);
        rc = ns_fact_list_add(f, name, value, false, err);
    }
    ns_file_close(file);
    return rc;
}

static char *metadata_text(const char *path, const ns_fact_list *facts)
{
    cJSON *const root = cJSON_CreateObject(), *const notes = root ? cJSON_AddArrayToObject(root, "notes") : NULL,
                 *const note = cJSON_CreateObject();
    bool good = notes && note && cJSON_AddStringToObject(root, "@context", "http://www.w3.org/ns/csvw") &&
                cJSON_AddStringToObject(root, "url", ns_path_base(path));
    for (int64_t i = 0; good && i < facts->n; i++)
        good = cJSON_AddStringToObject(note, facts->list[i].name, facts->list[i].value) != NULL;
    if (!notes || !cJSON_AddItemToArray(notes, note)) {
        cJSON_Delete(note);
        good = false;
    }
    char *const text = good ? ns_json_print(root, true) : NULL;
    cJSON_Delete(root);
    return text;
}

int ns_provenance_beside(const char *path, const ns_fact_list *facts, ns_error *err)
{
    if (ns_path_is_stream(path) || ns_path_is_stdout(path))
        return NS_OK;
    char *const beside = ns_provenance_path_beside(path), *const text = metadata_text(path, facts);
    const int rc = beside && text ? ns_file_write(beside, text, strlen(text), err) : ns_oom(err, path);
    free(beside);
    free(text);
    return rc;
}
