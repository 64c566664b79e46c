/* fail_alloc.c - preloaded: what a program does when it is refused memory, at every place where it asks for it, in one run of it.
 *
 * At an allocation (malloc and its kin, a mapping, a process) the program forks. The child is refused, once, and goes on in a folder of its
 * own, a copy of the working folder; the parent is given the memory, goes on, and judges the children that end (fail_judge.c). What our own
 * code asks for is refused each time; what a library asks for, once for each way that calls lead there.
 *     FAIL_ALLOC=count     nothing is refused; FAIL_ALLOC_DIR/0/live gets the number of blocks that were never given back
 *     FAIL_ALLOC=all       all; of our own each FAIL_ALLOC_OURS-th, of those ways into libraries each FAIL_ALLOC_LIBRARIES-th (1; 0: none);
 *                          FAIL_ALLOC_JOBS children at a time
 *     FAIL_ALLOC=N         the N-th, in this process: for a debugger
 *     FAIL_ALLOC=host      those of our own that the program itself names, by fail_alloc_arm
 * FAIL_ALLOC_DIR holds the folders 0 (the parent's: 0/work, where it was started) and N (work, said, err, trace), and the log.
 * FAIL_ALLOC_DIES=NAME:NAME: libraries that may end the process when they themselves are refused. Clocks stand still, so that two runs
 * write the same bytes. For one thread. */
#include "fail_alloc.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

enum { MODULES = 128, FRAMES = 64, BLOCKS = 1 << 19, PATHS = 1 << 17, SECONDS = 120 };

static enum { OFF, COUNT, ALL, ONE, HOST } mode;
static long asked, wanted, armed, jobs = 1, running;
static struct { long n, stride; } ours, theirs;   /* places met; which of them are refused */
static pid_t owner;                          /* the process that counts: its children by other means are left alone */
static __thread bool inside __attribute__((tls_model("initial-exec")));
static __thread bool owns __attribute__((tls_model("initial-exec")));       /* the thread that counts */
static atomic_flag lock = ATOMIC_FLAG_INIT;

/* ---- whose code asks ---- */

typedef struct module { uintptr_t low, high, base; char name[64]; bool ours; } module;
static module modules[MODULES];
static int n_modules;

static int add_module(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size, (void)user;
    const char *const slash = strrchr(info->dlpi_name, '/');
    for (int i = 0; i < info->dlpi_phnum && n_modules < MODULES; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            module *const m = &modules[n_modules++];
            m->base = info->dlpi_addr;
            m->low = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            m->high = m->low + info->dlpi_phdr[i].p_memsz;
            snprintf(m->name, sizeof m->name, "%s", slash                ? slash + 1
                                                    : info->dlpi_name[0] ? info->dlpi_name
                                                                         : program_invocation_short_name);
            m->ours = strstr(m->name, "needlescope") != NULL || strstr(m->name, "careless") != NULL;
        }
    return 0;
}

static const module *module_of(const void *code)
{
    static const module unknown = {.name = "?"};
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < n_modules; i++)
            if ((uintptr_t)code >= modules[i].low && (uintptr_t)code < modules[i].high)
                return &modules[i];
        n_modules = 0;                       /* a library was loaded since */
        dl_iterate_phdr(add_module, NULL);
    }
    return &unknown;
}

/* ---- the way that calls led here ---- */

typedef struct way { void *frames[FRAMES]; int n; const module *asker; } way;

static bool is_libc(const module *m)
{
    return !strncmp(m->name, "libc.so", 7) || !strncmp(m->name, "ld-linux", 8) || !strncmp(m->name, "fail_alloc", 10);
}

/* The asker is the first on the way that is not libc on somebody's behalf. */
static way find_way(void)
{
    way w;
    w.n = backtrace(w.frames, FRAMES);
    w.asker = w.n ? module_of(w.frames[w.n - 1]) : module_of(NULL);
    for (int i = w.n - 1; i >= 0; i--)
        if (!is_libc(module_of(w.frames[i])))
            w.asker = module_of(w.frames[i]);
    return w;
}

