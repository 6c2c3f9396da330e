#define _GNU_SOURCE
#include "CPlatformShims.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

int imgpipe_no_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int lower(int resource, rlim_t most) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0) return -1;
    if (limit.rlim_max > most) limit.rlim_max = most;
    if (limit.rlim_cur > most) limit.rlim_cur = most;
    return setrlimit(resource, &limit);
}

int imgpipe_lower_limits(unsigned descriptors, int may_start_threads) {
    int failed = lower(RLIMIT_CORE, 0) | lower(RLIMIT_NOFILE, descriptors);
    /* Linux counts threads too. */
    if (!may_start_threads) failed |= lower(RLIMIT_NPROC, 0);
    return failed;
}

/* Landlock, of which Debian 12's headers know the second of its versions: Documentation/userspace-api/landlock.rst. */

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

struct ruleset {
    uint64_t handled_access_fs, handled_access_net, scoped;
};

struct path_rule {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

enum {
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_FILE = 1 << 5,
    MAKE_DIR = 1 << 7,
    MAKE_REG = 1 << 8,
    TRUNCATE = 1 << 14,
};

/* What each version of Landlock can refuse: files, then linking elsewhere, truncation, ioctl of devices; TCP; signals and abstract sockets. */
static const struct ruleset handled[] = {
    {0x1fff, 0, 0}, {0x3fff, 0, 0}, {0x7fff, 0, 0}, {0x7fff, 3, 0}, {0xffff, 3, 0}, {0xffff, 3, 3},
};

int imgpipe_landlock_version(void) {
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */);
}

static const struct ruleset *rules_of(int version) {
    int known = sizeof handled / sizeof *handled;
    return &handled[(version < known ? version : known) - 1];
}

int imgpipe_landlock_begin(int version) {
    size_t size = version < 4 ? 8 : version < 6 ? 16 : 24;
    return (int)syscall(SYS_landlock_create_ruleset, rules_of(version), size, 0);
}

int imgpipe_landlock_allow(int ruleset, int version, const char *path, unsigned grants) {
    int descriptor = open(path, O_PATH | O_CLOEXEC);
    if (descriptor < 0) return -1;
    /* Of what is there nothing can be opened, where seccomp holds. */
    uint64_t access = WRITE_FILE | TRUNCATE;
    if (grants & IMGPIPE_UNNAMED_FILES) access |= READ_FILE;
    if (grants & IMGPIPE_MAKE_FILES) access |= MAKE_REG | REMOVE_FILE;
    if (grants & IMGPIPE_MAKE_DIRECTORIES) access |= MAKE_DIR;
    if (grants & IMGPIPE_READ_DIRECTORY) access |= READ_DIR;
    struct path_rule rule = {access & rules_of(version)->handled_access_fs, descriptor};
    int failed = (int)syscall(SYS_landlock_add_rule, ruleset, 1 /* LANDLOCK_RULE_PATH_BENEATH */, &rule, 0);
    close(descriptor);
    return failed;
}

int imgpipe_landlock_enforce(int ruleset) {
    return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}

int imgpipe_has_unnamed_files(const char *directory) {
    struct statfs status;
    if (statfs(directory, &status) != 0) return 0;
    switch ((unsigned long)status.f_type) {
    case 0xef53: /* ext4 */
    case 0x58465342: /* XFS */
    case 0x9123683e: /* Btrfs */
    case 0x01021994: /* tmpfs */ return 1;
    default: return 0;
    }
}

/* seccomp. Three answers: what is needed is allowed; what no picture needs and an intruder wants ends the process; anything else does not exist
   (ENOSYS), so that a C library that tries a newer call first falls back on the older one. */

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE

static const short always[] = {
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk, SYS_futex, SYS_lseek,
    SYS_fstat, SYS_close, SYS_ppoll, SYS_ftruncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_memfd_create, SYS_rt_sigaction,
    SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit, SYS_exit_group, SYS_clock_gettime, SYS_clock_nanosleep, SYS_gettimeofday,
    SYS_getrlimit, SYS_getrusage, SYS_sysinfo, SYS_getpid, SYS_gettid, SYS_geteuid, SYS_getegid, SYS_getrandom, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_set_robust_list, SYS_rseq,
    /* Asks of files, and opens none: fstat is one of them. */
    SYS_newfstatat, SYS_statx, SYS_fstatfs,
#ifdef __x86_64__
    SYS_poll, SYS_stat, SYS_lstat,
#endif
};

