/* WRITE_VERIFY: read a kernel, pulse what is not at its target, read again, until none needs a pulse or all pulses are used up.
 * Rule: which junction needs a pulse, and what became of it, follows from the codes of the last reading alone. */
#include "hil_internal.h"

/* Marks of a junction. ONCE: was settled at some time. */
enum { SETTLED = 1, ONCE = 2, UNREADABLE = 4, NEEDS = 8, USED_UP = 16, DRIFTED = 32 };

static bool is_wanted(const hil_operation *operation, uint32_t junction) { return operation->targets[junction] != HIL_CODE_MASKED; }

/* --- what is asked */
static bool range(hil_call *call, bool kept, int64_t value, int64_t limit)
{
    return kept || hil_refuse(call, HIL_STATUS_REFUSED_RANGE, value, limit);
}

static bool targets_are_codes(const hil_device *d, hil_call *call)
{
    for (uint32_t i = 0; i < hil_per_kernel(d); i++) {
        uint16_t target = hil_get_u16(call->frame.payload + HIL_WRITE_VERIFY_TARGETS_AT + 2 * i);
        if (target > HIL_CODE_MASKED)
            return range(call, false, target, HIL_CODE_MASKED - 1);
    }
    return true;
}

static bool may_write(const hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    uint32_t targets = (call->frame.length - HIL_WRITE_VERIFY_SIZE) / HIL_WRITE_VERIFY_TAIL_UNIT;
    int32_t set_uv = hil_write_verify_set_uv(m), reset_uv = hil_write_verify_reset_uv(m), read_uv = hil_write_verify_read_uv(m);
    uint16_t inner = hil_write_verify_tolerance_in(m), outer = hil_write_verify_tolerance_out(m);
    return hil_check_kernels(d, call, hil_write_verify_kernel(m), 1)
        && range(call, targets == hil_per_kernel(d), targets, hil_per_kernel(d)) && range(call, set_uv > 0, set_uv, 0)
        && range(call, reset_uv < 0, reset_uv, 0) && range(call, read_uv > 0, read_uv, 0)
        && range(call, hil_write_verify_max_pulses(m) > 0, 0, UINT8_MAX) && range(call, inner <= outer, inner, outer)
        && targets_are_codes(d, call) && hil_check_reading(d, call, read_uv, hil_write_verify_averages(m))
        && hil_check_amplitude(d, call, set_uv) && hil_check_amplitude(d, call, reset_uv)
        && hil_check_width(d, call, hil_write_verify_width_ns(m));
}

static uint32_t count_wanted(const hil_device *d, const uint8_t *m)
{
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < hil_per_kernel(d); i++)
        wanted += hil_get_u16(m + HIL_WRITE_VERIFY_TARGETS_AT + 2 * i) != HIL_CODE_MASKED;
    return wanted;
}

static void take_request(hil_device *d, const uint8_t *m)
{
    hil_operation *operation = &d->operation;
    operation->kernel = hil_write_verify_kernel(m);
    operation->max_pulses = hil_write_verify_max_pulses(m);
    operation->averages = hil_write_verify_averages(m);
    operation->read_uv = hil_write_verify_read_uv(m);
    operation->first_pulse_id = hil_write_verify_first_pulse_id(m);
    operation->set_uv = hil_write_verify_set_uv(m);
    operation->reset_uv = hil_write_verify_reset_uv(m);
    operation->width_ns = hil_write_verify_width_ns(m);
    operation->tolerance_in = hil_write_verify_tolerance_in(m);
    operation->tolerance_out = hil_write_verify_tolerance_out(m);
    for (uint32_t i = 0; i < hil_per_kernel(d); i++) {
        operation->targets[i] = hil_get_u16(m + HIL_WRITE_VERIFY_TARGETS_AT + 2 * i);
        operation->codes[i] = HIL_CODE_NOT_MEASURED;
    }
}

void hil_begin_write_verify(hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    if (!may_write(d, call))
        return;
    uint32_t first = hil_write_verify_first_pulse_id(m), wanted = count_wanted(d, m), reserved = wanted * hil_write_verify_max_pulses(m);
    if (!hil_pulses_check(d, call, first, reserved))
        return;
    hil_pulse_record *record = hil_pulses_begin(d, call, first, reserved);
    if (record == NULL)
        return;
    hil_operation *operation = hil_operation_begin(d, call, wanted);
    take_request(d, m);
    operation->record = record;
    operation->reserved = reserved;
    hil_operation_accept(d, call, hil_read_ns(d, 0, operation->averages));
}

