#include "tunnel.h"

#include <stdio.h>

void tunnel_ask(const struct proxy *proxy, const struct endpoint *endpoint,
                struct buf *out)
{
    bool is_v6 = str_contains(str_of(endpoint->host), STR(":"));
    const char *open = is_v6 ? "[" : "";
    const char *close = is_v6 ? "]" : "";

    /* with the port, also where the URL has none */
    buf_printf(out, "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n", open,
               endpoint->host, close, endpoint->port, open, endpoint->host,
               close, endpoint->port);
    buf_put(out, STR("User-Agent: weir/" WEIR_VERSION "\r\n"));
    if (secret_is_set(proxy->credentials)) {
        buf_put(out, STR("Proxy-Authorization: Basic "));
        buf_put(out, proxy->credentials.bytes);
        buf_put(out, STR("\r\n"));
    }
    buf_put(out, STR("\r\n"));
}

/* "HTTP/1.1 200 …" */
static bool status_of(struct str answer, uint64_t *status)
{
    return answer.len > 12 && str_starts(answer, STR("HTTP/1.")) &&
           answer.ptr[8] == ' ' &&
           (answer.ptr[12] == ' ' || answer.ptr[12] == '\r') &&
           str_to_u64(str_slice(answer, 9, 12), status);
}

enum tunnel_state tunnel_hear(struct str answer, char why[TUNNEL_WHY_MAX])
{
    uint64_t status = 0;
    size_t end;

    if (!str_find(answer, STR("\r\n\r\n"), &end)) {
        if (answer.len < TUNNEL_ANSWER_MAX)
            return TUNNEL_WAITS;
        (void)snprintf(why, TUNNEL_WHY_MAX, "its answer is too long");
        return TUNNEL_REFUSED;
    }
    if (!status_of(answer, &status)) {
        (void)snprintf(why, TUNNEL_WHY_MAX, "its answer is not HTTP/1.1");
        return TUNNEL_REFUSED;
    }
    if (status < 200 || status > 299) {
        (void)snprintf(why, TUNNEL_WHY_MAX, "it answered %u", (unsigned)status);
        return TUNNEL_REFUSED;
    }
    /* nobody has been asked yet behind it, so nobody may have spoken */
    if (end + 4 != answer.len) {
        (void)snprintf(why, TUNNEL_WHY_MAX, "it said more than its answer");
        return TUNNEL_REFUSED;
    }
    return TUNNEL_OPEN;
}
