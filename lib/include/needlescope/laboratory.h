/* laboratory.h - the whole story of a study (laziness: windows; mixers) in one call: protocol -> runs -> scans -> births ->
 * interventions -> claims -> figures and a summary, in one folder. A call that was stopped or killed goes on when it is made again; what
 * is done is not done twice. docs/laboratory.md has the words.
 *
 * Training, scanning and silencing are done by child processes of the needlescope program, one on each core; everything else in this
 * process. From Python by ctypes: fill ns_laboratory_params (zeros are the defaults, size = sizeof), set `program`, call
 * ns_laboratory_run, free the report. */
#ifndef NEEDLESCOPE_LABORATORY_H
#define NEEDLESCOPE_LABORATORY_H

#include <needlescope/provenance.h>

NS_BEGIN

typedef enum ns_laboratory_line { NS_LABORATORY_DETAIL, NS_LABORATORY_NOTE, NS_LABORATORY_WARNING } ns_laboratory_line;

typedef struct ns_laboratory_params {
    size_t         size;
    const char    *folder;               /* NULL = the study's name */
    const char    *protocol;             /* a file; NULL = the committed one */
    const char    *scale;                /* a key of the protocol's `sizes`: "quick", "default" (NULL), "full" */
    int64_t        seeds;                /* 0 = the scale's */
    const int64_t *windows;  int64_t n_windows;   /* of the arm `swa`; none = the protocol's */
    const char    *program;              /* the needlescope program: a file, or a name on the PATH; NULL = "needlescope" */
    int            cores;                /* children at a time; 0 = the processors that are on */
    const ns_provenance *by;             /* who calls, for the study and the figures; NULL = not said */
    void         (*say)(void *user, ns_laboratory_line, const char *line);        /* or NULL */
    void         (*progress)(void *user, const char *stage, double fraction);     /* or NULL */
    bool         (*cancelled)(void *user);        /* true: children are ended, NS_E_IO; or NULL */
    void          *user;
    const char    *study;                /* "laziness" (NULL) or "mixers": whose protocol, and whose claims */
} ns_laboratory_params;

typedef struct ns_laboratory_report {
    size_t  size;                        /* set by the caller */
    char   *text, *json;                 /* what summary.txt and summary.json hold */
    int64_t runs, measured;              /* planned; with all that the claims need */
    int64_t failures; /* jobs that failed in this call, each with a warning; the summary names runs that are not measured */
} ns_laboratory_report;

/* NS_E_ARG: there is no such study. NS_STOP: the report is there, but jobs failed or runs were not measured. NS_E_FORMAT: a protocol
 * with a key that is unknown or missing (it is named), NS_E_ARG: a folder that holds the results of another one. */
NS_API NS_MUST_CHECK int ns_laboratory_run(ns_laboratory_report *out, const ns_laboratory_params *, ns_error *);
NS_API void ns_laboratory_report_clear(ns_laboratory_report *);
/* The committed protocol of a study (NULL: laziness), JSON; free(). NULL: memory is out, or there is no such study. */
NS_API char *ns_laboratory_protocol(const char *study);

NS_END
#endif
