/* fuzz_machine.c - the input as what the kernel and Slurm say of this machine, a byte 0x1E between the parts. */
#include "fuzz.h"

#include <needlescope/machine.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const files[] = {
        FUZZ_ROOT "proc/self/cgroup",
        FUZZ_ROOT "proc/meminfo",
        FUZZ_ROOT "sys/fs/cgroup/cpu.max",
        FUZZ_ROOT "sys/fs/cgroup/memory.max",
        FUZZ_ROOT "sys/fs/cgroup/cpu/cpu.cfs_quota_us",
        FUZZ_ROOT "sys/fs/cgroup/memory/memory.limit_in_bytes",
    };
    char *slurm[3];
    ns_machine machine;
    for (size_t i = 0; i < 3; i++)
        slurm[i] = fuzz_part_text(&data, &n);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const uint8_t *part;
        const size_t length = fuzz_part(&data, &n, &part);
        fuzz_put(files[i], part, length);
    }
    fuzz_put(FUZZ_ROOT "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n", 7);
    ns_machine_find(&machine, &(ns_machine_params){.size = sizeof(ns_machine_params),
                                                   .root = "/fuzz",
                                                   .affinity = 64,
                                                   .slurm_cpus_per_task = slurm[0],
                                                   .slurm_mem_per_node = slurm[1],
                                                   .slurm_mem_per_cpu = slurm[2]});
    fuzz_check(machine.cpus >= 1 && machine.cpus <= 64 && machine.memory >= 0, "at least one CPU, at most those that are there");
    fuzz_check(*machine.cpus_from && *machine.memory_from, "a limit says where it is from");
    for (size_t i = 0; i < 3; i++)
        free(slurm[i]);
    return 0;
}
