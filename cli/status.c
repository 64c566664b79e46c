/* status.c - the one place where a code of the library becomes an exit code, and what the man pages say about it. */
#include <needlescope/hooks.h>

#include "cli/cli.h"

const cli_status cli_statuses[] = {
    {NS_OK, 0, "Done."},
    {NS_STOP, 1, "Finished, but a check failed (doctor), some checkpoints failed or are missing (scan, merge, status), jobs failed (lab), "
     "the model answered none of the cases (score, ablate), or there is nothing to recover (patch)."},
    {NS_E_ARG, 2, "Usage: an option, argument or combination that makes no sense."},
    {NS_E_FORMAT, 65, "A file is malformed or contradicts itself, or is of other cases, probes or weights than what it is put with."},
    {NS_E_UNSUPPORTED, 65, "A file is valid but holds something needlescope cannot do."},
    {NS_E_NUMERIC, 65, "NaN or infinity in weights or activations."},
    {NS_E_MISSING, 66, "An input does not exist, cannot be read, or lacks what is wanted of it (a dataset, a finished shard)."},
    {NS_E_INTERNAL, 70, "A bug in needlescope."},
    {NS_E_CREATE, 73, "An output cannot be created."},
    {NS_E_IO, 74, "Reading or writing failed half way (disk full, short read)."},
    {NS_E_MEMORY, 75,
     "Memory, threads, address space or file descriptors ran out: worth another try with more. Also a scan that SIGTERM or SIGUSR1 "
     "stopped: the same command goes on."},
    {0, 0, NULL},
};

int cli_exit_code(int ns_code)
{
    for (const cli_status *status = cli_statuses; status->meaning; status++)
        if (status->ns_code == ns_code)
            return status->exit_code;
    return 70;
}
