#define _GNU_SOURCE
#include "CPlatformShims.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

int imgpipe_sync_file_system(int descriptor) {
    return syncfs(descriptor);
}

int imgpipe_spawn_self(char *const arguments[], char *const environment[], int socket, int is_silent) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    pid_t process = -1;
    int code = posix_spawn_file_actions_init(&actions);

    if (code != 0) {
        errno = code;
        return -1;
    }
    code = posix_spawnattr_init(&attributes);
    if (code == 0) {
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        /* A group of its own: a terminal's Ctrl-C is for the one who hands out the work, and ends this process by closing the socket. */
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        code = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        if (code == 0) code = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        if (code == 0 && is_silent) code = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, socket, 3);
        if (code == 0) code = posix_spawn_file_actions_addclosefrom_np(&actions, 4);
        if (code == 0) code = posix_spawn(&process, "/proc/self/exe", &actions, &attributes, arguments, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    errno = code;
    return code == 0 ? process : -1;
}

int imgpipe_processors(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

int imgpipe_accept(int socket) {
    return accept4(socket, NULL, NULL, SOCK_CLOEXEC);
}

static int watched;

/* Comes for each message too. */
static void look(int number) {
    int before = errno;
    struct pollfd request = {watched, 0, 0};
    (void)number;
    if (poll(&request, 1, 0) > 0 && request.revents & POLLHUP) _exit(0);
    errno = before;
}

void imgpipe_exit_on_hangup(int socket) {
    struct sigaction action = {.sa_handler = look, .sa_flags = SA_RESTART};
    watched = socket;
    sigaction(SIGIO, &action, NULL);
    fcntl(socket, F_SETOWN, getpid());
    fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_ASYNC);
    /* It may have closed before. */
    look(SIGIO);
}

void imgpipe_raise_open_files(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void imgpipe_use_arenas(int count) {
    mallopt(M_ARENA_MAX, count);
}
