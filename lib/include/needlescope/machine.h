/* machine.h - how many CPUs and how much memory this process may use, and what says so: a node of a cluster has more than its job. */
#ifndef NEEDLESCOPE_MACHINE_H
#define NEEDLESCOPE_MACHINE_H

#include <needlescope/api.h>

NS_BEGIN

/* The library reads no environment: a caller who wants Slurm's limits obeyed gives the variables' values (NULL: not set). */
typedef struct ns_machine_params {
    size_t      size;
    const char *slurm_cpus_per_task, *slurm_mem_per_node, *slurm_mem_per_cpu;      /* SLURM_CPUS_PER_TASK ...; memory in MiB, 0 = all of the
                                                                                    * node's */
    const char *root;                    /* what stands before /proc and /sys; NULL: nothing */
    int         affinity;                /* CPUs of the affinity mask; 0: ask the kernel */
} ns_machine_params;

typedef struct ns_machine {
    int     cpus;                        /* the least of: the affinity mask, the CPU quotas of the control group (v1, v2) and of those above
                                          * it, rounded up, Slurm's; >= 1 */
    int64_t memory;                      /* bytes; the least of: RAM, the control groups' limits, Slurm's */
    char    cpus_from[256], memory_from[256];      /* which of them: "affinity", "/sys/fs/cgroup/job/cpu.max", "SLURM_MEM_PER_NODE" ... */
    char    ignored[256];                /* the first limit that is no number, and therefore none: "SLURM_MEM_PER_NODE is 'all'"; "" = no
                                          * such thing */
} ns_machine;

/* params NULL: no Slurm, the real /proc and /sys. What cannot be read sets no limit. */
NS_API void ns_machine_find(ns_machine *out, const ns_machine_params *params);
NS_API int  ns_machine_cpus(void);       /* of ns_machine_find without params */

NS_END
#endif
