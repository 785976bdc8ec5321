/* Whose frames are executed, and how often. Rule 1: an ordered request is executed once, in order, and answered as often as asked.
 * Rule 2: as many answers are remembered as requests may be under way; fewer, and the link could stand still for ever.
 * Rule 3: a frame of another session, or that quotes another start of this device, is never executed. */
#include "hil_internal.h"

#include <string.h>

#define HALF_OF_ALL 0x8000u

void hil_link_reset(hil_device *d)
{
    d->expected = 1;
    d->gap_refused = false;
    memset(d->remembered, 0, sizeof d->remembered);
}

bool hil_link_owns(const hil_device *d, const hil_frame *frame)
{
    return d->open && frame->session == d->session && frame->boot_id == d->boot_id;
}

static bool is_ordered(uint8_t opcode)
{
    const hil_rule *rule = hil_rule_for(opcode);
    return rule == NULL || rule->ordered;
}

/* --- sending */
static hil_frame answer_frame(const hil_device *d, const hil_call *call, uint8_t *refusal)
{
    hil_frame frame = call->frame;
    frame.kind = HIL_KIND_RESPONSE;
    frame.boot_id = d->boot_id;
    frame.status = call->status;
    frame.credit = HIL_WINDOW;
    frame.payload = call->reply;
    frame.length = call->reply_length;
    if (call->status != HIL_STATUS_OK && call->status != HIL_STATUS_ACCEPTED) {
        hil_put_refusal_value(refusal, call->value);
        hil_put_refusal_limit(refusal, call->limit);
        frame.payload = refusal;
        frame.length = HIL_REFUSAL_SIZE;
    }
    return frame;
}

static uint16_t age(const hil_device *d, uint16_t seq) { return (uint16_t)(d->expected - seq); }

/* Where the answer is kept: in place of the oldest number, so that always the last window of them is there, in whatever order they
 * were answered. NULL for one that is older than all: only a host that sends more than the window can ask for it. */
static hil_remembered *place_for(hil_device *d, uint16_t seq)
{
    hil_remembered *oldest = &d->remembered[0];
    for (size_t i = 0; i < HIL_WINDOW; i++) {
        hil_remembered *place = &d->remembered[i];
        if (place->length == 0)
            return place;
        if (age(d, place->seq) > age(d, oldest->seq))
            oldest = place;
    }
    return age(d, seq) > age(d, oldest->seq) ? NULL : oldest;
}

/* A transmitter without room drops the answer: the host asks again, and gets it from what is remembered. */
void hil_link_answer(hil_device *d, hil_call *call)
{
    uint8_t refusal[HIL_REFUSAL_SIZE];
    bool kept = is_ordered(call->frame.opcode) && hil_link_owns(d, &call->frame) && call->status != HIL_STATUS_REFUSED_SEQUENCE;
    hil_remembered *place = kept ? place_for(d, call->frame.seq) : NULL;
    uint8_t *wire = place != NULL ? place->wire : d->wire;
    hil_frame frame = answer_frame(d, call, refusal);
    size_t count = hil_frame_encode(&frame, wire);
    if (place != NULL) {
        place->seq = frame.seq;
        place->length = (uint16_t)count;
    }
    (void)d->board->send(d->board->context, call->line, false, wire, count);
}

/* Quotes the request that began the operation. Sent once; who misses it asks OPERATION. */
void hil_link_event(hil_device *d, uint8_t opcode, const uint8_t *payload, uint16_t length)
{
    const hil_operation *operation = &d->operation;
    hil_frame frame = {HIL_KIND_EVENT, opcode, operation->seq, operation->session, d->boot_id, 0, HIL_WINDOW, length, payload};
    uint8_t line = operation->session == d->session ? d->owner_line : operation->line;
    (void)d->board->send(d->board->context, line, true, d->wire, hil_frame_encode(&frame, d->wire));
}

/* --- receiving */
static hil_call call_at_once(hil_device *d, uint8_t line, const hil_frame *frame)
{
    hil_call call = {*frame, line, HIL_STATUS_OK, 0, 0, 0, d->reply};
    return call;
}

static void refuse_at_once(hil_device *d, uint8_t line, const hil_frame *frame, uint8_t status, int64_t value, int64_t limit)
{
    hil_call call = call_at_once(d, line, frame);
    (void)hil_refuse(&call, status, value, limit);
    hil_link_answer(d, &call);
}

static void send_again(hil_device *d, uint8_t line, uint16_t seq)
{
    for (size_t i = 0; i < HIL_WINDOW; i++) {
        const hil_remembered *place = &d->remembered[i];
        if (place->length > 0 && place->seq == seq)
            (void)d->board->send(d->board->context, line, false, place->wire, place->length);
    }
}

static void take_next(hil_device *d, uint8_t line, const hil_frame *frame)
{
    d->expected = (uint16_t)(d->expected + 1u);
    d->gap_refused = false;
    hil_call call = call_at_once(d, line, frame);
    if (!hil_command_is_readable(d, &call))
        hil_link_answer(d, &call);
    else if (!hil_command_enqueue(d, line, frame))
        refuse_at_once(d, line, frame, HIL_STATUS_BUSY, d->command.call.frame.opcode, 0);
}

static void receive_ordered(hil_device *d, uint8_t line, const hil_frame *frame)
{
    uint16_t ahead = (uint16_t)(frame->seq - d->expected);
    if (ahead == 0) {
        take_next(d, line, frame);
    } else if (ahead >= HALF_OF_ALL) {
        /* Executed already, or still waiting or running: then it is answered once, when it is done. */
        send_again(d, line, frame->seq);
    } else if (!d->gap_refused) {
        d->gap_refused = true;
        refuse_at_once(d, line, frame, HIL_STATUS_REFUSED_SEQUENCE, frame->seq, d->expected);
    }
}

static void receive_question(hil_device *d, uint8_t line, const hil_frame *frame)
{
    hil_call call = call_at_once(d, line, frame);
    if (hil_command_is_readable(d, &call))
        hil_command_begin(d, &call);
    hil_link_answer(d, &call);
}

void hil_link_receive(hil_device *d, uint8_t line, const hil_frame *frame)
{
    if (frame->kind != HIL_KIND_REQUEST)
        return;
    bool own = hil_link_owns(d, frame);
    if (own) {
        d->heard_ns = hil_now(d);
        d->owner_line = line;
    }
    const hil_rule *rule = hil_rule_for(frame->opcode);
    if (frame->opcode == HIL_OP_HELLO)
        hil_hello(d, line, frame);
    else if (!own && (rule == NULL || !rule->any_session))
        refuse_at_once(d, line, frame, HIL_STATUS_REFUSED_BAD_SESSION, 0, 0);
    else if (is_ordered(frame->opcode))
        receive_ordered(d, line, frame);
    else
        receive_question(d, line, frame);
}
