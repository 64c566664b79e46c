/* page.h - a page in the making: a tree of JSON that says what there is, and blocks of numbers that it names. Internal.
 *
 * R runs, P steps, C cases, L layers, H heads. */
#ifndef NS_PAGE_INTERNAL_H
#define NS_PAGE_INTERNAL_H

#include <needlescope/page.h>
#include <needlescope/record.h>
#include <needlescope/study.h>
#include <needlescope/tokenizer.h>

#include "core/core.h"

typedef struct ns_web_block { uint8_t *data; size_t n; } ns_web_block;      /* deflated (zlib) */
/* What may be left out where the limit is reached, each counted. */
typedef enum ns_web_part { NS_WEB_NEEDED = -1, NS_WEB_HITS, NS_WEB_TEXTS, NS_WEB_MAPS, NS_WEB_PARTS } ns_web_part;

typedef struct ns_web {
    ns_page_params params;
    struct libdeflate_compressor *deflate;
    ns_web_block *block;  int64_t n_blocks, blocks_capacity;
    cJSON  *root;
    int64_t used;                            /* bytes of the page so far, an upper bound */
    int64_t left[NS_WEB_PARTS], n_maps;
    int64_t *rank, n_rank;                   /* heads (layer * rank_heads + head) by the first file's usual score, best first */
    int64_t rank_heads;
    bool   *case_found, *head_found, any_recording;      /* [n_cases], [n_heads] of those that were asked for */
    char    note[512];
    bool    failed;                          /* memory was out while the tree grew */
} ns_web;

/* ---- the tree (tree.c): a member where key is given, else an element; a failed allocation is remembered in `failed` ---- */
cJSON *ns_web_object(ns_web *, cJSON *in, const char *key);
cJSON *ns_web_list(ns_web *, cJSON *in, const char *key);
void   ns_web_text(ns_web *, cJSON *in, const char *key, const char *value);        /* NULL: nothing */
/* The file's list of n texts of that name, under it; nothing where the file has none. */
int    ns_web_texts(ns_web *, cJSON *in, const ns_file *, const char *name, int64_t n, ns_error *);
void   ns_web_number(ns_web *, cJSON *in, const char *key, double value);           /* NaN and infinities: null */
void   ns_web_numbers(ns_web *, cJSON *in, const char *key, const int64_t *, int64_t n);
/* Printed for a <script>: no <, > or & and no line separators in it. malloc'd; NULL: memory is out. */
char  *ns_web_print(const ns_web *, const cJSON *);
void   ns_web_remark(ns_web *, const char *format, ...) NS_PRINTF(2, 3);            /* into the note, behind "; " */

/* ---- blocks (blocks.c) ---- */
/* The numbers, exactly, in the smallest of u8 (255 is NaN), f16 and f32, named in the tree as {"b": block, "t": type, "n": n}. What does
 * not fit any more is null there and counted; where it is needed, NS_E_ARG. */
int  ns_web_floats(ns_web *, cJSON *in, const char *key, const float *, int64_t n, ns_web_part, ns_error *);
int  ns_web_wholes(ns_web *, cJSON *in, const char *key, const int64_t *, int64_t n, ns_web_part, ns_error *);     /* as i32 */
int  ns_web_bytes(ns_web *, cJSON *in, const char *key, const void *, int64_t n, ns_web_part, ns_error *);
/* Would a block of this size, uncompressed, surely fit? The rest of a part is counted as left out without being read where the first did
 * not. */
bool ns_web_is_full(const ns_web *, ns_web_part);

/* ---- what a file gives: `needed` first, of all files; then what may be left out, until the limit ---- */
int  ns_web_study(ns_web *, cJSON *file, ns_study *, ns_error *);                    /* study.c: scores, studies, patchings */
int  ns_web_study_hits(ns_web *, cJSON *file, ns_study *, ns_error *);
int  ns_web_births(ns_web *, cJSON *file, ns_study *, ns_error *);                   /* births.c */
int  ns_web_recording(ns_web *, cJSON *file, const ns_file *, ns_error *);           /* recording.c */
int  ns_web_recording_maps(ns_web *, cJSON *file, const ns_file *, ns_error *);
int  ns_web_conditions(ns_web *, cJSON *file, const ns_file *, ns_error *);          /* conditions.c: of ablations and patchings */
int  ns_web_ablation(ns_web *, cJSON *file, const ns_file *, ns_error *);

/* texts.c: each token's text, as a list in JSON; *out NULL with NS_OK: ids have to do. */
typedef struct ns_web_speaker ns_web_speaker;
int   ns_web_speaker_open(ns_web_speaker **out, ns_web *, const ns_file *, ns_error *);
void  ns_web_speaker_close(ns_web_speaker *);
int   ns_web_speak(ns_web *, const ns_web_speaker *, const int64_t *ids, int64_t n, char **out, ns_error *);
/* Was it asked for, or nothing at all? What was is noted as found. */
bool  ns_web_wants_case(ns_web *, const char *id);
bool  ns_web_wants_head(ns_web *, int64_t layer, int64_t head);

/* The web page itself, compiled in from web/: lines, ending with NULL. */
extern const char *const ns_asset_style[], *const ns_asset_body[];
extern const char *const ns_asset_data[], *const ns_asset_pen[], *const ns_asset_state[], *const ns_asset_heads[], *const ns_asset_tokens[];
extern const char *const ns_asset_map[], *const ns_asset_rows[], *const ns_asset_study[], *const ns_asset_conditions[];
extern const char *const ns_asset_main[];

#endif
