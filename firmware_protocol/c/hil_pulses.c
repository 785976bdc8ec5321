/* Pulse ids, PROGRAM and OUTER_PRODUCT. Rule 1: an id at or below the last one set aside is never executed.
 * Rule 2: the last id of a command lies in durable memory before its first pulse is given; what became of single ids lies in RAM
 * only, and only of the last commands. */
#include "hil_internal.h"

#include <string.h>

void hil_pulses_reset(hil_device *d)
{
    memset(&d->pulse_log, 0, sizeof d->pulse_log);
    d->pulse_log.last = d->pulse_log.forgotten = d->board->load_pulse_id(d->board->context);
}

bool hil_pulses_check(const hil_device *d, hil_call *call, uint32_t first, uint64_t count)
{
    uint32_t last = d->pulse_log.last;
    return (first > last && first + count <= (uint64_t)UINT32_MAX + 1) || hil_refuse(call, HIL_STATUS_REFUSED_PULSE_ID, first, last);
}

/* Sets ids aside. NULL after refusing the call: the durable memory failed, so nothing may be pulsed. */
hil_pulse_record *hil_pulses_begin(hil_device *d, hil_call *call, uint32_t first, uint32_t count)
{
    hil_pulse_log *log = &d->pulse_log;
    hil_pulse_record *record = &log->records[log->next];
    uint32_t last = first + count - 1u;
    if (!d->board->store_pulse_id(d->board->context, last)) {
        (void)hil_refuse(call, HIL_STATUS_FAULT_INTERNAL, first, log->last);
        return NULL;
    }
    if (log->used == HIL_COMMANDS_KEPT)
        log->forgotten = record->first + record->count - 1u;
    else
        log->used++;
    log->next = (uint8_t)((log->next + 1u) % HIL_COMMANDS_KEPT);
    log->last = last;
    record->first = first;
    record->count = count;
    record->executed = 0;
    record->session = d->session;
    record->running = true;
    return record;
}

void hil_pulses_given(hil_device *d, hil_pulse_record *record, uint32_t count)
{
    record->executed += count;
    d->pulse_log.total += count;
}

/* NEVER_SEEN: above the last id, skipped, or still to come. LOST: too long ago to know, or before a restart. of_session: whose
 * command has the id; 0: none that is remembered. */
uint8_t hil_pulses_fate(const hil_device *d, uint32_t id, uint16_t *of_session)
{
    const hil_pulse_log *log = &d->pulse_log;
    *of_session = 0;
    if (id > log->last)
        return HIL_PULSE_NEVER_SEEN;
    if (id <= log->forgotten)
        return HIL_PULSE_LOST;
    for (size_t i = 0; i < log->used; i++) {
        const hil_pulse_record *record = &log->records[i];
        if (id < record->first || id - record->first >= record->count)
            continue;
        *of_session = record->session;
        if (id - record->first < record->executed)
            return HIL_PULSE_EXECUTED;
        return record->running ? HIL_PULSE_NEVER_SEEN : HIL_PULSE_REFUSED;
    }
    return HIL_PULSE_NEVER_SEEN;
}

void hil_begin_query_pulse(hil_device *d, hil_call *call)
{
    uint32_t id = hil_query_pulse_pulse_id(call->frame.payload);
    uint16_t of_session;
    uint8_t outcome = hil_pulses_fate(d, id, &of_session);
    memset(call->reply, 0, HIL_QUERY_PULSE_RESPONSE_SIZE);
    hil_put_query_pulse_response_pulse_id(call->reply, id);
    hil_put_query_pulse_response_outcome(call->reply, outcome);
    hil_put_query_pulse_response_of_session(call->reply, of_session);
    call->reply_length = HIL_QUERY_PULSE_RESPONSE_SIZE;
}

uint64_t hil_pulse_ns(const hil_device *d, uint32_t width_ns) { return (uint64_t)d->config.switch_ns + d->config.settle_ns + width_ns; }

