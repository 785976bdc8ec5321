/* Long operations: begun by one request, answered ACCEPTED, carried out piece by piece while the host goes on asking. READ_DIE lies
 * here as well. Rule: whatever an event says can also be asked for, because events may get lost; the latest operation is remembered. */
#include "hil_internal.h"

#include <string.h>

/* --- all of them */
hil_operation *hil_operation_begin(hil_device *d, hil_call *call, uint32_t total)
{
    hil_operation *operation = &d->operation;
    memset(operation, 0, sizeof *operation);
    operation->known = operation->running = true;
    operation->session = call->frame.session;
    operation->seq = call->frame.seq;
    operation->opcode = call->frame.opcode;
    operation->line = call->line;
    operation->state = HIL_OPERATION_RUNNING;
    operation->total = total;
    operation->due_ns = d->command.due_ns;
    return operation;
}

/* Last thing of a begin: it runs from now on. */
void hil_operation_accept(hil_device *d, hil_call *call, uint64_t first_step_ns)
{
    d->operation.due_ns += hil_takes(d, first_step_ns);
    call->status = HIL_STATUS_ACCEPTED;
    hil_put_accepted_estimate_ms(call->reply, hil_operation_remaining_ms(d));
    call->reply_length = HIL_ACCEPTED_SIZE;
}

void hil_operation_progress(hil_device *d)
{
    uint8_t m[HIL_PROGRESS_SIZE];
    hil_put_progress_done(m, d->operation.done);
    hil_put_progress_total(m, d->operation.total);
    hil_link_event(d, HIL_EVENT_PROGRESS, m, sizeof m);
}

/* Whoever ends it for a reason of his own has isolated before; a scan that ends by itself leaves nothing connected either. */
void hil_operation_end(hil_device *d, uint8_t state)
{
    hil_operation *operation = &d->operation;
    uint8_t m[HIL_DONE_SIZE] = {0};
    if (!operation->running)
        return;
    if (operation->opcode == HIL_OP_SCAN && d->state == HIL_STATE_SELECTED)
        hil_isolate(d, HIL_REASON_SCAN_ENDED);
    operation->running = false;
    operation->state = state;
    if (operation->record != NULL)
        operation->record->running = false;
    hil_put_done_state(m, state);
    hil_put_done_done(m, operation->done);
    hil_put_done_total(m, operation->total);
    hil_put_done_pulses(m, operation->pulses);
    hil_link_event(d, HIL_EVENT_DONE, m, sizeof m);
}

/* --- READ_DIE */
void hil_begin_read_die(hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    uint8_t first = hil_read_die_first_kernel(m), kernels = hil_read_die_kernels(m);
    uint16_t averages = hil_read_die_averages(m);
    if (!hil_check_kernels(d, call, first, kernels) || !hil_check_reading(d, call, hil_read_die_read_uv(m), averages))
        return;
    hil_operation *operation = hil_operation_begin(d, call, kernels);
    operation->first_kernel = first;
    operation->averages = averages;
    operation->read_uv = hil_read_die_read_uv(m);
    hil_operation_accept(d, call, hil_read_ns(d, 0, averages));
}

/* A block is read only when at most one waits to be sent. */
static bool has_room(const hil_device *d)
{
    size_t raw = HIL_HEADER_SIZE + HIL_BLOCK_SIZE + 2 * hil_per_kernel(d) + HIL_CRC_SIZE;
    return d->board->events_waiting(d->board->context, d->owner_line) <= HIL_WIRE_SIZE(raw);
}

static void send_block(hil_device *d)
{
    const hil_operation *operation = &d->operation;
    uint8_t *m = d->reply;
    memset(m, 0, HIL_BLOCK_SIZE);
    hil_put_block_index(m, (uint16_t)operation->done);
    hil_put_block_kernel(m, (uint8_t)(operation->first_kernel + operation->done));
    hil_put_block_averages(m, operation->averages);
    hil_put_block_read_uv(m, operation->read_uv);
    for (uint32_t i = 0; i < hil_per_kernel(d); i++)
        hil_put_u16(m + HIL_BLOCK_CODES_AT + 2 * i, operation->codes[i]);
    hil_link_event(d, HIL_EVENT_BLOCK, m, (uint16_t)(HIL_BLOCK_SIZE + 2 * hil_per_kernel(d)));
}

static void end_kernel(hil_device *d)
{
    hil_operation *operation = &d->operation;
    send_block(d);
    operation->at = 0;
    operation->done++;
    if (operation->done == operation->total)
        hil_operation_end(d, HIL_OPERATION_DONE);
    else
        operation->blocked = !has_room(d);
}

static void die_step(hil_device *d)
{
    hil_operation *operation = &d->operation;
    if (operation->blocked) {
        operation->blocked = false;
        operation->due_ns = hil_now(d);
    } else {
        uint16_t junction = hil_junction_of(d, operation->at);
        uint32_t kernel = operation->first_kernel + operation->done;
        operation->codes[junction] =
            hil_lines_read(d, (uint16_t)(kernel * hil_per_kernel(d) + junction), operation->read_uv, operation->averages);
        if (++operation->at == hil_per_kernel(d))
            end_kernel(d);
    }
    operation->due_ns += hil_takes(d, hil_read_ns(d, operation->at, operation->averages));
}

