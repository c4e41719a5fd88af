#include "spool.h"

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
#include "telemetry/spool_head.h"

enum {
    SEQ_DIGITS = 16,
    NAME_SIZE = SPOOL_KIND_SIZE + SEQ_DIGITS + 4 + 1, /* kind.seq.tmp */
    SAY_MS = 10000, /* between two complaints about the disk */
};

/* A file, as far as it is known without opening it. */
struct entry {
    uint64_t seq;
    size_t charge; /* what it takes on disk */
    int64_t created_ms;
    unsigned items;
};

struct spool {
    char kind[SPOOL_KIND_SIZE];
    int dir, lock;
    size_t max_bytes;
    uint64_t max_age_ms;
    struct losses *losses;
    /* a ring would do; but what leaves, leaves at the front, and what comes,
     * comes at the end */
    struct entry *entries; /* by seq, entries[front] the oldest */
    size_t front, end, cap;
    size_t bytes;
    uint64_t next_seq;
    uint64_t held; /* 0: none */
    unsigned bad_count;
    uint64_t said_ms;
};

/* --- names --------------------------------------------------------------- */

static void name_of(const struct spool *spool, uint64_t seq, const char *suffix,
                    char out[NAME_SIZE])
{
    (void)snprintf(out, NAME_SIZE, "%s.%016llx%s", spool->kind,
                   (unsigned long long)seq, suffix);
}

static bool hex_to_u64(struct str digits, uint64_t *out)
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
    return true;
}

/* What stands behind the number of a file of this kind: "", ".tmp", ".bad". */
static bool parse_name(const struct spool *spool, struct str name,
                       uint64_t *seq, struct str *suffix)
{
    struct str kind = str_of(spool->kind);
    size_t at = kind.len + 1;

    if (!str_starts(name, kind) || name.len < at + SEQ_DIGITS ||
        name.ptr[kind.len] != '.')
        return false;
    *suffix = str_slice(name, at + SEQ_DIGITS, name.len);
    return hex_to_u64(str_slice(name, at, at + SEQ_DIGITS), seq);
}

static size_t charge_of(uint64_t body_len)
{
    return (size_t)(body_len + SPOOL_HEAD_SIZE + SPOOL_BLOCK - 1) /
           SPOOL_BLOCK * SPOOL_BLOCK;
}

/* --- what is known of the files ------------------------------------------ */

static void make_room(struct spool *spool)
{
    size_t count = spool->end - spool->front;

    if (spool->end < spool->cap)
        return;
    if (spool->front > count) {
        memcpy(spool->entries, spool->entries + spool->front,
               count * sizeof(*spool->entries));
        spool->front = 0;
        spool->end = count;
        return;
    }
    spool->cap = spool->cap == 0 ? 64 : spool->cap * 2;
    spool->entries =
        must_realloc(spool->entries, spool->cap * sizeof(*spool->entries));
}

/* Nearly always the last, or the first. */
static void insert(struct spool *spool, const struct entry *entry)
{
    size_t at;

    if (spool->front > 0 && spool->front < spool->end &&
        entry->seq < spool->entries[spool->front].seq) {
        at = --spool->front;
    } else {
        make_room(spool);
        at = spool->end++;
        while (at > spool->front && spool->entries[at - 1].seq > entry->seq) {
            spool->entries[at] = spool->entries[at - 1];
            at--;
        }
    }
    spool->entries[at] = *entry;
    spool->bytes += entry->charge;
    if (entry->seq >= spool->next_seq)
        spool->next_seq = entry->seq + 1;
    figures_add(&spool->losses->figures->spooled, entry->items);
    figures_add(&spool->losses->figures->spooled_bytes, entry->charge);
}

