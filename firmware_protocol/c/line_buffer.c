#include "line_buffer.h"

#include <string.h>

void hil_line_clear(hil_line_buffer *line)
{
    line->answers.used = line->events.used = 0;
    line->within_event = false;
}

bool hil_line_put(hil_line_buffer *line, bool is_event, const uint8_t *frame, size_t count)
{
    hil_fifo *fifo = is_event ? &line->events : &line->answers;
    if (count > sizeof fifo->bytes - fifo->used)
        return false;
    memcpy(fifo->bytes + fifo->used, frame, count);
    fifo->used += count;
    return true;
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static size_t take_from(hil_fifo *fifo, uint8_t *bytes, size_t count)
{
    memcpy(bytes, fifo->bytes, count);
    memmove(fifo->bytes, fifo->bytes + count, fifo->used - count);
    fifo->used -= count;
    return count;
}

/* Bytes of the first frame, at most `room`. */
static size_t first_frame(const hil_fifo *fifo, size_t room)
{
    size_t longest = smaller(fifo->used, room);
    const uint8_t *delimiter = memchr(fifo->bytes, 0, longest);
    return delimiter == NULL ? longest : (size_t)(delimiter - fifo->bytes) + 1;
}

size_t hil_line_take(hil_line_buffer *line, uint8_t *bytes, size_t room)
{
    if (line->answers.used > 0 && !line->within_event)
        return take_from(&line->answers, bytes, smaller(line->answers.used, room));
    if (line->events.used == 0 || room == 0)
        return 0;
    size_t count = take_from(&line->events, bytes, first_frame(&line->events, room));
    line->within_event = bytes[count - 1] != 0;
    return count;
}
