/* A disk that can be watched, fills up, breaks, or takes its process with it.

   Loaded before libc (LD_PRELOAD), it sees what a process writes below a folder,
   whoever does it: Python, PyTorch's writer, libsndfile or SQLite. It does nothing
   until ``disk_arm``; a process that is forked goes on with what it was told. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WATCH, KILL, FAIL_ONCE, FAIL_ON };
enum { OPEN, WRITE, TRUNCATE, FSYNC, RENAME, UNLINK, MKDIR, RMDIR, EXCHANGE, LINK };
#define FILES 4096

static char prefix[PATH_MAX];
static int mode, error, log_fd = -1, armed;
static long at;
static long *count; /* shared with the process that armed */
static long handles;
static long handle_of[FILES]; /* of descriptors that write below the folder */
static char path_of[FILES][512];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

long *disk_arm(const char *folder, int what, long when, int number, int log)
{
    if (!count)
        count = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strncpy(prefix, folder, PATH_MAX - 1);
    mode = what, at = when, error = number, log_fd = log;
    memset(handle_of, 0, sizeof handle_of);
    handles = *count = 0;
    armed = folder[0] != 0;
    return count;
}

static void die(int signal) { kill(getpid(), SIGKILL); }

/* SIGKILL when the process has had so much of the CPU. */
void disk_die_on_alarm(void) { signal(SIGPROF, die); }

static int resolve(int folder, const char *path, char *out)
{
    char base[PATH_MAX];
    if (!armed) return 0;
    if (path[0] == '/')
        snprintf(out, PATH_MAX, "%s", path);
    else {
        ssize_t n = 0;
        if (folder == AT_FDCWD) {
            if (getcwd(base, sizeof base)) n = strlen(base);
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            n = readlink(link, base, sizeof base - 1);
        }
        if (n <= 0) return 0;
        base[n] = 0;
        if (snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return 0;
    }
    return !strncmp(out, prefix, strlen(prefix));
}

static int path_of_fd(int fd, char *out)
{
    char link[64];
    if (!armed) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    if (n <= 0) return 0;
    out[n] = 0;
    return !strncmp(out, prefix, strlen(prefix));
}

static ssize_t raw_write(int fd, const void *data, size_t size)
{
    REAL(write);
    return real(fd, data, size);
}

static void note(int what, long handle, long offset, const char *path,
                 const char *other, const void *data, long size)
{
    if (log_fd < 0) return;
    long head[7] = {what, *count, handle, offset,
                    strlen(path), strlen(other), size};
    struct iovec parts[4] = {{head, sizeof head}, {(void *)path, head[4]},
                             {(void *)other, head[5]}, {(void *)data, size}};
    static __typeof__(&writev) real_writev;
    if (!real_writev) real_writev = dlsym(RTLD_NEXT, "writev");
    pthread_mutex_lock(&lock);
    real_writev(log_fd, parts, 4);
    pthread_mutex_unlock(&lock);
}

/* Count a call. True: it is to fail, errno is set. */
static int fails(int what, int fd, const void *data, size_t size)
{
    long now = __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
    if (mode == KILL && now == at) {
        if (what == WRITE && size > 1) raw_write(fd, data, size / 2);
        kill(getpid(), SIGKILL);
    }
    if (what != UNLINK && what != RMDIR &&
        ((mode == FAIL_ONCE && now == at) || (mode == FAIL_ON && now >= at))) {
        errno = error;
        return 1;
    }
    return 0;
}

static void opened(int fd, const char *path, int flags)
{
    if (fd < 0 || fd >= FILES) return;
    handle_of[fd] = __atomic_add_fetch(&handles, 1, __ATOMIC_SEQ_CST);
    snprintf(path_of[fd], sizeof path_of[fd], "%s", path);
    note(OPEN, handle_of[fd], flags & O_TRUNC ? 1 : 0, path, "", "", 0);
}

#define WRITES(flags) (((flags) & O_ACCMODE) != O_RDONLY)
#define OPEN_BODY(call, folder, path) \
    char full[PATH_MAX]; \
    mode_t bits = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        bits = va_arg(rest, mode_t); \
        va_end(rest); \
    } \
    int seen = WRITES(flags) && resolve(folder, path, full); \
    if (seen && fails(OPEN, -1, NULL, 0)) return -1; \
    int fd = call; \
    if (fd >= 0 && fd < FILES) handle_of[fd] = 0; \
    if (seen && (flags & O_TMPFILE) != O_TMPFILE) opened(fd, full, flags); \
    return fd;

int open(const char *path, int flags, ...)
{
    REAL(open);
    OPEN_BODY(real(path, flags, bits), AT_FDCWD, path)
}
int open64(const char *path, int flags, ...)
{
    REAL(open64);
    OPEN_BODY(real(path, flags, bits), AT_FDCWD, path)
}
int openat(int at, const char *path, int flags, ...)
{
    REAL(openat);
    OPEN_BODY(real(at, path, flags, bits), at, path)
}
int openat64(int at, const char *path, int flags, ...)
{
    REAL(openat64);
    OPEN_BODY(real(at, path, flags, bits), at, path)
}