/* The place of that number, or `end`. */
static size_t find(const struct spool *spool, uint64_t seq)
{
    size_t low = spool->front;
    size_t high = spool->end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (spool->entries[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < spool->end && spool->entries[low].seq == seq ? low
                                                              : spool->end;
}

/* Forgets it; the file is the caller's to remove. */
static void forget(struct spool *spool, size_t at)
{
    struct entry entry = spool->entries[at];

    for (; at > spool->front; at--)
        spool->entries[at] = spool->entries[at - 1];
    spool->front++;
    spool->bytes -= entry.charge;
    if (spool->held == entry.seq)
        spool->held = 0;
    figures_sub(&spool->losses->figures->spooled, entry.items);
    figures_sub(&spool->losses->figures->spooled_bytes, entry.charge);
}

/* --- trouble ------------------------------------------------------------- */

/* A disk that is full says so with every batch: once in a while is enough. */
static void complain(struct spool *spool, const char *what)
{
    const char *why = strerror(errno);
    uint64_t now_ms = clock_ms();

    if (spool->said_ms != 0 && now_ms < spool->said_ms + SAY_MS)
        return;
    spool->said_ms = now_ms;
    log_say(LOG_ERROR, "the spool has trouble", "%s a file of %s: %s", what,
            spool->kind, why);
}

static void remove_file(struct spool *spool, uint64_t seq, const char *suffix)
{
    char name[NAME_SIZE];

    name_of(spool, seq, suffix, name);
    if (unlinkat(spool->dir, name, 0) != 0 && errno != ENOENT)
        complain(spool, "cannot remove");
}

/* Not a file of ours, or no more: kept for a person to look at, but not more
 * than a few of them. */
static void set_aside(struct spool *spool, uint64_t seq)
{
    char name[NAME_SIZE], bad[NAME_SIZE];

    name_of(spool, seq, "", name);
    name_of(spool, seq, ".bad", bad);
    log_say(LOG_WARN, "a file of the spool is damaged", "%s", name);
    if (spool->bad_count >= SPOOL_BAD_MAX)
        remove_file(spool, seq, "");
    else if (renameat(spool->dir, name, spool->dir, bad) == 0)
        spool->bad_count++;
    else
        complain(spool, "cannot rename");
}

static void drop(struct spool *spool, size_t at, enum drop_cause cause)
{
    uint64_t seq = spool->entries[at].seq;

    losses_count(spool->losses, cause, spool->entries[at].items);
    remove_file(spool, seq, "");
    forget(spool, at);
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

static bool write_file(struct spool *spool, uint64_t seq, struct str head,
                       struct str body)
{
    char temporary[NAME_SIZE], name[NAME_SIZE];
    bool is_written;
    int fd;

    name_of(spool, seq, ".tmp", temporary);
    name_of(spool, seq, "", name);
    fd = openat(spool->dir, temporary,
                O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        complain(spool, "cannot make");
        return false;
    }
    is_written = write_all(fd, head) && write_all(fd, body);
    is_written = close(fd) == 0 && is_written;
    if (is_written && renameat(spool->dir, temporary, spool->dir, name) == 0)
        return true;
    complain(spool, "cannot write");
    (void)unlinkat(spool->dir, temporary, 0);
    return false;
}

/* The oldest go, but for the one that is held. */
static bool make_space(struct spool *spool, size_t charge)
{
    while (spool->bytes + charge > spool->max_bytes) {
        size_t at = spool->front;

        if (at < spool->end && spool->entries[at].seq == spool->held)
            at++;
        if (at == spool->end)
            return false;
        drop(spool, at, DROP_SPOOL_FULL);
    }
    return true;
}

bool spool_fits(const struct spool *spool, size_t len)
{
    return charge_of(len) <= spool->max_bytes;
}

bool spool_put(struct spool *spool, uint64_t seq, struct str body,
               unsigned items)
{
    struct spool_head head = {.items = items, .created_ms = clock_wall_ms()};
    struct entry entry = {seq, charge_of(body.len), head.created_ms, items};
    char bytes[SPOOL_HEAD_SIZE];
    uint64_t held = spool->held;
    size_t at = find(spool, seq);

    if (at < spool->end) /* it is as old as it was */
        head.created_ms = entry.created_ms = spool->entries[at].created_ms;
    spool_write_head(bytes, str_of(spool->kind), &head, body);
    if (!make_space(spool, entry.charge) ||
        !write_file(spool, seq, (struct str){bytes, sizeof(bytes)}, body))
        return false;
    at = find(spool, seq);
    if (at < spool->end)
        forget(spool, at);
    insert(spool, &entry);
    spool->held = held;
    return true;
}

/* --- reading ------------------------------------------------------------- */

static int open_file(struct spool *spool, uint64_t seq, struct stat *status)
{
    char name[NAME_SIZE];
    int fd;

    name_of(spool, seq, "", name);
    /* not to wait for the other end, should it be a pipe */
    fd = openat(spool->dir, name,
                O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, status) == 0 && S_ISREG(status->st_mode))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
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

static bool read_head(struct spool *spool, int fd, const struct stat *status,
                      struct spool_head *head)
{
    char bytes[SPOOL_HEAD_SIZE];

    return read_all(fd, bytes, sizeof(bytes)) &&
           spool_read_head((struct str){bytes, sizeof(bytes)},
                           str_of(spool->kind), head) &&
           head->body_len == (uint64_t)status->st_size - SPOOL_HEAD_SIZE;
}

/* What is wrong with a file: it is no loss of a batch if nobody knows how
 * many items it held, but of one item at least. */
static void lose(struct spool *spool, size_t at)
{
    losses_count(spool->losses, DROP_SPOOL_DISK, spool->entries[at].items);
    set_aside(spool, spool->entries[at].seq);
    forget(spool, at);
}

static bool read_file(struct spool *spool, const struct entry *entry,
                      struct buf *body)
{
    struct spool_head head;
    struct stat status;
    int fd = open_file(spool, entry->seq, &status);
    bool is_whole;

    if (fd < 0)
        return false;
    is_whole = read_head(spool, fd, &status, &head) && head.body_len > 0 &&
               head.body_len <= spool->max_bytes &&
               buf_reserve(body, head.body_len) &&
               read_all(fd, body->ptr, head.body_len);
    close(fd);
    if (!is_whole)
        return false;
    body->len = head.body_len;
    return spool_is_body(&head, buf_str(body));
}

bool spool_first(struct spool *spool, struct spool_batch *out)
{
    (void)spool_age(spool);
    while (spool->front < spool->end) {
        const struct entry *entry = &spool->entries[spool->front];

        buf_init(&out->body, spool->max_bytes);
        out->seq = entry->seq;
        out->items = entry->items;
        if (read_file(spool, entry, &out->body)) {
            spool->held = entry->seq;
            return true;
        }
        buf_fini(&out->body);
        lose(spool, spool->front);
    }
    return false;
}

/* --- what leaves --------------------------------------------------------- */

bool spool_age(struct spool *spool)
{
    int64_t now_ms = clock_wall_ms();

    for (size_t at = spool->front; at < spool->end;) {
        const struct entry *entry = &spool->entries[at];

        if (now_ms - entry->created_ms <= (int64_t)spool->max_age_ms)
            return false;
        if (entry->seq == spool->held)
            return true;
        drop(spool, at, DROP_SPOOL_AGE);
        at = spool->front;
    }
    return false;
}

void spool_hold(struct spool *spool, uint64_t seq)
{
    spool->held = seq;
}

void spool_remove(struct spool *spool, uint64_t seq)
{
    size_t at = find(spool, seq);

    if (at == spool->end)
        return;
    remove_file(spool, seq, "");
    forget(spool, at);
}

bool spool_is_empty(const struct spool *spool)
{
    return spool->front == spool->end;
}

uint64_t spool_next_seq(const struct spool *spool)
{
    return spool->next_seq;
}

/* --- opening ------------------------------------------------------------- */

/* A file of the last process. */
static void take_up(struct spool *spool, uint64_t seq)
{
    struct entry entry = {.seq = seq};
    struct spool_head head;
    struct stat status;
    int fd = open_file(spool, seq, &status);
    bool is_ours = fd >= 0 && read_head(spool, fd, &status, &head);

    if (fd >= 0)
        close(fd);
    if (!is_ours) {
        losses_count(spool->losses, DROP_SPOOL_DISK, 1);
        set_aside(spool, seq);
        return;
    }
    entry.charge = charge_of(head.body_len);
    entry.items = head.items;
    entry.created_ms = head.created_ms;
    insert(spool, &entry);
}

static bool scan(struct spool *spool)
{
    int copy = dup(spool->dir);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *found;

    if (dir == NULL)
        return false;
    while ((found = readdir(dir)) != NULL) {
        struct str suffix;
        uint64_t seq;

        if (!parse_name(spool, str_of(found->d_name), &seq, &suffix))
            continue;
        if (suffix.len == 0)
            take_up(spool, seq);
        else if (str_eq(suffix, STR(".tmp")))
            remove_file(spool, seq, ".tmp");
        else if (str_eq(suffix, STR(".bad")))
            spool->bad_count++;
    }
    closedir(dir);
    return true;
}

static bool take_lock(struct spool *spool, const char *dir, struct buf *why)
{
    char name[NAME_SIZE];

    (void)snprintf(name, sizeof(name), "%s.lock", spool->kind);
    spool->lock = openat(spool->dir, name,
                         O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (spool->lock < 0) {
        buf_printf(why, "the spool %s cannot be written: %s", dir,
                   strerror(errno));
        return false;
    }
    if (flock(spool->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    buf_printf(why,
               "the spool %s is in use by another process (%s is locked): "
               "give each a folder of its own",
               dir, name);
    return false;
}

static bool open_dir(struct spool *spool, const char *dir, struct buf *why)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        buf_printf(why, "the spool %s cannot be made: %s", dir,
                   strerror(errno));
        return false;
    }
    spool->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->dir < 0) {
        buf_printf(why, "the spool %s cannot be opened: %s", dir,
                   strerror(errno));
        return false;
    }
    if (!take_lock(spool, dir, why))
        return false;
    if (scan(spool))
        return true;
    buf_printf(why, "the spool %s cannot be read: %s", dir, strerror(errno));
    return false;
}

struct spool *spool_open(struct str dir, struct str kind, size_t max_bytes,
                         uint64_t max_age_ms, struct losses *losses,
                         struct buf *why)
{
    struct spool *spool = must_calloc(1, sizeof(*spool));
    char *path = must_calloc(1, dir.len + 1);
    bool is_open;

    check(spool_is_kind(kind));
    memcpy(path, dir.ptr, dir.len);
    memcpy(spool->kind, kind.ptr, kind.len);
    spool->dir = spool->lock = -1;
    spool->max_bytes = max_bytes;
    spool->max_age_ms = max_age_ms;
    spool->losses = losses;
    spool->next_seq = 1;
    is_open = open_dir(spool, path, why);
    free(path);
    if (!is_open) {
        spool_close(spool);
        return NULL;
    }
    (void)spool_age(spool);
    (void)make_space(spool, 0);
    return spool;
}

void spool_close(struct spool *spool)
{
    if (spool->lock >= 0)
        close(spool->lock);
    if (spool->dir >= 0)
        close(spool->dir);
    free(spool->entries);
    free(spool);
}
