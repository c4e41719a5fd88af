/* A file in the folder of the spool, of any name and with anything in it: it
 * is a batch, which comes back as it is and is gone then; or it is damaged, is
 * counted and set aside; or it is not ours, and stays as it is.
 *
 * Input: flags, the length of the name behind the kind, that name, the file.
 * With MENDS its checksums are made right first. */
#include "telemetry/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "fuzz.h"
#include "log.h"
#include "telemetry/spool_head.h"

enum {
    MENDS = 1,
    MAX_BYTES = 1 << 20,
    NAME_MAX_LEN = 40,
    AT_CREATED = 16,
};

#define AGE_MS (INT64_C(1000) * 60 * 60 * 24 * 365)

static char dir[64], kind[] = "traces.pb";

static void remove_dir(void)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s.lock", dir, kind);
    (void)unlink(path);
    (void)rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    log_setup(LOG_ERROR, LOG_LOGFMT);
    (void)snprintf(dir, sizeof(dir), "/tmp/weir-fuzz-XXXXXX");
    check(mkdtemp(dir) != NULL);
    check(atexit(remove_dir) == 0);
    return 0;
}

/* --- the file ------------------------------------------------------------- */

static bool is_seq(struct str digits)
{
    bool is_zero = true;

    for (size_t i = 0; i < digits.len; i++) {
        if (memchr("0123456789abcdef", digits.ptr[i], 16) == NULL)
            return false;
        is_zero = is_zero && digits.ptr[i] == '0';
    }
    return digits.len == 16 && !is_zero && digits.ptr[0] < '4';
}

/* Letters that a file's name can have. */
static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '/' || name.ptr[i] == '\0')
            return false;
    return name.len <= NAME_MAX_LEN && !str_eq(name, STR("lock"));
}

/* What the head says stays, as far as the writer can say it: the kind is
 * ours, the checksums and the length are right. */
static void mend(char *file, size_t len)
{
    struct spool_head head = {0};
    char fresh[SPOOL_HEAD_SIZE];

    if (len < SPOOL_HEAD_SIZE)
        return;
    for (unsigned i = 0; i < 4; i++)
        head.items |= (uint32_t)(unsigned char)file[12 + i] << 8 * i;
    memcpy(&head.created_ms, file + AT_CREATED, sizeof(head.created_ms));
    spool_write_head(
        fresh, str_of(kind), &head,
        (struct str){file + SPOOL_HEAD_SIZE, len - SPOOL_HEAD_SIZE});
    memcpy(file, fresh, sizeof(fresh));
}

static void write_file(const char *path, struct str bytes)
{
    FILE *file = fopen(path, "wb");

    check(file != NULL);
    check(fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len);
    check(fclose(file) == 0);
}

/* Is the file there, with these bytes? */
static bool has_file(const char *path, struct str bytes)
{
    char *found = malloc(bytes.len + 1);
    FILE *file = fopen(path, "rb");
    size_t n;

    check(found != NULL);
    if (file == NULL) {
        free(found);
        return false;
    }
    n = fread(found, 1, bytes.len + 1, file);
    check(n == bytes.len && memcmp(found, bytes.ptr, n) == 0);
    check(fclose(file) == 0);
    free(found);
    return true;
}

/* --- what becomes of it --------------------------------------------------- */

struct outcome {
    bool was_given;
    struct spool_batch batch;
    uint64_t damaged, too_old;
};

static struct outcome read_spool(void)
{
    struct figures figures = {0};
    struct trouble trouble;
    struct outcome outcome = {0};
    struct spool *spool;
    struct buf why;

    trouble_init(&trouble, &figures);
    buf_init(&why, 1024);
    spool = spool_open(str_of(dir), str_of(kind), MAX_BYTES, AGE_MS, &trouble,
                       &why);
    check(spool != NULL);
    outcome.was_given = spool_first(spool, &outcome.batch);
    if (outcome.was_given)
        spool_remove(spool, outcome.batch.seq);
    check(spool_is_empty(spool));
    check(figures_get(&figures.spooled) == 0);
    check(figures_get(&figures.spooled_bytes) == 0);
    outcome.damaged = figures_get(&figures.dropped[DROP_SPOOL_DISK]);
    outcome.too_old = figures_get(&figures.dropped[DROP_SPOOL_AGE]);
    spool_close(spool);
    return outcome;
}

/* A batch that came back is what the writer makes of it, to the byte. */
static void check_batch(const struct outcome *outcome, struct str file)
{
    struct str body = buf_str(&outcome->batch.body);
    struct spool_head head = {.items = outcome->batch.items};
    char fresh[SPOOL_HEAD_SIZE];

    check(file.len == SPOOL_HEAD_SIZE + body.len);
    check(memcmp(file.ptr + SPOOL_HEAD_SIZE, body.ptr, body.len) == 0);
    memcpy(&head.created_ms, file.ptr + AT_CREATED, sizeof(head.created_ms));
    check(head.created_ms >= clock_wall_ms() - AGE_MS - 60000);
    spool_write_head(fresh, str_of(kind), &head, body);
    check(memcmp(file.ptr, fresh, sizeof(fresh)) == 0);
}

/* What was in a damaged file: what its head says, if that is whole. */
static uint64_t items_lost(struct str file)
{
    struct spool_head head;

    return spool_read_head(file, str_of(kind), &head) && head.body_len > 0 &&
                   head.body_len == file.len - SPOOL_HEAD_SIZE
               ? head.items
               : 1;
}

static void check_ours(const struct outcome *outcome, const char *path,
                       struct str file, bool is_mended)
{
    char bad[160];
    bool is_bad;

    (void)snprintf(bad, sizeof(bad), "%s.bad", path);
    is_bad = has_file(bad, file);
    check(access(path, F_OK) != 0);
    if (outcome->was_given)
        check_batch(outcome, file);
    if (is_bad) {
        check(!outcome->was_given && outcome->too_old == 0);
        check(outcome->damaged == items_lost(file));
        check(!is_mended || file.len <= SPOOL_HEAD_SIZE);
    } else {
        check(outcome->damaged == 0);
        check(outcome->was_given || outcome->too_old == items_lost(file));
    }
    (void)unlink(bad);
}

static void take(struct str name, struct str file, bool is_mended)
{
    char path[128];
    struct outcome outcome;

    (void)snprintf(path, sizeof(path), "%s/%s.%.*s", dir, kind, STR_ARG(name));
    write_file(path, file);
    outcome = read_spool();
    if (is_seq(name)) {
        check_ours(&outcome, path, file, is_mended);
    } else {
        check(!outcome.was_given && outcome.damaged == 0);
        check(has_file(path, file) !=
              (is_seq(str_slice(name, 0, 16)) && str_ends(name, STR(".tmp")) &&
               name.len == 20));
        (void)unlink(path);
    }
    if (outcome.was_given)
        buf_fini(&outcome.batch.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest, name;
    char *file;

    if (size < 2 || size > MAX_BYTES / 2)
        return 0;
    rest = fuzz_input(data + 2, size - 2);
    name = str_slice(rest, 0, data[1]);
    rest = str_slice(rest, name.len, rest.len);
    if (!is_name(name))
        return 0;
    file = malloc(rest.len + 1);
    check(file != NULL);
    if (rest.len > 0)
        memcpy(file, rest.ptr, rest.len);
    if ((data[0] & MENDS) != 0)
        mend(file, rest.len);
    take(name, (struct str){file, rest.len}, (data[0] & MENDS) != 0);
    free(file);
    return 0;
}
