/* TLS records in memory, on OpenSSL 3: the filter between a wire's raw bytes
 * and its owner's plain ones.  It does no I/O of its own. */
#ifndef WEIR_TLS_H
#define WEIR_TLS_H

#include <openssl/ssl.h>

#include "buf.h"
#include "str.h"

/* What connections share: trusted roots or a certificate, and settings.
 * Read-only once made, so all threads may use one. */
struct tls_context;

/* `ca_file` is a PEM file of trusted roots, or empty for the system's.  On
 * failure NULL, with *why a static or arena-free sentence of OpenSSL. */
struct tls_context *tls_context_new(const char *ca_file, const char **why);
/* The same for server connections: PEM files of the certificate, with those
 * between it and its authority behind it, and of its key.  On failure NULL,
 * with *why; *is_key tells which of the two files is to blame. */
struct tls_context *tls_server_context_new(const char *certificate_file,
                                           const char *key_file, bool *is_key,
                                           const char **why);
void tls_context_free(struct tls_context *context);

struct tls {
    SSL *ssl;
    BIO *in;  /* raw bytes from the peer */
    BIO *out; /* raw bytes for the peer */
    bool is_ready;
};

enum tls_status {
    TLS_OK,
    TLS_WAIT,   /* more raw bytes are needed */
    TLS_CLOSED, /* the peer said goodbye */
    TLS_BROKEN, /* tls_why() says what happened */
};

/* A client session for `host`, whose certificate must be valid and bear that
 * name.  Resumes `session` when it is not NULL. */
struct tls *tls_client_new(struct tls_context *context, const char *host,
                           SSL_SESSION *session);
/* A server session.  Keeps what it needs of the context. */
struct tls *tls_server_new(struct tls_context *context);
void tls_free(struct tls *tls);

/* Raw bytes from the peer. */
void tls_feed(struct tls *tls, struct str raw);
/* Drives the handshake; TLS_OK once, when it is complete. */
enum tls_status tls_handshake(struct tls *tls);
/* Plain bytes for the owner, at most `room`. */
enum tls_status tls_read(struct tls *tls, char *plain, size_t room,
                         size_t *len);
/* Encrypts plain bytes for the peer. */
enum tls_status tls_write(struct tls *tls, struct str plain);
/* Says goodbye to the peer. */
void tls_goodbye(struct tls *tls);
/* Raw bytes that must go to the peer; borrowed until tls_sent(). */
struct str tls_pending(struct tls *tls);
void tls_sent(struct tls *tls);

/* A session to resume later, owned by the caller; NULL when there is none. */
SSL_SESSION *tls_take_session(struct tls *tls);

/* Why the last call on this connection returned TLS_BROKEN. */
const char *tls_why(struct tls *tls);

#endif