static bool seen_before(const way *w)
{
    static uint64_t seen[PATHS];
    uint64_t hash = 1469598103934665603u;
    for (int i = 0; i < w->n; i++)
        hash = (hash ^ (uintptr_t)w->frames[i]) * 1099511628211u;
    hash |= 1;
    size_t at = hash >> 20 & (PATHS - 1);
    for (; seen[at] && seen[at] != hash; at = (at + 1) & (PATHS - 1))
        continue;
    const bool found = seen[at] == hash;
    seen[at] = hash;
    return found;
}

/* ---- blocks that are still held: of what we, cJSON and libc on our behalf asked for ---- */

static struct { void *p; const void *caller; long n; } blocks[BLOCKS];

static size_t slot_of(const void *p)
{
    return ((uintptr_t)p >> 4) * 0x9E3779B97F4A7C15u >> 45;
}

static void guard(bool on)
{
    if (!on)
        atomic_flag_clear(&lock);
    else
        while (atomic_flag_test_and_set(&lock))
            continue;
}

static void hold(void *p, const void *caller)
{
    size_t at = slot_of(p) & (BLOCKS - 1), tries = 0;
    while (blocks[at].p > (void *)1 && tries++ < BLOCKS)
        at = (at + 1) & (BLOCKS - 1);
    if (tries >= BLOCKS)
        abort();
    blocks[at].p = p, blocks[at].caller = caller, blocks[at].n = asked;
}

static void let_go(const void *p)
{
    size_t at = slot_of(p) & (BLOCKS - 1);
    for (size_t tries = 0; blocks[at].p && tries < BLOCKS; tries++, at = (at + 1) & (BLOCKS - 1))
        if (blocks[at].p == p) {
            blocks[at].p = (void *)1;        /* a place that was in use: searches go on over it */
            return;
        }
}

static bool counts_as_held(const void *caller)
{
    const module *const m = module_of(caller);
    return m->ours || strstr(m->name, "libcjson") || strstr(m->name, "libc.so");
}

static void write_live(const char *path, long usual)
{
    long n = 0;
    n_modules = 0;                           /* some may have been unloaded */
    for (size_t i = 0; i < BLOCKS; i++)
        n += blocks[i].p > (void *)1 && counts_as_held(blocks[i].caller);
    if (n <= usual)
        return;
    FILE *const f = fopen(path, "w");
    fprintf(f, "%ld blocks held at the end\n", n);
    for (size_t i = 0; i < BLOCKS && usual >= 0; i++) {
        const module *const m = module_of(blocks[i].caller);
        if (blocks[i].p > (void *)1 && counts_as_held(blocks[i].caller))
            fprintf(f, "%s+0x%lx (%ld)\n", m->name, (long)((uintptr_t)blocks[i].caller - m->base), blocks[i].n);
    }
    fclose(f);
}

/* ---- the child ---- */

/* No stream, nor dprintf, which has one inside: the heap may be broken. */
__attribute__((format(printf, 2, 3))) static void write_line(int fd, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0 && write(fd, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
        _exit(119);
}

static void write_way(const char *path, const way *w)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    for (int i = 0; i < w->n; i++)
        if (i > 0 || !is_libc(module_of(w->frames[i])))
            write_line(fd, "%s+0x%lx\n", module_of(w->frames[i])->name,
                       (long)((uintptr_t)w->frames[i] - module_of(w->frames[i])->base - 1));
    close(fd);
}

static bool is_named(const void *code, const char *begin) { return strncmp(module_of(code)->name, begin, strlen(begin)) == 0; }

/* It ended while libc's allocator worked for one of ours below: the heap was broken before. */
static bool in_allocator(const way *w)
{
    Dl_info at;
    for (int i = 1; i < w->n; i++)
        if (is_named(w->frames[i], "fail_alloc") && is_named(w->frames[i - 1], "libc.so") && dladdr(w->frames[i - 1], &at) != 0 &&
            at.dli_sname && (strstr(at.dli_sname, "alloc") || strstr(at.dli_sname, "free") || strstr(at.dli_sname, "memalign")))
            return true;
    return false;
}

