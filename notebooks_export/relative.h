/* relative.h - Internal. */
#ifndef NS_EXPORT_RELATIVE_H
#define NS_EXPORT_RELATIVE_H

/* `to` as seen from the folder in which `from` lies; malloc'd, NULL when there is no such folder. */
char *ns_relative_path(const char *from, const char *to);

#endif
