/* family.h - the families of models that load by their config.json. */
#ifndef NEEDLESCOPE_FAMILY_H
#define NEEDLESCOPE_FAMILY_H

#include <needlescope/api.h>

NS_BEGIN

/* Number i of the model types that load ("llama"), in the order of the table; NULL behind the last. Models of images and text around one of
 * them load by it. */
NS_API const char *ns_family_type(int64_t i);

NS_END
#endif
