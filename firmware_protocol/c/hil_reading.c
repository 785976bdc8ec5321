/* READ_BLOCK, READ_LIST and VMM: junction by junction, so that a stop never waits for a whole kernel.
 * A kernel is read column by column, because closing a column takes settling and a row does not; its codes go out row-major. */
#include "hil_internal.h"

static const uint8_t *running_payload(const hil_device *d) { return d->command.call.frame.payload; }
static uint64_t close_ns(const hil_device *d) { return (uint64_t)d->config.switch_ns + d->config.settle_ns; }

/* Board time of the junction that is read as number `index` of its kernel. */
uint64_t hil_read_ns(const hil_device *d, uint32_t index, uint16_t averages)
{
    return (index % d->config.rows == 0 ? close_ns(d) : 0) + (uint64_t)d->config.adc_ns * averages;
}

uint64_t hil_kernel_ns(const hil_device *d, uint16_t averages)
{
    return d->config.columns * close_ns(d) + (uint64_t)hil_per_kernel(d) * d->config.adc_ns * averages;
}

/* Row-major place within its kernel of the junction that is read as number `index`. */
uint16_t hil_junction_of(const hil_device *d, uint32_t index)
{
    return (uint16_t)(index % d->config.rows * d->config.columns + index / d->config.rows);
}

/* --- READ_BLOCK */
void hil_begin_read_block(hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    uint8_t kernel = hil_read_block_kernel(m);
    int32_t read_uv = hil_read_block_read_uv(m);
    uint16_t averages = hil_read_block_averages(m);
    if (!hil_check_kernels(d, call, kernel, 1) || !hil_check_reading(d, call, read_uv, averages))
        return;
    hil_put_read_block_response_kernel(call->reply, kernel);
    hil_put_read_block_response_flags(call->reply, 0);
    hil_put_read_block_response_averages(call->reply, averages);
    hil_put_read_block_response_read_uv(call->reply, read_uv);
    d->command.steps = hil_per_kernel(d);
    call->reply_length = (uint16_t)(HIL_READ_BLOCK_RESPONSE_SIZE + 2 * hil_per_kernel(d));
}

void hil_step_read_block(hil_device *d)
{
    const uint8_t *m = running_payload(d);
    uint16_t junction = hil_junction_of(d, d->command.at);
    uint16_t number = (uint16_t)(hil_read_block_kernel(m) * hil_per_kernel(d) + junction);
    uint16_t code = hil_lines_read(d, number, hil_read_block_read_uv(m), hil_read_block_averages(m));
    hil_put_u16(d->command.reply + HIL_READ_BLOCK_RESPONSE_CODES_AT + 2 * junction, code);
}

uint64_t hil_read_block_ns(const hil_device *d, uint32_t index) { return hil_read_ns(d, index, hil_read_block_averages(running_payload(d))); }

/* --- READ_LIST */
void hil_begin_read_list(hil_device *d, hil_call *call)
{
    const uint32_t most = (HIL_MAX_PAYLOAD - HIL_READ_LIST_RESPONSE_SIZE) / HIL_READ_LIST_RESPONSE_TAIL_UNIT;
    const uint8_t *m = call->frame.payload;
    uint32_t count = (call->frame.length - HIL_READ_LIST_SIZE) / HIL_READ_LIST_TAIL_UNIT;
    if (count < 1 || count > most) {
        (void)hil_refuse(call, HIL_STATUS_REFUSED_RANGE, count, most);
        return;
    }
    if (!hil_check_device_list(d, call, m + HIL_READ_LIST_DEVICES_AT, count)
        || !hil_check_reading(d, call, hil_read_list_read_uv(m), hil_read_list_averages(m)))
        return;
    hil_put_read_list_response_averages(call->reply, hil_read_list_averages(m));
    hil_put_read_list_response_read_uv(call->reply, hil_read_list_read_uv(m));
    d->command.steps = count;
    call->reply_length = (uint16_t)(HIL_READ_LIST_RESPONSE_SIZE + HIL_READ_LIST_RESPONSE_TAIL_UNIT * count);
}

void hil_step_read_list(hil_device *d)
{
    const uint8_t *m = running_payload(d);
    uint32_t at = d->command.at;
    uint8_t *reading = d->command.reply + HIL_READ_LIST_RESPONSE_READINGS_AT + HIL_READ_LIST_RESPONSE_TAIL_UNIT * at;
    uint16_t number = hil_get_u16(m + HIL_READ_LIST_DEVICES_AT + 2 * at);
    hil_put_u16(reading, number);
    hil_put_u16(reading + 2, hil_lines_read(d, number, hil_read_list_read_uv(m), hil_read_list_averages(m)));
}

