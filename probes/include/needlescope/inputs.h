/* inputs.h - is what a file was made from still there, and still the same? Checkpoints, tokenizers, cases, shards and files that it names
 * in its provenance are hashed again. */
#ifndef NEEDLESCOPE_INPUTS_H
#define NEEDLESCOPE_INPUTS_H

#include <needlescope/answer.h>
#include <needlescope/model.h>

NS_BEGIN

typedef struct ns_inputs_count { int64_t same, changed, gone, unread; } ns_inputs_count;
/* Tells a row for each input as it is hashed: what it is, its state (same, changed, gone; unread: there, and no hash of it can be made),
 * its path and, where it is not the same, why. Weights are hashed tensor by tensor with the engine's threads. NS_E_ARG: the file names
 * none. */
NS_API NS_MUST_CHECK int ns_inputs_verify(const char *path, ns_engine *, const ns_answer *, ns_inputs_count *, ns_error *);

NS_END
#endif
