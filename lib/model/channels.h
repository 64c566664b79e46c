/* channels.h - one row of a recurrence of channels at a panel of 32 of them: what channels.c goes forward by, and back_channels.c back. */
#ifndef NS_CHANNELS_H
#define NS_CHANNELS_H

#include "model/internal.h"

typedef struct ns_channel_row { int64_t first, n; float step[NS_PANEL], write[NS_PANEL]; } ns_channel_row;

/* In the scratch; NULL with b->rc: no memory. */
float *ns_channel_rates(ns_band *, const ns_channels *);
ns_channel_row ns_channel_row_at(const ns_channels *, int64_t row, int64_t panel);
/* a [state][32]; rates: the panel's, NULL where steps are logs of decays. */
void   ns_channel_factors(const ns_math *, const ns_channels *, const ns_channel_row *, const float *rates, float *a);
void   ns_channel_step(const ns_math *, const ns_channels *, int64_t row, const ns_channel_row *, const float *a, float *S, float *out);

#endif
