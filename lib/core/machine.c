/* machine.c - the CPUs and the memory that this process may use. Every limit that is found lowers what is allowed, and the lowest names
 * itself.
 *
 * /proc/self/cgroup has a line ID:CONTROLLERS:PATH for each hierarchy, the one of version 2 without controllers. The limits of a group hold
 * below it, so all groups on the way to the root are asked; in a container the path may be the host's, and then only the root is there. */
#include <needlescope/machine.h>

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"

typedef struct search { const char *root; ns_machine *out; double cpus, memory; } search;

/* The text of a small file below the root, malloc'd, without its last newline; NULL where there is none. */
static char *text_of(const search *s, const char *path)
{
    enum { LARGEST = 1 << 20 };
    char *const whole = ns_printf_alloc("%s%s", s->root, path), *text = NULL;
    size_t n = 0;
    if (whole && ns_file_read(whole, LARGEST, &text, &n, NULL) == NS_OK && n && text[n - 1] == '\n')
        text[n - 1] = '\0';
    free(whole);
    return text;
}

/* A whole number >= 0 up to a blank or the end. */
static bool is_number(const char *text, double *out)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    *out = (double)value;
    return end != text && (*end == '\0' || *end == ' ') && value >= 0 && errno == 0;
}

static void ignore(search *s, const char *name, const char *text)
{
    if (!s->out->ignored[0])
        snprintf(s->out->ignored, sizeof s->out->ignored, "%.160s is '%.60s'", name, text);
}

static void lower_cpus(search *s, double cpus, const char *from)
{
    cpus = fmax(ceil(cpus), 1);
    if (cpus < s->cpus) {
        s->cpus = cpus;
        snprintf(s->out->cpus_from, sizeof s->out->cpus_from, "%s", from);
    }
}

static void lower_memory(search *s, double bytes, const char *from)
{
    if (bytes > 0 && bytes < s->memory) {
        s->memory = bytes;
        snprintf(s->out->memory_from, sizeof s->out->memory_from, "%s", from);
    }
}

/* ---- one control group; `none` is how a file says that there is no limit ---- */

static bool group_file(search *s, const char *group, const char *name, const char *none, double *out, char *rest, size_t n_rest)
{
    char *const path = ns_printf_alloc("%s/%s", group, name), *const text = path ? text_of(s, path) : NULL;
    const bool limited = text && !ns_starts(text, none), good = limited && is_number(text, out);
    if (good && rest)
        snprintf(rest, n_rest, "%s", strchr(text, ' ') ? strchr(text, ' ') + 1 : "");
    if (limited && !good)
        ignore(s, path, text);
    free(text);
    free(path);
    return good;
}

static void cpus_of_v2(search *s, const char *group)
{
    char from[256], rest[64];
    double quota, period;
    snprintf(from, sizeof from, "%s/cpu.max", group);
    if (!group_file(s, group, "cpu.max", "max", &quota, rest, sizeof rest))
        return;
    if (is_number(rest, &period) && period > 0)
        lower_cpus(s, quota / period, from);
    else
        ignore(s, from, rest);
}

static void cpus_of_v1(search *s, const char *group)
{
    char from[256];
    double quota, period;
    snprintf(from, sizeof from, "%s/cpu.cfs_quota_us", group);
    if (group_file(s, group, "cpu.cfs_quota_us", "-1", &quota, NULL, 0) &&
        group_file(s, group, "cpu.cfs_period_us", "-1", &period, NULL, 0) && period > 0)
        lower_cpus(s, quota / period, from);
}

static void memory_of(search *s, const char *group, const char *name)
{
    char from[256];
    double bytes;
    snprintf(from, sizeof from, "%s/%s", group, name);
    if (group_file(s, group, name, "max", &bytes, NULL, 0))
        lower_memory(s, bytes, from);
}

static void memory_of_v2(search *s, const char *group)
{
    memory_of(s, group, "memory.max");
}

static void memory_of_v1(search *s, const char *group)
{
    memory_of(s, group, "memory.limit_in_bytes");
}

/* ---- from the group of this process up to the root of the hierarchy ---- */

typedef void (*ask_fn)(search *, const char *group);

