#include "proxy.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "buf.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3986, 2.1.  False when an escape is broken. */
static bool unescape(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '%') {
            buf_put_char(out, text.ptr[i]);
            continue;
        }
        if (i + 2 >= text.len || hex(text.ptr[i + 1]) < 0 ||
            hex(text.ptr[i + 2]) < 0)
            return false;
        buf_put_char(out,
                     (char)(hex(text.ptr[i + 1]) * 16 + hex(text.ptr[i + 2])));
        i += 2;
    }
    return true;
}

static bool keep_credentials(struct arena *arena, struct str user,
                             struct secret *out)
{
    enum { CREDENTIALS_MAX = 4096 };
    unsigned char coded[CREDENTIALS_MAX / 3 * 4 + 8];
    struct buf plain;
    bool ok;

    buf_init(&plain, CREDENTIALS_MAX - 1);
    ok = unescape(user, &plain) && !buf_failed(&plain);
    if (ok && !str_contains(buf_str(&plain), STR(":")))
        buf_put_char(&plain, ':'); /* a user without a password */
    if (ok) {
        int len = EVP_EncodeBlock(coded, (const unsigned char *)plain.ptr,
                                  (int)plain.len);
        struct str text = {(const char *)coded, (size_t)len};

        *out = secret_keep(arena, text);
        secret_wipe(text);
    }
    secret_wipe(buf_str(&plain));
    buf_fini(&plain);
    return ok;
}

/* Where the user ends: at the last "@" before the host. */
static bool split_user(struct str *rest, struct str *user)
{
    for (size_t i = rest->len; i > 0; i--) {
        if (rest->ptr[i - 1] != '@')
            continue;
        *user = str_slice(*rest, 0, i - 1);
        *rest = str_slice(*rest, i, rest->len);
        return true;
    }
    return false;
}

struct proxy *proxy_parse(struct arena *arena, struct str url)
{
    struct proxy *proxy = ARENA_NEW(arena, struct proxy);
    struct str rest = url;
    struct str user;
    struct endpoint endpoint;

    if (str_starts(rest, STR("http://")))
        rest = str_slice(rest, 7, rest.len);
    else if (str_contains(rest, STR("://")))
        return NULL;
    if (split_user(&rest, &user) &&
        !keep_credentials(arena, user, &proxy->credentials))
        return NULL;
    if (!endpoint_parse(arena_printf(arena, "http://%.*s", STR_ARG(rest)),
                        &endpoint) ||
        endpoint.path.len > 0)
        return NULL;
    memcpy(proxy->host, endpoint.host, sizeof(proxy->host));
    proxy->port = endpoint.port;
    return proxy;
}

/* --- who goes without ----------------------------------------------------- */

/* The bytes of a numeric address; 0 when it is none, else 4 or 16. */
static size_t address_of(const char *host, unsigned char bytes[16])
{
    if (inet_pton(AF_INET, host, bytes) == 1)
        return 4;
    return inet_pton(AF_INET6, host, bytes) == 1 ? 16 : 0;
}

/* "10.0.0.0/8" */
static bool is_in_network(const char *host, struct str address, struct str bits)
{
    unsigned char network[16];
    unsigned char there[16];
    char text[64];
    size_t len;
    uint64_t count;

    if (address.len >= sizeof(text) || !str_to_u64(bits, &count))
        return false;
    memcpy(text, address.ptr, address.len);
    text[address.len] = '\0';
    len = address_of(text, network);
    if (len == 0 || address_of(host, there) != len || count > len * 8)
        return false;
    for (size_t i = 0; i < count; i++) {
        unsigned shift = 7 - i % 8;

        if ((network[i / 8] >> shift & 1) != (there[i / 8] >> shift & 1))
            return false;
    }
    return true;
}

/* "example.com", ".example.com" and "*.example.com" cover the name and what
 * ends in it. */
static bool is_covered(struct str host, struct str name)
{
    struct str tail;

    if (str_starts(name, STR("*.")))
        name = str_slice(name, 1, name.len);
    if (str_starts(name, STR(".")))
        name = str_slice(name, 1, name.len);
    if (name.len == 0 || host.len < name.len)
        return false;
    tail = str_slice(host, host.len - name.len, host.len);
    return str_eq_nocase(tail, name) &&
           (host.len == name.len || host.ptr[host.len - name.len - 1] == '.');
}

/* Takes ":8000" off an entry.  An IPv6 address has it behind a bracket. */
static bool take_port(struct str *entry, uint64_t *port)
{
    struct str rest = *entry;
    struct str name;
    size_t at;

    if (str_starts(rest, STR("["))) {
        if (!str_find(rest, STR("]"), &at))
            return false;
        *entry = str_slice(rest, 1, at);
        rest = str_slice(rest, at + 1, rest.len);
        return rest.len > 1 && rest.ptr[0] == ':' &&
               str_to_u64(str_slice(rest, 1, rest.len), port);
    }
    if (!str_split(&rest, ':', &name) || rest.len == 0 ||
        str_contains(rest, STR(":")) || !str_to_u64(rest, port))
        return false;
    *entry = name;
    return true;
}

bool proxy_is_exempt(const struct endpoint *endpoint, struct str list)
{
    struct str host = str_of(endpoint->host);
    struct str entry;

    while (str_split(&list, ',', &entry)) {
        struct str address;
        uint64_t port = 0;

        entry = str_trim(entry);
        if (str_eq(entry, STR("*")))
            return true;
        if (take_port(&entry, &port) && port != endpoint->port)
            continue;
        if (is_covered(host, entry))
            return true;
        if (str_contains(entry, STR("/")) && str_split(&entry, '/', &address) &&
            is_in_network(endpoint->host, address, entry))
            return true;
    }
    return false;
}

bool proxy_is_loopback(const struct endpoint *endpoint)
{
    return is_in_network(endpoint->host, STR("127.0.0.0"), STR("8")) ||
           is_in_network(endpoint->host, STR("::1"), STR("128")) ||
           is_covered(str_of(endpoint->host), STR("localhost"));
}

struct str proxy_environment(const char *lower, const char *upper,
                             const char **name)
{
    const char *text = getenv(lower);

    *name = lower;
    if (text == NULL || *text == '\0') {
        text = getenv(upper);
        *name = upper;
    }
    return text == NULL ? STR("") : str_trim(str_of(text));
}

bool proxy_equal(const struct proxy *a, const struct proxy *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return str_eq(str_of(a->host), str_of(b->host)) && a->port == b->port &&
           str_eq(a->credentials.bytes, b->credentials.bytes);
}
