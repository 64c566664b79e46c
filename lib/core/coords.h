/* coords.h - the coordinates of a run. Internal. */
#ifndef NS_CORE_COORDS_H
#define NS_CORE_COORDS_H

#include "core/core.h"

enum { NS_COORD_NAME = 60, NS_MOST_COORDS = 32 };      /* bytes of a name; coordinates of a run, and of a study */

/* coords NULL: there are none. NS_E_FORMAT where they are no object of numbers and texts, or a name is none that can be written. */
int ns_coords_check(const cJSON *coords, const char *path, ns_error *);

#endif
