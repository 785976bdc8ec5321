/* What the device says of itself: HELLO, dictionary, STATUS, wear, calibration. */
#include "hil_internal.h"

#include <string.h>

static uint32_t uptime_ms(const hil_device *d) { return (uint32_t)((hil_now(d) - d->booted_ns) / HIL_MS & 0xFFFFFFFFu); }
static uint16_t smaller(uint16_t a, uint16_t b) { return a < b ? a : b; }

/* --- HELLO */
static bool may_open(const hil_device *d, hil_call *call)
{
    const hil_frame *frame = &call->frame;
    if (frame->length != HIL_HELLO_SIZE || frame->payload[HIL_HELLO_MAX_PAYLOAD_AT - 1] != 0)
        return hil_refuse(call, HIL_STATUS_REFUSED_MALFORMED, 0, 0);
    uint8_t major = hil_hello_protocol_major(frame->payload);
    if (major != HIL_PROTOCOL_MAJOR)
        return hil_refuse(call, HIL_STATUS_REFUSED_VERSION, major, HIL_PROTOCOL_MAJOR);
    /* A nonce at work is not begun again: what was executed under it would be executed, or answered, a second time. */
    if (frame->session == 0 || (frame->session == d->session && d->expected != 1))
        return hil_refuse(call, HIL_STATUS_REFUSED_BAD_SESSION, 0, 0);
    return true;
}

/* Nothing is driven between pulses, so taking over changes no output but a running operation's; the new owner arms for himself. */
static void take_over(hil_device *d, uint16_t session)
{
    if (d->operation.running || d->state == HIL_STATE_ARMED)
        hil_isolate(d, HIL_REASON_NEW_SESSION);
    hil_operation_end(d, HIL_OPERATION_ABORTED);
    hil_command_cut(d, HIL_STATUS_REFUSED_BAD_SESSION, 0);
    d->queue_used = 0;
    d->session = session;
    hil_link_reset(d);
}

static void describe(const hil_device *d, const uint8_t *asked, hil_call *call)
{
    uint8_t *m = call->reply;
    memset(m, 0, HIL_HELLO_RESPONSE_SIZE);
    hil_put_hello_response_protocol_major(m, HIL_PROTOCOL_MAJOR);
    hil_put_hello_response_protocol_minor(m, HIL_PROTOCOL_MINOR);
    hil_put_hello_response_window(m, (uint8_t)smaller(hil_hello_window(asked), HIL_WINDOW));
    hil_put_hello_response_state(m, d->state);
    hil_put_hello_response_max_payload(m, smaller(hil_hello_max_payload(asked), HIL_MAX_PAYLOAD));
    hil_put_hello_response_kernels(m, d->config.kernels);
    hil_put_hello_response_rows(m, d->config.rows);
    hil_put_hello_response_columns(m, d->config.columns);
    hil_put_hello_response_adc_zero_code(m, d->config.adc_zero_code);
    hil_put_hello_response_adc_code_pa(m, d->config.adc_code_pa);
    hil_put_hello_response_dict_size(m, d->config.dictionary_size);
    hil_put_hello_response_dict_crc32(m, hil_crc32(0, d->config.dictionary, d->config.dictionary_size));
    hil_put_hello_response_limits_crc32(m, hil_limits_crc32(d));
    hil_put_hello_response_last_pulse_id(m, d->pulse_log.last);
    hil_put_hello_response_uptime_ms(m, uptime_ms(d));
    hil_put_hello_response_capabilities(m, d->capabilities);
    hil_put_limits_in_force(d, m + HIL_HELLO_RESPONSE_ENCODED_LIMITS_AT);
    call->reply_length = HIL_HELLO_RESPONSE_SIZE;
}

void hil_hello(hil_device *d, uint8_t line, const hil_frame *frame)
{
    hil_call call = {*frame, line, HIL_STATUS_OK, 0, 0, 0, d->reply};
    if (may_open(d, &call)) {
        if (frame->session != d->session)
            take_over(d, frame->session);
        d->open = true;
        d->owner_line = line;
        d->heard_ns = hil_now(d);
        d->capabilities = (uint16_t)(hil_hello_capabilities(frame->payload) & d->config.capabilities);
        describe(d, frame->payload, &call);
    }
    hil_link_answer(d, &call);
}

/* --- questions */
void hil_begin_get_dict(hil_device *d, hil_call *call)
{
    uint32_t offset = hil_get_dict_offset(call->frame.payload), size = d->config.dictionary_size;
    uint32_t length = smaller(hil_get_dict_length(call->frame.payload), HIL_MAX_PAYLOAD - HIL_DICT_CHUNK_SIZE);
    if (offset > size) {
        (void)hil_refuse(call, HIL_STATUS_REFUSED_RANGE, offset, size);
        return;
    }
    if (length > size - offset)
        length = size - offset;
    hil_put_dict_chunk_offset(call->reply, offset);
    memcpy(call->reply + HIL_DICT_CHUNK_CHUNK_AT, d->config.dictionary + offset, length);
    call->reply_length = (uint16_t)(HIL_DICT_CHUNK_SIZE + length);
}

void hil_begin_status(hil_device *d, hil_call *call)
{
    uint8_t *m = call->reply;
    hil_put_status_response_state(m, d->state);
    hil_put_status_response_route(m, d->route);
    hil_put_status_response_safe_reason(m, d->safe_reason);
    hil_put_status_response_operation(m, d->operation.running ? d->operation.opcode : 0);
    hil_put_status_response_device(m, d->selected);
    hil_put_status_response_session(m, d->session);
    hil_put_status_response_last_pulse_id(m, d->pulse_log.last);
    hil_put_status_response_pulses(m, d->pulse_log.total);
    hil_put_status_response_reads(m, d->reads);
    hil_put_status_response_rejected_frames(m, d->rejected_frames);
    hil_put_status_response_limits_crc32(m, hil_limits_crc32(d));
    hil_put_status_response_uptime_ms(m, uptime_ms(d));
    hil_put_status_response_stops(m, d->stops);
    call->reply_length = HIL_STATUS_RESPONSE_SIZE;
}

void hil_begin_counters(hil_device *d, hil_call *call)
{
    uint8_t kernel = hil_counters_kernel(call->frame.payload), wear = hil_counters_wear(call->frame.payload);
    if (!hil_check_kernels(d, call, kernel, 1))
        return;
    if (wear > HIL_WEAR_READINGS) {
        (void)hil_refuse(call, HIL_STATUS_REFUSED_RANGE, wear, HIL_WEAR_READINGS);
        return;
    }
    hil_put_counters_response_kernel(call->reply, kernel);
    hil_put_counters_response_wear(call->reply, wear);
    hil_lines_counts(d, kernel, wear, call->reply + HIL_COUNTERS_RESPONSE_COUNTS_AT);
    call->reply_length = (uint16_t)(HIL_COUNTERS_RESPONSE_SIZE + 2 * hil_per_kernel(d));
}
