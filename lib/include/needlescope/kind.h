/* kind.h - what a file or folder is, by its bytes and attributes and never by its name: for who was given another than asked for. */
#ifndef NEEDLESCOPE_KIND_H
#define NEEDLESCOPE_KIND_H

#include <needlescope/error.h>

NS_BEGIN

/* In this order in the table of names (kind.c). */
typedef enum ns_kind {
    NS_KIND_NONE = 0,                                    /* not there, or not to be read */
    NS_KIND_STREAM, NS_KIND_EMPTY, NS_KIND_TEXT, NS_KIND_JSON, NS_KIND_CASES, NS_KIND_BINARY,
    NS_KIND_SAFETENSORS, NS_KIND_TORCH, NS_KIND_GGUF, NS_KIND_NPZ, NS_KIND_PNG, NS_KIND_PDF, NS_KIND_EPS, NS_KIND_SVG, NS_KIND_PAGE,
    NS_KIND_NOTEBOOK, NS_KIND_TOKENIZER, NS_KIND_TOKENIZER_CONFIG, NS_KIND_INDEX, NS_KIND_ARCH, NS_KIND_CONFIG,      /* JSON, by its keys */
    NS_KIND_PROTOCOL, NS_KIND_RUN_CONFIG, NS_KIND_RUN_JSON, NS_KIND_DEFINITION, NS_KIND_MANIFEST, NS_KIND_NAMES,
    NS_KIND_SCORES, NS_KIND_STUDY, NS_KIND_RECORDING, NS_KIND_ABLATION, NS_KIND_PATCHING, NS_KIND_ATTRIBUTION,
    NS_KIND_GRADIENT, NS_KIND_METRICS, NS_KIND_TRACE,
    NS_KIND_TABLE,                                       /* a needlescope file of no kind above */
    NS_KIND_HDF5,                                        /* of another program, damaged or unfinished */
    NS_KIND_FOLDER, NS_KIND_EMPTY_FOLDER, NS_KIND_CHECKPOINT, NS_KIND_SCAN, NS_KIND_RUN, NS_KIND_CACHE,
    NS_N_KINDS
} ns_kind;
typedef uint64_t ns_kinds;                               /* a set of them */
#define NS_KINDS(kind) ((ns_kinds)1 << (kind))
#define NS_KINDS_HDF5 (NS_KINDS(NS_KIND_TABLE + 1) - NS_KINDS(NS_KIND_SCORES))      /* ours */
#define NS_KINDS_PICTURE (NS_KINDS(NS_KIND_PNG) | NS_KINDS(NS_KIND_PDF) | NS_KINDS(NS_KIND_EPS) | NS_KINDS(NS_KIND_SVG))
#define NS_KINDS_JSON (NS_KINDS(NS_KIND_JSON) | (NS_KINDS(NS_KIND_NAMES + 1) - NS_KINDS(NS_KIND_NOTEBOOK)))     /* whatever it is for */

NS_API ns_kind ns_kind_of(const char *path);
NS_API const char *ns_kind_name(ns_kind);                /* "a score file"; NULL beyond the kinds */
/* NS_E_CREATE where an output would replace a finished file of a kind that is not in `same`, naming it. What is empty, a stream, or a
 * damaged file of ours where one of ours is written is no finished file. Every writer asks; a caller asks before long work. */
NS_API NS_MUST_CHECK int ns_kind_check_output(const char *path, ns_kinds same, ns_error *);

NS_END
#endif
