/* paper.h - the experiments of arXiv 2606.15378 in one call on a folder of training runs: births, scores, what heads write, ablations,
 * constraints, gradients, losses, traces -> its claims beside our numbers, with intervals, controls and verdicts, as a page with figures.
 *
 * Every stage leaves files under the folder and takes those that are whole, of the same command and of inputs with the hashes that they
 * name; so a call that was stopped or killed goes on when it is made again. The work is done by child processes of the needlescope program,
 * one on each core. docs/paper.md has the words. */
#ifndef NEEDLESCOPE_PAPER_H
#define NEEDLESCOPE_PAPER_H

#include <needlescope/laboratory.h>

NS_BEGIN

typedef struct ns_paper_params {
    size_t         size;
    const char    *folder;               /* where everything goes; made where it is missing */
    const char *const *runs;  int64_t n_runs;     /* folders of runs in the laboratory's language, or folders that hold such (a
                                                   * laboratory's); none: the committed protocol's runs are trained in FOLDER/runs */
    const char    *scale;                /* of runs that are trained: "quick", "default" (NULL), "full" */
    int64_t        seeds;                /* the first so many; 0 = all that there are, or the scale's */
    bool           dry_run;              /* say what there is to do, and do nothing */
    const char    *program;              /* as in ns_laboratory_params, and all below */
    int            cores;
    const ns_provenance *by;
    void         (*say)(void *user, ns_laboratory_line, const char *line);
    void         (*progress)(void *user, const char *stage, double fraction);
    bool         (*cancelled)(void *user);
    void          *user;
} ns_paper_params;

typedef struct ns_paper_report {
    size_t  size;                        /* set by the caller */
    char   *text, *json;                 /* what paper.md and paper.json hold; of a dry run the plan, twice */
    int64_t runs;
    int64_t failures;                    /* jobs that failed in this call, each with a warning */
} ns_paper_report;

/* NS_STOP: the report is there, but jobs failed, and claims lack their numbers. NS_E_ARG: a folder that holds no run, two runs of one
 * architecture and seed, runs of different shapes or of another language, a folder with the numbers of another run of the name or of
 * another protocol, a scale where runs are named; NS_E_CREATE: a file that paper did not write is in the way of one. It is named, and
 * nothing was written. */
NS_API NS_MUST_CHECK int ns_paper_run(ns_paper_report *out, const ns_paper_params *, ns_error *);
NS_API void ns_paper_report_clear(ns_paper_report *);

NS_END
#endif
