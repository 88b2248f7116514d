#ifndef LOOP_TLS_H
#define LOOP_TLS_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/err.h"

/* A TLS context holds certificates and rules; connections made with it may outlive it. */
struct tls_context;

enum tls_auth_clients {
    TLS_AUTH_CLIENTS_YES, /* Redis' default: a client without a certificate of ours is refused */
    TLS_AUTH_CLIENTS_NO,
    TLS_AUTH_CLIENTS_OPTIONAL, /* checked when it shows one */
};

/* The tls-* directives with their Redis meaning. NULL or "" is "not written". Only read during the
 * create calls; zeroed is Redis' default but for prefer_server_ciphers and session_caching. */
struct tls_settings {
    const char *cert_file;
    const char *key_file;
    const char *key_pass;
    const char *client_cert_file; /* for our own connections; cert_file when not written */
    const char *client_key_file;
    const char *client_key_pass;
    const char *dh_params_file;
    const char *ca_file;
    const char *ca_dir;
    enum tls_auth_clients auth_clients;
    const char *protocols; /* "TLSv1.2 TLSv1.3", which is also the default */
    const char *ciphers;
    const char *ciphersuites;
    bool prefer_server_ciphers;
    bool no_session_caching;      /* tls-session-caching no */
    long session_cache_size;      /* 0 is OpenSSL's own */
    long session_cache_timeout_s; /* 0 is 300 */
};

/* NULL and *err ("tls-cert-file: a.pem: ...") when something is missing or wrong. As in Redis a
 * server needs a certificate, a key, and an authority unless auth_clients is no. */
struct tls_context *tls_server_create(const struct tls_settings *settings,
                                      struct err *err) MUST_CHECK;

/* For connections we make: the certificate is shown when there is one; the server's must be signed
 * by the authority (ca_file or ca_dir, else the system's). Its name is not compared, as in Redis.
 */
struct tls_context *tls_client_create(const struct tls_settings *settings,
                                      struct err *err) MUST_CHECK;

void tls_destroy(struct tls_context *tls);

#endif
