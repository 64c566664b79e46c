/* head_list.h - lists of heads as other people's programs write them: which heads, best first or with a number each.
 *
 *   name            file
 *   retrieval_head  {"L-H": [a number for each trial], ...} (Retrieval_Head, HeadKV); the score is their mean
 *   target_heads    {..., "target_heads": [{"layer", "head", "score"}], "layer_head_scores": [[...]]} (arXiv 2606.15378)
 *   qrhead          [["L-H", score], ...] (QRHead)
 *   names           13-18,13-21 or 13.18,13.21; in a JSON list "13-18" or [13, 18]: best first
 *   duo             a folder of full_attention_heads.tsv and config.json, or such a table: a row a layer, a column a KV head
 *                   (DuoAttention)
 *   locos           {"meta": {...}, "scores": {"L-H": [a number for each trial], ...}} (LOCOS); the score is their mean
 *
 * Which of them a file is, its content says. docs/head-lists.md */
#ifndef NEEDLESCOPE_HEAD_LIST_H
#define NEEDLESCOPE_HEAD_LIST_H

#include <needlescope/error.h>
#include <needlescope/head.h>

NS_BEGIN

enum { NS_HEAD_MOST = 4096 };            /* layers, and heads of a layer, that a list can speak of */

typedef struct ns_listed_head {
    ns_head head;
    double  score;                       /* of names: how many stand from here to the end, so that the first has the largest */
    bool    chosen;                      /* the list says: this one (all names; target_heads) */
    int64_t first, n_trials;             /* trials[first ... first + n_trials): what `score` is the mean of; n_trials 0: one number alone */
} ns_listed_head;

typedef struct ns_head_list {
    const char     *format;              /* a name of above */
    ns_listed_head *list;                /* in the order of the file */
    int64_t         n, n_chosen;
    double         *trials;
    int64_t         n_trials;            /* of all heads together */
    int64_t         empty;               /* heads that the file names without a number: they are not in the list */
    bool            ordered;             /* the scores are places alone */
    bool            of_kv;               /* `head` is a KV head */
    int64_t         sink_size, recent_size;      /* of duo; 0 = not known */
} ns_head_list;

/* Free with ns_head_list_clear. NS_E_FORMAT says what is wrong with which head; a head twice is wrong, and so is a list of none. */
NS_API NS_MUST_CHECK int ns_head_list_read(ns_head_list *out, const char *path, ns_error *);
/* The same of n bytes; label: the file's name, for messages. */
NS_API NS_MUST_CHECK int ns_head_list_parse(ns_head_list *out, const char *text, size_t n, const char *label, ns_error *);
NS_API void ns_head_list_clear(ns_head_list *);
/* Is it a file of another kind than HDF5, or a folder: may it be a list of heads? */
NS_API bool ns_head_list_may_be(const char *path);
/* Layers and heads that there must be, at least, for the list to be of a model. */
NS_API void ns_head_list_size(const ns_head_list *, int64_t *layers, int64_t *heads);
/* values[L * H]: the scores, NaN where a head is not in the list; a KV head gives its number to the H / KV heads that share it. NS_E_ARG
 * where the list names a head that L layers of H heads do not have. label: the list's, for messages. */
NS_API NS_MUST_CHECK int ns_head_list_values(const ns_head_list *, const char *label, int64_t L, int64_t H, float *values, ns_error *);
/* heads[n_chosen], which the list itself has chosen. NS_E_ARG where it chooses none, or KV heads. label: the list's. */
NS_API NS_MUST_CHECK int ns_head_list_chosen(const ns_head_list *, const char *label, ns_head *heads, ns_error *);

/* The names of above; NULL-terminated. */
NS_API const char *const *ns_head_list_formats(void);
/* The list as `list->format` has it: a text of one file, that of the table where the format is duo. Free it. */
NS_API NS_MUST_CHECK int ns_head_list_text(const ns_head_list *, char **out, ns_error *);
/* What stands beside the table of duo: {"sink_size", "recent_size"}. Free it. */
NS_API NS_MUST_CHECK int ns_head_list_duo_config(const ns_head_list *, char **out, ns_error *);

NS_END
#endif
