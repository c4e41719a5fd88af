#include <stdlib.h>

#include "check.h"
#include "client_private.h"

enum { BUDGET_FACTOR = 4 }; /* see request_take_budget() */

struct request *request_new(struct client *client)
{
    struct request *request = must_calloc(1, sizeof(*request));

    request->sink.ops = &client_sink_ops;
    request->client = client;
    arena_init(&request->arena);
    head_init(&request->head);
    return request;
}

void request_reset(struct request *request)
{
    struct client *client = request->client;
    struct head head = request->head;

    request_drop_body(request);
    arena_clear(&request->arena);
    head_clear(&head);
    *request = (struct request){
        .sink.ops = &client_sink_ops, .client = client, .head = head};
    arena_init(&request->arena);
}

void request_free(struct request *request)
{
    request_drop_body(request);
    arena_clear(&request->arena);
    head_fini(&request->head);
    free(request);
}

struct str request_body(const struct request *request)
{
    return (struct str){request->body, request->body_len};
}

/* The budget counts what a body really holds, and what it will cost to read:
 * the copy that the parser works on and the tree. */
bool request_take_budget(struct client *client, size_t bytes)
{
    const struct accept_limits *limits = &client->door->limits;
    size_t cost = bytes * BUDGET_FACTOR;

    if (limits->memory_used == NULL)
        return true;
    if (atomic_fetch_add(limits->memory_used, cost) + cost >
        limits->memory_budget) {
        atomic_fetch_sub(limits->memory_used, cost);
        return false;
    }
    return true;
}

void request_settle_body(struct request *request)
{
    if (request->is_read)
        return;
    request->is_read = true;
    if (request->memory_used != NULL)
        atomic_fetch_sub(request->memory_used,
                         request->body_len * (BUDGET_FACTOR - 1));
}

void request_drop_body(struct request *request)
{
    request_settle_body(request);
    if (request->memory_used != NULL)
        atomic_fetch_sub(request->memory_used, request->body_len);
    request->memory_used = NULL;
    free(request->body);
    request->body = NULL;
    request->body_len = request->body_cap = 0;
}

/* The system is asked once per connection. */
static const char *client_peer(struct client *client)
{
    struct sockaddr_storage address;
    const struct sockaddr *peer = (const struct sockaddr *)&address;
    int len = sizeof(address);
    const char *name = "-";

    if (client->peer[0] == '\0' &&
        uv_tcp_getpeername(&client->wire.uv.tcp, (struct sockaddr *)&address,
                           &len) == 0) {
        if (uv_ip_name(peer, client->peer, sizeof(client->peer)) == 0)
            return client->peer;
        if (peer->sa_family == AF_UNIX)
            name = "unix";
    }
    if (client->peer[0] == '\0')
        memcpy(client->peer, name, strlen(name) + 1);
    return client->peer;
}

struct str request_peer(struct request *request)
{
    _Static_assert(sizeof(request->peer) == sizeof(request->client->peer),
                   "one is copied into the other");
    if (request->peer[0] == '\0' && request->client == NULL)
        request->peer[0] = '-';
    else if (request->peer[0] == '\0')
        memcpy(request->peer, client_peer(request->client),
               sizeof(request->peer));
    return str_of(request->peer);
}