uint64_t hil_read_list_ns(const hil_device *d, uint32_t index)
{
    (void)index;
    return close_ns(d) + (uint64_t)d->config.adc_ns * hil_read_list_averages(running_payload(d));
}

/* --- VMM: one step is one vector on one kernel */
static bool drives_rows(const uint8_t *m) { return hil_vmm_direction(m) == HIL_DIRECTION_ROWS; }
static uint8_t driven_lines(const hil_device *d, const uint8_t *m) { return drives_rows(m) ? d->config.rows : d->config.columns; }
static uint8_t sensed_lines(const hil_device *d, const uint8_t *m) { return drives_rows(m) ? d->config.columns : d->config.rows; }
static int32_t input_uv(const uint8_t *m, uint32_t index) { return hil_get_i16(m + HIL_VMM_INPUTS_AT + 2 * index) * (int32_t)HIL_VMM_INPUT_UV; }

static bool inputs_fit(const hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    uint32_t inputs = (call->frame.length - HIL_VMM_SIZE) / HIL_VMM_TAIL_UNIT, blocks = hil_vmm_blocks(m), vectors = hil_vmm_vectors(m);
    uint32_t most = (HIL_MAX_PAYLOAD - HIL_VMM_RESPONSE_SIZE) / (2u * sensed_lines(d, m) * blocks);
    return (vectors >= 1 && vectors <= most && inputs == vectors * blocks * driven_lines(d, m))
        || hil_refuse(call, HIL_STATUS_REFUSED_RANGE, vectors, most);
}

static bool inputs_are_low(const hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    uint32_t inputs = (call->frame.length - HIL_VMM_SIZE) / HIL_VMM_TAIL_UNIT;
    int32_t largest = 0;
    for (uint32_t i = 0; i < inputs; i++) {
        int32_t uv = input_uv(m, i) < 0 ? -input_uv(m, i) : input_uv(m, i);
        largest = uv > largest ? uv : largest;
    }
    return (uint32_t)largest <= d->limits.read_uv || hil_refuse(call, HIL_STATUS_REFUSED_LIMIT, largest, d->limits.read_uv);
}

void hil_begin_vmm(hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    uint8_t blocks = hil_vmm_blocks(m), direction = hil_vmm_direction(m);
    if (!hil_check_kernels(d, call, hil_vmm_first_kernel(m), blocks))
        return;
    if (direction > HIL_DIRECTION_COLUMNS) {
        (void)hil_refuse(call, HIL_STATUS_REFUSED_RANGE, direction, HIL_DIRECTION_COLUMNS);
        return;
    }
    if (!inputs_fit(d, call) || !inputs_are_low(d, call))
        return;
    hil_put_vmm_response_first_kernel(call->reply, hil_vmm_first_kernel(m));
    hil_put_vmm_response_blocks(call->reply, blocks);
    hil_put_vmm_response_direction(call->reply, direction);
    call->reply[HIL_VMM_RESPONSE_VECTORS_AT - 1] = 0;
    hil_put_vmm_response_vectors(call->reply, hil_vmm_vectors(m));
    d->command.steps = (uint32_t)hil_vmm_vectors(m) * blocks;
    call->reply_length = (uint16_t)(HIL_VMM_RESPONSE_SIZE + 2 * d->command.steps * sensed_lines(d, m));
}

void hil_step_vmm(hil_device *d)
{
    const uint8_t *m = running_payload(d);
    uint32_t at = d->command.at, driven = driven_lines(d, m), sensed = sensed_lines(d, m);
    int32_t uv[HIL_MAX_LINES_OF_KERNEL];
    uint16_t codes[HIL_MAX_LINES_OF_KERNEL];
    for (uint32_t i = 0; i < driven; i++)
        uv[i] = input_uv(m, at * driven + i);
    hil_lines_multiply(d, (uint8_t)(hil_vmm_first_kernel(m) + at % hil_vmm_blocks(m)), drives_rows(m), uv, codes);
    for (uint32_t i = 0; i < sensed; i++)
        hil_put_u16(d->command.reply + HIL_VMM_RESPONSE_CODES_AT + 2 * (at * sensed + i), codes[i]);
}

uint64_t hil_vmm_ns(const hil_device *d, uint32_t index)
{
    uint64_t product_ns = d->config.settle_ns + (uint64_t)sensed_lines(d, running_payload(d)) * d->config.adc_ns;
    return product_ns + (index == 0 ? d->config.switch_ns : 0);
}
