/* The callers of the stage.  What one has asked is written down; in the end
 * his answers are held against it, one after the other. */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "stage.h"

enum { ASKED = 32, OUT_MAX = 4 << 20, IN_MAX = 64 << 20, PATIENCE_MS = 2900 };

enum kind { CHAT, ROUTE, PAGE, OTHER };

struct question {
    enum kind kind;
    bool is_head_method;
    bool has_id;
    unsigned pin; /* 0 none, 1 near, 2 far */
    enum words words;
    bool goes_on; /* with a response that may be stored */
};

struct caller {
    int fd; /* -1: has never called */
    struct question asked[ASKED];
    unsigned count;
    struct buf out, in;
    size_t sent, may_send;
    bool reads, has_ended, has_left;
    bool is_wild;        /* said something of his own */
    uint64_t moved_ms;   /* when bytes went either way last */
    uint64_t longest_ms; /* that nothing went */
};

static struct caller callers[CALLERS];
static const struct script *script_of_run;

void callers_begin(const struct script *script)
{
    script_of_run = script;
    memset(callers, 0, sizeof(callers));
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i].fd = -1;
        callers[i].reads = true;
        callers[i].moved_ms = net_now_ms();
        buf_init(&callers[i].out, OUT_MAX);
        buf_init(&callers[i].in, IN_MAX);
    }
}

/* --- asking ------------------------------------------------------------- */

static const char *const models[] = {
    "auto",
    "local",
    "small",
    "cloud",
    "claude-haiku-4-5",
    "no-such-model",
    "local\\r\\nx-evil: 1",
    "",
};

enum {
    AS_STREAM = 1,
    AS_CHUNKED = 2,
    AS_EXPECTING = 4,
    AS_HTTP_1_0 = 8,
    AS_LAST = 16,
    PIN_NEAR = 32,
    PIN_FAR = 64,
    PIN_BY_RULE = 128,
};

/* A member that the far backend does not take, and a text of some size. */
static void put_chat(struct script *script, unsigned who, unsigned n,
                     unsigned how, const struct question *question,
                     struct buf *body)
{
    unsigned model = script_byte(script);
    unsigned size = script_byte(script);

    buf_put_char(body, '{');
    if (model % COUNT_OF(models) != COUNT_OF(models) - 1)
        buf_printf(body, "\"model\":\"%s\",", models[model % COUNT_OF(models)]);
    if ((model & 16) != 0)
        buf_put(body, STR("\"logit_bias\":{\"1\":1},\"seed\":1,"));
    if (question->words == IN_MESSAGES)
        buf_put(body, STR("\"max_tokens\":99,"));
    if (question->goes_on)
        buf_put(body, STR("\"previous_response_id\":\"resp_1\","));
    buf_printf(body, "\"stream\":%s,\"%s\":[{\"role\":\"user\",",
               (how & AS_STREAM) != 0 ? "true" : "false",
               question->words == IN_RESPONSES ? "input" : "messages");
    buf_printf(body, "\"content\":\"ASK-%s-%c%02u ", script_of_run->nonce,
               (char)('a' + who), n % 100);
    if (question->pin != 0)
        buf_printf(body, "PIN-%s-%s ", question->pin == 1 ? "near" : "far",
                   script_of_run->nonce);
    if ((how & PIN_BY_RULE) != 0)
        buf_put(body, STR("SECRETIVE"));
    for (unsigned i = 0; i < size * (size % 16 == 15 ? 8 : 1); i++)
        buf_put(body, STR("all work "));
    buf_put(body, STR("\"}]}"));
}

static void put_body(struct caller *caller, unsigned how, struct str body)
{
    if ((how & AS_CHUNKED) == 0 || (how & AS_HTTP_1_0) != 0) {
        buf_printf(&caller->out, "Content-Length: %zu\r\n\r\n", body.len);
        buf_put(&caller->out, body);
        return;
    }
    buf_put(&caller->out, STR("Transfer-Encoding: chunked\r\n\r\n"));
    while (body.len > 0) {
        struct str piece = str_slice(body, 0, 61);

        buf_printf(&caller->out, "%zx;a=b\r\n", piece.len);
        buf_put(&caller->out, piece);
        buf_put(&caller->out, STR("\r\n"));
        body = str_slice(body, piece.len, body.len);
    }
    buf_put(&caller->out, STR("0\r\nX-Request-Id: trailer\r\n\r\n"));
}

