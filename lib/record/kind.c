/* kind.c - which file of ours an HDF5 file is, by its attribute `kind`; and the opening of a file of certain kinds. */
#include <needlescope/provenance.h>

#include "record/file.h"

#include <string.h>

/* NS_KIND_TABLE for what is none of them. */
static ns_kind kind_of_word(const char *word)
{
    static const struct { const char *word; ns_kind kind; } words[] = {
        {"scores", NS_KIND_SCORES}, {"study", NS_KIND_STUDY}, {"recording", NS_KIND_RECORDING}, {"ablation", NS_KIND_ABLATION},
        {"patching", NS_KIND_PATCHING}, {"attribution", NS_KIND_ATTRIBUTION}, {"gradient", NS_KIND_GRADIENT},
        {"metrics", NS_KIND_METRICS}, {"trace", NS_KIND_TRACE},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i].word) == 0)
            return words[i].kind;
    return NS_KIND_TABLE;
}

ns_kind ns_file_kind(const ns_file *f)
{
    const char *const word = ns_file_fact(f, "kind");
    return word ? kind_of_word(word) : ns_file_has(f, "layer_kind") ? NS_KIND_SCORES : NS_KIND_TABLE;    /* `score -o` writes no kind */
}

/* What a file with this fact `kind` may replace; NULL: none is said. */
static ns_kinds replaced_by(const char *word)
{
    return word ? NS_KINDS(kind_of_word(word)) : NS_KINDS(NS_KIND_SCORES) | NS_KINDS(NS_KIND_TABLE);
}

int ns_file_check_output(const char *path, const ns_fact *facts, int n, ns_error *err)
{
    const char *word = NULL;
    for (int i = 0; i < n; i++)
        if (facts[i].name && facts[i].value && strcmp(facts[i].name, "kind") == 0)
            word = facts[i].value;
    return ns_kind_check_output(path, replaced_by(word), err);
}

int ns_provenance_check_file(const ns_fact_list *made_from, const char *kind, const char *output, ns_error *err)
{
    const int rc = ns_provenance_check_output(made_from, output, err);
    return rc != NS_OK ? rc : ns_output_check(output, replaced_by(kind), false, err);
}

ns_kind ns_kind_of_hdf5(const char *path)
{
    ns_file *f;
    bool sealed;
    if (ns_file_open_vetted(&f, path, &sealed, NULL) < 0)
        return NS_KIND_HDF5;
    const ns_kind kind = ns_file_kind(f);
    ns_file_close(f);
    return kind;
}

int ns_file_open_inside(ns_file **out, const char *path, ns_kinds kinds, const char *wanted, ns_error *err)
{
    const int rc = ns_file_open_as(out, path, kinds, wanted, err);
    return rc == NS_E_ARG ? NS_E_FORMAT : rc;
}

int ns_file_open_as(ns_file **out, const char *path, ns_kinds kinds, const char *wanted, ns_error *err)
{
    ns_file *f = NULL;
    bool sealed;
    *out = NULL;
    int rc = ns_file_open_vetted(&f, path, &sealed, err);
    const ns_kind kind = rc == NS_OK ? ns_file_kind(f) : NS_KIND_HDF5;
    if (rc != NS_OK && !sealed)
        rc = ns_kind_fail(err, rc, path, NS_KINDS(NS_KIND_HDF5), wanted);
    else if (rc == NS_OK && !(kinds & NS_KINDS(kind)))
        rc = ns_fail(err, NS_E_ARG, "%s: is %s, not %s", path, ns_kind_name(kind), wanted);
    if (rc != NS_OK)
        ns_file_close(f);
    else
        *out = f;
    return rc;
}
