#include "spool_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "log.h"

enum {
    SEQ_DIGITS = 16,
    NAME_SIZE = SPOOL_KIND_SIZE + SEQ_DIGITS + 4 + 1, /* kind.seq.tmp */
    SAY_MS = 10000, /* between two complaints */
};

#define SEQ_MAX (UINT64_MAX / 4)

/* --- names --------------------------------------------------------------- */

static void name_of(const struct spool_disk *disk, uint64_t seq,
                    const char *suffix, char out[NAME_SIZE])
{
    (void)snprintf(out, NAME_SIZE, "%s.%016llx%s", disk->kind,
                   (unsigned long long)seq, suffix);
}

static bool hex_to_seq(struct str digits, uint64_t *out)
{
    uint64_t n = 0;

    if (digits.len != SEQ_DIGITS)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.ptr[i];

        if (c >= '0' && c <= '9')
            n = n << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            n = n << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = n;
    return n > 0 && n < SEQ_MAX;
}

/* `suffix` is what stands behind the number: "", ".tmp", ".bad".  False when
 * it is no name that we give. */
static bool parse_name(const struct spool_disk *disk, struct str name,
                       uint64_t *seq, struct str *suffix)
{
    struct str kind = str_of(disk->kind);
    size_t at = kind.len + 1;

    if (!str_starts(name, kind) || name.len < at + SEQ_DIGITS ||
        name.ptr[kind.len] != '.')
        return false;
    *suffix = str_slice(name, at + SEQ_DIGITS, name.len);
    return hex_to_seq(str_slice(name, at, at + SEQ_DIGITS), seq);
}

/* --- trouble ------------------------------------------------------------- */

/* A disk that is full is so for each batch: once in a while is enough. */
static void complain(struct spool_disk *disk, const char *what)
{
    const char *why = strerror(errno);
    uint64_t now_ms = clock_ms();

    if (now_ms < disk->next_say_ms)
        return;
    disk->next_say_ms = now_ms + SAY_MS;
    log_say(LOG_ERROR, "the spool has trouble", "cannot %s a file of %s: %s",
            what, disk->kind, why);
}

static void unlink_file(struct spool_disk *disk, uint64_t seq,
                        const char *suffix)
{
    char name[NAME_SIZE];

    name_of(disk, seq, suffix, name);
    if (unlinkat(disk->dir, name, 0) != 0 && errno != ENOENT)
        complain(disk, "remove");
}

void spool_disk_remove(struct spool_disk *disk, uint64_t seq)
{
    unlink_file(disk, seq, "");
}

void spool_disk_set_aside(struct spool_disk *disk, uint64_t seq)
{
    char name[NAME_SIZE], bad[NAME_SIZE];

    if (disk->bad_count >= SPOOL_BAD_MAX) {
        unlink_file(disk, seq, "");
        return;
    }
    name_of(disk, seq, "", name);
    name_of(disk, seq, ".bad", bad);
    log_say(LOG_WARN, "a file of the spool is damaged", "%s", name);
    if (renameat(disk->dir, name, disk->dir, bad) == 0)
        disk->bad_count++;
    else if (errno != ENOENT)
        complain(disk, "rename");
}

/* --- writing ------------------------------------------------------------- */

static bool write_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes = str_slice(bytes, (size_t)n, bytes.len);
    }
    return true;
}

/* Keeps the errno of what failed first. */
static bool write_temporary(struct spool_disk *disk, const char *name,
                            struct str head, struct str body)
{
    int fd = openat(disk->dir, name,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    S_IRUSR | S_IWUSR);
    bool is_written;
    int why;

    if (fd < 0)
        return false;
    is_written = write_all(fd, head) && write_all(fd, body);
    why = errno;
    if (close(fd) != 0)
        return false;
    errno = why;
    return is_written;
}

bool spool_disk_write(struct spool_disk *disk, uint64_t seq,
                      struct spool_head *head, struct str body)
{
    char bytes[SPOOL_HEAD_SIZE], temporary[NAME_SIZE], name[NAME_SIZE];

    spool_write_head(bytes, str_of(disk->kind), head, body);
    name_of(disk, seq, ".tmp", temporary);
    name_of(disk, seq, "", name);
    if (write_temporary(disk, temporary, (struct str){bytes, sizeof(bytes)},
                        body) &&
        renameat(disk->dir, temporary, disk->dir, name) == 0)
        return true;
    complain(disk, "write");
    (void)unlinkat(disk->dir, temporary, 0);
    return false;
}

/* --- reading ------------------------------------------------------------- */

/* Reading failed for want of something that may be there again. */
static bool is_for_now(void)
{
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

static bool read_all(int fd, char *to, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, to, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        to += n;
        len -= (size_t)n;
    }
    return true;
}

