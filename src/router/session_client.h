#ifndef ROUTER_SESSION_CLIENT_H
#define ROUTER_SESSION_CLIENT_H

/* What the files of CLIENT share: session_client.c, session_client_list.c,
 * session_client_tracking.c. */

#include "router/relay.h"

enum {
    CLIENT_WORD_SHOWN_MAX = 128,  /* of a client's own word in an error, as Redis cuts it */
    CLIENT_NAME_MAX_BYTES = 4096, /* of a name or a library's: ten thousand clients keep theirs */
};

/* The arguments behind CLIENT and its subcommand, for resp_args_next(). */
struct resp_args session_client_args(const struct request *request);
struct resp_text session_client_arg(const struct request *request); /* the first of them */

bool session_client_word_is(const struct resp_text *word, const char *text); /* case is ignored */
int session_client_shown(
    const struct resp_text *word); /* how much of it goes into an error: %.*s */

/* False: it is no number, and the client was told so in Redis' general words. */
bool session_client_integer(struct session *session, const struct resp_text *word, int64_t *value);

enum verdict session_client_ok(struct session *session);
enum verdict session_client_number(struct session *session, int64_t value);
enum verdict session_client_syntax(struct session *session); /* "syntax error" */

/* A connection of another session's own to this very server, whose CLIENT ID there is known; else
 * NULL. */
const struct backend *session_client_backend(const struct session *other, const struct addr *at);

/* A part of a reply was passed on to this client: nothing may be written before the rest. */
bool session_client_is_mid_reply(const struct session *session);

/* Each answers one subcommand. */
enum verdict session_client_info(struct session *session, const struct request *request);
enum verdict session_client_list(struct session *session, const struct request *request);
enum verdict session_client_kill(struct session *session, const struct request *request);
enum verdict session_client_tracking(struct session *session, const struct request *request);
enum verdict session_client_trackinginfo(struct session *session, const struct request *request);
enum verdict session_client_caching(struct session *session, const struct request *request);
enum verdict session_client_getredir(struct session *session, const struct request *request);

/* Whose invalidations this client's reads cause: -1 it tracks nothing, 0 its own, else an id. */
int64_t session_client_redirect(const struct session *session);
bool session_client_is_broadcast(const struct session *session); /* it tracks by prefix */

/* After a failover: CLIENT TRACKING again on backend, which is the session's own; and again for
 * those whose invalidations come to it. Who may have missed some is told to forget all. */
void session_client_track_again(struct session *session, struct backend *backend);

#endif
