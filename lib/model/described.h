/* described.h - what a path says of a model: its arch, the config.json that describes it, and the checkpoint where there is one. */
#ifndef NS_DESCRIBED_H
#define NS_DESCRIBED_H

#include <needlescope/arch.h>
#include <needlescope/checkpoint.h>

typedef struct ns_described {
    char          *path, *config;     /* config: the text of a config.json, of a description too */
    ns_arch       *arch;
    ns_checkpoint *checkpoint;        /* NULL: none */
    char           sha256[65];        /* of the description, and of the weights */
} ns_described;

/* A file that ends with .json is a description or a config.json; another file or a folder is a checkpoint, which needs a config.json. */
int  ns_described_open(ns_described *out, const char *path, ns_error *);
void ns_described_clear(ns_described *);

#endif
