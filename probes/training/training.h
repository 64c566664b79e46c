/* training.h - what the files of this folder share. */
#ifndef NS_PROBES_TRAINING_H
#define NS_PROBES_TRAINING_H

#include <needlescope/training.h>

#include "core/core.h"

ns_birth_params ns_birth_defaults(const ns_birth_params *);          /* zeros and NULL filled in */
double ns_normal_tail(double z);                                     /* P(Z >= z) */

#endif
