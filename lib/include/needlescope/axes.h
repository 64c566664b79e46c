/* axes.h - the axes that values of probes and studies lie on. An output, a dataset of a score file and one of a study name theirs in words,
 * outermost first and always in this order: "case answer layer head". Whoever writes, merges, reads or draws them goes by the words. */
#ifndef NEEDLESCOPE_AXES_H
#define NEEDLESCOPE_AXES_H

#include <needlescope/error.h>
#include <needlescope/view.h>

NS_BEGIN

/* RUN and STEP are a study's own: an output has neither. HEAD and KV_HEAD exclude one another. POSITION and CLASS are as long as the probes
 * of a run ask for at the most, ANSWER as the longest answer: where a case, or a probe, has less, there is ns_axes_nothing. */
typedef enum ns_axis {
    NS_AXIS_RUN, NS_AXIS_STEP, NS_AXIS_CASE, NS_AXIS_ANSWER, NS_AXIS_LAYER, NS_AXIS_HEAD, NS_AXIS_KV_HEAD, NS_AXIS_POSITION, NS_AXIS_CLASS,
    NS_N_AXES
} ns_axis;
NS_API const char *ns_axis_name(ns_axis);                       /* "kv_head" */

/* How long each axis is in a run, file or study; 0: it has no such axis. */
typedef struct ns_extent { int64_t n[NS_N_AXES]; } ns_extent;

typedef struct ns_axes { int rank; ns_axis at[NS_MAX_RANK]; } ns_axes;      /* rank 0: a single number */

/* false, and no axes, where a word is none of the above, stands twice or out of order, or where both kinds of heads stand together. */
NS_API bool ns_axes_find(ns_axes *out, const char *words);
/* The same as an error: NS_E_ARG says of `what` which word is wrong and which there are. */
NS_API NS_MUST_CHECK int ns_axes_parse(ns_axes *out, const char *words, const char *what, ns_error *);
NS_API bool ns_axes_have(const ns_axes *, ns_axis);
NS_API bool ns_axes_equal(const ns_axes *, const ns_axes *);
NS_API ns_axes ns_axes_behind(const ns_axes *, int lead);       /* without the first `lead` */
enum { NS_AXES_TEXT = 80 };
NS_API const char *ns_axes_text(const ns_axes *, char out[NS_AXES_TEXT]);
/* shape[rank], and *count (or NULL) their product; false where that is no int64. */
NS_API bool ns_axes_shape(const ns_axes *, const ns_extent *, int64_t *shape, int64_t *count);
/* What stands where there is nothing: NaN of floats, 0 of counts, 255 of bytes over an axis that is ragged (answer, position, class). */
NS_API float ns_axes_nothing(const ns_axes *, ns_dtype);

NS_END
#endif
