/* emergence.h - what emergence.c and emergence_seeds.c share. */
#ifndef NS_PROBES_EMERGENCE_H
#define NS_PROBES_EMERGENCE_H

#include "training.h"

/* Groups runs by everything but their seed; intervals over seeds; the permutation null of every run's best head. */
int ns_emergence_seeds(ns_emergence *, ns_study *, const ns_emergence_params *, ns_error *);

#endif
