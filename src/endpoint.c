#include "endpoint.h"

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
           c == ':' || c == '%';
}

static bool is_path_char(char c)
{
    return c > ' ' && c < 0x7F && c != '?' && c != '#' && c != '"' && c != '\\';
}

/* "host", "host:port", "[::1]:port" */
static bool parse_authority(struct str text, struct endpoint *out)
{
    struct str host = text;
    struct str port = {NULL, 0};
    uint64_t number;
    size_t at;

    if (str_starts(text, STR("["))) {
        if (!str_find(text, STR("]"), &at))
            return false;
        host = str_slice(text, 1, at);
        text = str_slice(text, at + 1, text.len);
        if (text.len > 0 && text.ptr[0] != ':')
            return false;
        port = str_slice(text, 1, text.len);
    } else if (str_find(text, STR(":"), &at)) {
        host = str_slice(text, 0, at);
        port = str_slice(text, at + 1, text.len);
        if (str_contains(port, STR(":")) || port.len == 0)
            return false;
    }
    if (host.len == 0 || host.len >= sizeof(out->host))
        return false;
    for (size_t i = 0; i < host.len; i++)
        if (!is_host_char(host.ptr[i]))
            return false;
    memcpy(out->host, host.ptr, host.len);
    out->host[host.len] = '\0';
    out->port = out->is_tls ? 443 : 80;
    if (port.len > 0) {
        if (!str_to_u64(port, &number) || number == 0 || number > 65535)
            return false;
        out->port = (unsigned)number;
    }
    return true;
}

static void drop_slashes(struct str *path)
{
    while (str_ends(*path, STR("/")))
        path->len--;
}

bool endpoint_parse(struct str url, struct endpoint *out)
{
    struct str rest;
    size_t slash;

    *out = (struct endpoint){.url = url};
    if (str_starts(url, STR("https://"))) {
        out->is_tls = true;
        rest = str_slice(url, 8, url.len);
    } else if (str_starts(url, STR("http://"))) {
        rest = str_slice(url, 7, url.len);
    } else {
        return false;
    }
    if (!str_find(rest, STR("/"), &slash))
        slash = rest.len;
    out->authority = str_slice(rest, 0, slash);
    out->path = str_slice(rest, slash, rest.len);
    for (size_t i = 0; i < out->path.len; i++)
        if (!is_path_char(out->path.ptr[i]))
            return false;
    drop_slashes(&out->path);
    if (str_ends(out->path, STR("/v1"))) {
        out->path.len -= 3;
        drop_slashes(&out->path);
    }
    return parse_authority(out->authority, out);
}
