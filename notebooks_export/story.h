/* story.h - sections of the notebook. Internal. */
#ifndef NS_EXPORT_STORY_H
#define NS_EXPORT_STORY_H

#include "notebook.h"
#include "source.h"

void ns_story_births(ns_notebook *, const ns_source *, const ns_export_births *, const char *score);

#endif
