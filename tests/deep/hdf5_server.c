/* hdf5_server.c - the program as a fork server: from stdin a line "FOLDER \t ARGUMENT \t ARGUMENT ...", to stdout "EXIT SIGNAL
 * CPU_SECONDS". Each call runs in a child of this process, in FOLDER, with its answer in `said` and its conversation in `wrong`;
 * CPU_SECONDS are those of the child and of its own children. A sanitized program starts in a fifth of a second; a fork takes a
 * hundredth. The command `read FILE` reads like Python (hdf5_read.c). Before a command, `idle` takes the jobs that it starts for done,
 * and `blind` the figures of a laboratory for drawn. With arguments it is the program itself: a command that starts jobs starts them with
 * this. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hdf5.h>

#include <needlescope/error.h>

enum { MOST_ARGUMENTS = 64, CPU_SECONDS = 10, WALL_SECONDS = 120 };

int cli_main(int argc, char **argv);
int cli_exit_code(int code);
int read_like_python(const char *path, ns_error *err);

static bool idle, blind;

int __real_posix_spawnp(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *, char *const *);
int __wrap_posix_spawnp(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *, char *const *);

int __wrap_posix_spawnp(pid_t *pid, const char *program, const posix_spawn_file_actions_t *files, const posix_spawnattr_t *attributes,
                        char *const *argv, char *const *env)
{
    return __real_posix_spawnp(pid, idle ? "true" : program, files, attributes, argv, env);
}

int __real_ns_laboratory_draw(void *, ns_error *);
int __wrap_ns_laboratory_draw(void *, ns_error *);

int __wrap_ns_laboratory_draw(void *laboratory, ns_error *err)
{
    return blind ? NS_OK : __real_ns_laboratory_draw(laboratory, err);
}

static int read_file(const char *path)
{
    ns_error err = {""};
    const int rc = read_like_python(path, &err);
    if (rc != NS_OK)
        fprintf(stderr, "%s\n", err.message);
    return cli_exit_code(rc);
}

static void redirect(const char *path, int to)
{
    const int fd = open(path, to ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0666);
    if (fd < 0 || dup2(fd, to) < 0)
        _exit(125);
    close(fd);
}

static int run(char *line)
{
    char *argv[MOST_ARGUMENTS + 1] = {"needlescope"};
    int argc = 1;
    const char *const folder = strtok(line, "\t");
    for (char *word = strtok(NULL, "\t"); word && argc < MOST_ARGUMENTS; word = strtok(NULL, "\t"))
        if (argc == 1 && strcmp(word, "idle") == 0)
            idle = true;
        else if (argc == 1 && strcmp(word, "blind") == 0)
            blind = true;
        else
            argv[argc++] = word;
    if (!folder || chdir(folder) != 0)
        return 125;
    redirect("/dev/null", 0);
    redirect("said", 1);
    redirect("wrong", 2);
    return argc == 3 && strcmp(argv[1], "read") == 0 ? read_file(argv[2]) : cli_main(argc, argv);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

/* HDF5 closes its files, which may fail; what else runs at the end of a process is a matter of leaks alone. */
static _Noreturn void leave(int code)
{
    if (getenv("HDF5_SERVER_LEAKS"))
        exit(code);
    fflush(NULL);
    H5close();
    _exit(code);
}

static pid_t run_forked(char *line)
{
    const struct rlimit none = {0, 0}, time = {CPU_SECONDS + 1, CPU_SECONDS + 2};
    const pid_t pid = fork();
    if (pid != 0)
        return pid;
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_CPU, &time);
    alarm(WALL_SECONDS);
    leave(run(line));
}

static void say(int status, const struct rusage *used)
{
    printf("%d %d %.3f\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
           seconds(used->ru_utime) + seconds(used->ru_stime));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static char line[1 << 14];
    if (argc > 1)
        return cli_main(argc, argv);
    while (fgets(line, sizeof line, stdin)) {
        int status = 0;
        struct rusage used = {0};
        line[strcspn(line, "\n")] = '\0';
        fflush(stdout);
        const pid_t pid = run_forked(line);
        if (pid < 0 || wait4(pid, &status, 0, &used) < 0)
            return 1;
        say(status, &used);
    }
    return 0;
}
