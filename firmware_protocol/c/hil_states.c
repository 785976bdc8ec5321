/* Requests that change the board's state: arming, selecting, limits, stopping. */
#include "hil_internal.h"

#include <string.h>

uint64_t hil_switch_ns(const hil_device *d, uint32_t index)
{
    (void)index;
    return d->config.switch_ns;
}

static const uint8_t *running_payload(const hil_device *d) { return d->command.call.frame.payload; }

void hil_begin_nothing(hil_device *d, hil_call *call) { (void)d, (void)call; }

void hil_begin_echo(hil_device *d, hil_call *call)
{
    (void)d;
    memcpy(call->reply, call->frame.payload, call->frame.length);
    call->reply_length = call->frame.length;
}

void hil_begin_estop(hil_device *d, hil_call *call)
{
    (void)call;
    hil_stop(d);
}

/* --- limits */
static void put_limits(uint8_t *at, const hil_limits *limits)
{
    hil_put_limits_device_uv(at, limits->device_uv);
    hil_put_limits_read_uv(at, limits->read_uv);
    hil_put_limits_pulse_ns(at, limits->pulse_ns);
    hil_put_limits_dead_man_ms(at, limits->dead_man_ms);
    hil_put_limits_pulses_per_command(at, limits->pulses_per_command);
}

void hil_put_limits_in_force(const hil_device *d, uint8_t *at) { put_limits(at, &d->limits); }

uint32_t hil_limits_crc32(const hil_device *d)
{
    uint8_t encoded[HIL_LIMITS_SIZE];
    put_limits(encoded, &d->limits);
    return hil_crc32(0, encoded, sizeof encoded);
}

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* A limit of nothing would only make a board that every later host finds dead until its power is cycled. */
static bool above_floor(hil_call *call, uint32_t value, uint32_t floor)
{
    return value >= floor || hil_refuse(call, HIL_STATUS_REFUSED_LIMIT, value, floor);
}

void hil_begin_set_limits(hil_device *d, hil_call *call)
{
    const uint8_t *asked = call->frame.payload;
    hil_limits *limits = &d->limits;
    if (!above_floor(call, hil_limits_device_uv(asked), 1000) || !above_floor(call, hil_limits_read_uv(asked), 1000)
        || !above_floor(call, hil_limits_pulse_ns(asked), 1) || !above_floor(call, hil_limits_dead_man_ms(asked), 100)
        || !above_floor(call, hil_limits_pulses_per_command(asked), 1))
        return;
    limits->device_uv = smaller(limits->device_uv, hil_limits_device_uv(asked));
    limits->read_uv = smaller(limits->read_uv, hil_limits_read_uv(asked));
    limits->pulse_ns = smaller(limits->pulse_ns, hil_limits_pulse_ns(asked));
    limits->dead_man_ms = (uint16_t)smaller(limits->dead_man_ms, hil_limits_dead_man_ms(asked));
    limits->pulses_per_command = (uint16_t)smaller(limits->pulses_per_command, hil_limits_pulses_per_command(asked));
    put_limits(call->reply, limits);
    call->reply_length = HIL_LIMITS_SIZE;
}

/* --- switches: checked when begun, carried out at the end of their time */
void hil_begin_arm(hil_device *d, hil_call *call)
{
    uint32_t quoted = hil_arm_limits_crc32(call->frame.payload), in_force = hil_limits_crc32(d);
    if (quoted != in_force)
        (void)hil_refuse(call, HIL_STATUS_REFUSED_CONFIG, quoted, in_force);
    else
        d->command.steps = 1;
}

void hil_step_arm(hil_device *d)
{
    hil_connect(d, HIL_ROUTE_NONE, HIL_NO_DEVICE);
    d->state = HIL_STATE_ARMED;
}

void hil_begin_select(hil_device *d, hil_call *call)
{
    uint8_t route = hil_select_route(call->frame.payload);
    uint16_t number = hil_select_device(call->frame.payload);
    bool is_junction = route == HIL_ROUTE_JUNCTION;
    if (route > HIL_ROUTE_CONTACT_PADS)
        (void)hil_refuse(call, HIL_STATUS_REFUSED_RANGE, route, HIL_ROUTE_CONTACT_PADS);
    else if (is_junction && !hil_check_device(d, call, number))
        return;
    else if (!is_junction && number != HIL_NO_DEVICE)
        (void)hil_refuse(call, HIL_STATUS_REFUSED_RANGE, number, HIL_NO_DEVICE);
    else
        d->command.steps = 1;
}

void hil_step_select(hil_device *d)
{
    uint8_t route = hil_select_route(running_payload(d));
    if (route == HIL_ROUTE_NONE) {
        hil_isolate(d, HIL_REASON_HOST);
        return;
    }
    hil_connect(d, route, hil_select_device(running_payload(d)));
    d->state = HIL_STATE_SELECTED;
}

/* At once, whatever runs; only the answer takes time. The latch of an emergency stop stays. */
void hil_begin_disarm(hil_device *d, hil_call *call)
{
    (void)call;
    if (d->state != HIL_STATE_ESTOPPED) {
        hil_isolate(d, HIL_REASON_HOST);
        hil_operation_end(d, HIL_OPERATION_ABORTED);
    }
    d->command.steps = 1;
}

void hil_step_disarm(hil_device *d) { (void)d; }
void hil_finish_disarm(hil_device *d, hil_call *call) { (void)d, (void)call; }

void hil_begin_clear_fault(hil_device *d, hil_call *call)
{
    uint8_t reason = hil_clear_fault_reason(call->frame.payload);
    uint16_t stops = hil_clear_fault_stops(call->frame.payload);
    if (reason != d->safe_reason)
        (void)hil_refuse(call, HIL_STATUS_REFUSED_CONFIG, reason, d->safe_reason);
    else if (stops != d->stops)
        (void)hil_refuse(call, HIL_STATUS_REFUSED_CONFIG, stops, d->stops);
    else
        hil_isolate(d, HIL_REASON_HOST);
}
