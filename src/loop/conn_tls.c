#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "loop/conn_inside.h"
#include "loop/tls_inside.h"

enum {
    /* what one call may encrypt: a fast reader must not keep the loop to itself */
    TLS_WRITE_MAX_BYTES = 1 << 20,
};

/* An operation returned `result`, no more than 0. True when it only has to be tried again. */
static bool conn_tls_explain(struct conn *c, int result, bool *wants_write)
{
    int saved = errno;
    int kind = SSL_get_error(c->ssl, result);
    char reason[128] = "protocol error";
    unsigned long code = ERR_peek_error();
    long verified = SSL_get_verify_result(c->ssl);

    *wants_write = kind == SSL_ERROR_WANT_WRITE;
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        return true;
    }
    if (kind == SSL_ERROR_ZERO_RETURN || (kind == SSL_ERROR_SYSCALL && saved == 0)) {
        conn_fail(c, CONN_CLOSED, "closed by the other side");
    } else if (kind == SSL_ERROR_SYSCALL) {
        conn_fail_errno(c, saved);
    } else if (c->phase == CONN_PHASE_HANDSHAKING && verified != X509_V_OK) {
        conn_fail(c, CONN_TLS, "certificate not accepted: %s",
                  X509_verify_cert_error_string(verified));
    } else {
        if (code != 0) {
            ERR_error_string_n(code, reason, sizeof(reason));
        }
        conn_fail(c, CONN_TLS, "%s", reason);
    }
    ERR_clear_error();
    return false;
}

bool conn_tls_attach(struct conn *c, struct tls_context *tls)
{
    c->ssl = SSL_new(tls->ctx);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1) {
        ERR_clear_error();
        return false;
    }
    if (tls->is_server) {
        SSL_set_accept_state(c->ssl);
    } else {
        SSL_set_connect_state(c->ssl);
    }
    return true;
}

void conn_tls_handshake(struct conn *c)
{
    bool wants_write = false;

    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(c->ssl);
    if (result == 1) {
        conn_opened(c);
    } else if (conn_tls_explain(c, result, &wants_write)) {
        conn_watch(c, !wants_write, wants_write);
    }
}

void conn_tls_detach(struct conn *c)
{
    if (c->ssl == NULL) {
        return;
    }
    ERR_clear_error();
    if (c->phase == CONN_PHASE_OPEN) {
        (void)SSL_shutdown(c->ssl); /* tried once: the other side also notices the closed socket */
    }
    SSL_free(c->ssl);
    c->ssl = NULL;
    ERR_clear_error();
}

/* OpenSSL may hold decrypted or undecrypted bytes the kernel no longer tells of: they are read here
 * until none are left, or in the next turn. */
size_t conn_tls_read(struct conn *c, char *to, size_t size)
{
    size_t len = 0;

    c->read_wants_write = false;
    do {
        ERR_clear_error();
        errno = 0;
        int got = SSL_read(c->ssl, to + len, (int)(size - len));
        if (got <= 0) {
            (void)conn_tls_explain(c, got, &c->read_wants_write); /* the phase tells a failure */
            return len;
        }
        len += (size_t)got;
    } while (len < size && SSL_has_pending(c->ssl) == 1);
    c->has_unread = SSL_has_pending(c->ssl) == 1;
    return len;
}

size_t conn_tls_write(struct conn *c, const char *from, size_t len)
{
    size_t sent = 0;
    bool wants_write = false;

    while (sent < len && sent < TLS_WRITE_MAX_BYTES) {
        size_t part = len - sent < TLS_WRITE_MAX_BYTES ? len - sent : TLS_WRITE_MAX_BYTES;
        ERR_clear_error();
        errno = 0;
        int put = SSL_write(c->ssl, from + sent, (int)part);
        if (put <= 0) {
            (void)conn_tls_explain(c, put, &wants_write); /* tried again when writable */
            break;
        }
        sent += (size_t)put;
    }
    return sent;
}