static void climb(search *s, const char *hierarchy, const char *group, ask_fn ask)
{
    char *const path = ns_printf_alloc("/sys/fs/cgroup%s%s", hierarchy, strstr(group, "..") ? "" : group);
    const size_t top = strlen("/sys/fs/cgroup") + strlen(hierarchy);
    for (size_t n = path ? strlen(path) : 0; path && n >= top; n = (size_t)(strrchr(path, '/') - path)) {
        path[n] = '\0';
        if (n == 0 || path[n - 1] != '/')
            ask(s, path);
    }
    free(path);
}

/* controllers: "cpu,cpuacct" is mounted under that name, and mostly under each of its words too. */
static void climb_v1(search *s, char *controllers, const char *group)
{
    char whole[128], *rest = NULL;
    snprintf(whole, sizeof whole, "/%s", controllers);
    for (const char *word = strtok_r(controllers, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        const ask_fn ask = strcmp(word, "cpu") == 0 ? cpus_of_v1 : strcmp(word, "memory") == 0 ? memory_of_v1 : NULL;
        char alone[64];
        snprintf(alone, sizeof alone, "/%s", word);
        if (ask)
            climb(s, whole, group, ask);
        if (ask && strcmp(alone, whole) != 0)
            climb(s, alone, group, ask);
    }
}

static void ask_groups(search *s)
{
    char *const text = text_of(s, "/proc/self/cgroup"), *rest = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest)) {
        char *const controllers = strchr(line, ':'), *const group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group = '\0';
        if (controllers[1]) {
            climb_v1(s, controllers + 1, group + 1);
        } else {
            climb(s, "", group + 1, cpus_of_v2);
            climb(s, "", group + 1, memory_of_v2);
        }
    }
    free(text);
}

/* ---- the machine itself, and Slurm ---- */

/* A node may have more CPUs than a cpu_set_t: the set grows until the kernel's fits. */
static int affinity(void)
{
    enum { MOST = 1 << 20 };
    int n = 0;
#ifdef __linux__
    for (int room = 1024; n == 0 && room <= MOST; room *= 4) {
        cpu_set_t *const set = CPU_ALLOC(room);
        if (set && sched_getaffinity(0, CPU_ALLOC_SIZE(room), set) == 0)
            n = CPU_COUNT_S(CPU_ALLOC_SIZE(room), set);
        CPU_FREE(set);
    }
#endif
    return n > 0 ? n : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static double ram(const search *s)
{
    double kilobytes = 0;
    char *const text = text_of(s, "/proc/meminfo");
    const char *const key = "MemTotal:";      /* a loop, since gcc 12 takes strstr here for a pointer to what is gone */
    for (size_t i = 0; text && text[i] && kilobytes <= 0; i++)
        if (strncmp(text + i, key, strlen(key)) == 0)
            kilobytes = strtod(text + i + strlen(key), NULL);
    free(text);
    return kilobytes > 0 && kilobytes < 0x1p50 ? kilobytes * 1024 : (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
}

static bool slurm_says(search *s, const char *name, const char *text, double *out)
{
    const bool good = text && *text && is_number(text, out);
    if (text && *text && !good)
        ignore(s, name, text);
    return good;
}

static void ask_slurm(search *s, const ns_machine_params *p)
{
    const double unit = 0x1p20;
    double n;
    if (slurm_says(s, "SLURM_CPUS_PER_TASK", p->slurm_cpus_per_task, &n) && n > 0)
        lower_cpus(s, n, "SLURM_CPUS_PER_TASK");
    if (slurm_says(s, "SLURM_MEM_PER_NODE", p->slurm_mem_per_node, &n))
        lower_memory(s, n * unit, "SLURM_MEM_PER_NODE");
    if (slurm_says(s, "SLURM_MEM_PER_CPU", p->slurm_mem_per_cpu, &n))
        lower_memory(s, n * unit * s->cpus, "SLURM_MEM_PER_CPU");
}

void ns_machine_find(ns_machine *out, const ns_machine_params *params)
{
    const ns_machine_params none = {.size = sizeof none}, *const p = params ? params : &none;
    search s = {.root = p->root ? p->root : "", .out = out, .cpus = INFINITY, .memory = INFINITY};
    *out = (ns_machine){0};
    lower_cpus(&s, p->affinity > 0 ? p->affinity : affinity(), "affinity");
    lower_memory(&s, ram(&s), "RAM");
    ask_groups(&s);
    ask_slurm(&s, p);
    out->cpus = (int)s.cpus;
    out->memory = (int64_t)s.memory;
}

int ns_machine_cpus(void)
{
    ns_machine machine;
    ns_machine_find(&machine, NULL);
    return machine.cpus;
}