static void put_head(struct caller *caller, unsigned who, unsigned n,
                     const char *line, unsigned how)
{
    buf_printf(&caller->out,
               "%s HTTP/1.%c\r\nHost: x\r\nX-Request-Id: %c%02u\r\n"
               "Authorization: Bearer caller-secret\r\n",
               line, (how & AS_HTTP_1_0) != 0 ? '0' : '1', (char)('a' + who),
               n % 100);
    if ((how & AS_LAST) != 0)
        buf_put(&caller->out, STR("Connection: close\r\n"));
    else if ((how & AS_HTTP_1_0) != 0)
        buf_put(&caller->out, STR("Connection: keep-alive\r\n"));
}

static const char *const lines[WORDS] = {
    [IN_CHAT] = "POST /v1/chat/completions",
    [IN_MESSAGES] = "POST /v1/messages",
    [IN_RESPONSES] = "POST /v1/responses",
    [IN_COUNT] = "POST /v1/messages/count_tokens",
};

static void ask_chat(struct script *script, unsigned who, unsigned n,
                     bool is_route, bool is_own)
{
    struct caller *caller = &callers[who];
    struct question *question = &caller->asked[n];
    unsigned how = script_byte(script);
    struct buf body;

    question->kind = is_route ? ROUTE : CHAT;
    question->has_id = true;
    question->pin = (how & (PIN_NEAR | PIN_BY_RULE)) != 0 ? 1
                    : (how & PIN_FAR) != 0                ? 2
                                                          : 0;
    put_head(caller, who, n,
             is_route ? "POST /v1/route" : lines[question->words], how);
    if ((how & PIN_NEAR) != 0)
        buf_put(&caller->out, STR("X-Router-Policy: local-only\r\n"));
    else if ((how & PIN_FAR) != 0)
        buf_put(&caller->out, STR("X-Router-Policy: cloud-only\r\n"));
    if ((how & AS_EXPECTING) != 0)
        buf_put(&caller->out, STR("Expect: 100-continue\r\n"));
    buf_init(&body, OUT_MAX);
    if (is_own) {
        buf_put(&body, script_bytes(script, 4096));
        question->pin = 0;
    } else {
        put_chat(script, who, n, how, question, &body);
    }
    put_body(caller, how, buf_str(&body));
    buf_fini(&body);
}

static void ask_page(unsigned who, unsigned n, unsigned which)
{
    static const char *const pages[] = {"GET /health",
                                        "HEAD /health",
                                        "GET /metrics",
                                        "GET /v1/models",
                                        "GET /nowhere",
                                        "PUT /v1/route",
                                        "GET /v1/models/small",
                                        "GET /v1/responses/resp_1",
                                        "DELETE /v1/responses/resp_1"};
    struct caller *caller = &callers[who];
    const char *line = pages[which % COUNT_OF(pages)];

    caller->asked[n].kind = PAGE;
    caller->asked[n].is_head_method = line[0] == 'H';
    put_head(caller, who, n, line, 0);
    buf_put(&caller->out, STR("\r\n"));
}

void callers_ask(struct script *script, unsigned who)
{
    struct caller *caller = &callers[who % CALLERS];
    unsigned what = script_byte(script);
    unsigned n = caller->count;

    if (n == ASKED || caller->has_left)
        return;
    caller->count++;
    caller->asked[n] = (struct question){0};
    if (what >= 128 && what % 16 != 1) {
        caller->asked[n].words = (enum words)(what / 16 % WORDS);
        caller->asked[n].goes_on =
            caller->asked[n].words == IN_RESPONSES && (what & 64) != 0;
    }
    if (what % 4 == 3)
        ask_page(who % CALLERS, n, what / 4);
    else
        ask_chat(script, who % CALLERS, n, what % 16 == 1, what % 16 == 2);
    check(!buf_failed(&caller->out));
}

void callers_say(struct script *script, unsigned who)
{
    struct caller *caller = &callers[who % CALLERS];

    caller->is_wild = true;
    buf_put(&caller->out, script_bytes(script, 4096));
}

void callers_send(unsigned who, size_t most)
{
    struct caller *caller = &callers[who % CALLERS];
    size_t left = caller->out.len - caller->may_send;

    caller->may_send += most < left ? most : left;
}

void callers_read(unsigned who, bool reads)
{
    callers[who % CALLERS].reads = reads;
}

void callers_leave(unsigned who, bool half)
{
    struct caller *caller = &callers[who % CALLERS];

    if (caller->fd < 0 || caller->has_left)
        return;
    caller->has_left = true;
    caller->sent = caller->may_send = caller->out.len;
    if (half) {
        (void)shutdown(caller->fd, SHUT_WR);
        return;
    }
    close(caller->fd);
    caller->fd = -1;
}

void callers_hurry(void)
{
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i].may_send = callers[i].out.len;
        callers[i].reads = true;
    }
}

/* --- its turn ----------------------------------------------------------- */

