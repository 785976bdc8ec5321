/* One ordered request after the other, in board time. Rule 1: what is due is done step by step, each at the end of its time.
 * Rule 2: a command that is stopped is answered at once, with exactly what was done. */
#include "hil_internal.h"

#include <string.h>

#define QUEUE_SLOTS (HIL_WINDOW + 1u)

static hil_request *head(hil_device *d) { return &d->queue[d->queue_head]; }

/* --- rules */
static bool is_well_formed(const hil_rule *rule, const hil_frame *frame)
{
    if (frame->length < rule->size)
        return false;
    unsigned excess = (unsigned)frame->length - rule->size;
    if (excess > 0 && (rule->tail_unit == 0 || excess % rule->tail_unit != 0))
        return false;
    for (unsigned i = 0; i < rule->size; i++)
        if ((rule->reserved >> i & 1u) != 0 && frame->payload[i] != 0)
            return false;
    return true;
}

static uint8_t forbidden(const hil_rule *rule, uint8_t state)
{
    if (state == HIL_STATE_ESTOPPED)
        return HIL_STATUS_REFUSED_ESTOP;
    return rule->legal_in == 1u << HIL_STATE_ARMED ? HIL_STATUS_REFUSED_NOT_ARMED : HIL_STATUS_REFUSED_CONFIG;
}

bool hil_command_is_readable(const hil_device *d, hil_call *call)
{
    const hil_rule *rule = hil_rule_for(call->frame.opcode);
    uint16_t granted = hil_link_owns(d, &call->frame) ? d->capabilities : d->config.capabilities;
    if (rule == NULL || (rule->needs & ~granted) != 0)
        return hil_refuse(call, HIL_STATUS_REFUSED_UNSUPPORTED, call->frame.opcode, 0);
    if (!is_well_formed(rule, &call->frame))
        return hil_refuse(call, HIL_STATUS_REFUSED_MALFORMED, call->frame.length, 0);
    return true;
}

static bool is_legal(const hil_device *d, hil_call *call)
{
    const hil_rule *rule = hil_rule_for(call->frame.opcode);
    if (d->operation.running && !rule->while_running)
        return hil_refuse(call, HIL_STATUS_BUSY, d->operation.opcode, hil_operation_remaining_ms(d));
    if ((rule->legal_in >> d->state & 1u) == 0)
        return hil_refuse(call, forbidden(rule, d->state), d->state, 0);
    return true;
}

void hil_command_begin(hil_device *d, hil_call *call)
{
    if (is_legal(d, call))
        hil_handler_for(call->frame.opcode)->begin(d, call);
}

/* --- the queue */
bool hil_command_enqueue(hil_device *d, uint8_t line, const hil_frame *frame)
{
    if (d->queue_used == QUEUE_SLOTS)
        return false;
    hil_request *slot = &d->queue[(d->queue_head + d->queue_used) % QUEUE_SLOTS];
    memcpy(slot->payload, frame->payload, frame->length);
    slot->frame = *frame;
    slot->frame.payload = slot->payload;
    slot->line = line;
    d->queue_used++;
    hil_command_run_queue(d, hil_now(d));
    return true;
}

static void answer_head(hil_device *d)
{
    d->command.running = false;
    hil_link_answer(d, &d->command.call);
    d->queue_head = (uint8_t)((d->queue_head + 1u) % QUEUE_SLOTS);
    d->queue_used--;
}

static void take_head(hil_device *d)
{
    hil_call call = {head(d)->frame, head(d)->line, HIL_STATUS_OK, 0, 0, 0, d->command.reply};
    d->command.call = call;
    d->command.at = d->command.steps = 0;
}

static void begin_head(hil_device *d, uint64_t start_ns)
{
    hil_command *command = &d->command;
    take_head(d);
    command->due_ns = start_ns;
    hil_command_begin(d, &command->call);
    if (command->steps == 0) {
        answer_head(d);
        return;
    }
    command->running = true;
    command->due_ns += hil_takes(d, hil_handler_for(command->call.frame.opcode)->step_ns(d, 0));
}

void hil_command_run_queue(hil_device *d, uint64_t start_ns)
{
    while (!d->command.running && d->queue_used > 0)
        begin_head(d, start_ns);
}

/* What waits is answered without being begun. */
void hil_command_refuse_queue(hil_device *d, uint8_t status, int64_t value)
{
    while (d->queue_used > 0) {
        take_head(d);
        (void)hil_refuse(&d->command.call, status, value, 0);
        answer_head(d);
    }
}

/* --- work */
void hil_command_step(hil_device *d)
{
    hil_command *command = &d->command;
    const hil_handler *handler = hil_handler_for(command->call.frame.opcode);
    handler->step(d);
    command->at++;
    if (command->at < command->steps) {
        command->due_ns += hil_takes(d, handler->step_ns(d, command->at));
        return;
    }
    if (handler->finish != NULL)
        handler->finish(d, &command->call);
    answer_head(d);
    hil_command_run_queue(d, d->config.pace == HIL_PACE_HARDWARE ? hil_now(d) : command->due_ns);
}

/* Does not go on with what waits: that is for whoever cuts to decide. */
void hil_command_cut(hil_device *d, uint8_t status, int64_t value)
{
    if (!d->command.running)
        return;
    const hil_handler *handler = hil_handler_for(d->command.call.frame.opcode);
    if (handler->finish != NULL)
        handler->finish(d, &d->command.call);
    else
        (void)hil_refuse(&d->command.call, status, value, 0);
    answer_head(d);
}
