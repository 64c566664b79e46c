/* threads.h - the threads of an engine, for what looks at rows in a callback: they are idle then. Internal. */
#ifndef NS_MODEL_THREADS_H
#define NS_MODEL_THREADS_H

#include <needlescope/model.h>
#include "core/core.h"

ns_pool *ns_engine_pool(const ns_engine *);

#endif