#define FOPEN_BODY \
    char full[PATH_MAX]; \
    int seen = !!strpbrk(how, "wa+") && resolve(AT_FDCWD, path, full); \
    if (seen && fails(OPEN, -1, NULL, 0)) return NULL; \
    FILE *file = real(path, how); \
    if (seen && file) \
        opened(fileno(file), full, strchr(how, 'w') ? O_TRUNC : 0); \
    return file;

FILE *fopen(const char *path, const char *how)
{
    REAL(fopen);
    FOPEN_BODY
}
FILE *fopen64(const char *path, const char *how)
{
    REAL(fopen64);
    FOPEN_BODY
}
int fclose(FILE *file)
{
    REAL(fclose);
    int fd = fileno(file);
    if (fd >= 0 && fd < FILES) handle_of[fd] = 0;
    return real(file);
}
int close(int fd)
{
    REAL(close);
    if (fd >= 0 && fd < FILES) handle_of[fd] = 0;
    return real(fd);
}

static int is_ours(int fd)
{
    return armed && fd >= 0 && fd < FILES && handle_of[fd];
}

static off_t position(int fd)
{
    off_t end = lseek(fd, 0, SEEK_CUR);
    return fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : end;
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (!is_ours(fd)) return raw_write(fd, data, size);
    if (fails(WRITE, fd, data, size)) return -1;
    off_t offset = position(fd);
    ssize_t done = raw_write(fd, data, size);
    if (done > 0) note(WRITE, handle_of[fd], offset, path_of[fd], "", data, done);
    return done;
}
ssize_t writev(int fd, const struct iovec *parts, int number)
{
    REAL(writev);
    if (!is_ours(fd)) return real(fd, parts, number);
    ssize_t all = 0;
    for (int i = 0; i < number; i++) {
        if (!parts[i].iov_len) continue;
        ssize_t done = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (done < 0) return all ? all : -1;
        all += done;
    }
    return all;
}
#define PWRITE_BODY \
    if (!is_ours(fd)) return real(fd, data, size, offset); \
    if (fails(WRITE, -1, data, 0)) return -1; \
    ssize_t done = real(fd, data, size, offset); \
    if (done > 0) note(WRITE, handle_of[fd], offset, path_of[fd], "", data, done); \
    return done;
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    REAL(pwrite);
    PWRITE_BODY
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    REAL(pwrite64);
    PWRITE_BODY
}
/* Copies inside the kernel would not be seen; those who ask copy themselves. */
ssize_t sendfile(int out, int in, off_t *offset, size_t size)
{
    errno = EINVAL;
    return -1;
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t size)
{
    errno = EINVAL;
    return -1;
}

#define TRUNCATE_BODY \
    if (!is_ours(fd)) return real(fd, size); \
    if (fails(TRUNCATE, fd, NULL, 0)) return -1; \
    int code = real(fd, size); \
    if (!code) note(TRUNCATE, handle_of[fd], size, path_of[fd], "", "", 0); \
    return code;
int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    TRUNCATE_BODY
}
int ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64);
    TRUNCATE_BODY
}

#define SYNC_BODY \
    char full[PATH_MAX]; \
    if (!path_of_fd(fd, full)) return real(fd); \
    if (fails(FSYNC, fd, NULL, 0)) return -1; \
    int code = real(fd); \
    if (!code) note(FSYNC, 0, 0, full, "", "", 0); \
    return code;
int fsync(int fd)
{
    REAL(fsync);
    SYNC_BODY
}
int fdatasync(int fd)
{
    REAL(fdatasync);
    SYNC_BODY
}

#define PATH_BODY(what, folder, path, call) \
    char full[PATH_MAX]; \
    int seen = resolve(folder, path, full); \
    if (seen && fails(what, -1, NULL, 0)) return -1; \
    int code = call; \
    if (seen && !code) note(what, 0, 0, full, "", "", 0); \
    return code;
int mkdir(const char *path, mode_t bits)
{
    REAL(mkdir);
    PATH_BODY(MKDIR, AT_FDCWD, path, real(path, bits))
}
int unlink(const char *path)
{
    REAL(unlink);
    PATH_BODY(UNLINK, AT_FDCWD, path, real(path))
}
int rmdir(const char *path)
{
    REAL(rmdir);
    PATH_BODY(RMDIR, AT_FDCWD, path, real(path))
}
int unlinkat(int at, const char *path, int flags)
{
    REAL(unlinkat);
    PATH_BODY(flags & AT_REMOVEDIR ? RMDIR : UNLINK, at, path,
              real(at, path, flags))
}
int rename(const char *from, const char *to)
{
    REAL(rename);
    char full[PATH_MAX], other[PATH_MAX];
    int seen = resolve(AT_FDCWD, from, full);
    if (seen && fails(RENAME, -1, NULL, 0)) return -1;
    int code = real(from, to);
    if (seen && !code) {
        resolve(AT_FDCWD, to, other);
        note(RENAME, 0, 0, full, other, "", 0);
    }
    return code;
}
int renameat2(int one, const char *from, int two, const char *to, unsigned flags)
{
    REAL(renameat2);
    PATH_BODY(EXCHANGE, one, from, real(one, from, two, to, flags))
}
int linkat(int one, const char *from, int two, const char *to, int flags)
{
    REAL(linkat);
    PATH_BODY(LINK, two, to, real(one, from, two, to, flags))
}
int link(const char *from, const char *to)
{
    REAL(link);
    PATH_BODY(LINK, AT_FDCWD, to, real(from, to))
}
