#include "tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "check.h"

struct tls_context {
    SSL_CTX *ssl;
};

/* What holds for clients and servers. */
static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SSL_CTX *ssl = SSL_CTX_new(method);

    if (ssl == NULL)
        out_of_memory();
    ERR_clear_error();
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    /* Idle connections must not hold 34 KB of record buffers each, and a
     * short write may go on with what moved elsewhere meanwhile. */
    SSL_CTX_set_mode(
        ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    return ssl;
}

static struct tls_context *context_keep(SSL_CTX *ssl)
{
    struct tls_context *context = must_alloc(sizeof(*context));

    context->ssl = ssl;
    return context;
}

/* Why OpenSSL did not do it; `otherwise` when it does not say. */
static const char *reason_of(const char *otherwise)
{
    unsigned long code = ERR_peek_error(); /* the first one is the cause */
    const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
                                                : ERR_reason_error_string(code);

    ERR_clear_error();
    return reason == NULL ? otherwise : reason;
}

struct tls_context *tls_context_new(const char *ca_file, const char **why)
{
    SSL_CTX *ssl = context_new(TLS_client_method());
    bool ok;

    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    /* sessions are kept by the pool, per backend and thread */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT |
                                            SSL_SESS_CACHE_NO_INTERNAL);
    ok = ca_file == NULL || *ca_file == '\0'
             ? SSL_CTX_set_default_verify_paths(ssl) == 1
             : SSL_CTX_load_verify_file(ssl, ca_file) == 1;
    if (!ok) {
        *why = reason_of("no certificates could be read");
        SSL_CTX_free(ssl);
        return NULL;
    }
    return context_keep(ssl);
}

/* RFC 7301, 3.2: a caller that offers protocols, but not ours, is refused. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *offered, unsigned offered_len,
                   void *ctx)
{
    static const struct str ours = STR_INIT("http/1.1");

    (void)ssl;
    (void)ctx;
    for (unsigned i = 0; i < offered_len; i += 1u + offered[i]) {
        if (offered[i] > offered_len - i - 1)
            break;
        *out = offered + i + 1;
        *out_len = offered[i];
        if (str_eq((struct str){(const char *)*out, *out_len}, ours))
            return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Without it OpenSSL would ask on the terminal. */
static int no_password(char *room, int size, int writing, void *ctx)
{
    (void)writing;
    (void)ctx;
    if (size > 0)
        room[0] = '\0';
    return 0;
}

struct tls_context *tls_server_context_new(const char *certificate_file,
                                           const char *key_file, bool *is_key,
                                           const char **why)
{
    SSL_CTX *ssl = context_new(TLS_server_method());
    bool ok;

    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    check(SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1);
    /* tickets resume sessions; nothing is kept here */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
    SSL_CTX_set_default_passwd_cb(ssl, no_password);
    *is_key = false;
    ok = SSL_CTX_use_certificate_chain_file(ssl, certificate_file) == 1;
    if (ok) {
        *is_key = true;
        ok =
            SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) == 1 &&
            SSL_CTX_check_private_key(ssl) == 1;
    }
    if (!ok) {
        *why = reason_of("it could not be read");
        SSL_CTX_free(ssl);
        return NULL;
    }
    return context_keep(ssl);
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

static bool is_address(const char *host)
{
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);

    ASN1_OCTET_STRING_free(ip);
    return ip != NULL;
}

static struct tls *session_new(struct tls_context *context)
{
    struct tls *tls = must_calloc(1, sizeof(*tls));

    tls->ssl = SSL_new(context->ssl);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || tls->in == NULL || tls->out == NULL)
        out_of_memory();
    BIO_set_mem_eof_return(tls->in, -1);
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    return tls;
}

struct tls *tls_server_new(struct tls_context *context)
{
    struct tls *tls = session_new(context);

    SSL_set_accept_state(tls->ssl);
    return tls;
}

struct tls *tls_client_new(struct tls_context *context, const char *host,
                           SSL_SESSION *session)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    struct tls *tls = session_new(context);
    X509_VERIFY_PARAM *verify;
    bool ok;

    SSL_set_connect_state(tls->ssl);
    SSL_set_alpn_protos(tls->ssl, alpn, sizeof(alpn) - 1);
    verify = SSL_get0_param(tls->ssl);
    if (is_address(host)) {
        /* RFC 6066 allows no address as server name */
        ok = X509_VERIFY_PARAM_set1_ip_asc(verify, host) == 1;
    } else {
        /* the macro for this takes the const away; OpenSSL copies the name */
        char *name = must_strdup(host);

        X509_VERIFY_PARAM_set_hostflags(verify,
                                        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = SSL_set1_host(tls->ssl, host) == 1 &&
             SSL_ctrl(tls->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
                      TLSEXT_NAMETYPE_host_name, name) == 1;
        free(name);
    }
    if (!ok) /* the host was checked when the configuration was read */
        out_of_memory();
    if (session != NULL)
        SSL_set_session(tls->ssl, session);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl); /* and its BIOs */
    free(tls);
}

void tls_feed(struct tls *tls, struct str raw)
{
    while (raw.len > 0) {
        int take = raw.len > 1 << 20 ? 1 << 20 : (int)raw.len;
        int n = BIO_write(tls->in, raw.ptr, take);

        if (n <= 0)
            out_of_memory();
        raw = str_slice(raw, (size_t)n, raw.len);
    }
}

static enum tls_status status_of(struct tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_NONE:
        return TLS_OK;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TLS_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        return TLS_BROKEN;
    }
}

enum tls_status tls_handshake(struct tls *tls)
{
    enum tls_status status;

    ERR_clear_error();
    status = status_of(tls, SSL_do_handshake(tls->ssl));
    if (status == TLS_OK)
        tls->is_ready = true;
    return status;
}

enum tls_status tls_read(struct tls *tls, char *plain, size_t room, size_t *len)
{
    ERR_clear_error();
    *len = 0;
    return status_of(tls, SSL_read_ex(tls->ssl, plain, room, len));
}

enum tls_status tls_write(struct tls *tls, struct str plain)
{
    while (plain.len > 0) {
        size_t n = 0;
        enum tls_status status;

        ERR_clear_error();
        status =
            status_of(tls, SSL_write_ex(tls->ssl, plain.ptr, plain.len, &n));
        if (status != TLS_OK)
            return status == TLS_WAIT ? TLS_BROKEN : status;
        plain = str_slice(plain, n, plain.len);
    }
    return TLS_OK;
}

void tls_goodbye(struct tls *tls)
{
    ERR_clear_error();
    if (tls->is_ready)
        (void)SSL_shutdown(tls->ssl);
}

struct str tls_pending(struct tls *tls)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(tls->out, &bytes);

    return (struct str){bytes, len < 0 ? 0 : (size_t)len};
}

void tls_sent(struct tls *tls)
{
    (void)BIO_reset(tls->out);
}

SSL_SESSION *tls_take_session(struct tls *tls)
{
    SSL_SESSION *session;

    if (!tls->is_ready)
        return NULL;
    session = SSL_get1_session(tls->ssl);
    if (session != NULL && !SSL_SESSION_is_resumable(session)) {
        SSL_SESSION_free(session);
        return NULL;
    }
    return session;
}

const char *tls_why(struct tls *tls)
{
    long verified = SSL_get_verify_result(tls->ssl);
    const char *reason;

    if (verified != X509_V_OK)
        return X509_verify_cert_error_string(verified);
    reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason == NULL ? "connection broken" : reason;
}