/* Where the program ends: the judge asks whose code it was. */
static void note_killer(const void *jumper)
{
    char path[PATH_MAX];
    inside = true;
    mode = OFF;
    way w = find_way();
    if (jumper)
        w.asker = module_of(jumper);
    write_way(judge_path(path, wanted, "death"), &w);
    const int fd = open(judge_path(path, wanted, "killer"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    write_line(fd, "%s\n", in_allocator(&w) ? "allocator" : w.asker->name);
    close(fd);
}

/* A call through a pointer to nowhere ends in nobody's code: it is the fault of who called, whose address is on the stack; else NULL. */
static const void *jumper_to_nowhere(const void *context)
{
#ifdef __x86_64__
    const greg_t *const at = ((const ucontext_t *)context)->uc_mcontext.gregs;
    const module *const m = module_of((const void *)at[REG_RIP]);
    return m->high ? NULL : *(const void *const *)at[REG_RSP];
#else
    (void)context;
    return NULL;
#endif
}

static void dying(int signal, siginfo_t *info, void *context)
{
    (void)info;
    note_killer(jumper_to_nowhere(context));
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigaction(signal, &usual, NULL);
    raise(signal);
}

static void catch_deaths(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP};
    static char stack[1 << 17];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &(struct sigaction){.sa_sigaction = dying, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER}, NULL);
}

static void become_copy(long n, const way *w)
{
    char path[PATH_MAX];
    place_move(n);
    write_way(judge_path(path, n, "trace"), w);
    catch_deaths();
    alarm(SECONDS);
}

static void reap(long most)
{
    while (running > most) {
        running--;
        judge_next();
    }
}

/* A library's threads, which the child would wait for in vain. */
static void wait_for_threads(void)
{
    enum { FOLDER = 2, ONE_THREAD = 1, TRIES = 1000, PAUSE = 1000000 };
    struct stat st;
    for (int i = 0; i < TRIES && stat("/proc/self/task", &st) == 0 && st.st_nlink > FOLDER + ONE_THREAD; i++)
        nanosleep(&(struct timespec){.tv_nsec = PAUSE}, NULL);
}

static bool fork_here(const way *w)
{
    const long n = asked;
    int ready[2];
    reap(jobs - 1);
    wait_for_threads();
    const bool piped = pipe2(ready, O_CLOEXEC) == 0;
    const pid_t pid = piped ? _Fork() : -1;
    if (pid < 0)
        abort();
    close(ready[pid != 0]);
    if (pid != 0) {                          /* goes on when the child has its copies, and closes its end */
        char byte;
        while (read(ready[0], &byte, 1) < 0 && errno == EINTR)
            continue;
        close(ready[0]);
        judge_expect(n, pid, w->asker->name, w->asker->ours);
        running++;
        return false;
    }
    mode = w->asker->ours ? ONE : OFF;       /* off: a library may keep what it likes */
    wanted = n;
    owner = getpid();
    become_copy(n, w);
    close(ready[1]);
    return true;
}

static bool is_next(void)
{
    asked++;
    if (mode != ALL && mode != HOST)
        return mode == ONE && asked == wanted;
    const way w = find_way();
    if (mode == HOST)
        return w.asker->ours && ++ours.n == armed;
    if (!w.asker->ours && (!theirs.stride || seen_before(&w)))
        return false;
    const bool chosen = w.asker->ours ? ours.n++ % ours.stride == 0 : theirs.n++ % theirs.stride == 0;
    return chosen && fork_here(&w);
}

/* The n-th of our own from now on, 0 none; how many there were since the last call. */
long fail_alloc_arm(long n)
{
    const long before = ours.n;
    armed = n;
    ours.n = 0;
    return before;
}

static bool refused(void)
{
    if (mode == OFF || inside || !owns)
        return false;
    const int reason = errno;
    inside = true;
    const bool no = is_next();
    inside = false;
    errno = no ? ENOMEM : reason;
    return no;
}

static void *given(void *p, const void *caller)
{
    if (p && mode != OFF && !inside && owns) {
        guard(true);
        hold(p, caller);
        guard(false);
    }
    return p;
}

