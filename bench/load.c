/* The load generator: one thread on epoll, over kept-alive connections.
 *
 *   (none)   each connection asks again as soon as it has its answer
 *   -r N     N requests a second, each timed from when it was due
 *   -f 0     each connection holds one endless stream
 *   -f N     the answers are streams of N events
 *   -n N     N answers and the end, for counting instructions
 *
 * After the warm-up (-w) the measured window begins: counters are set to zero
 * and the gateway's processor time (-g) is read, and again at the end.  Every
 * answer is compared with what it must be (-e, or -l its lines): see reader.h.
 * Prints one JSON object. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "figures.h"
#include "reader.h"

enum { EVENTS = 256, READ_SIZE = 64 * 1024, TICK_NS = 200 * 1000 };

struct link {
    int fd;
    bool is_busy;
    size_t sent;
    uint64_t due_us; /* when its request was due */
    struct reader reader;
    struct link *next_idle;
    char text[READER_HEAD_MAX];
};

static struct {
    uint16_t port;
    unsigned connections;
    double rate;
    double warmup;
    double seconds;
    uint64_t count;
    bool is_stream;
    struct str request;
    struct expectation expected;
} options = {.connections = 1, .seconds = 1};

static struct {
    int epoll;
    struct link *links;
    struct link *idle;
    uint64_t began_us; /* of the rate's schedule */
    uint64_t asked;
    uint64_t answers;
    uint64_t frames;
    struct figures figures;
    bool is_measuring;
} state;

/* --- one connection ----------------------------------------------------- */

static void fail(const char *why)
{
    figures_fail(&state.figures, why);
}

static void watch(struct link *link, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = link};

    check(epoll_ctl(state.epoll, operation, link->fd, &event) == 0);
}

static void link_open(struct link *link)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(options.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int one = 1;

    link->fd = socket(AF_INET, SOCK_STREAM, 0);
    check(link->fd >= 0);
    if (connect(link->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        perror("load: connect");
        exit(1);
    }
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    check(fcntl(link->fd, F_SETFL, O_NONBLOCK) == 0);
    watch(link, EPOLL_CTL_ADD, EPOLLIN);
}

static void link_idle(struct link *link)
{
    link->is_busy = false;
    link->next_idle = state.idle;
    state.idle = link;
}

static void link_reopen(struct link *link)
{
    close(link->fd);
    link_open(link);
    link_idle(link);
}

/* Writes on; a large request waits for the peer. */
static void link_write(struct link *link)
{
    while (link->sent < options.request.len) {
        ssize_t n = send(link->fd, options.request.ptr + link->sent,
                         options.request.len - link->sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            watch(link, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0) {
            fail("a request could not be sent");
            return;
        }
        if ((size_t)n < options.request.len &&
            link->sent + (size_t)n == options.request.len)
            watch(link, EPOLL_CTL_MOD, EPOLLIN);
        link->sent += (size_t)n;
    }
}

static void ask(uint64_t due_us)
{
    struct link *link = state.idle;

    state.idle = link->next_idle;
    link->is_busy = true;
    link->sent = 0;
    link->due_us = due_us;
    state.asked++;
    reader_begin(&link->reader, &options.expected, link->text);
    link_write(link);
}

static bool is_endless(void)
{
    return options.is_stream && options.expected.frames == 0;
}

static void take_answer(struct link *link)
{
    if (link->reader.state == READER_BAD) {
        fail(link->reader.why);
        link_reopen(link);
        return;
    }
    state.answers++;
    if (!is_endless())
        figures_add(&state.figures, clock_us() - link->due_us);
    link_idle(link);
}

static void link_read(struct link *link)
{
    static char buffer[READ_SIZE];
    ssize_t n = recv(link->fd, buffer, sizeof(buffer), 0);
    uint64_t frames = link->reader.frames;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || !link->is_busy) {
        fail(link->is_busy ? "the connection broke"
                           : "an idle connection was closed");
        if (link->is_busy)
            link_reopen(link);
        else
            watch(link, EPOLL_CTL_DEL, 0);
        return;
    }
    (void)reader_feed(&link->reader, (struct str){buffer, (size_t)n});
    frames = link->reader.frames - frames;
    state.frames += frames;
    if (is_endless() && frames > 0) {
        uint64_t now = clock_us();

        /* the gap since the last event; held back, they come in bunches */
        if (link->reader.frames > frames)
            figures_add(&state.figures, now - link->due_us);
        link->due_us = now;
    }
    if (link->reader.state >= READER_DONE)
        take_answer(link);
}

/* --- the run ------------------------------------------------------------ */

/* Streams begin one after the other, so that they do not beat in time. */
static bool may_open_stream(uint64_t now)
{
    double span = options.warmup * 0.7e6;

    return options.count > 0 ||
           (double)(now - state.began_us) >=
               span * (double)state.asked / options.connections;
}

static void ask_what_is_due(uint64_t now)
{
    while (state.idle != NULL) {
        uint64_t due = now;

        if (options.count > 0 && state.asked == options.count)
            return;
        if (is_endless() && !may_open_stream(now))
            return;
        if (options.rate > 0) {
            due = state.began_us +
                  (uint64_t)((double)state.asked * 1e6 / options.rate);
            if (due > now)
                return;
        }
        ask(due);
    }
}

static void set_timer(int timer)
{
    struct itimerspec every = {.it_interval.tv_nsec = TICK_NS,
                               .it_value.tv_nsec = TICK_NS};
    struct epoll_event event = {.events = EPOLLIN};

    if (options.rate <= 0)
        every.it_interval.tv_nsec = every.it_value.tv_nsec = 5 * 1000 * 1000;
    check(timerfd_settime(timer, 0, &every, NULL) == 0);
    check(epoll_ctl(state.epoll, EPOLL_CTL_ADD, timer, &event) == 0);
}

static void begin_measuring(void)
{
    state.is_measuring = true;
    state.answers = state.frames = 0;
    figures_begin(&state.figures);
}

static bool is_over(uint64_t now)
{
    if (options.count > 0)
        return state.answers + state.figures.errors >= options.count;
    return (double)(now - state.began_us) >=
           (options.warmup + options.seconds) * 1e6;
}

static void run(void)
{
    struct epoll_event events[EVENTS];
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    uint64_t now = clock_us();

    set_timer(timer);
    state.began_us = now;
    for (; !is_over(now); now = clock_us()) {
        int n;

        if (!state.is_measuring &&
            (double)(now - state.began_us) >= options.warmup * 1e6)
            begin_measuring();
        ask_what_is_due(now);
        n = epoll_wait(state.epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct link *link = events[i].data.ptr;
            uint64_t ticks;

            if (link == NULL) {
                (void)!read(timer, &ticks, sizeof(ticks));
                continue;
            }
            if ((events[i].events & EPOLLOUT) != 0)
                link_write(link);
            if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0)
                link_read(link);
        }
    }
    figures_end(&state.figures);
}

