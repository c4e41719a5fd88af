#include "capture.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "buf.h"
#include "check.h"

enum { CAPTURE_MAX = 64 << 20, PIECE = 64 * 1024 };

static struct buf captured;
static uv_thread_t reader;
static int pipe_end;
static int kept_stderr;
static unsigned delay;

static void read_pipe(void *unused)
{
    struct timespec nap = {.tv_sec = delay / 1000,
                           .tv_nsec = (long)(delay % 1000) * 1000000};

    (void)unused;
    (void)nanosleep(&nap, NULL);
    for (;;) {
        ssize_t n;

        check(buf_reserve(&captured, PIECE));
        n = read(pipe_end, captured.ptr + captured.len, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        captured.len += (size_t)n;
    }
}

void capture_begin(unsigned delay_ms)
{
    int ends[2];

    capture_drop();
    buf_init(&captured, CAPTURE_MAX);
    delay = delay_ms;
    (void)fflush(stderr);
    check(pipe(ends) == 0);
    kept_stderr = dup(STDERR_FILENO);
    check(kept_stderr >= 0);
    check(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
    close(ends[1]);
    pipe_end = ends[0];
    check(uv_thread_create(&reader, read_pipe, NULL) == 0);
}

struct str capture_end(void)
{
    (void)fflush(stderr);
    /* this closes the pipe's last writing end */
    check(dup2(kept_stderr, STDERR_FILENO) == STDERR_FILENO);
    close(kept_stderr);
    check(uv_thread_join(&reader) == 0);
    close(pipe_end);
    return buf_str(&captured);
}

void capture_drop(void)
{
    buf_fini(&captured);
}
