/* The board's lines. Rule: COLUMN_ORDER is applied here and nowhere else; above this file every column is a logical one, below it
 * a physical one. What wears is counted here as well, by physical junction. */
#include "hil_internal.h"

#include <string.h>

uint32_t hil_per_kernel(const hil_device *d) { return (uint32_t)d->config.rows * d->config.columns; }
uint32_t hil_devices(const hil_device *d) { return d->config.kernels * hil_per_kernel(d); }

uint8_t hil_physical_column(const hil_device *d, uint8_t column)
{
    const hil_table *order = &d->tables[HIL_TABLE_COLUMN_ORDER];
    return order->version > 0 ? order->data[column] : column;
}

uint16_t hil_physical(const hil_device *d, uint16_t number)
{
    uint8_t column = (uint8_t)(number % d->config.columns);
    return (uint16_t)(number - column + hil_physical_column(d, column));
}

#if HIL_WEAR_COUNTERS
static void wears(hil_device *d, uint8_t wear, uint32_t physical)
{
    if (d->wear[wear][physical] < UINT16_MAX)
        d->wear[wear][physical]++;
}

void hil_lines_counts(const hil_device *d, uint8_t kernel, uint8_t wear, uint8_t *counts)
{
    uint32_t first = kernel * hil_per_kernel(d);
    for (uint32_t i = 0; i < hil_per_kernel(d); i++)
        hil_put_u16(counts + 2 * i, d->wear[wear][hil_physical(d, (uint16_t)(first + i))]);
}
#else
static void wears(hil_device *d, uint8_t wear, uint32_t physical) { (void)d, (void)wear, (void)physical; }
void hil_lines_counts(const hil_device *d, uint8_t kernel, uint8_t wear, uint8_t *counts)
{
    (void)kernel, (void)wear;
    memset(counts, 0, 2 * hil_per_kernel(d));
}
#endif

static void wears_by_pulse(hil_device *d, uint32_t physical, int32_t uv)
{
    if (uv != 0)
        wears(d, uv > 0 ? HIL_WEAR_POSITIVE_PULSES : HIL_WEAR_NEGATIVE_PULSES, physical);
}

uint16_t hil_lines_read(hil_device *d, uint16_t number, int32_t uv, uint16_t averages)
{
    uint16_t physical = hil_physical(d, number);
    d->reads++;
    wears(d, HIL_WEAR_READINGS, physical);
    return d->board->read(d->board->context, physical, uv, averages);
}

/* uv: one for each driven line; codes: one for each sensed line; both in logical order. */
void hil_lines_multiply(hil_device *d, uint8_t kernel, bool drive_rows, const int32_t *uv, uint16_t *codes)
{
    int32_t driven[HIL_MAX_LINES_OF_KERNEL];
    uint16_t sensed[HIL_MAX_LINES_OF_KERNEL];
    uint8_t rows = d->config.rows, columns = d->config.columns;
    uint32_t first = kernel * hil_per_kernel(d);
    for (uint8_t i = 0; i < (drive_rows ? rows : columns); i++)
        driven[drive_rows ? i : hil_physical_column(d, i)] = uv[i];
    d->board->multiply(d->board->context, kernel, drive_rows, driven, sensed);
    for (uint8_t i = 0; i < (drive_rows ? columns : rows); i++)
        codes[i] = sensed[drive_rows ? hil_physical_column(d, i) : i];
    for (uint32_t i = 0; i < hil_per_kernel(d); i++)
        wears(d, HIL_WEAR_READINGS, first + i);
    d->reads += drive_rows ? columns : rows;
}

void hil_lines_pulse(hil_device *d, uint16_t number, int32_t uv, uint32_t ns)
{
    uint16_t physical = hil_physical(d, number);
    d->board->pulse(d->board->context, physical, uv, ns);
    wears_by_pulse(d, physical, uv);
}

void hil_lines_pulse_many(hil_device *d, uint8_t kernel, const hil_crossings *crossings, int32_t uv, uint32_t ns)
{
    hil_crossings physical = *crossings;
    for (uint8_t c = 0; c < crossings->column_count; c++)
        physical.columns[c] = hil_physical_column(d, crossings->columns[c]);
    d->board->pulse_many(d->board->context, kernel, &physical, uv, ns);
    for (uint8_t r = 0; r < physical.row_count; r++)
        for (uint8_t c = 0; c < physical.column_count; c++)
            wears_by_pulse(d, kernel * hil_per_kernel(d) + (uint32_t)physical.rows[r] * d->config.columns + physical.columns[c], uv);
}