static struct str read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t len = 0;
    size_t cap = 1 << 25;
    char *text = must_alloc(cap);

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    len = fread(text, 1, cap, file);
    check(len < cap);
    (void)fclose(file);
    return (struct str){text, len};
}

static void read_option(char option, const char *value)
{
    switch (option) {
    case 'p':
        options.port = (uint16_t)strtoul(value, NULL, 10);
        break;
    case 'c':
        options.connections = (unsigned)strtoul(value, NULL, 10);
        break;
    case 'r':
        options.rate = strtod(value, NULL);
        break;
    case 'w':
        options.warmup = strtod(value, NULL);
        break;
    case 's':
        options.seconds = strtod(value, NULL);
        break;
    case 'n':
        options.count = strtoull(value, NULL, 10);
        break;
    case 'q':
        options.request = read_file(value);
        break;
    case 'e':
        options.expected.pattern = read_file(value);
        break;
    case 'l':
        expectation_set_lines(&options.expected, read_file(value));
        break;
    case 'f':
        options.expected.is_stream = options.is_stream = true;
        options.expected.frames = strtoull(value, NULL, 10);
        break;
    case 'g':
        figures_watch(&state.figures, (pid_t)strtol(value, NULL, 10));
        break;
    default:
        (void)fprintf(stderr,
                      "usage: load -p PORT -q REQUEST -e EXPECTED|-l LINES\n"
                      "  [-c CONNECTIONS] [-r RATE] [-w WARMUP] [-s SECONDS]\n"
                      "  [-n ANSWERS] [-f FRAMES (0: endless)] [-g PID]...\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "p:c:r:w:s:n:q:e:l:f:g:")) != -1)
        read_option((char)option, optarg);
    check(options.request.len > 0 && options.port != 0);
    state.epoll = epoll_create1(0);
    state.links = must_calloc(options.connections, sizeof(*state.links));
    for (unsigned i = 0; i < options.connections; i++) {
        link_open(&state.links[i]);
        link_idle(&state.links[i]);
    }
    run();
    figures_print(&state.figures, state.answers, state.frames);
    return 0;
}