static bool read_head(struct spool_disk *disk, int fd, struct spool_head *head)
{
    char bytes[SPOOL_HEAD_SIZE];
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
           read_all(fd, bytes, sizeof(bytes)) &&
           spool_read_head((struct str){bytes, sizeof(bytes)},
                           str_of(disk->kind), head) &&
           head->body_len > 0 &&
           head->body_len == (uint64_t)status.st_size - SPOOL_HEAD_SIZE;
}

/* Whatever has the name: not to wait for the other end of a pipe. */
static int open_file(struct spool_disk *disk, uint64_t seq)
{
    char name[NAME_SIZE];

    name_of(disk, seq, "", name);
    return openat(disk->dir, name,
                  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

enum spool_find spool_disk_look(struct spool_disk *disk, uint64_t seq,
                                struct spool_head *head)
{
    int fd = open_file(disk, seq);
    bool is_head;

    if (fd < 0)
        return is_for_now() ? SPOOL_UNREADABLE : SPOOL_DAMAGED;
    is_head = read_head(disk, fd, head);
    close(fd);
    return is_head ? SPOOL_WHOLE : SPOOL_DAMAGED;
}

enum spool_find spool_disk_read(struct spool_disk *disk, uint64_t seq,
                                struct buf *body)
{
    int fd = open_file(disk, seq);
    struct spool_head head;
    enum spool_find find = SPOOL_DAMAGED;

    if (fd < 0)
        return is_for_now() ? SPOOL_UNREADABLE : SPOOL_DAMAGED;
    if (read_head(disk, fd, &head) && head.body_len <= body->max) {
        if (!buf_reserve(body, head.body_len)) {
            find = SPOOL_UNREADABLE;
        } else if (read_all(fd, body->ptr, head.body_len)) {
            body->len = head.body_len;
            if (spool_is_body(&head, buf_str(body)))
                find = SPOOL_WHOLE;
        }
    }
    close(fd);
    return find;
}

static struct str next_file(struct spool_disk *disk, DIR *dir, uint64_t *seq)
{
    struct dirent *found;
    struct str suffix = {NULL, 0};

    while ((found = readdir(dir)) != NULL)
        if (parse_name(disk, str_of(found->d_name), seq, &suffix))
            return suffix;
    *seq = 0;
    return suffix;
}

/* Before any file is set aside: how many are already, and what numbers are
 * taken. */
static void look_around(struct spool_disk *disk, DIR *dir)
{
    struct str suffix;
    uint64_t seq;

    while (suffix = next_file(disk, dir, &seq), seq != 0) {
        if (seq > disk->last_seq)
            disk->last_seq = seq;
        if (str_eq(suffix, STR(".tmp")))
            unlink_file(disk, seq, ".tmp");
        else if (str_eq(suffix, STR(".bad")))
            disk->bad_count++;
    }
}

bool spool_disk_each(struct spool_disk *disk,
                     void (*on_file)(void *ctx, uint64_t seq), void *ctx)
{
    int copy = dup(disk->dir);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct str suffix;
    uint64_t seq;

    if (dir == NULL)
        return false;
    look_around(disk, dir);
    rewinddir(dir);
    while (suffix = next_file(disk, dir, &seq), seq != 0)
        if (suffix.len == 0)
            on_file(ctx, seq);
    closedir(dir);
    return true;
}

/* --- opening ------------------------------------------------------------- */

static bool take_lock(struct spool_disk *disk, const char *path,
                      struct buf *why)
{
    char name[NAME_SIZE];

    (void)snprintf(name, sizeof(name), "%s.lock", disk->kind);
    disk->lock =
        openat(disk->dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
               S_IRUSR | S_IWUSR);
    if (disk->lock < 0) {
        buf_printf(why, "the spool %s cannot be written to: %s", path,
                   strerror(errno));
        return false;
    }
    if (flock(disk->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    buf_printf(why,
               "the spool %s is in use by another process, which has locked "
               "%s: each needs a folder of its own",
               path, name);
    return false;
}

static bool open_dir(struct spool_disk *disk, const char *path, struct buf *why)
{
    if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST) {
        buf_printf(why, "the spool %s cannot be made: %s", path,
                   strerror(errno));
        return false;
    }
    disk->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->dir >= 0)
        return take_lock(disk, path, why);
    buf_printf(why, "the spool %s cannot be opened: %s", path, strerror(errno));
    return false;
}

bool spool_disk_open(struct spool_disk *disk, struct str path, struct str kind,
                     struct buf *why)
{
    char *text = must_calloc(1, path.len + 1);
    bool is_open;

    check(spool_is_kind(kind));
    *disk = (struct spool_disk){.dir = -1, .lock = -1};
    memcpy(text, path.ptr, path.len);
    memcpy(disk->kind, kind.ptr, kind.len);
    is_open = open_dir(disk, text, why);
    free(text);
    if (!is_open)
        spool_disk_close(disk);
    return is_open;
}

void spool_disk_close(struct spool_disk *disk)
{
    if (disk->lock >= 0)
        close(disk->lock);
    if (disk->dir >= 0)
        close(disk->dir);
    disk->dir = disk->lock = -1;
}