/* --- PROGRAM */
void hil_begin_program(hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    uint32_t count = (call->frame.length - HIL_PROGRAM_SIZE) / HIL_PROGRAM_TAIL_UNIT;
    uint32_t first = hil_program_first_pulse_id(m);
    if (!hil_check_pulse_count(d, call, count) || !hil_check_device_list(d, call, m + HIL_PROGRAM_DEVICES_AT, count)
        || !hil_check_amplitude(d, call, hil_program_amplitude_uv(m)) || !hil_check_width(d, call, hil_program_width_ns(m))
        || !hil_pulses_check(d, call, first, count))
        return;
    d->command.record = hil_pulses_begin(d, call, first, count);
    d->command.steps = d->command.record == NULL ? 0 : count;
}

void hil_step_program(hil_device *d)
{
    const uint8_t *m = d->command.call.frame.payload;
    uint16_t number = hil_get_u16(m + HIL_PROGRAM_DEVICES_AT + 2 * d->command.at);
    hil_lines_pulse(d, number, hil_program_amplitude_uv(m), hil_program_width_ns(m));
    hil_pulses_given(d, d->command.record, 1);
}

uint64_t hil_program_ns(const hil_device *d, uint32_t index)
{
    (void)index;
    return hil_pulse_ns(d, hil_program_width_ns(d->command.call.frame.payload));
}

void hil_finish_program(hil_device *d, hil_call *call)
{
    hil_pulse_record *record = d->command.record;
    uint8_t *outcomes = call->reply + HIL_PROGRAM_RESPONSE_OUTCOMES_AT;
    record->running = false;
    hil_put_program_response_first_pulse_id(call->reply, record->first);
    hil_put_program_response_last_pulse_id(call->reply, d->pulse_log.last);
    memset(outcomes, HIL_PULSE_EXECUTED, record->executed);
    memset(outcomes + record->executed, HIL_PULSE_REFUSED, record->count - record->executed);
    call->reply_length = (uint16_t)(HIL_PROGRAM_RESPONSE_SIZE + record->count);
}

/* --- OUTER_PRODUCT */
static const int8_t quadrant_signs[4][2] = {{1, 1}, {-1, -1}, {1, -1}, {-1, 1}}; /* of rows, of columns; in the order of pulsing */

static const uint8_t *row_counts(const uint8_t *m) { return m + HIL_OUTER_PRODUCT_COUNTS_AT; }
static const uint8_t *column_counts(const hil_device *d, const uint8_t *m) { return row_counts(m) + d->config.rows; }

/* The count of a line where it has the sign, else 0. */
static uint8_t level(uint8_t count, int8_t sign)
{
    int value = hil_get_i8(&count) * sign;
    return value > 0 ? (uint8_t)value : 0;
}

static uint8_t highest_level(const uint8_t *counts, uint8_t lines, int8_t sign)
{
    uint8_t highest = 0;
    for (uint8_t i = 0; i < lines; i++) {
        uint8_t value = level(counts[i], sign);
        highest = value > highest ? value : highest;
    }
    return highest;
}

/* Which lines have at least this level; returns how many. */
static uint8_t lines_at(const uint8_t *counts, uint8_t lines, int8_t sign, uint8_t lowest, uint8_t *found)
{
    uint8_t count = 0;
    for (uint8_t i = 0; i < lines; i++)
        if (level(counts[i], sign) >= lowest)
            found[count++] = i;
    return count;
}

static uint32_t sum_of_magnitudes(const uint8_t *counts, uint8_t lines)
{
    uint32_t sum = 0;
    for (uint8_t i = 0; i < lines; i++)
        sum += (uint32_t)level(counts[i], 1) + level(counts[i], -1);
    return sum;
}

static uint32_t levels(const hil_device *d, const uint8_t *m, uint8_t quadrant, uint8_t *rows, uint8_t *columns)
{
    *rows = highest_level(row_counts(m), d->config.rows, quadrant_signs[quadrant][0]);
    *columns = highest_level(column_counts(d, m), d->config.columns, quadrant_signs[quadrant][1]);
    return (uint32_t)*rows * *columns;
}

