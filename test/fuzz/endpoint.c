/* A backend's URL: what is taken can stand in a request line and in a Host
 * header without ending either, and means the same when it is read again. */
#include "endpoint.h"

#include "buf.h"
#include "check.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void check_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        check(s.ptr[i] > ' ' && s.ptr[i] < 0x7F && s.ptr[i] != '#' &&
              s.ptr[i] != '?');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct endpoint endpoint;
    struct endpoint again;
    struct buf url;

    if (!endpoint_parse(fuzz_input(data, size), &endpoint))
        return 0;
    check(endpoint.port > 0 && endpoint.port < 65536);
    check(endpoint.host[0] != '\0' &&
          strlen(endpoint.host) < ENDPOINT_HOST_MAX);
    check_plain(str_of(endpoint.host));
    check_plain(endpoint.authority);
    check_plain(endpoint.path);
    check(!str_contains(endpoint.authority, STR("@")) &&
          !str_contains(endpoint.authority, STR("/")));
    check(endpoint.path.len == 0 || endpoint.path.ptr[0] == '/');
    check(!str_ends(endpoint.path, STR("/")));
    buf_init(&url, 2 * size + 64);
    buf_put(&url, endpoint.is_tls ? STR("https://") : STR("http://"));
    buf_put(&url, endpoint.authority);
    buf_put(&url, endpoint.path);
    /* with "/v1" behind it, for a path that ends in one of its own */
    buf_put(&url, STR("/v1/"));
    check(endpoint_parse(buf_str(&url), &again));
    check(again.port == endpoint.port && again.is_tls == endpoint.is_tls);
    check(str_eq(str_of(again.host), str_of(endpoint.host)));
    check(str_eq(again.authority, endpoint.authority));
    check(str_eq(again.path, endpoint.path));
    buf_fini(&url);
    return 0;
}