/* With paths. Landlock says which. */
static const short with_paths[] = {
    SYS_linkat, SYS_renameat, SYS_renameat2, SYS_unlinkat, SYS_mkdirat, SYS_readlinkat, SYS_faccessat, SYS_faccessat2, SYS_umask,
#ifdef __x86_64__
    SYS_link, SYS_rename, SYS_unlink, SYS_mkdir, SYS_readlink, SYS_access,
#endif
};

/* Of the file that replaces one. */
static const short with_replacement[] = {SYS_fchown};

static const short with_opener[] = {SYS_recvmsg, SYS_sendmsg, SYS_wait4};

/* Nothing but an intruder tries these; what else he could want is no call at all. */
static const short deadly[] = {
    SYS_socket, SYS_connect, SYS_accept, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_shutdown, SYS_bind, SYS_listen, SYS_getsockname,
    SYS_getpeername, SYS_socketpair, SYS_setsockopt, SYS_getsockopt, SYS_execve, SYS_execveat, SYS_ptrace, SYS_kill, SYS_process_vm_readv,
    SYS_process_vm_writev, SYS_io_uring_setup, SYS_bpf,
#ifdef __x86_64__
    SYS_fork, SYS_vfork,
#endif
};

/* Calls whose argument decides: for the one answer it must be as one of `when` where their masks have bits, else there is the other. The lower
   half of it, which comes first on these machines; of a pointer, which is to be NULL, the upper half too. */
struct condition {
    uint32_t mask, wanted;
};

struct question {
    short call, argument;
    uint32_t yes, no;
    int count, is_pointer;
    struct condition when[3];
};

#define FIELD(name) (uint32_t) offsetof(struct seccomp_data, name)

enum { CALLS = 512, QUESTIONS = 10 };
enum answer { NO_SUCH_CALL, ALLOWED, DEATH, FIRST_QUESTION };

struct policy {
    unsigned char answers[CALLS];
    struct question questions[QUESTIONS];
    int question_count;
};

struct program {
    struct sock_filter code[768];
    unsigned short count;
    int is_too_long;
};

static void answer(struct policy *policy, const short *calls, size_t bytes, enum answer answer) {
    for (size_t i = 0; i < bytes / sizeof *calls; i++) policy->answers[calls[i]] = (unsigned char)answer;
}

static void ask(struct policy *policy, struct question question) {
    policy->questions[policy->question_count] = question;
    policy->answers[question.call] = (unsigned char)(FIRST_QUESTION + policy->question_count++);
}

static void add(struct program *program, uint16_t code, uint32_t operand, uint8_t yes, uint8_t no) {
    program->code[program->count++] = (struct sock_filter){code, yes, no, operand};
}

static void end(struct program *program, uint32_t action) {
    add(program, BPF_RET | BPF_K, action, 0, 0);
}

static void add_leaf(struct program *program, const struct policy *policy, int kind) {
    static const uint32_t actions[] = {
        SECCOMP_RET_ERRNO | ENOSYS, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS,
    };
    if (kind < FIRST_QUESTION) {
        end(program, actions[kind]);
        return;
    }
    const struct question *question = &policy->questions[kind - FIRST_QUESTION];
    uint32_t place = FIELD(args) + 8u * (uint32_t)question->argument;
    if (question->is_pointer) {
        add(program, BPF_LD | BPF_W | BPF_ABS, place + 4, 0, 0);
        add(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
        end(program, question->no);
    }
    for (int i = 0; i < question->count; i++) {
        add(program, BPF_LD | BPF_W | BPF_ABS, place, 0, 0);
        add(program, BPF_ALU | BPF_AND | BPF_K, question->when[i].mask, 0, 0);
        add(program, BPF_JMP | BPF_JEQ | BPF_K, question->when[i].wanted, 0, 1);
        end(program, question->yes);
    }
    end(program, question->no);
}

/* Runs of calls with the same answer, as a search tree: the kernel goes through the program once for each call that there is when it is set, and
   in a list that takes longer than all else that a small picture does. */
static void add_tree(struct program *program, const struct policy *policy, const short *starts, int count) {
    if (count == 1) {
        add_leaf(program, policy, policy->answers[starts[0]]);
        return;
    }
    int half = count / 2, jump = program->count;
    add(program, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)starts[half], 0, 0);
    add_tree(program, policy, starts, half);
    int distance = program->count - jump - 1;
    if (distance > UINT8_MAX) program->is_too_long = 1;
    program->code[jump].jt = (uint8_t)distance;
    add_tree(program, policy, starts + half, count - half);
}

