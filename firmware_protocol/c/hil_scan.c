/* SCAN: junction after junction connected to the SMU, hand in hand over two trigger lines. An edge from the SMU is judged by what has
 * happened when it comes: before the line to the SMU was raised it is an overrun and moves nothing. */
#include "hil_internal.h"

#define PROGRESS_NS 1000000000u

static uint64_t settle_ns(const hil_operation *operation) { return (uint64_t)operation->settle_us * HIL_US; }

uint64_t hil_scan_step_ns(const hil_device *d) { return d->config.switch_ns + settle_ns(&d->operation); }

/* The settling is what the host asked for, so hardware waits for it, too. */
static uint64_t wait_ns(const hil_device *d)
{
    return d->config.pace == HIL_PACE_HARDWARE ? settle_ns(&d->operation) : hil_takes(d, hil_scan_step_ns(d));
}

/* Sentinel before the first and after every sentinel_every; 0: none. */
static uint32_t all_steps(uint32_t count, uint32_t every) { return count + (every > 0 ? 1 + count / every : 0); }

static uint16_t device_of_step(const hil_operation *operation)
{
    uint32_t cycle = (uint32_t)operation->sentinel_every + 1;
    if (operation->sentinel_every == 0)
        return (uint16_t)(operation->first_device + operation->done);
    if (operation->done % cycle == 0)
        return operation->sentinel_device;
    return (uint16_t)(operation->first_device + operation->done - 1 - operation->done / cycle);
}

static void connect_next(hil_device *d, uint64_t now_ns)
{
    /* Isolated in between: no two junctions ever share the SMU. */
    hil_connect(d, HIL_ROUTE_NONE, HIL_NO_DEVICE);
    hil_connect(d, HIL_ROUTE_JUNCTION, device_of_step(&d->operation));
    d->operation.raised = false;
    d->operation.due_ns = now_ns + wait_ns(d);
}

static bool may_scan(const hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    uint32_t count = hil_scan_count(m);
    if (count == 0)
        return hil_refuse(call, HIL_STATUS_REFUSED_RANGE, 0, hil_devices(d));
    if (!hil_check_device(d, call, hil_scan_first_device(m) + count - 1))
        return false;
    if (hil_scan_sentinel_every(m) > 0 && !hil_check_device(d, call, hil_scan_sentinel_device(m)))
        return false;
    return hil_scan_timeout_ms(m) > 0 || hil_refuse(call, HIL_STATUS_REFUSED_RANGE, 0, 1);
}

void hil_begin_scan(hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    if (!may_scan(d, call))
        return;
    hil_operation *operation = hil_operation_begin(d, call, all_steps(hil_scan_count(m), hil_scan_sentinel_every(m)));
    operation->first_device = hil_scan_first_device(m);
    operation->sentinel_device = hil_scan_sentinel_device(m);
    operation->sentinel_every = hil_scan_sentinel_every(m);
    operation->settle_us = hil_scan_settle_us(m);
    operation->timeout_ms = hil_scan_timeout_ms(m);
    operation->progress_ns = operation->due_ns + PROGRESS_NS;
    d->state = HIL_STATE_SELECTED;
    connect_next(d, operation->due_ns);
    hil_operation_accept(d, call, 0);
}

/* due_ns: when the line is to be raised; once it is, when the SMU must have answered. */
uint64_t hil_scan_due_ns(const hil_device *d)
{
    const hil_operation *operation = &d->operation;
    return operation->due_ns < operation->progress_ns ? operation->due_ns : operation->progress_ns;
}

void hil_scan_step(hil_device *d)
{
    hil_operation *operation = &d->operation;
    if (operation->progress_ns <= operation->due_ns) {
        operation->progress_ns += PROGRESS_NS;
        hil_operation_progress(d);
    } else if (operation->raised) {
        hil_operation_end(d, HIL_OPERATION_TIMED_OUT);
    } else {
        uint64_t from_ns = d->config.pace == HIL_PACE_EMULATED ? operation->due_ns : hil_now(d);
        operation->raised = true;
        operation->edges_out++;
        operation->due_ns = from_ns + (uint64_t)operation->timeout_ms * HIL_MS;
        /* Last: whoever listens may answer before this returns. */
        d->board->trigger_out(d->board->context);
    }
}

void hil_device_edge(hil_device *d)
{
    hil_operation *operation = &d->operation;
    if (!operation->running || operation->opcode != HIL_OP_SCAN)
        return;
    operation->edges_in++;
    if (!operation->raised) {
        operation->overruns++;
        return;
    }
    operation->done++;
    if (operation->done == operation->total)
        hil_operation_end(d, HIL_OPERATION_DONE);
    else
        connect_next(d, hil_now(d));
}

void hil_scan_result(const hil_device *d, uint8_t *data)
{
    const hil_operation *operation = &d->operation;
    hil_put_scan_result_steps(data, operation->total);
    hil_put_scan_result_edges_out(data, operation->edges_out);
    hil_put_scan_result_edges_in(data, operation->edges_in);
    hil_put_scan_result_overruns(data, operation->overruns);
}
