/* provenance.h - what every file, export and figure says of itself: made by what, when, where, with which weights, tokenizer and cases.
 *
 * Whoever makes a file says who calls; the library knows the rest. The names: lib/record/schema.md. */
#ifndef NEEDLESCOPE_PROVENANCE_H
#define NEEDLESCOPE_PROVENANCE_H

#include <needlescope/case.h>
#include <needlescope/fact.h>
#include <needlescope/model.h>

NS_BEGIN

typedef struct ns_provenance {
    size_t      size;
    const char *caller;        /* the command line, or the name of the program or script that calls */
    const char *job;           /* of a batch system; NULL = none */
} ns_provenance;

/* An input that a file of ours names in its /provenance (inputs_json), so that ns_inputs_verify finds it again. what: weights, config,
 * tokenizer, cases, arch, names, text, shards, file; sha256: what that word's hash is of (lib/record/schema.md). */
typedef struct ns_named_input { char *what, *sha256, *path; } ns_named_input;

/* What is said of a thing, and the files and folders it was made from (paths; only named ones are written): a writer refuses to replace one
 * of those. All texts are the list's own; zero is an empty list. */
typedef struct ns_fact_list {
    ns_fact *list;   int64_t n, capacity;
    char   **inputs; int64_t n_inputs, inputs_capacity;
    ns_named_input *named; int64_t n_named, named_capacity;
} ns_fact_list;
/* A copy is added, unless the name is there already: what is said first stands. A value of NULL says nothing and is left out. */
NS_API NS_MUST_CHECK int ns_fact_list_add(ns_fact_list *, const char *name, const char *value, bool is_volatile, ns_error *);
NS_API NS_MUST_CHECK int ns_fact_list_add_all(ns_fact_list *, const ns_fact *facts, int64_t n, ns_error *);
/* Facts and inputs of another list. */
NS_API NS_MUST_CHECK int ns_fact_list_join(ns_fact_list *, const ns_fact_list *from, ns_error *);
NS_API NS_MUST_CHECK int ns_fact_list_add_input(ns_fact_list *, const char *path, ns_error *);
/* The same, and named. Nothing for a path of NULL; not named where the hash is NULL. */
NS_API NS_MUST_CHECK int ns_fact_list_name_input(ns_fact_list *, const char *what, const char *sha256, const char *path, ns_error *);
/* SHA-256 of a file's bytes. */
NS_API NS_MUST_CHECK int ns_file_bytes_sha256(const char *path, char hex[65], ns_error *);
NS_API void ns_fact_list_clear(ns_fact_list *);
/* NULL where it is not said; borrowed. */
NS_API const char *ns_fact_list_find(const ns_fact_list *, const char *name);

/* needlescope_version, command_line, hostname, created_utc, the batch job, and the inputs that were named so far. by = NULL: the version
 * alone, so that the same input gives the same bytes. */
NS_API NS_MUST_CHECK int ns_provenance_of_run(ns_fact_list *, const ns_provenance *by, ns_error *);
/* The same without hostname and created_utc, for what is drawn or written out of files and goes to others: figures, tables, notebooks. The
 * same command on the same file gives the same bytes; when the file was made is in them (source_created_utc). */
NS_API NS_MUST_CHECK int ns_provenance_of_export(ns_fact_list *, const ns_provenance *by, ns_error *);
/* Name, family, layers, arch, kernels and threads; hashes of weights (where the model was loaded with them), config and tokenizer. */
NS_API NS_MUST_CHECK int ns_provenance_of_model(ns_fact_list *, const ns_model *, ns_error *);
/* Hash and text of an architecture, and of its checkpoint's config.json where there is one: also before the weights are read. */
NS_API NS_MUST_CHECK int ns_provenance_of_arch(ns_fact_list *, const ns_arch *, const ns_checkpoint *, ns_error *);
/* The files that the cases were read from, as inputs. */
NS_API NS_MUST_CHECK int ns_provenance_of_cases(ns_fact_list *, const ns_cases *, ns_error *);
/* NS_E_ARG where a file at `output` is one of the inputs, by whatever name or link, or lies in a folder of them that is read. Every writer
 * asks it. */
NS_API NS_MUST_CHECK int ns_provenance_check_output(const ns_fact_list *, const char *output, ns_error *);
/* All that writing an HDF5 file of `kind` ("patching" ...; NULL: scores) at `output` would be refused for, asked before the work: besides,
 * NS_E_CREATE where it would replace another kind of file or cannot be written. */
NS_API NS_MUST_CHECK int ns_provenance_check_file(const ns_fact_list *, const char *kind, const char *output, ns_error *);
/* The same for a table and what stands beside it (ns_provenance_beside): NS_E_CREATE where that would replace another kind of file. */
NS_API NS_MUST_CHECK int ns_provenance_check_table(const ns_fact_list *, const char *output, ns_error *);
/* For what is made out of a file of ours: its name, its content_sha256 and what it says of model, cases and threads (no JSON). The facts of
 * a second file that differ from the first's are called NAME.2, and so on. Of a text: its name and the hash of its bytes
 * (source_sha256). */
NS_API NS_MUST_CHECK int ns_provenance_of_file(ns_fact_list *, const char *path, int number, ns_error *);
/* Adds what a file says of itself, all of it volatile: an HDF5 file of ours (with its whole JSON), a figure (PNG, PDF, SVG), a page, a
 * notebook, a LaTeX table, or what stands beside a table. NS_E_ARG for a file that says nothing, with what it is. */
NS_API NS_MUST_CHECK int ns_provenance_read(ns_fact_list *, const char *path, ns_error *);
/* CSV on the Web: PATH-metadata.json says of the table PATH what the facts say. A stream has nothing beside it: NS_OK. */
NS_API NS_MUST_CHECK int ns_provenance_beside(const char *path, const ns_fact_list *, ns_error *);

NS_END
#endif