int imgpipe_has_seccomp(void) {
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int imgpipe_seccomp(unsigned grants) {
    const uint32_t allow = SECCOMP_RET_ALLOW, death = SECCOMP_RET_KILL_PROCESS, denied = SECCOMP_RET_ERRNO | EPERM;
    const uint32_t threads = CLONE_VM | CLONE_THREAD;
    struct policy policy = {.question_count = 0};
    struct program program = {.count = 0};

    answer(&policy, always, sizeof always, ALLOWED);
    answer(&policy, deadly, sizeof deadly, DEATH);
    const struct question questions[] = {
        /* No new code. */
        {SYS_mmap, 2, allow, death, 1, 0, {{PROT_EXEC, 0}}},
        {SYS_mprotect, 2, allow, death, 1, 0, {{PROT_EXEC, 0}}},
        /* A signal to oneself, as raise(3) sends it. */
        {SYS_tgkill, 0, allow, death, 1, 0, {{UINT32_MAX, (uint32_t)getpid()}}},
        /* Whether something is a terminal. */
        {SYS_ioctl, 1, allow, SECCOMP_RET_ERRNO | ENOTTY, 1, 0, {{UINT32_MAX, TCGETS}}},
        /* Flags, and a pipe's size: not who gets signals. */
        {SYS_fcntl, 1, allow, denied, 3, 0, {{~7u, 0}, {UINT32_MAX, F_SETPIPE_SZ}, {UINT32_MAX, F_GETPIPE_SZ}}},
        /* A limit is asked for, not set. */
        {SYS_prlimit64, 2, allow, denied, 1, 1, {{UINT32_MAX, 0}}},
        {SYS_clone, 0, grants & IMGPIPE_THREADS ? allow : death, death, 1, 0, {{threads, threads}}},
        /* A file without a name, or one that is not there yet, or a directory; what there is may be opened only where it is said to. */
        {SYS_openat, 2, allow, SECCOMP_RET_ERRNO | EACCES, grants & IMGPIPE_PATHS ? 3 : 1, 0,
         {{O_TMPFILE, O_TMPFILE},
          grants & IMGPIPE_OPEN_EXISTING ? (struct condition){0, 0} : (struct condition){O_EXCL | O_CREAT, O_EXCL | O_CREAT},
          {O_DIRECTORY, O_DIRECTORY}}},
        /* futimens(3) */
        {SYS_utimensat, 1, allow, denied, 1, 1, {{UINT32_MAX, 0}}},
        /* No program that others would run with our rights. */
        {SYS_fchmod, 1, allow, denied, 1, 0, {{06000, 0}}},
    };
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        int is_of_replacement = questions[i].call == SYS_utimensat || questions[i].call == SYS_fchmod;
        if (!is_of_replacement || grants & IMGPIPE_REPLACE) ask(&policy, questions[i]);
    }
    if (grants & IMGPIPE_REPLACE) answer(&policy, with_replacement, sizeof with_replacement, ALLOWED);
    if (grants & IMGPIPE_OPENER) answer(&policy, with_opener, sizeof with_opener, ALLOWED);
    if (grants & IMGPIPE_PATHS) answer(&policy, with_paths, sizeof with_paths, ALLOWED);

    short starts[CALLS];
    int count = 0;
    for (short i = 0; i < CALLS; i++)
        if (i == 0 || policy.answers[i] != policy.answers[i - 1]) starts[count++] = i;

    add(&program, BPF_LD | BPF_W | BPF_ABS, FIELD(arch), 0, 0);
    add(&program, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    end(&program, death);
    add(&program, BPF_LD | BPF_W | BPF_ABS, FIELD(nr), 0, 0);
#ifdef __x86_64__
    /* The x32 calls, which are others under other numbers. */
    add(&program, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
    end(&program, death);
#endif
    add_tree(&program, &policy, starts, count);

    if (program.is_too_long) {
        errno = E2BIG;
        return -1;
    }
    struct sock_fprog filter = {program.count, program.code};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
}

#else

int imgpipe_has_seccomp(void) {
    return 0;
}

int imgpipe_seccomp(unsigned grants) {
    (void)grants;
    errno = ENOSYS;
    return -1;
}

#endif
