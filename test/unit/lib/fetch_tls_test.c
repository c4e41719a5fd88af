/* lib/fetch over TLS: whom it trusts, what it shows, what it says when not. */
#include <stdio.h>
#include <unistd.h>

#include "../certificates.h"
#include "fetch_given.h"

/* What all tests share. */
static struct certificate authority, stranger, server, client;
static char ca_file[64], stranger_file[64], client_file[64], key_file[64];

static int make_certificates(void **state)
{
    (void)state;
    authority = certificate_authority("Test Authority");
    stranger = certificate_authority("A Stranger");
    server = certificate_for(&authority, "IP:127.0.0.1", -1, 1);
    client = certificate_for(&authority, "DNS:weir.test", -1, 1);
    certificate_save(&authority, ca_file);
    certificate_save(&stranger, stranger_file);
    certificate_save(&client, client_file);
    certificate_save_key(&client, key_file);
    return 0;
}

static int drop_certificates(void **state)
{
    (void)state;
    certificate_free(&authority);
    certificate_free(&stranger);
    certificate_free(&server);
    certificate_free(&client);
    unlink(ca_file);
    unlink(stranger_file);
    unlink(client_file);
    unlink(key_file);
    return 0;
}

/* --- a server that shows a certificate ------------------------------------ */

static struct {
    SSL_CTX *shared;
    SSL *ssl;
    struct buf got;
} tls;

static void server_open(const struct certificate *certificate)
{
    tls.shared = certificate_server(certificate);
    tls.ssl = NULL;
    buf_init(&tls.got, 1 << 20);
}