static void note_pause(struct caller *caller, bool has_moved)
{
    uint64_t pause = net_now_ms() - caller->moved_ms;

    if (pause > caller->longest_ms)
        caller->longest_ms = pause;
    if (has_moved)
        caller->moved_ms = net_now_ms();
}

static bool pump(struct caller *caller, struct door *door)
{
    struct str rest =
        str_slice(buf_str(&caller->out), caller->sent, caller->may_send);
    size_t before = rest.len;
    bool any = false;
    int ends[2];

    if (caller->fd < 0 && rest.len > 0 && !caller->has_left) {
        net_pair(ends);
        caller->fd = ends[0];
        caller->moved_ms = net_now_ms();
        door_expect(door);
        door_admit(door, ends[1], NULL);
        any = true;
    }
    if (caller->fd < 0)
        return any;
    any = net_write(caller->fd, &rest, rest.len) || any;
    caller->sent += before - rest.len;
    if (caller->reads && !caller->has_ended)
        any = net_read(caller->fd, &caller->in, &caller->has_ended) || any;
    note_pause(caller, any);
    return any;
}

bool callers_pump(struct door *door)
{
    bool any = false;

    for (unsigned i = 0; i < CALLERS; i++)
        any = pump(&callers[i], door) || any;
    return any;
}

bool callers_wait(void)
{
    for (unsigned i = 0; i < CALLERS; i++)
        if (callers[i].fd >= 0 && !callers[i].has_ended &&
            callers[i].sent < callers[i].out.len)
            return true;
    return false;
}

/* --- the oracles -------------------------------------------------------- */

/* The answer is the answer to this very question. */
static void check_echo(const struct heard *heard, unsigned who, unsigned n)
{
    char mark[32];
    char mine[64];
    size_t at;

    (void)snprintf(mark, sizeof(mark), "ECHO-%s-", script_of_run->nonce);
    (void)snprintf(mine, sizeof(mine), "%s%c%02u", mark, (char)('a' + who),
                   n % 100);
    if (str_find(heard->body, str_of(mark), &at))
        check(str_starts(str_slice(heard->body, at, heard->body.len),
                         str_of(mine)));
}

static void check_answer(const struct heard *heard, unsigned who, unsigned n)
{
    const struct question *question = &callers[who].asked[n];
    char id[8];

    (void)snprintf(id, sizeof(id), "%c%02u", (char)('a' + who), n % 100);
    if (question->has_id && heard->status != 408)
        check(str_eq(heard->id, str_of(id)));
    if (question->kind != CHAT)
        return;
    /* one who left has his stream in HTTP/1.0 cut without a sign */
    if (!callers[who].has_left)
        answers_check(heard, question->words);
    check_echo(heard, who, n);
    /* an estimate is nobody's */
    if (heard->status == 200 && question->pin != 0 &&
        (question->words != IN_COUNT || heard->tier.len > 0))
        check(str_eq(heard->tier,
                     question->pin == 1 ? STR("local") : STR("cloud")));
}

/* The connection may end early because the caller did as well, because the
 * last answer said so, or because nothing was said for too long. */
static bool may_be_short(const struct caller *caller, bool closes)
{
    return caller->has_left || caller->is_wild || closes ||
           caller->longest_ms >= PATIENCE_MS;
}

/* Wild ones may have asked with HEAD, or not: what follows an answer tells. */
static bool is_next_known(const struct caller *caller, struct str rest)
{
    return !caller->is_wild || str_starts(rest, STR("HTTP/1.1 "));
}

static void check_caller(unsigned who)
{
    struct caller *caller = &callers[who];
    struct str rest = buf_str(&caller->in);
    struct arena arena;
    struct heard heard;
    bool closes = false;
    unsigned n = 0;

    arena_init(&arena);
    check(!str_contains(rest, STR("house-secret")));
    while (is_next_known(caller, rest) &&
           answers_next(&arena, &rest, caller->has_ended,
                        !caller->is_wild && n < caller->count &&
                            caller->asked[n].is_head_method,
                        &heard)) {
        check(!closes); /* the last answer was the last */
        check(n < caller->count || caller->is_wild || heard.status == 408);
        if (heard.is_cut) {
            check(may_be_short(caller, false));
            break;
        }
        closes = heard.closes;
        if (!caller->is_wild && n < caller->count)
            check_answer(&heard, who, n);
        n++;
    }
    if (n < caller->count)
        check(may_be_short(caller, closes));
    arena_clear(&arena);
}

void callers_end(void)
{
    for (unsigned i = 0; i < CALLERS; i++) {
        struct caller *caller = &callers[i];

        check_caller(i);
        if (caller->fd >= 0)
            close(caller->fd);
        buf_fini(&caller->out);
        buf_fini(&caller->in);
    }
}
