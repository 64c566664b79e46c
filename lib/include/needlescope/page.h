/* page.h - files of ours as one HTML page to look at: heads, their attention token by token, a study over its steps. The page needs no
 * network and no server; what it shows are the very numbers of the files.
 *
 * What the page is made of lies in it (names, hashes, models). It has no time and no host: equal files give equal bytes. */
#ifndef NEEDLESCOPE_PAGE_H
#define NEEDLESCOPE_PAGE_H

#include <needlescope/head.h>
#include <needlescope/provenance.h>

NS_BEGIN

#define NS_PAGE_LIMIT ((int64_t)32 << 20)

typedef struct ns_page_params {
    size_t             size;
    const char *const *files;  int n_files;          /* scores, studies, recordings, ablations, patchings, attributions */
    const char        *tokenizer;                    /* for the texts of a recording's tokens: what ns_tokenizer_open takes; NULL: the one
                                                      * that the recording names, where it still lies there, else ids are shown */
    const char *const *cases;  int64_t n_cases;      /* ids of the cases whose attention is wanted; 0 = all */
    const ns_head     *heads;  int64_t n_heads;      /* the heads whose attention is wanted; 0 = all, the best first */
    int64_t            limit;                        /* bytes of the page; 0 = NS_PAGE_LIMIT */
    const ns_provenance *by;                         /* its caller alone is said; may be NULL */
} ns_page_params;

/* What was made; the caller sets size. NULL where nobody asks. */
typedef struct ns_page_said {
    size_t  size;
    int64_t bytes;                                   /* of the page */
    int64_t maps, maps_left;                         /* attention of a head on a case: in the page, left out for the limit */
    int64_t hits_left, texts_left;                   /* arrays over the cases; cases without the texts of their tokens */
    char    note[512];                               /* what was left out or could not be told, in words; "" = nothing */
} ns_page_said;

/* NS_E_ARG: a file of another kind, a case or a head that no recording has, a tokenizer that is not the recording's, a limit that the
 * scores alone exceed. NS_E_FORMAT: a file that is damaged. Nothing is written then. */
NS_API NS_MUST_CHECK int ns_page_write(const char *path, const ns_page_params *, ns_page_said *said, ns_error *);
/* The same as a text: *html is malloc'd, NULL on failure. */
NS_API NS_MUST_CHECK int ns_page_html(char **html, const ns_page_params *, ns_page_said *said, ns_error *);

NS_END
#endif