/* --- time */
void hil_operation_step(hil_device *d)
{
    if (d->operation.opcode == HIL_OP_READ_DIE)
        die_step(d);
    else if (d->operation.opcode == HIL_OP_SCAN)
        hil_scan_step(d);
    else
        hil_write_step(d);
}

uint64_t hil_operation_due_ns(const hil_device *d)
{
    const hil_operation *operation = &d->operation;
    if (operation->opcode == HIL_OP_SCAN)
        return hil_scan_due_ns(d);
    if (operation->blocked)
        return has_room(d) ? hil_now(d) : HIL_NEVER;
    return operation->due_ns;
}

static uint64_t remaining_ns(const hil_device *d)
{
    const hil_operation *operation = &d->operation;
    uint64_t left = operation->total - operation->done;
    if (operation->opcode == HIL_OP_READ_DIE)
        return left * hil_kernel_ns(d, operation->averages);
    if (operation->opcode == HIL_OP_SCAN)
        return left * hil_scan_step_ns(d);
    return hil_write_remaining_ns(d);
}

uint32_t hil_operation_remaining_ms(const hil_device *d)
{
    if (!d->operation.running)
        return 0;
    uint64_t ms = (remaining_ns(d) + HIL_MS - 1u) / HIL_MS;
    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

/* --- requests about them */
static bool is_latest(const hil_device *d, uint16_t session, uint16_t seq)
{
    return d->operation.known && d->operation.session == session && d->operation.seq == seq;
}

static void refuse_other(const hil_device *d, hil_call *call, uint16_t seq)
{
    (void)hil_refuse(call, HIL_STATUS_REFUSED_RANGE, seq, d->operation.known ? d->operation.seq : 0);
}

void hil_begin_abort(hil_device *d, hil_call *call)
{
    uint16_t seq = hil_abort_seq(call->frame.payload);
    if (d->operation.running && is_latest(d, call->frame.session, seq))
        hil_operation_end(d, HIL_OPERATION_ABORTED);
    else
        (void)hil_refuse(call, HIL_STATUS_REFUSED_RANGE, seq, d->operation.running ? d->operation.seq : 0);
}

void hil_begin_operation(hil_device *d, hil_call *call)
{
    const hil_operation *operation = &d->operation;
    uint16_t session = hil_operation_of_session(call->frame.payload), seq = hil_operation_of_seq(call->frame.payload);
    uint8_t *m = call->reply;
    if (!is_latest(d, session, seq) && !(operation->known && session == 0 && seq == 0)) {
        refuse_other(d, call, seq);
        return;
    }
    memset(m, 0, HIL_OPERATION_RESPONSE_SIZE);
    hil_put_operation_response_of_session(m, operation->session);
    hil_put_operation_response_of_seq(m, operation->seq);
    hil_put_operation_response_of_opcode(m, operation->opcode);
    hil_put_operation_response_state(m, operation->state);
    hil_put_operation_response_done(m, operation->done);
    hil_put_operation_response_total(m, operation->total);
    hil_put_operation_response_first_pulse_id(m, operation->first_pulse_id);
    hil_put_operation_response_pulses(m, operation->pulses);
    hil_put_operation_response_remaining_ms(m, hil_operation_remaining_ms(d));
    call->reply_length = HIL_OPERATION_RESPONSE_SIZE;
}

/* Length of a part's data; 0 where there is no such part. */
static uint32_t put_part(const hil_device *d, uint8_t part, uint8_t *data)
{
    const hil_operation *operation = &d->operation;
    uint32_t junctions = hil_per_kernel(d);
    if (operation->opcode == HIL_OP_SCAN && part == 0) {
        hil_scan_result(d, data);
        return HIL_SCAN_RESULT_SIZE;
    }
    if (operation->opcode != HIL_OP_WRITE_VERIFY || part > 1)
        return 0;
    if (part == 0)
        hil_write_results(d, data);
    else
        for (uint32_t i = 0; i < junctions; i++)
            hil_put_u16(data + 2 * i, operation->codes[i]);
    return 2 * junctions;
}

void hil_begin_result(hil_device *d, hil_call *call)
{
    const uint8_t *asked = call->frame.payload;
    uint16_t session = hil_result_of_session(asked), seq = hil_result_of_seq(asked);
    uint8_t *m = call->reply, part = hil_result_part(asked);
    if (!is_latest(d, session, seq)) {
        refuse_other(d, call, seq);
        return;
    }
    uint32_t length = put_part(d, part, m + HIL_RESULT_RESPONSE_DATA_AT);
    if (length == 0) {
        (void)hil_refuse(call, HIL_STATUS_REFUSED_RANGE, part, 0);
        return;
    }
    memset(m, 0, HIL_RESULT_RESPONSE_SIZE);
    hil_put_result_response_of_session(m, session);
    hil_put_result_response_of_seq(m, seq);
    hil_put_result_response_part(m, part);
    call->reply_length = (uint16_t)(HIL_RESULT_RESPONSE_SIZE + length);
}
