/* A disk that fails now and then: preloaded, it stands in for the C library's calls that
   create, write, rename and close files below a folder. See failing_disk.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name)) real(#name))
#define MOST 4096

static char folder[4096];
static char ours[MOST], full[MOST];  /* by file descriptor */
static off_t began[MOST];            /* its size when it was opened */
static long calls, at;
static unsigned char ways[MOST];     /* in how many each call could have failed */
static int way;
static double chance;
static uint64_t state;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

/* Below which folder; the number of the call that fails and in which way, or 0 and the chance
   of each, which fails in any. */
void disk_arm(const char *path, uint64_t seed, double share, long number, int its_way) {
    snprintf(folder, sizeof folder, "%s", path);
    state = seed * 2654435761u + 88172645463325252u;
    chance = share, at = number, way = its_way, calls = 0;
}

/* In how many ways the call of a number, from 1 up, could have failed; 0: there was none. */
int disk_ways(long number) { return number <= calls ? ways[(number - 1) % MOST] : 0; }

static uint64_t drawn(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

/* Whether this call, which can in so many ways, fails; every such call is counted. */
static int strikes(int count) {
    pthread_mutex_lock(&lock);
    ways[calls++ % MOST] = count;
    int yes = at ? calls == at : drawn() % 1000000 < chance * 1000000;
    pthread_mutex_unlock(&lock);
    return yes;
}

static int drawn_of(int count) { return at ? way % count : (int) (drawn() % count); }

static int below(const char *path) {
    char here[4096];
    size_t length = strlen(folder);
    if (!length) return 0;
    if (*path != '/') path = getcwd(here, sizeof here - 1) ? strcat(here, "/") : "";
    return !strncmp(path, folder, length) && path[length] == '/';
}

static int is_ours(int fd) { return *folder && fd >= 0 && fd < MOST && ours[fd]; }

static int note(int fd) {
    struct stat found;
    if (fd >= 0 && fd < MOST) {
        ours[fd] = 1, full[fd] = 0;
        began[fd] = fstat(fd, &found) ? 0 : found.st_size;
    }
    return fd;
}

static int fail(int error) { errno = error; return -1; }

/* What had not reached the disk is lost: half of what was written since it was opened, or
   of the file, where that had been written before. */
static void lose(int fd) {
    struct stat found;
    if (fstat(fd, &found)) return;
    off_t kept = found.st_size > began[fd] ? began[fd] : 0;
    if (ftruncate(fd, kept + (found.st_size - kept) / 2)) return;
}

#define WRITES 4
#define ERRORS (int[]) {ENOSPC, EIO}

/* How a write fails: at once, or like a disk that fills up, in the midst. */
static ssize_t failed_write(int fd, const void *bytes, size_t count) {
    int kind = drawn_of(WRITES);
    if (kind == 0) return fail(EIO);
    if (kind == 1) return fail(ENOSPC);
    if (kind == 2) return fail(EINTR);
    full[fd] = 1;
    return REAL(write)(fd, bytes, count / 2);
}

/* --- files ------------------------------------------------------------------------- */

static int writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

#define OPEN(name, at_argument, at_pass)                                              \
    int name(at_argument const char *path, int flags, ...) {                          \
        va_list more;                                                                 \
        va_start(more, flags);                                                        \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;     \
        va_end(more);                                                                 \
        if (!writes(flags) || !below(path)) return REAL(name)(at_pass path, flags, mode); \
        if (strikes(2)) return fail(ERRORS[drawn_of(2)]);                             \
        return note(REAL(name)(at_pass path, flags, mode));                           \
    }
#define NOTHING
#define FIRST(...) __VA_ARGS__,
OPEN(open, NOTHING, NOTHING)
OPEN(open64, NOTHING, NOTHING)
OPEN(openat, FIRST(int directory), FIRST(directory))
OPEN(openat64, FIRST(int directory), FIRST(directory))

ssize_t write(int fd, const void *bytes, size_t count) {
    if (is_ours(fd)) {
        if (full[fd]) return fail(ENOSPC);
        if (strikes(WRITES)) return failed_write(fd, bytes, count);
    }
    return REAL(write)(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (is_ours(fd) && (full[fd] || strikes(1))) return fail(ENOSPC);
    return REAL(writev)(fd, parts, count);
}

#define PWRITE(name, offset_type)                                                     \
    ssize_t name(int fd, const void *bytes, size_t count, offset_type place) {        \
        if (is_ours(fd) && (full[fd] || strikes(1))) return fail(EIO);                \
        return REAL(name)(fd, bytes, count, place);                                   \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define SYNC(name)                                                                    \
    int name(int fd) {                                                                \
        if (is_ours(fd) && strikes(1)) { lose(fd); return fail(EIO); }                \
        return REAL(name)(fd);                                                        \
    }
SYNC(fsync)
SYNC(fdatasync)

/* As over a network, where the last bytes leave when a file is closed. */
int close(int fd) {
    int lost = is_ours(fd) && strikes(1);
    if (lost) lose(fd);
    if (fd >= 0 && fd < MOST) ours[fd] = 0;
    int done = REAL(close)(fd);
    return lost ? fail(EIO) : done;
}

#define RENAME(name, arguments, passed)                                               \
    int name arguments {                                                              \
        if (below(to) && strikes(2)) return fail(ERRORS[drawn_of(2)]);                \
        return REAL(name) passed;                                                     \
    }
RENAME(rename, (const char *from, const char *to), (from, to))
RENAME(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))

/* --- streams, whose calls the C library makes within itself -------------------------- */

#define FOPEN(name)                                                                   \
    FILE *name(const char *path, const char *mode) {                                  \
        if (!strpbrk(mode, "wa+") || !below(path)) return REAL(name)(path, mode);     \
        if (strikes(1)) { errno = EIO; return NULL; }                                 \
        FILE *file = REAL(name)(path, mode);                                          \
        if (file) note(fileno(file));                                                 \
        return file;                                                                  \
    }
FOPEN(fopen)
FOPEN(fopen64)

size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file) {
    if (is_ours(fileno(file)) && strikes(1)) { errno = EIO; return 0; }
    return REAL(fwrite)(bytes, size, count, file);
}

int fflush(FILE *file) {
    if (file && is_ours(fileno(file)) && strikes(1)) {
        __fpurge(file);
        return fail(EIO);
    }
    return REAL(fflush)(file);
}

int fclose(FILE *file) {
    int fd = fileno(file), lost = is_ours(fd) && strikes(1);
    if (lost) { __fpurge(file); lose(fd); }
    if (fd >= 0 && fd < MOST) ours[fd] = 0;
    int done = REAL(fclose)(file);
    return lost ? fail(EIO) : done;
}
