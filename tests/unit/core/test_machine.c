/* test_machine.c - the CPUs and the memory of trees of /proc and /sys made here: control groups of version 1 and 2, nested, without a
 * limit, malformed, as in a container; Slurm; and the affinity mask of this very process. */
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <needlescope/machine.h>

#include "check.h"

#define MIB (1ll << 20)

static char root[64];

static void put(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *at = strchr(whole + strlen(root) + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(whole, 0755);
        *at = '/';
    }
    FILE *const f = fopen(whole, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

static int plant(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/ns-machine-XXXXXX");
    if (!mkdtemp(root))
        return 1;
    put("/proc/meminfo", "MemTotal:        8388608 kB\nMemFree:         1000 kB\n");
    return 0;
}

static int uproot(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

static ns_machine find(ns_machine_params p)
{
    ns_machine m;
    p.size = sizeof p;
    p.root = root;
    p.affinity = p.affinity ? p.affinity : 16;
    ns_machine_find(&m, &p);
    return m;
}

static void is(ns_machine m, int cpus, const char *cpus_from, int64_t memory, const char *memory_from, const char *ignored)
{
    assert_int_equal(m.cpus, cpus);
    assert_string_equal(m.cpus_from, cpus_from);
    assert_int_equal(m.memory, memory);
    assert_string_equal(m.memory_from, memory_from);
    assert_string_equal(m.ignored, ignored);
}

static void no_limit(void **state)
{
    (void)state;
    is(find((ns_machine_params){0}), 16, "affinity", 8192 * MIB, "RAM", "");
    put("/proc/self/cgroup", "0::/job\n");
    put("/sys/fs/cgroup/job/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/job/memory.max", "max\n");
    is(find((ns_machine_params){0}), 16, "affinity", 8192 * MIB, "RAM", "");
}

static void version_2(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/slurm/job/step\n");
    put("/sys/fs/cgroup/slurm/job/step/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/slurm/job/cpu.max", "250000 100000\n");          /* 2.5 CPUs: three threads */
    put("/sys/fs/cgroup/slurm/cpu.max", "900000 100000\n");
    put("/sys/fs/cgroup/slurm/job/step/memory.max", "4294967296\n");
    put("/sys/fs/cgroup/slurm/memory.max", "2147483648\n");              /* the group above is tighter */
    is(find((ns_machine_params){0}), 3, "/sys/fs/cgroup/slurm/job/cpu.max", 2048 * MIB, "/sys/fs/cgroup/slurm/memory.max", "");
    is(find((ns_machine_params){.affinity = 2}), 2, "affinity", 2048 * MIB, "/sys/fs/cgroup/slurm/memory.max", "");
    put("/sys/fs/cgroup/slurm/cpu.max", "5000 100000\n");                /* a twentieth: one thread */
    assert_int_equal(find((ns_machine_params){0}).cpus, 1);
}

static void version_1(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "9:name=systemd:/x\n4:memory:/a/b\n2:cpu,cpuacct:/a\n0::/x\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "400000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1073741824\n");
    is(find((ns_machine_params){0}), 4, "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", 1024 * MIB,
       "/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "");
}

/* Each controller mounted under its own name, and the group of the host, which the container does not see: its root has the limits. */
static void container(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:memory:/docker/0123\n1:cpu:/docker/0123\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
    is(find((ns_machine_params){0}), 3, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", 512 * MIB, "/sys/fs/cgroup/memory/memory.limit_in_bytes",
       "");
    put("/proc/self/cgroup", "0::/../../other\n");
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_int_equal(find((ns_machine_params){0}).cpus, 2);
}

static void malformed(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "no colon\n0:half\n0::/job\n");
    put("/sys/fs/cgroup/job/memory.max", "12GB\n");
    is(find((ns_machine_params){0}), 16, "affinity", 8192 * MIB, "RAM", "/sys/fs/cgroup/job/memory.max is '12GB'");
    put("/sys/fs/cgroup/job/memory.max", "");
    put("/sys/fs/cgroup/job/cpu.max", "200000\n");
    is(find((ns_machine_params){0}), 16, "affinity", 8192 * MIB, "RAM", "/sys/fs/cgroup/job/cpu.max is ''");
    put("/sys/fs/cgroup/job/cpu.max", "200000 0\n");
    assert_int_equal(find((ns_machine_params){0}).cpus, 16);
    put("/sys/fs/cgroup/job/cpu.max", "-5 100000\n");
    assert_int_equal(find((ns_machine_params){0}).cpus, 16);
}

static void slurm(void **state)
{
    (void)state;
    is(find((ns_machine_params){.slurm_cpus_per_task = "4", .slurm_mem_per_cpu = "512"}), 4, "SLURM_CPUS_PER_TASK", 2048 * MIB,
       "SLURM_MEM_PER_CPU", "");
    is(find((ns_machine_params){.slurm_mem_per_node = "1024"}), 16, "affinity", 1024 * MIB, "SLURM_MEM_PER_NODE", "");
    is(find((ns_machine_params){.slurm_cpus_per_task = "64", .slurm_mem_per_node = "0"}), 16, "affinity", 8192 * MIB, "RAM", "");
    is(find((ns_machine_params){.slurm_cpus_per_task = "four"}), 16, "affinity", 8192 * MIB, "RAM", "SLURM_CPUS_PER_TASK is 'four'");
    is(find((ns_machine_params){.slurm_cpus_per_task = "", .slurm_mem_per_cpu = ""}), 16, "affinity", 8192 * MIB, "RAM", "");
}

static void this_process(void **state)
{
    (void)state;
    ns_machine m;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    ns_machine_find(&m, NULL);
    assert_in_range(m.cpus, 1, CPU_COUNT(&before));
    assert_in_range(m.memory, 1, (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    ns_machine_find(&m, NULL);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(m.cpus, 1);
    assert_string_equal(m.cpus_from, "affinity");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, plant, uproot)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(no_limit),  TEST(version_2), TEST(version_1),   TEST(container),
                                       TEST(malformed), TEST(slurm),     TEST(this_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
