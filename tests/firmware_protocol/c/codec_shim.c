/* The codec as flat functions of bytes, for tests in another language. */
#include <string.h>

#include "hil_codec.h"

static hil_deframer deframer;

void shim_reset(void) { hil_deframer_reset(&deframer); }

/* One record for each thing found: u8 verdict (0xFF: stop marker); a frame's raw header and payload follow with their u16 length. */
size_t shim_read(const uint8_t *bytes, size_t count, uint8_t *records)
{
    size_t used = 0;
    hil_frame frame;
    for (size_t i = 0; i < count; i++) {
        hil_got got = hil_deframer_byte(&deframer, bytes[i], &frame);
        if (got == HIL_GOT_STOP)
            records[used++] = 0xFF;
        if (got == HIL_GOT_REJECT)
            records[used++] = (uint8_t)deframer.verdict;
        if (got != HIL_GOT_FRAME)
            continue;
        uint8_t *header = records + used + 3;
        records[used] = HIL_FRAME_ACCEPT;
        hil_put_u16(records + used + 1, (uint16_t)(HIL_HEADER_SIZE + frame.length));
        hil_put_header_version_kind(header, frame.kind);
        hil_put_header_opcode(header, frame.opcode);
        hil_put_header_seq(header, frame.seq);
        hil_put_header_session(header, frame.session);
        hil_put_header_boot_id(header, frame.boot_id);
        hil_put_header_status(header, frame.status);
        hil_put_header_credit(header, frame.credit);
        hil_put_header_length(header, frame.length);
        memcpy(header + HIL_HEADER_SIZE, frame.payload, frame.length);
        used += 3u + HIL_HEADER_SIZE + frame.length;
    }
    return used;
}

/* fields: as a header, but its first byte is the kind alone. */
size_t shim_write(const uint8_t *fields, const uint8_t *payload, uint8_t *wire)
{
    hil_frame frame = {
        hil_header_version_kind(fields), hil_header_opcode(fields), hil_header_seq(fields), hil_header_session(fields),
        hil_header_boot_id(fields), hil_header_status(fields), hil_header_credit(fields), hil_header_length(fields), payload,
    };
    return hil_frame_encode(&frame, wire);
}
