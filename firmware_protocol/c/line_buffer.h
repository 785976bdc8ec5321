/* A transmitter's queue for one line, as a port may use it: whole frames in, bytes out. Answers go ahead of events that wait, but
 * never into the middle of one. */
#ifndef HIL_LINE_BUFFER_H
#define HIL_LINE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef HIL_LINE_BUFFER_BYTES
#define HIL_LINE_BUFFER_BYTES 131072u /* for answers, and as many for events */
#endif

typedef struct {
    size_t used;
    uint8_t bytes[HIL_LINE_BUFFER_BYTES];
} hil_fifo;

typedef struct {
    hil_fifo answers, events;
    bool within_event;
} hil_line_buffer;

void hil_line_clear(hil_line_buffer *line);

/* All of the frame, or false and nothing of it. */
bool hil_line_put(hil_line_buffer *line, bool is_event, const uint8_t *frame, size_t count);

/* At most `room` bytes: answers, or one event. */
size_t hil_line_take(hil_line_buffer *line, uint8_t *bytes, size_t room);

#endif
