/* lib/tls: the client's side of TLS, against a server in the same memory. */
#include "tls.h"

#include <stdlib.h>
#include <unistd.h>

#include "../certificates.h"
#include "../testing.h"

/* What all tests share: an authority that is trusted and one that is not. */
static struct certificate authority, stranger;
static struct tls_context *context;

static int make_authorities(void **state)
{
    char path[64];
    const char *why = NULL;

    (void)state;
    authority = certificate_authority("Test Authority");
    stranger = certificate_authority("A Stranger");
    certificate_save(&authority, path);
    context = tls_context_new(path, &why);
    unlink(path);
    assert_non_null(context);
    return 0;
}

static int drop_authorities(void **state)
{
    (void)state;
    tls_context_free(context);
    certificate_free(&authority);
    certificate_free(&stranger);
    return 0;
}

/* --- a server in memory --------------------------------------------------- */

struct server {
    SSL_CTX *shared;
    SSL *ssl;
    BIO *in, *out;
};

static void server_open(struct server *server, SSL_CTX *shared)
{
    server->shared = shared;
    server->ssl = SSL_new(shared);
    server->in = BIO_new(BIO_s_mem());
    server->out = BIO_new(BIO_s_mem());
    assert_non_null(server->ssl);
    SSL_set_bio(server->ssl, server->in, server->out);
    SSL_set_accept_state(server->ssl);
}

/* Carries what both sides have to say, `step` bytes at a time. */
static void carry(struct tls *tls, struct server *server, size_t step)
{
    struct str raw = tls_pending(tls);
    char bytes[4096];
    int n;

    while (raw.len > 0) {
        struct str piece = str_slice(raw, 0, step);

        assert_int_equal(BIO_write(server->in, piece.ptr, (int)piece.len),
                         (int)piece.len);
        raw = str_slice(raw, piece.len, raw.len);
    }
    tls_sent(tls);
    (void)SSL_do_handshake(server->ssl);
    while ((n = BIO_read(server->out, bytes,
                         step < sizeof(bytes) ? (int)step
                                              : (int)sizeof(bytes))) > 0)
        tls_feed(tls, (struct str){bytes, (size_t)n});
}

static enum tls_status shake_hands(struct tls *tls, struct server *server,
                                   size_t step)
{
    enum tls_status status = tls_handshake(tls);

    for (unsigned i = 0; i < 10 && status == TLS_WAIT; i++) {
        carry(tls, server, step);
        status = tls_handshake(tls);
    }
    return status;
}

/* Tries to reach `host` at a server that shows `certificate`. */
static enum tls_status try_host(const char *host,
                                const struct certificate *certificate,
                                const char **why)
{
    SSL_CTX *shared = certificate_server(certificate);
    struct server server;
    struct tls *tls = tls_client_new(context, host, NULL);
    enum tls_status status;

    server_open(&server, shared);
    status = shake_hands(tls, &server, 4096);
    if (status == TLS_BROKEN)
        *why = tls_why(tls); /* static: outlives the connection */
    assert_int_equal(tls->is_ready, status == TLS_OK);
    tls_free(tls);
    SSL_free(server.ssl);
    SSL_CTX_free(shared);
    return status;
}

static enum tls_status try_names(const char *host, const char *names,
                                 const char **why)
{
    struct certificate made = certificate_for(&authority, names, -1, 1);
    enum tls_status status = try_host(host, &made, why);

    certificate_free(&made);
    return status;
}

/* --- who is trusted ------------------------------------------------------- */

static void the_right_name_by_a_known_authority_is_trusted(void **state)
{
    const char *why = NULL;

    (void)state;
    assert_int_equal(try_names("a.test", "DNS:a.test", &why), TLS_OK);
    assert_int_equal(try_names("A.Test", "DNS:a.test", &why), TLS_OK);
    assert_int_equal(try_names("b.a.test", "DNS:x.test,DNS:*.a.test", &why),
                     TLS_OK);
    assert_int_equal(try_names("127.0.0.1", "IP:127.0.0.1", &why), TLS_OK);
    assert_int_equal(try_names("::1", "IP:::1", &why), TLS_OK);
}

