/* Tables that outlive a restart. The device applies COLUMN_ORDER to everything it does; the rest it only keeps.
 * Rule: nobody overwrites a table that he has not seen. */
#include "hil_internal.h"

#include <string.h>

static uint16_t expected_length(const hil_device *d, uint8_t table)
{
    uint8_t rows = d->config.rows, columns = d->config.columns;
    return table == HIL_TABLE_COLUMN_ORDER ? columns : (uint16_t)(HIL_SENSE_LINE_BYTES * (rows > columns ? rows : columns));
}

static bool is_permutation(const uint8_t *order, uint16_t count)
{
    bool seen[HIL_MAX_COLUMNS] = {false};
    for (uint16_t i = 0; i < count; i++) {
        if (order[i] >= count || seen[order[i]])
            return false;
        seen[order[i]] = true;
    }
    return true;
}

static bool is_table(const hil_device *d, uint8_t table, const uint8_t *data, uint32_t length)
{
    uint16_t expected = expected_length(d, table);
    return length == expected && (table != HIL_TABLE_COLUMN_ORDER || is_permutation(data, expected));
}

void hil_load_tables(hil_device *d)
{
    for (uint8_t i = 0; i < HIL_TABLES; i++) {
        hil_table *table = &d->tables[i];
        table->length = d->board->load_table(d->board->context, i, &table->version, table->data);
        if (table->version == 0 || !is_table(d, i, table->data, table->length))
            memset(table, 0, sizeof *table);
    }
}

static bool exists(hil_call *call, uint8_t table)
{
    return table < HIL_TABLES || hil_refuse(call, HIL_STATUS_REFUSED_RANGE, table, HIL_TABLES - 1);
}

static void answer_table(const hil_device *d, hil_call *call, uint8_t number)
{
    const hil_table *table = &d->tables[number];
    memset(call->reply, 0, HIL_CALIBRATION_RESPONSE_SIZE);
    hil_put_calibration_response_table(call->reply, number);
    hil_put_calibration_response_version(call->reply, table->version);
    hil_put_calibration_response_crc32(call->reply, hil_crc32(0, table->data, table->length));
    memcpy(call->reply + HIL_CALIBRATION_RESPONSE_DATA_AT, table->data, table->length);
    call->reply_length = (uint16_t)(HIL_CALIBRATION_RESPONSE_SIZE + table->length);
}

void hil_begin_get_calibration(hil_device *d, hil_call *call)
{
    uint8_t number = hil_get_calibration_table(call->frame.payload);
    if (exists(call, number))
        answer_table(d, call, number);
}

static bool may_replace(const hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload;
    uint8_t number = hil_set_calibration_table(m);
    if (!exists(call, number))
        return false;
    uint32_t in_force = d->tables[number].version, length = call->frame.length - HIL_SET_CALIBRATION_SIZE;
    if (!is_table(d, number, m + HIL_SET_CALIBRATION_DATA_AT, length))
        return hil_refuse(call, HIL_STATUS_REFUSED_RANGE, length, expected_length(d, number));
    if (hil_set_calibration_replaces(m) != in_force)
        return hil_refuse(call, HIL_STATUS_REFUSED_CONFIG, hil_set_calibration_replaces(m), in_force);
    if (hil_set_calibration_version(m) <= in_force)
        return hil_refuse(call, HIL_STATUS_REFUSED_CONFIG, hil_set_calibration_version(m), in_force);
    return true;
}

void hil_begin_set_calibration(hil_device *d, hil_call *call)
{
    const uint8_t *m = call->frame.payload, *data = m + HIL_SET_CALIBRATION_DATA_AT;
    if (!may_replace(d, call))
        return;
    uint8_t number = hil_set_calibration_table(m);
    hil_table *table = &d->tables[number];
    uint16_t length = (uint16_t)(call->frame.length - HIL_SET_CALIBRATION_SIZE);
    if (!d->board->store_table(d->board->context, number, hil_set_calibration_version(m), data, length)) {
        (void)hil_refuse(call, HIL_STATUS_FAULT_INTERNAL, 0, 0);
        return;
    }
    table->version = hil_set_calibration_version(m);
    table->length = length;
    memcpy(table->data, data, length);
    answer_table(d, call, number);
}
