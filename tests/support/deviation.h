/**
 * A party that deviates with care, or a fault: one element of one message of a run is changed on its way, or a party's
 * own copy of a value, or both alike.
 */
#ifndef TF_TESTS_DEVIATION_H
#define TF_TESTS_DEVIATION_H

#include "tests/support/rig.h"

enum { DEVIANT = 1, PARTNER = 2 };

/** What goes wrong with element `at` of a product in which party 1 is L or R: `error` units are added to what it sends
 * its partner, at `skip` bytes from its first message in the run on, and to its own copy, or to one of them. */
typedef struct deviation {
    three *t;
    tf_value product;
    size_t at;
    int64_t error;
    uint64_t skip, seen;
    unsigned bytes;     /* of an element on the link */
    bool message, copy; /* what is changed */
} deviation;

static inline void deviation_of_message(void *context, int peer, const void *data, uint64_t length) {
    deviation *d = context;
    if (peer != DEVIANT) return;
    if (d->message && d->skip >= d->seen && d->skip + d->bytes <= d->seen + length) {
        uint8_t *element = (uint8_t *)data + (d->skip - d->seen);
        uint64_t x = 0;
        memcpy(&x, element, d->bytes);
        x += (uint64_t)d->error;
        memcpy(element, &x, d->bytes);
    }
    d->seen += length;
}

static inline tf_status deviation_of_copy(void *context, const tf_party *party, const tf_program *program,
                                          const tf_plan *plan, int node, const tf_view *view) {
    const deviation *d = context;
    if (d->copy && node == d->product) view->c[1][d->at] += (uint64_t)d->error;
    return TF_OK;
}

static inline tf_status deviation_play(tf_link *link, int id, void *context) {
    deviation *d = context;
    three_party *own = &d->t->party[id];
    tf_party party;
    TF_TRY(tf_party_open(&party, link));
    if (id == DEVIANT) party.observer = deviation_of_copy, party.observer_context = d;
    if (id == PARTNER) tf_link_observe(link, deviation_of_message, d);
    tf_status status = tf_execute(&party, d->t->program, &d->t->plan, own->params, &own->slots, &own->stats, NULL);
    tf_link_observe(link, NULL, NULL);
    tf_party_close(&party);
    return status;
}

/** Where element `at` of the product stands among the bytes that the party sends its partner. */
static inline void deviation_find(deviation *d) {
    const tf_plan *plan = &d->t->plan;
    const tf_traffic *traffic = &plan->traffic[plan->schedule[d->product].traffic];
    tf_span part = tf_part_span(tf_shape_count(tf_type_of(d->t->program, d->product)->shape), (tf_cut){0},
                                0); /* of the third of P0, in which the others are L and R */
    cr_assert(d->at >= part.begin && d->at < part.end);
    d->bytes = (unsigned)(traffic->swapped[0][0] / tf_span_count(part));
    d->skip = (d->at - part.begin) * d->bytes;
    for (int time = 0; time <= plan->rounds; time++) {
        for (int e = plan->first_entry[time]; e < plan->first_entry[time + 1]; e++)
            if (plan->entry[e].node == d->product && plan->entry[e].phase == 0) {
                d->skip += tf_plan_place(plan, time, e, DEVIANT, PARTNER).begin;
                return;
            }
        d->skip += plan->round_bytes[time][DEVIANT][PARTNER];
    }
    cr_assert_fail("the product sends nothing");
}

#endif
