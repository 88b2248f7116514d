#ifndef POOL_MEMBER_WRITER_H
#define POOL_MEMBER_WRITER_H

#include "pool/member_choice.h"

/*
 * The choice `single-writer`: which member gets the next connection of those that may write, and
 * what becomes of the connections to the one before. Pure.
 *
 * The writer that the monitors (or the other routers) agreed on comes with a term, and a higher
 * term always wins. Once a term is known a router never picks by itself: when the agreed writer
 * cannot serve there is none, and `proposal` says whom this router would agree to. The caller takes
 * it to the others and tells what came of it. Without that rule two routers with a different view
 * of the network would write to two nodes.
 *
 * While no term is known, and only when the rules allow it (a site without monitors, one router),
 * it picks alone: the lowest priority number of the READY members, then the place in the file; an
 * AVOID member when none is READY. The writer then stays: it is left when it is NOT_READY,
 * UNREACHABLE or drained, when it is AVOID and another is READY, or by switchover; a better one
 * that comes back changes nothing. Two routers that pick alone end with the same writer when each
 * member's first evidence is the same for both and comes within the start wait, in whatever order;
 * later they may see a short trouble differently, and only a term joins them again.
 *
 * Connections to a writer that is left are cut at once when it is NOT_READY or UNREACHABLE, so that
 * the client connects again to a good node instead of hanging, and when the others agreed that it
 * is lost (a move that was not planned). In a planned move they may finish within drain_ms, unless
 * it fails meanwhile.
 */

enum {
    WRITER_START_WAIT_MS = 2000, /* a first probe takes less, or the member is down */
    WRITER_DRAIN_MS = 5000,      /* most transactions of a page are shorter than a second */
};

enum writer_outcome {
    WRITER_NONE,  /* new connections wait */
    WRITER_KEEP,  /* as at the judgement before */
    WRITER_MOVED, /* to another writer, or to one again after NONE */
};

/* Why the writer is who it is, or why there is none. */
enum writer_why {
    WRITER_WHY_START,    /* none: members that may be better were not probed yet */
    WRITER_WHY_NOBODY,   /* none: no member can serve */
    WRITER_WHY_UNAGREED, /* none: the others have not agreed on a writer yet */
    WRITER_WHY_UNFIT,    /* none: the agreed writer cannot serve */
    WRITER_WHY_UNKNOWN,  /* none: the agreed writer is no member here */
    WRITER_WHY_AGREED,   /* the agreed writer */
    WRITER_WHY_BEST,     /* picked alone: the best of those that are READY */
    WRITER_WHY_LEFT,     /* picked alone: nobody is READY */
    WRITER_WHY_SWITCHED, /* picked alone: the operator wants it */
};

struct writer_rules {
    bool may_pick_alone;  /* no monitors and no other routers to agree with */
    msec_t start_wait_ms; /* to pick alone: for first probes; 0: WRITER_START_WAIT_MS */
    msec_t drain_ms;      /* how long old connections may finish in a planned move; 0: cut */
};

/* The fields below are read by the caller, and written in member_writer.c only. */
struct writer_choice {
    struct writer_rules rules;
    msec_t started_ms;

    uint64_t term;   /* 0: none is known */
    int agreed;      /* in that term; MEMBER_NONE: one that this site file does not have */
    bool is_planned; /* the move to it was: the one before may finish */
    int wanted;      /* by switchover, while it picks alone */

    /* As of the last judgement. */
    int writer;
    int previous; /* the writer before; the last one while there is none */
    enum writer_why why;
    uint64_t generation;           /* grows with each MOVED */
    msec_t finish_ms[MEMBERS_MAX]; /* until when connections to it may finish; 0: not at all */
};

struct writer_decision {
    enum writer_outcome outcome;
    int writer; /* MEMBER_NONE when there is none */

    /* Bit i: connections to member i may stay. The caller closes all others, each time: it is a
     * state and no event. */
    uint32_t stay_set;

    /* Whom to take to the others, with a term above c->term, and whether it is a planned move;
     * MEMBER_NONE while the agreed writer is right, and while it picks alone. */
    int proposal;
    bool is_proposal_planned;
};

void writer_choice_init(struct writer_choice *c, const struct writer_rules *rules, msec_t now);

/* The others agreed on a writer: MEMBER_NONE is one that this site file does not have. is_planned:
 * a switchover or a drain, and not the loss of the one before. False when nothing changed: a lower
 * term, or what is known. Two words for one term are a mistake of the others: the lower index wins,
 * so that every router ends with the same. Term 0 is none. */
bool writer_choice_told(struct writer_choice *c, uint64_t term, int member, bool is_planned);

/* May the operator move the writer to member `to`? It must not be drained, and be READY, or AVOID
 * while nobody is READY: from an AVOID one the choice would move on at once. */
bool writer_choice_may_switch(const struct writer_choice *c, const struct choice_member *members,
                              size_t count, size_t to, struct err *why);

/* The move, which the next judgement makes, when this router picks alone. Otherwise the caller
 * takes it to the others, as a planned one. */
void writer_choice_switch(struct writer_choice *c, size_t to);

/* To be called after whatever was heard, and when writer_choice_next() is reached. */
struct writer_decision writer_choice_judge(struct writer_choice *c,
                                           const struct choice_member *members, size_t count,
                                           msec_t now);

/* When time alone may change something; MSEC_NEVER when it cannot. */
msec_t writer_choice_next(const struct writer_choice *c, msec_t now);

/* The members changed places (a reload): member i is now to[i], or MEMBER_NONE when it is gone.
 * Connections to one that is gone are the caller's to close. */
void writer_choice_renumber(struct writer_choice *c, const int to[MEMBERS_MAX]);

/* The last judgement as a line: "db2, agreed in term 7; db1 is unreachable: no answer within 500
 * ms". The members must be those that were judged. */
void writer_choice_explain(const struct writer_choice *c, const struct choice_member *members,
                           size_t count, struct buf *out);

#endif