/* --- what a reading means */
static void judge_junction(hil_operation *operation, uint32_t i)
{
    int32_t away = (int32_t)operation->codes[i] - operation->targets[i];
    int32_t distance = away < 0 ? -away : away;
    uint8_t marks = operation->marks[i] & (SETTLED | ONCE | UNREADABLE);
    if (operation->codes[i] == HIL_CODE_SATURATED)
        marks |= UNREADABLE;
    bool settled = (marks & UNREADABLE) == 0
        && (distance <= operation->tolerance_in || ((marks & SETTLED) != 0 && distance <= operation->tolerance_out));
    marks = (uint8_t)(settled ? marks | SETTLED | ONCE : marks & ~SETTLED);
    if ((marks & (SETTLED | UNREADABLE)) == 0)
        marks |= operation->pulses_of[i] < operation->max_pulses ? NEEDS : USED_UP;
    if ((marks & ONCE) != 0 && distance > operation->tolerance_out)
        marks |= DRIFTED;
    operation->marks[i] = marks;
}

/* First junction from `at` on that needs a pulse; hil_per_kernel where there is none. */
static uint16_t next_in_need(const hil_device *d, uint32_t at)
{
    while (at < hil_per_kernel(d) && (d->operation.marks[at] & NEEDS) == 0)
        at++;
    return (uint16_t)at;
}

static void judge_all(hil_device *d)
{
    hil_operation *operation = &d->operation;
    operation->done = 0;
    for (uint32_t i = 0; i < hil_per_kernel(d); i++) {
        if (is_wanted(operation, i))
            judge_junction(operation, i);
        operation->done += (operation->marks[i] & SETTLED) != 0;
    }
    operation->at = next_in_need(d, 0);
    operation->pulsing = operation->at < hil_per_kernel(d);
    if (!operation->pulsing) {
        hil_operation_progress(d);
        hil_operation_end(d, HIL_OPERATION_DONE);
    }
}

static uint8_t result_of(const hil_operation *operation, uint32_t i)
{
    uint8_t marks = operation->marks[i];
    if (!is_wanted(operation, i))
        return HIL_JUNCTION_LEFT;
    if (marks & UNREADABLE)
        return HIL_JUNCTION_UNREADABLE;
    if (marks & SETTLED)
        return HIL_JUNCTION_IN_TOLERANCE;
    if (marks & USED_UP)
        return marks & DRIFTED ? HIL_JUNCTION_DRIFTED : HIL_JUNCTION_NOT_REACHED;
    return HIL_JUNCTION_NOT_DONE;
}

void hil_write_results(const hil_device *d, uint8_t *data)
{
    for (uint32_t i = 0; i < hil_per_kernel(d); i++) {
        data[2 * i] = result_of(&d->operation, i);
        data[2 * i + 1] = d->operation.pulses_of[i];
    }
}

/* --- work */
static uint16_t number_of(const hil_device *d, uint32_t junction)
{
    return (uint16_t)(d->operation.kernel * hil_per_kernel(d) + junction);
}

static void read_next(hil_device *d)
{
    hil_operation *operation = &d->operation;
    uint16_t junction = hil_junction_of(d, operation->at);
    operation->codes[junction] = hil_lines_read(d, number_of(d, junction), operation->read_uv, operation->averages);
    if (++operation->at == hil_per_kernel(d))
        judge_all(d);
}

static void pulse_next(hil_device *d)
{
    hil_operation *operation = &d->operation;
    uint16_t i = operation->at;
    int32_t uv = operation->codes[i] < operation->targets[i] ? operation->set_uv : operation->reset_uv;
    hil_lines_pulse(d, number_of(d, i), uv, operation->width_ns);
    hil_pulses_given(d, operation->record, 1);
    operation->pulses_of[i]++;
    operation->pulses++;
    operation->at = next_in_need(d, i + 1u);
    if (operation->at == hil_per_kernel(d)) {
        operation->pulsing = false;
        operation->at = 0;
        hil_operation_progress(d);
    }
}

void hil_write_step(hil_device *d)
{
    hil_operation *operation = &d->operation;
    if (operation->pulsing)
        pulse_next(d);
    else
        read_next(d);
    uint64_t next_ns = operation->pulsing ? hil_pulse_ns(d, operation->width_ns) : hil_read_ns(d, operation->at, operation->averages);
    operation->due_ns += hil_takes(d, next_ns);
}

/* At worst: every pulse set aside is given, one a pass. */
uint64_t hil_write_remaining_ns(const hil_device *d)
{
    const hil_operation *operation = &d->operation;
    uint32_t left = operation->reserved - operation->pulses;
    uint64_t passes = left > 0 ? (uint64_t)operation->max_pulses + 1u : 1u;
    return passes * hil_kernel_ns(d, operation->averages) + left * hil_pulse_ns(d, operation->width_ns);
}
