#include "attempt.h"

#include <stdlib.h>

#include "check.h"

enum {
    /* How long the end of an answer that nobody needs may take. */
    ABANDONED_MS = 500,
    /* What tells the parser that the message ends with its head. */
    NO_BODY = 1,
    INTERIM_MAX = 32, /* answers before the answer */
};

struct attempt {
    struct pool *pool;
    struct conn *conn; /* NULL between two of them, and when it is over */
    struct attempt_order order;
    const struct attempt_events *events;
    void *ctx;
    struct deadline deadline;
    llhttp_t parser;
    struct head head;
    unsigned interims;
    bool is_shaking_hands; /* TLS */
    bool is_sending;
    bool has_bytes; /* something of an answer has come */
    bool has_head;  /* the final head, not an interim one */
    bool is_complete;
    bool is_paused;
    bool was_waiting; /* the connection had waited: it may be stale */
    bool is_retried;
    bool is_abandoned;
    bool is_feeding; /* the parser is at work: the memory must stay */
    bool is_dead;    /* over; feed() frees the memory */
};

static const struct conn_events conn_events;

/* --- the end ------------------------------------------------------------ */

static void free_attempt(struct attempt *attempt)
{
    deadline_clear(&attempt->deadline);
    if (attempt->order.release != NULL)
        attempt->order.release(attempt->order.replica);
    catalog_unref(attempt->order.replica->backend->catalog);
    attempt->is_dead = true;
    if (attempt->is_feeding)
        return;
    head_fini(&attempt->head);
    free(attempt);
}

static void let_go(struct attempt *attempt, bool keep)
{
    struct conn *conn = attempt->conn;

    attempt->conn = NULL;
    if (conn != NULL)
        pool_release(conn, keep);
}

static void fail(struct attempt *attempt, enum error error, const char *detail)
{
    const struct attempt_events *events = attempt->events;
    void *ctx = attempt->ctx;

    let_go(attempt, false);
    free_attempt(attempt);
    events->on_fail(ctx, error, detail);
}

static void end(struct attempt *attempt, bool keep)
{
    const struct attempt_events *events = attempt->events;
    void *ctx = attempt->ctx;

    let_go(attempt, keep);
    free_attempt(attempt);
    events->on_end(ctx);
}

void attempt_close(struct attempt *attempt)
{
    let_go(attempt, false);
    free_attempt(attempt);
}

/* --- the answer --------------------------------------------------------- */

static void watch(struct attempt *attempt, uint64_t ms)
{
    deadline_set(attempt->pool->deadlines, &attempt->deadline, ms);
}

/* Nobody reads the phrase, but it counts as a part of the head. */
static int on_status(llhttp_t *parser, const char *at, size_t len)
{
    struct attempt *attempt = parser->data;

    head_add_target(&attempt->head, (struct str){at, len});
    return attempt->head.is_too_large ? HPE_USER : 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct attempt *attempt = parser->data;

    head_add_name(&attempt->head, (struct str){at, len});
    return attempt->head.is_too_large ? HPE_USER : 0;
}