/* ---- what is asked for ---- */

#define CALLER __builtin_return_address(0)

void *malloc(size_t n) { return refused() ? NULL : given(__libc_malloc(n), CALLER); }
void *calloc(size_t n, size_t size) { return refused() ? NULL : given(__libc_calloc(n, size), CALLER); }
extern void *memalign(size_t, size_t);
void *memalign(size_t to, size_t n) { return refused() ? NULL : given(__libc_memalign(to, n), CALLER); }
void *aligned_alloc(size_t to, size_t n) { return refused() ? NULL : given(__libc_memalign(to, n), CALLER); }

char *strdup(const char *text)               /* whoever asks libc for it holds it */
{
    const size_t n = strlen(text) + 1;
    char *const copy = refused() ? NULL : given(__libc_malloc(n), CALLER);
    return copy ? memcpy(copy, text, n) : NULL;
}

void free(void *p)
{
    if (p && mode != OFF && !inside) {
        guard(true);
        let_go(p);
        guard(false);
    }
    __libc_free(p);
}

void *realloc(void *p, size_t n)
{
    if (refused())
        return NULL;
    if (p && mode != OFF && !inside) {
        guard(true);
        let_go(p);
        guard(false);
    }
    void *const more = __libc_realloc(p, n);
    return given(more, CALLER);
}

int posix_memalign(void **out, size_t to, size_t n)
{
    void *const p = refused() ? NULL : given(__libc_memalign(to, n), CALLER);
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    static __typeof__(&mmap) real;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "mmap");
    return mode != OFF && module_of(CALLER)->ours && refused() ? MAP_FAILED : real(at, n, protection, flags, fd, offset);
}

pid_t fork(void)
{
    static __typeof__(&fork) real;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fork");
    const pid_t pid = refused() ? -1 : real();
    if (pid == 0)
        mode = OFF;
    return pid;
}

/* HDF5 leaves by exit(-1) where it finds no memory for an identifier. */
void exit(int code)
{
    static __typeof__(&exit) real;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "exit");
    if (owner && wanted && getpid() == owner)
        note_killer(NULL);
    real(code);
    __builtin_unreachable();
}

/* ---- time stands still ---- */

enum { NOW = 1700000000 };

int clock_gettime(clockid_t clock, struct timespec *t)
{
    (void)clock;
    *t = (struct timespec){.tv_sec = NOW};
    return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    (void)zone;
    *t = (struct timeval){.tv_sec = NOW};
    return 0;
}

time_t time(time_t *t)
{
    if (t)
        *t = NOW;
    return NOW;
}

/* ---- begin and end ---- */

static long number(const char *name, long otherwise)
{
    const char *const text = getenv(name);
    return text ? atol(text) : otherwise;
}

__attribute__((constructor)) static void begin(void)
{
    const char *const how = getenv("FAIL_ALLOC"), *const folder = getenv("FAIL_ALLOC_DIR");
    void *frame;
    if (!how || !folder)
        return;
    backtrace(&frame, 1);                    /* loads what it needs */
    ours.stride = number("FAIL_ALLOC_OURS", 1), theirs.stride = number("FAIL_ALLOC_LIBRARIES", 1), jobs = number("FAIL_ALLOC_JOBS", 1);
    owner = getpid();
    owns = true;
    judge_begin(folder);
    wanted = atol(how);
    mode = strcmp(how, "all") == 0 ? ALL : strcmp(how, "count") == 0 ? COUNT : strcmp(how, "host") == 0 ? HOST : ONE;
    unsetenv("LD_PRELOAD");                  /* programs that this one starts answer for themselves */
}

__attribute__((destructor)) static void end(void)
{
    char path[PATH_MAX];
    if (mode == OFF || getpid() != owner)
        return;
    inside = true;
    if (mode == COUNT)
        write_live(judge_path(path, 0, "live"), -1);
    if (mode == ONE)
        write_live(judge_path(path, wanted, "leak"), judge_usual_live());
    if (mode == ALL)
        reap(0);
    if (mode == ALL || mode == COUNT)
        judge_end(asked);
    inside = false;
    mode = OFF;
}
