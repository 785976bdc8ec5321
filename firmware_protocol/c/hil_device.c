/* Start, bytes in, time. Rule 1: outputs are off before anything else is done, and whenever anything ends by itself.
 * Rule 2: silence of the session's owner while a path is closed, pulses are allowed or anything runs ends that and isolates all. */
#include "hil_internal.h"

#include <string.h>

uint64_t hil_now(const hil_device *d) { return d->board->now_ns(d->board->context); }
uint64_t hil_takes(const hil_device *d, uint64_t board_ns) { return d->config.pace == HIL_PACE_EMULATED ? board_ns : 0; }

/* --- start */
static bool fits(const hil_config *config)
{
    return config->kernels >= 1 && config->kernels <= HIL_MAX_KERNELS && config->rows >= 1 && config->rows <= HIL_MAX_ROWS
        && config->columns >= 1 && config->columns <= HIL_MAX_COLUMNS;
}

bool hil_device_start(hil_device *d, const hil_board *board, const hil_config *config, uint16_t boot_id)
{
    board->isolate(board->context);
    memset(d, 0, sizeof *d);
    d->board = board;
    d->config = *config;
#if !HIL_WEAR_COUNTERS
    d->config.capabilities &= (uint16_t)~(unsigned)HIL_CAP_WEAR_COUNTERS;
#endif
    d->capabilities = d->config.capabilities;
    d->limits = config->limits;
    d->boot_id = boot_id;
    d->booted_ns = hil_now(d);
    d->state = HIL_STATE_SAFE;
    d->safe_reason = HIL_REASON_BOOT;
    d->selected = HIL_NO_DEVICE;
    hil_link_reset(d);
    hil_pulses_reset(d);
    for (uint8_t line = 0; line < HIL_LINES; line++)
        hil_deframer_reset(&d->deframers[line]);
    if (!fits(config) || boot_id == 0)
        return false;
    hil_load_tables(d);
    return true;
}

/* --- states */
void hil_connect(hil_device *d, uint8_t route, uint16_t selected)
{
    if (route == HIL_ROUTE_NONE)
        d->board->isolate(d->board->context);
    else
        d->board->connect(d->board->context, route, route == HIL_ROUTE_JUNCTION ? hil_physical(d, selected) : HIL_NO_DEVICE);
    d->route = route;
    d->selected = selected;
}

void hil_isolate(hil_device *d, uint8_t reason)
{
    hil_connect(d, HIL_ROUTE_NONE, HIL_NO_DEVICE);
    d->state = HIL_STATE_SAFE;
    d->safe_reason = reason;
}

/* What waits behind a command that is cut is answered by the rules for a stopped board, after whoever stopped it. */
void hil_stop(hil_device *d)
{
    d->stops++;
    hil_isolate(d, HIL_REASON_ESTOP);
    d->state = HIL_STATE_ESTOPPED;
    hil_operation_end(d, HIL_OPERATION_STOPPED);
    hil_command_cut(d, HIL_STATUS_REFUSED_ESTOP, 0);
}

void hil_device_stop(hil_device *d)
{
    hil_stop(d);
    hil_command_run_queue(d, hil_now(d));
}

/* --- bytes */
void hil_device_feed_line(hil_device *d, uint8_t line, const uint8_t *bytes, size_t count)
{
    hil_frame frame;
    if (line >= HIL_LINES)
        return;
    for (size_t i = 0; i < count; i++) {
        switch (hil_deframer_byte(&d->deframers[line], bytes[i], &frame)) {
        case HIL_GOT_FRAME:
            hil_link_receive(d, line, &frame);
            hil_command_run_queue(d, hil_now(d));
            break;
        case HIL_GOT_STOP:
            hil_device_stop(d);
            break;
        case HIL_GOT_REJECT:
            d->rejected_frames++;
            break;
        case HIL_NOTHING:
            break;
        }
    }
}

void hil_device_feed(hil_device *d, const uint8_t *bytes, size_t count) { hil_device_feed_line(d, 0, bytes, count); }

void hil_device_close_line(hil_device *d, uint8_t line)
{
    if (line < HIL_LINES)
        hil_deframer_reset(&d->deframers[line]);
}

/* --- time */
static uint64_t work_due_ns(const hil_device *d)
{
    if (d->command.running)
        return d->command.due_ns;
    return d->operation.running ? hil_operation_due_ns(d) : HIL_NEVER;
}

/* Whatever runs, in whatever state, runs for a host that keeps alive. */
static uint64_t dead_man_ns(const hil_device *d)
{
    bool watched = d->state == HIL_STATE_SELECTED || d->state == HIL_STATE_ARMED || d->command.running || d->operation.running;
    return watched ? d->heard_ns + (uint64_t)d->limits.dead_man_ms * HIL_MS : HIL_NEVER;
}

/* Of what waits nothing is begun for a host that is gone. A stop stays latched. */
static void dead_man(hil_device *d)
{
    if (d->state != HIL_STATE_ESTOPPED)
        hil_isolate(d, HIL_REASON_DEAD_MAN);
    hil_operation_end(d, HIL_OPERATION_DEAD_MAN);
    hil_command_cut(d, HIL_STATUS_REFUSED_CONFIG, d->state);
    hil_command_refuse_queue(d, HIL_STATUS_REFUSED_CONFIG, d->state);
}

/* In emulated time work that was due before the silence was too long is done before; otherwise what is not done yet is late. */
static bool is_silent(const hil_device *d, uint64_t now_ns, uint64_t work_ns)
{
    uint64_t silent_ns = dead_man_ns(d);
    return silent_ns <= now_ns && (silent_ns < work_ns || d->config.pace != HIL_PACE_EMULATED);
}

bool hil_device_poll(hil_device *d)
{
    uint64_t now_ns = hil_now(d), work_ns = work_due_ns(d);
    if (is_silent(d, now_ns, work_ns))
        dead_man(d);
    else if (work_ns > now_ns)
        return false;
    else if (d->command.running)
        hil_command_step(d);
    else
        hil_operation_step(d);
    return true;
}

uint64_t hil_device_due_ns(const hil_device *d)
{
    uint64_t work_ns = work_due_ns(d), silent_ns = dead_man_ns(d);
    return work_ns < silent_ns ? work_ns : silent_ns;
}