static int on_field_complete(llhttp_t *parser)
{
    struct attempt *attempt = parser->data;

    head_end_name(&attempt->head);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct attempt *attempt = parser->data;

    head_add_value(&attempt->head, (struct str){at, len});
    return attempt->head.is_too_large ? HPE_USER : 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct attempt *attempt = parser->data;
    struct answer_head head = {parser->status_code, &attempt->head};

    head_complete(&attempt->head);
    parser->upgrade = 0;
    /* no status at all, to which the parser gives a body; or a protocol that
     * nobody has asked for */
    if (head.status < 100 || head.status == 101)
        return HPE_USER;
    /* 100 Continue, 103 Early Hints: the answer follows.  They end with their
     * head, whatever it says (RFC 9112, 6.3); the parser would go by it. */
    if (head.status < 200)
        return ++attempt->interims > INTERIM_MAX ? HPE_USER : NO_BODY;
    attempt->has_head = true;
    watch(attempt, attempt->order.idle_ms);
    attempt->events->on_head(attempt->ctx, &head);
    if (attempt->is_dead)
        return HPE_USER;
    head_fini(&attempt->head); /* an answer may last */
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct attempt *attempt = parser->data;

    if (attempt->is_abandoned)
        return HPE_USER; /* the end is not near: close */
    watch(attempt, attempt->order.idle_ms);
    attempt->events->on_body(attempt->ctx, (struct str){at, len});
    return attempt->is_dead ? HPE_USER : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct attempt *attempt = parser->data;

    if (!attempt->has_head) { /* an interim answer */
        head_clear(&attempt->head);
        return 0;
    }
    attempt->is_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_status = on_status,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

static void feed(struct attempt *attempt, struct str bytes)
{
    llhttp_errno_t status;
    const char *stopped_at;

    attempt->has_bytes = true;
    attempt->is_feeding = true;
    status = llhttp_execute(&attempt->parser, bytes.ptr, bytes.len);
    attempt->is_feeding = false;
    if (attempt->is_dead) {
        head_fini(&attempt->head);
        free(attempt);
        return;
    }
    if (attempt->is_complete) {
        stopped_at = llhttp_get_error_pos(&attempt->parser);
        /* Bytes behind the answer belong to no request; a request that is
         * still on its way would meet the next answer. */
        end(attempt, llhttp_should_keep_alive(&attempt->parser) != 0 &&
                         stopped_at == bytes.ptr + bytes.len &&
                         !attempt->is_sending);
    } else if (status != HPE_OK) {
        fail(attempt, ERR_BAD_ANSWER, llhttp_errno_name(status));
    }
}

/* --- the connection's events -------------------------------------------- */

static void send_request(struct attempt *attempt)
{
    llhttp_init(&attempt->parser, HTTP_RESPONSE, &settings);
    attempt->parser.data = attempt;
    watch(attempt, attempt->order.first_byte_ms);
    attempt->is_sending =
        !wire_send(&attempt->conn->wire, attempt->order.pieces,
                   attempt->order.piece_count);
}

/* False when the policy forbids it. */
static bool get_connection(struct attempt *attempt, bool fresh)
{
    attempt->conn =
        pool_open(attempt->pool, attempt->order.replica, attempt->order.allowed,
                  fresh, &conn_events, attempt);
    if (attempt->conn == NULL)
        return false;
    attempt->was_waiting = conn_is_ready(attempt->conn);
    attempt->is_shaking_hands = false;
    if (attempt->was_waiting) {
        send_request(attempt);
    } else {
        conn_expect(attempt->conn, attempt->order.connect_ms);
        watch(attempt, attempt->order.connect_ms);
    }
    return true;
}

static void on_ready(void *user)
{
    send_request(user);
}

static void on_handshake(void *user)
{
    struct attempt *attempt = user;

    attempt->is_shaking_hands = true;
    watch(attempt, attempt->order.tls_ms);
}

static void on_bytes(void *user, struct str bytes)
{
    feed(user, bytes);
}

static void on_sent(void *user)
{
    struct attempt *attempt = user;

    attempt->is_sending = false;
}

static void on_over(void *user, enum error error, const char *detail)
{
    struct attempt *attempt = user;
    bool ends_here;

    attempt->conn = NULL;
    if (attempt->was_waiting && !attempt->has_bytes && !attempt->is_retried) {
        attempt->is_retried = true;
        head_clear(&attempt->head);
        (void)get_connection(attempt, true);
        return;
    }
    /* an answer without a length ends with its connection */
    ends_here = error == OK && attempt->has_head &&
                llhttp_finish(&attempt->parser) == HPE_OK;
    if (ends_here || attempt->is_complete)
        end(attempt, false);
    else if (error == OK || error == ERR_CLOSED)
        fail(attempt, attempt->has_head ? ERR_TRUNCATED : ERR_CLOSED, detail);
    else
        fail(attempt, error, detail);
}

static const struct conn_events conn_events = {
    .on_ready = on_ready,
    .on_handshake = on_handshake,
    .on_bytes = on_bytes,
    .on_sent = on_sent,
    .on_over = on_over,
};

static void on_due(struct deadline *deadline)
{
    struct attempt *attempt = list_entry(deadline, struct attempt, deadline);

    if (attempt->is_paused) {
        /* it is the caller who is slow, not the server */
        watch(attempt, attempt->order.idle_ms);
    } else if (attempt->has_head) {
        fail(attempt, ERR_IDLE_TIMEOUT, NULL);
    } else if (attempt->conn != NULL && conn_is_ready(attempt->conn)) {
        fail(attempt, ERR_FIRST_BYTE_TIMEOUT, NULL);
    } else {
        fail(attempt,
             attempt->is_shaking_hands ? ERR_TLS_TIMEOUT : ERR_CONNECT_TIMEOUT,
             NULL);
    }
}

/* --- for the owner ------------------------------------------------------ */

struct attempt *attempt_open(struct pool *pool,
                             const struct attempt_order *order,
                             const struct attempt_events *events, void *ctx)
{
    struct attempt *attempt = must_calloc(1, sizeof(*attempt));

    attempt->pool = pool;
    attempt->order = *order;
    (void)catalog_ref(order->replica->backend->catalog);
    attempt->events = events;
    attempt->ctx = ctx;
    head_init(&attempt->head);
    deadline_init(&attempt->deadline, on_due);
    if (!get_connection(attempt, false)) {
        free_attempt(attempt);
        return NULL;
    }
    return attempt;
}

void attempt_pause(struct attempt *attempt)
{
    attempt->is_paused = true;
    if (attempt->conn != NULL)
        wire_pause(&attempt->conn->wire);
}

void attempt_resume(struct attempt *attempt)
{
    attempt->is_paused = false;
    if (attempt->conn != NULL)
        wire_resume(&attempt->conn->wire);
}

bool attempt_is_sending(const struct attempt *attempt)
{
    return attempt->is_sending || !attempt->has_bytes;
}

static void ignore_end(void *ctx)
{
    (void)ctx;
}

static void ignore_fail(void *ctx, enum error error, const char *detail)
{
    (void)ctx;
    (void)error;
    (void)detail;
}

void attempt_abandon(struct attempt *attempt)
{
    static const struct attempt_events ignore = {.on_end = ignore_end,
                                                 .on_fail = ignore_fail};

    if (!attempt->has_head || attempt->is_sending || attempt->is_paused) {
        attempt_close(attempt);
        return;
    }
    attempt->events = &ignore;
    attempt->ctx = NULL;
    attempt->is_abandoned = true;
    watch(attempt, ABANDONED_MS);
}
