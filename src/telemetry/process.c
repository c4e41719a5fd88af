#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- the process --------------------------------------------------------- */

/* What /proc/self/stat says, proc_pid_stat(5): the fields are counted from the
 * one behind the command's name, the third. */
enum {
    STAT_THREADS = 20 - 3,
    STAT_VIRTUAL = 23 - 3,  /* bytes */
    STAT_RESIDENT = 24 - 3, /* pages */
    STAT_FIELDS,
};

static size_t read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return 0;
    n = read(fd, out, size);
    close(fd);
    return n > 0 ? (size_t)n : 0;
}

static bool read_stat(uint64_t fields[STAT_FIELDS])
{
    char text[1024];
    struct str rest = {text, read_file("/proc/self/stat", text, sizeof(text))};
    struct str field;
    size_t end = rest.len;

    /* the name may hold anything, ")" as well */
    while (end > 0 && text[end - 1] != ')')
        end--;
    rest = str_slice(rest, end + 1, rest.len);
    for (unsigned i = 0; i < STAT_FIELDS; i++) {
        if (!str_split(&rest, ' ', &field))
            return false;
        if (!str_to_u64(field, &fields[i]))
            fields[i] = 0; /* a letter, or below 0 */
    }
    return true;
}

/* Linux 6.2 tells it as the folder's size; older ones have to be counted. */
static uint64_t open_descriptors(void)
{
    struct stat about;
    uint64_t n = 0;
    DIR *folder;

    if (stat("/proc/self/fd", &about) != 0)
        return 0;
    if (about.st_size > 0)
        return (uint64_t)about.st_size;
    folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n > 3 ? n - 3 : 0; /* ".", "..", and the one that looks */
}

void process_tell(const struct metrics_visitor *visitor, uint64_t began_wall_us)
{
    uint64_t fields[STAT_FIELDS];
    struct timespec cpu;
    struct rlimit limit;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
        metrics_tell_one(visitor, FAMILY_CPU,
                         (uint64_t)cpu.tv_sec * 1000000 +
                             (uint64_t)cpu.tv_nsec / 1000);
    if (read_stat(fields)) {
        metrics_tell_one(visitor, FAMILY_RESIDENT,
                         fields[STAT_RESIDENT] *
                             (uint64_t)sysconf(_SC_PAGESIZE));
        metrics_tell_one(visitor, FAMILY_VIRTUAL, fields[STAT_VIRTUAL]);
        metrics_tell_one(visitor, FAMILY_THREADS, fields[STAT_THREADS]);
    }
    metrics_tell_one(visitor, FAMILY_OPEN_FDS, open_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metrics_tell_one(visitor, FAMILY_MAX_FDS, (uint64_t)limit.rlim_cur);
    metrics_tell_one(visitor, FAMILY_START_TIME, began_wall_us);
}

/* --- the clerk and its exporters ----------------------------------------- */

static void tell_items(const struct metrics_visitor *visitor,
                       const struct figures *const figures[], unsigned count)
{
    metrics_tell_family(visitor, FAMILY_EXPORT_ITEMS);
    for (unsigned i = 0; i < count; i++) {
        metrics_tell(visitor, FAMILY_EXPORT_ITEMS,
                     (const struct str[]){figures[i]->name, STR("taken")},
                     figures_get(&figures[i]->taken));
        metrics_tell(visitor, FAMILY_EXPORT_ITEMS,
                     (const struct str[]){figures[i]->name, STR("delivered")},
                     figures_get(&figures[i]->delivered));
    }
    metrics_tell_family(visitor, FAMILY_EXPORT_DROPPED);
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < DROP_CAUSES; k++)
            metrics_tell(
                visitor, FAMILY_EXPORT_DROPPED,
                (const struct str[]){figures[i]->name,
                                     drop_cause_name((enum drop_cause)k)},
                figures_get(&figures[i]->dropped[k]));
}

static void tell_sends(const struct metrics_visitor *visitor,
                       const struct figures *const figures[], unsigned count)
{
    metrics_tell_family(visitor, FAMILY_EXPORT_SENDS);
    for (unsigned i = 0; i < count; i++) {
        /* the failed ones first: they never outnumber all */
        uint64_t failed = figures_get(&figures[i]->failed_sends);
        uint64_t sends = figures_get(&figures[i]->sends);

        metrics_tell(visitor, FAMILY_EXPORT_SENDS,
                     (const struct str[]){figures[i]->name, STR("ok")},
                     sends > failed ? sends - failed : 0);
        metrics_tell(visitor, FAMILY_EXPORT_SENDS,
                     (const struct str[]){figures[i]->name, STR("failed")},
                     failed);
    }
}

static void tell_queues(const struct metrics_visitor *visitor,
                        const struct figures *const figures[], unsigned count)
{
    static const enum family families[] = {
        FAMILY_EXPORT_QUEUE_ITEMS,
        FAMILY_EXPORT_QUEUE_BYTES,
        FAMILY_SPOOL_ITEMS,
        FAMILY_SPOOL_BYTES,
    };

    for (unsigned k = 0; k < COUNT_OF(families); k++) {
        metrics_tell_family(visitor, families[k]);
        for (unsigned i = 0; i < count; i++) {
            const _Atomic uint64_t *const all[] = {
                &figures[i]->queued, &figures[i]->queued_bytes,
                &figures[i]->spooled, &figures[i]->spooled_bytes};

            metrics_tell(visitor, families[k], &figures[i]->name,
                         figures_get(all[k]));
        }
    }
}

void process_tell_clerk(const struct metrics_visitor *visitor,
                        const struct clerk *clerk)
{
    const struct figures *figures[CLERK_EXPORTERS_MAX];
    unsigned count = clerk != NULL ? clerk_figures(clerk, figures) : 0;
    size_t places = 0;
    size_t peak = clerk != NULL ? clerk_peak(clerk, &places) : 0;

    metrics_tell_one(visitor, FAMILY_CLERK_QUEUE,
                     clerk != NULL ? clerk_queued(clerk) : 0);
    metrics_tell_one(visitor, FAMILY_CLERK_PEAK, peak);
    metrics_tell_one(visitor, FAMILY_CLERK_PLACES, places);
    tell_items(visitor, figures, count);
    tell_sends(visitor, figures, count);
    tell_queues(visitor, figures, count);
}
