/* open.h - the one way in: a path and what the user says of it -> checkpoint, arch, tokenizer, engine, model.
 *
 * What is wanted is opened, and the rest when it is asked for: a command looks at the arch, reads its cases, and only then reads
 * weights. */
#ifndef NEEDLESCOPE_OPEN_H
#define NEEDLESCOPE_OPEN_H

#include <needlescope/case.h>
#include <needlescope/model.h>
#include <needlescope/tokenizer.h>

NS_BEGIN

enum { NS_OPEN_ARCH = 1, NS_OPEN_TOKENIZER = 2, NS_OPEN_WEIGHTS = 4 };   /* bits; weights bring the arch */

/* Zero means the default. Everything is borrowed for the call alone, but for the engine and what `warn` is told with. */
typedef struct ns_open_params {
    size_t      size;
    const char *path;          /* what ns_checkpoint_open takes; for a tokenizer alone also a tokenizer.json; NULL where `tokenizer` says
                                * all */
    const char *revision;      /* of a Hugging Face cache folder; NULL = main */
    const char *arch;          /* file: a description as JSON in place of config.json */
    const char *names;         /* file: JSON {"glob or name in the description": "name in the file"} */
    const char *olmo3_rope;    /* "full-layers" (default) or "all-layers"; see ns_arch_params */
    const char *heads_of;      /* "attention" (default) or "recurrence"; see ns_arch_show_heads */
    const char *const *constrain; int64_t n_constrain;   /* see ns_arch_constrain */
    const char *tokenizer;     /* tokenizer.json or its folder, in place of the checkpoint's */
    unsigned    want;          /* NS_OPEN_...; 0 = weights */
    bool        no_hash;       /* leave the SHA-256 of the weights out: loads a little faster, and no file can say which weights it is of */
    int64_t     memory;        /* see ns_model_params */
    int         threads;       /* of an engine made here; see ns_engine_params */
    const char *cpu;
    ns_engine  *engine;        /* NULL = one is made with the weights; a given one must outlive the model */
    void      (*warn)(void *user, const char *line);   /* told of config keys that are not known and cannot change the result, of the
                                                        * tokenizer's remarks, of cases with two BOS; may be NULL */
    void       *user;
    bool      (*cancelled)(void *user);    /* asked in the caller's thread while weights are hashed and packed: true = NS_STOP; or NULL */
} ns_open_params;

/* To be read, not written. NULL what was not wanted; the tokenizer also where there is none. */
typedef struct ns_opened {
    char          *name;       /* "ORG/NAME" of a Hugging Face cache, else the folder's name */
    ns_checkpoint *checkpoint;
    ns_arch       *arch;
    ns_tokenizer  *tokenizer;
    ns_engine     *engine;
    ns_model      *model;
} ns_opened;

/* *out is the caller's, for ns_close; NULL after an error. */
NS_API NS_MUST_CHECK int ns_open(ns_opened **out, const ns_open_params *, ns_error *);
/* Opens what is wanted and not open yet. A path that was not given is NS_E_ARG where it is needed. */
NS_API NS_MUST_CHECK int ns_open_more(ns_opened *, unsigned want, ns_error *);
/* NS_E_FORMAT when cases are of another tokenizer than this model's (ns_cases_check_tokenizer); the tokenizer is opened where cases know
 * theirs. Without a tokenizer nothing can be checked, and `warn` is told. */
NS_API NS_MUST_CHECK int ns_open_check_cases(ns_opened *, const ns_cases *, ns_error *);
/* The tokenizer's special tokens, malloc'd, none without a tokenizer; NS_E_UNSUPPORTED where it cannot be opened. */
NS_API NS_MUST_CHECK int ns_open_special(ns_opened *, int32_t **out, int64_t *n, ns_error *);
/* The cases of one or more files, one at least in each; the tokenizer is opened for lines of text, and not for lines of ids. Free with
 * ns_cases_clear. "-" is standard input. Cases of another tokenizer and an id that two of them have are NS_E_FORMAT, a file given twice is
 * NS_E_ARG. */
NS_API NS_MUST_CHECK int ns_open_cases(ns_opened *, const char *const *paths, int64_t n, ns_cases *out, ns_error *);
NS_API void ns_close(ns_opened *);

NS_END
#endif
