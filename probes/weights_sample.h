/* weights_sample.h - a few of a checkpoint's weights, which score files carry. Internal. */
#ifndef NS_WEIGHTS_SAMPLE_H
#define NS_WEIGHTS_SAMPLE_H

#include <needlescope/arch.h>

enum { NS_SAMPLE_PLACES = 64, NS_SAMPLE_RUN = 16, NS_SAMPLE = NS_SAMPLE_PLACES * NS_SAMPLE_RUN };

/* NS_SAMPLE weights in `out`, the same of every checkpoint that has the same tensors: `of` is a hash of their names and sizes. */
int ns_sample_weights(const ns_arch *, const ns_checkpoint *, float out[NS_SAMPLE], char of[65], ns_error *);

#endif