static void another_name_is_not_trusted(void **state)
{
    static const struct {
        const char *host;
        const char *names;
    } cases[] = {
        {"a.test", "DNS:b.test"},
        {"a.test", "DNS:a.test.evil.test"},
        {"a.test", "DNS:*.test.evil"},
        {"c.b.a.test", "DNS:*.a.test"},
        {"a.test", "DNS:*.a.test"},
        {"ab.test", "DNS:a*.test"}, /* half wildcards are not taken */
        {"127.0.0.1", "IP:127.0.0.2"},
        {"127.0.0.1", "DNS:127.0.0.1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *why = "";

        assert_int_equal(try_names(cases[i].host, cases[i].names, &why),
                         TLS_BROKEN);
        assert_has(str_of(why), "mismatch");
    }
}

static void an_unknown_authority_is_not_trusted(void **state)
{
    struct certificate made = certificate_for(&stranger, "DNS:a.test", -1, 1);
    const char *why = "";

    (void)state;
    assert_int_equal(try_host("a.test", &made, &why), TLS_BROKEN);
    assert_has(str_of(why), "issuer");
    certificate_free(&made);
}

static void a_certificate_that_signs_itself_is_not_trusted(void **state)
{
    const char *why = "";

    (void)state;
    assert_int_equal(try_host("a.test", &stranger, &why), TLS_BROKEN);
    assert_has(str_of(why), "self");
}

static void a_certificate_out_of_its_time_is_not_trusted(void **state)
{
    struct certificate old = certificate_for(&authority, "DNS:a.test", -9, -1);
    struct certificate new = certificate_for(&authority, "DNS:a.test", 1, 9);
    const char *why = "";

    (void)state;
    assert_int_equal(try_host("a.test", &old, &why), TLS_BROKEN);
    assert_has(str_of(why), "expired");
    assert_int_equal(try_host("a.test", &new, &why), TLS_BROKEN);
    assert_has(str_of(why), "not yet valid");
    certificate_free(&old);
    certificate_free(&new);
}

static void old_protocols_are_refused(void **state)
{
    struct certificate made = certificate_for(&authority, "DNS:a.test", -1, 1);
    SSL_CTX *shared = certificate_server(&made);
    struct tls *tls = tls_client_new(context, "a.test", NULL);
    struct server server;

    (void)state;
    SSL_CTX_set_max_proto_version(shared, TLS1_1_VERSION);
    server_open(&server, shared);
    assert_int_not_equal(shake_hands(tls, &server, 4096), TLS_OK);
    tls_free(tls);
    SSL_free(server.ssl);
    SSL_CTX_free(shared);
    certificate_free(&made);
}

static void a_bad_file_of_authorities_is_told(void **state)
{
    const char *why = NULL;
    char path[] = "/tmp/weir-test-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_null(tls_context_new(path, &why));
    assert_non_null(why);
    close(fd);
    unlink(path);
    why = NULL;
    assert_null(tls_context_new(path, &why));
    assert_non_null(why);
    tls_context_free(NULL);
}

/* --- bytes ---------------------------------------------------------------- */

struct pair {
    struct certificate certificate;
    SSL_CTX *shared;
    struct server server;
    struct tls *tls;
};

static void pair_open(struct pair *pair, size_t step)
{
    pair->certificate = certificate_for(&authority, "DNS:a.test", -1, 1);
    pair->shared = certificate_server(&pair->certificate);
    pair->tls = tls_client_new(context, "a.test", NULL);
    server_open(&pair->server, pair->shared);
    assert_int_equal(shake_hands(pair->tls, &pair->server, step), TLS_OK);
    carry(pair->tls, &pair->server, step); /* the client's last words */
}

static void pair_close(struct pair *pair)
{
    tls_free(pair->tls);
    SSL_free(pair->server.ssl);
    SSL_CTX_free(pair->shared);
    certificate_free(&pair->certificate);
}

static void bytes_go_both_ways_however_they_are_cut(void **state)
{
    static const size_t steps[] = {1, 7, 4096};
    static char big[40000];
    static char back[sizeof(big)];

    (void)state;
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 31 % 256);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct pair pair;
        char plain[1000];
        size_t got = 0;
        size_t len = 0;

        pair_open(&pair, steps[i]);
        assert_int_equal(tls_read(pair.tls, plain, sizeof(plain), &len),
                         TLS_WAIT);
        assert_int_equal(tls_write(pair.tls, (struct str){big, sizeof(big)}),
                         TLS_OK);
        carry(pair.tls, &pair.server, steps[i]);
        while (got < sizeof(big)) {
            assert_int_equal(SSL_read_ex(pair.server.ssl, back + got,
                                         sizeof(back) - got, &len),
                             1);
            got += len;
        }
        assert_memory_equal(back, big, sizeof(big));
        assert_int_equal(SSL_write_ex(pair.server.ssl, big, sizeof(big), &len),
                         1);
        carry(pair.tls, &pair.server, steps[i]);
        for (got = 0; got < sizeof(big); got += len) {
            assert_int_equal(tls_read(pair.tls, plain, sizeof(plain), &len),
                             TLS_OK);
            assert_memory_equal(plain, big + got, len);
        }
        assert_int_equal(tls_read(pair.tls, plain, sizeof(plain), &len),
                         TLS_WAIT);
        pair_close(&pair);
    }
}

