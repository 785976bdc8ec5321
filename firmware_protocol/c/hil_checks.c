/* What every reading and every pulse must keep. Rule: a call is checked whole before anything happens. */
#include "hil_internal.h"

bool hil_refuse(hil_call *call, uint8_t status, int64_t value, int64_t limit)
{
    call->status = status;
    call->value = value;
    call->limit = limit;
    return false;
}

static int64_t magnitude(int32_t uv) { return uv < 0 ? -(int64_t)uv : uv; }

bool hil_check_kernels(const hil_device *d, hil_call *call, uint32_t first, uint32_t count)
{
    int64_t last = (int64_t)first + count - 1, highest = d->config.kernels - 1;
    return (count >= 1 && last <= highest) || hil_refuse(call, HIL_STATUS_REFUSED_RANGE, last, highest);
}

bool hil_check_device(const hil_device *d, hil_call *call, uint32_t number)
{
    uint32_t devices = hil_devices(d);
    return number < devices || hil_refuse(call, HIL_STATUS_REFUSED_RANGE, number, (int64_t)devices - 1);
}

/* list: u16 device numbers, little-endian. */
bool hil_check_device_list(const hil_device *d, hil_call *call, const uint8_t *list, uint32_t count)
{
    uint16_t highest = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t number = hil_get_u16(list + 2 * i);
        highest = number > highest ? number : highest;
    }
    return hil_check_device(d, call, highest);
}

bool hil_check_reading(const hil_device *d, hil_call *call, int32_t read_uv, uint16_t averages)
{
    if (magnitude(read_uv) > d->limits.read_uv)
        return hil_refuse(call, HIL_STATUS_REFUSED_LIMIT, read_uv, d->limits.read_uv);
    if (averages < 1 || averages > HIL_MAX_AVERAGES)
        return hil_refuse(call, HIL_STATUS_REFUSED_RANGE, averages, HIL_MAX_AVERAGES);
    return true;
}

bool hil_check_amplitude(const hil_device *d, hil_call *call, int32_t uv)
{
    return magnitude(uv) <= d->limits.device_uv || hil_refuse(call, HIL_STATUS_REFUSED_LIMIT, uv, d->limits.device_uv);
}

bool hil_check_width(const hil_device *d, hil_call *call, uint32_t ns)
{
    return (ns >= 1 && ns <= d->limits.pulse_ns) || hil_refuse(call, HIL_STATUS_REFUSED_LIMIT, ns, d->limits.pulse_ns);
}

bool hil_check_pulse_count(const hil_device *d, hil_call *call, uint32_t count)
{
    uint16_t most = d->limits.pulses_per_command;
    return (count >= 1 && count <= most) || hil_refuse(call, HIL_STATUS_REFUSED_LIMIT, count, most);
}
