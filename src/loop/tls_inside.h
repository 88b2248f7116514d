#ifndef LOOP_TLS_INSIDE_H
#define LOOP_TLS_INSIDE_H

/* The one place besides tls.c that sees OpenSSL is conn_tls.c; this is what they share. */

#include <openssl/ssl.h>

#include "loop/tls.h"

struct tls_context {
    SSL_CTX *ctx;
    bool is_server;
};

struct tls_identity {
    const char *cert_file;
    const char *key_file;
    const char *key_pass;
};

#endif