static void server_ask_for_certificate(void)
{
    X509_STORE_add_cert(SSL_CTX_get_cert_store(tls.shared), authority.x509);
    SSL_CTX_set_verify(tls.shared,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static void server_close(void)
{
    SSL_free(tls.ssl);
    SSL_CTX_free(tls.shared);
    buf_fini(&tls.got);
}

static bool is_done_with_hands(void)
{
    int n = SSL_accept(tls.ssl);

    return n == 1 || SSL_get_error(tls.ssl, n) != SSL_ERROR_WANT_READ ||
           given.answers > 0;
}

/* True when both sides are content. */
static bool shake_hands(void)
{
    given_accept();
    tls.ssl = SSL_new(tls.shared);
    assert_non_null(tls.ssl);
    assert_int_equal(SSL_set_fd(tls.ssl, given.fd), 1);
    given_until(is_done_with_hands());
    return SSL_is_init_finished(tls.ssl) && given.answers == 0;
}

static bool has_got(const char *needle)
{
    char bytes[4096];
    int n;

    while ((n = SSL_read(tls.ssl, bytes, sizeof(bytes))) > 0)
        buf_put(&tls.got, (struct str){bytes, (size_t)n});
    return str_contains(buf_str(&tls.got), str_of(needle));
}

static struct fetch_order order_with(const struct fetch_tls *files)
{
    struct fetch_order order = given_order("a body");

    order.url = given_url("https", "127.0.0.1");
    order.tls = files;
    return order;
}

static void assert_served(void)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    assert_true(shake_hands());
    given_until(has_got("\r\n\r\na body"));
    assert_int_equal(SSL_write(tls.ssl, answer, sizeof(answer) - 1),
                     sizeof(answer) - 1);
    given_until(given.answers > 0);
    assert_int_equal(given.error, FETCH_OK);
    assert_int_equal(given.status, 200);
    assert_str(buf_str(&given.body), "ok");
}

/* It fails by the time that the hands are shaken, or a moment later. */
static void assert_tls_error(const char *detail)
{
    (void)shake_hands();
    SSL_free(tls.ssl);
    tls.ssl = NULL;
    given_hang_up();
    given_until(given.answers > 0);
    assert_int_equal(given.error, FETCH_TLS);
    assert_has(buf_str(&given.detail), detail);
    assert_int_equal(given.status, 0);
}

/* --- tests ---------------------------------------------------------------- */

static void the_authority_of_the_order_is_trusted(void **state)
{
    const struct fetch_tls files = {.ca_file = str_of(ca_file)};
    struct fetch_order order = order_with(&files);

    (void)state;
    server_open(&server);
    given_fetch(&order);
    assert_served();
    server_close();
}

static void without_it_the_system_decides(void **state)
{
    struct fetch_order order = order_with(NULL);

    (void)state;
    server_open(&server);
    given_fetch(&order);
    assert_tls_error("certificate");
    server_close();
}

static void another_authority_is_not_trusted(void **state)
{
    const struct fetch_tls files = {.ca_file = str_of(stranger_file)};
    struct fetch_order order = order_with(&files);

    (void)state;
    server_open(&server);
    given_fetch(&order);
    assert_tls_error("certificate");
    server_close();
}

static void the_name_must_be_the_servers(void **state)
{
    const struct fetch_tls files = {.ca_file = str_of(ca_file)};
    struct certificate other =
        certificate_for(&authority, "DNS:other.test", -1, 1);
    struct fetch_order order = order_with(&files);

    (void)state;
    server_open(&other);
    given_fetch(&order);
    assert_tls_error("127.0.0.1");
    server_close();
    certificate_free(&other);
}

static void an_old_certificate_is_named(void **state)
{
    const struct fetch_tls files = {.ca_file = str_of(ca_file)};
    struct certificate old =
        certificate_for(&authority, "IP:127.0.0.1", -9, -1);
    struct fetch_order order = order_with(&files);

    (void)state;
    server_open(&old);
    given_fetch(&order);
    assert_tls_error("expired");
    server_close();
    certificate_free(&old);
}

static void a_missing_file_is_named(void **state)
{
    const struct fetch_tls files = {.ca_file = STR("/nowhere/ca.pem")};
    struct fetch_order order = order_with(&files);

    (void)state;
    given_fetch_answer(&order);
    assert_int_equal(given.error, FETCH_TLS);
    assert_has(buf_str(&given.detail), "/nowhere/ca.pem");
}

static void a_client_certificate_is_shown(void **state)
{
    const struct fetch_tls files = {
        .ca_file = str_of(ca_file),
        .cert_file = str_of(client_file),
        .key_file = str_of(key_file),
    };
    struct fetch_order order = order_with(&files);

    (void)state;
    server_open(&server);
    server_ask_for_certificate();
    given_fetch(&order);
    assert_served();
    server_close();
}

/* With TLS 1.3 the server's refusal comes when the client has sent already. */
static void without_a_client_certificate_there_is_no_answer(void **state)
{
    const struct fetch_tls files = {.ca_file = str_of(ca_file)};
    struct fetch_order order = order_with(&files);

    (void)state;
    server_open(&server);
    server_ask_for_certificate();
    given_fetch(&order);
    assert_false(shake_hands());
    given_until(given.answers > 0);
    assert_true(given.error == FETCH_TLS || given.error == FETCH_CLOSED);
    assert_has(buf_str(&given.detail), "certificate required");
    server_close();
}

static void plain_http_is_no_tls(void **state)
{
    struct fetch_order order = order_with(NULL);

    (void)state;
    given_fetch(&order);
    given_accept();
    given_until((given_turn(), true));
    given_say(STR("HTTP/1.1 400 Bad Request\r\n\r\n"));
    given_until(given.answers > 0);
    assert_int_equal(given.error, FETCH_TLS);
    assert_true(given.detail.len > 0);
}

/* ALPN chose HTTP/1.1, or nothing. */
static void a_server_without_http_2_is_told(void **state)
{
    const struct fetch_tls files = {.ca_file = str_of(ca_file)};
    struct fetch_order order = order_with(&files);
    static const char answer[] =
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

    (void)state;
    server_open(&server);
    order.speaks_http2 = true;
    given_fetch(&order);
    assert_true(shake_hands());
    given_until(has_got("\r\n\r\na body"));
    assert_int_equal(SSL_write(tls.ssl, answer, sizeof(answer) - 1),
                     sizeof(answer) - 1);
    given_until(given.answers > 0);
    assert_int_equal(given.error, FETCH_BROKEN);
    assert_str(buf_str(&given.detail), "the server does not speak HTTP/2");
    server_close();
}

#define TEST(name)                                \
    {                                             \
#name, name, given_begin, given_end, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_authority_of_the_order_is_trusted),
        TEST(without_it_the_system_decides),
        TEST(another_authority_is_not_trusted),
        TEST(the_name_must_be_the_servers),
        TEST(an_old_certificate_is_named),
        TEST(a_missing_file_is_named),
        TEST(a_client_certificate_is_shown),
        TEST(without_a_client_certificate_there_is_no_answer),
        TEST(plain_http_is_no_tls),
        TEST(a_server_without_http_2_is_told),
    };

    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