static void a_goodbye_is_told_from_a_break(void **state)
{
    struct pair pair;
    char plain[100];
    size_t len;

    (void)state;
    pair_open(&pair, 4096);
    (void)SSL_shutdown(pair.server.ssl);
    carry(pair.tls, &pair.server, 4096);
    assert_int_equal(tls_read(pair.tls, plain, sizeof(plain), &len),
                     TLS_CLOSED);
    pair_close(&pair);

    pair_open(&pair, 4096);
    tls_feed(pair.tls, STR("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert_int_equal(tls_read(pair.tls, plain, sizeof(plain), &len),
                     TLS_BROKEN);
    assert_non_null(tls_why(pair.tls));
    pair_close(&pair);

    pair_open(&pair, 4096);
    tls_goodbye(pair.tls);
    carry(pair.tls, &pair.server, 4096);
    assert_int_equal(SSL_read_ex(pair.server.ssl, plain, sizeof(plain), &len),
                     0);
    assert_int_equal(SSL_get_error(pair.server.ssl, 0), SSL_ERROR_ZERO_RETURN);
    pair_close(&pair);
}

static void a_server_that_speaks_plain_http_is_no_tls(void **state)
{
    struct tls *tls = tls_client_new(context, "a.test", NULL);

    (void)state;
    assert_int_equal(tls_handshake(tls), TLS_WAIT);
    tls_feed(tls, STR("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert_int_equal(tls_handshake(tls), TLS_BROKEN);
    assert_non_null(tls_why(tls));
    assert_null(tls_take_session(tls));
    tls_goodbye(tls); /* nothing to say goodbye to: harmless */
    tls_free(tls);
    tls_free(NULL);
}

static void a_session_is_resumed(void **state)
{
    struct pair pair;
    struct tls *again;
    struct server server;
    SSL_SESSION *session;
    char plain[16];
    size_t len;

    (void)state;
    pair_open(&pair, 4096);
    /* with TLS 1.3 it comes behind the handshake, and reading takes it */
    (void)tls_read(pair.tls, plain, sizeof(plain), &len);
    session = tls_take_session(pair.tls);
    assert_non_null(session);
    assert_int_equal(SSL_session_reused(pair.tls->ssl), 0);

    again = tls_client_new(context, "a.test", session);
    server_open(&server, pair.shared);
    assert_int_equal(shake_hands(again, &server, 4096), TLS_OK);
    assert_int_equal(SSL_session_reused(again->ssl), 1);
    SSL_free(server.ssl);
    tls_free(again);
    SSL_SESSION_free(session);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_name_by_a_known_authority_is_trusted),
        cmocka_unit_test(another_name_is_not_trusted),
        cmocka_unit_test(an_unknown_authority_is_not_trusted),
        cmocka_unit_test(a_certificate_that_signs_itself_is_not_trusted),
        cmocka_unit_test(a_certificate_out_of_its_time_is_not_trusted),
        cmocka_unit_test(old_protocols_are_refused),
        cmocka_unit_test(a_bad_file_of_authorities_is_told),
        cmocka_unit_test(bytes_go_both_ways_however_they_are_cut),
        cmocka_unit_test(a_goodbye_is_told_from_a_break),
        cmocka_unit_test(a_server_that_speaks_plain_http_is_no_tls),
        cmocka_unit_test(a_session_is_resumed),
    };

    return cmocka_run_group_tests(tests, make_authorities, drop_authorities);
}