static uint32_t count_events(const hil_device *d, const uint8_t *m)
{
    uint32_t events = 0;
    uint8_t rows, columns;
    for (uint8_t quadrant = 0; quadrant < 4; quadrant++)
        events += levels(d, m, quadrant, &rows, &columns);
    return events;
}

/* From (quadrant, row level, column level) to the next event; row level 0 stands before the first of a quadrant. */
static void next_event(hil_device *d)
{
    hil_command *command = &d->command;
    uint8_t rows, columns;
    for (;; command->quadrant++, command->row_level = 0) {
        if (levels(d, command->call.frame.payload, command->quadrant, &rows, &columns) == 0)
            continue;
        if (command->row_level > 0 && command->column_level < columns) {
            command->column_level++;
            return;
        }
        if (command->row_level < rows) {
            command->row_level++;
            command->column_level = 1;
            return;
        }
    }
}

void hil_begin_outer_product(hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    uint32_t counts = call->frame.length - HIL_OUTER_PRODUCT_SIZE, lines = (uint32_t)d->config.rows + d->config.columns;
    if (counts != lines) {
        (void)hil_refuse(call, HIL_STATUS_REFUSED_RANGE, counts, lines);
        return;
    }
    uint32_t pulses = sum_of_magnitudes(row_counts(m), d->config.rows) * sum_of_magnitudes(column_counts(d, m), d->config.columns);
    int32_t uv = hil_outer_product_amplitude_uv(m);
    if (!hil_check_pulse_count(d, call, pulses) || !hil_check_kernels(d, call, hil_outer_product_kernel(m), 1))
        return;
    if (uv <= 0) {
        (void)hil_refuse(call, HIL_STATUS_REFUSED_LIMIT, uv, d->limits.device_uv);
        return;
    }
    if (!hil_check_amplitude(d, call, uv) || !hil_check_width(d, call, hil_outer_product_width_ns(m))
        || !hil_pulses_check(d, call, hil_outer_product_first_pulse_id(m), pulses))
        return;
    d->command.record = hil_pulses_begin(d, call, hil_outer_product_first_pulse_id(m), pulses);
    d->command.steps = d->command.record == NULL ? 0 : count_events(d, m);
    d->command.quadrant = d->command.row_level = d->command.column_level = 0;
}

void hil_step_outer_product(hil_device *d)
{
    const uint8_t *m = d->command.call.frame.payload;
    hil_crossings crossings;
    next_event(d);
    const int8_t *signs = quadrant_signs[d->command.quadrant];
    crossings.row_count = lines_at(row_counts(m), d->config.rows, signs[0], d->command.row_level, crossings.rows);
    crossings.column_count = lines_at(column_counts(d, m), d->config.columns, signs[1], d->command.column_level, crossings.columns);
    int32_t uv = hil_outer_product_amplitude_uv(m) * signs[0] * signs[1];
    hil_lines_pulse_many(d, hil_outer_product_kernel(m), &crossings, uv, hil_outer_product_width_ns(m));
    hil_pulses_given(d, d->command.record, (uint32_t)crossings.row_count * crossings.column_count);
}

uint64_t hil_outer_product_ns(const hil_device *d, uint32_t index)
{
    (void)index;
    return hil_pulse_ns(d, hil_outer_product_width_ns(d->command.call.frame.payload));
}

void hil_finish_outer_product(hil_device *d, hil_call *call)
{
    hil_pulse_record *record = d->command.record;
    record->running = false;
    hil_put_outer_product_response_first_pulse_id(call->reply, record->first);
    hil_put_outer_product_response_last_pulse_id(call->reply, d->pulse_log.last);
    hil_put_outer_product_response_executed(call->reply, record->executed);
    hil_put_outer_product_response_events(call->reply, d->command.at);
    call->reply_length = HIL_OUTER_PRODUCT_RESPONSE_SIZE;
}
