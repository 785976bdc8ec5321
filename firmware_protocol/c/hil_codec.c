#include "hil_codec.h"

#define FULL_RUN 0xFFu

/* A table of half a byte: 64 bytes of flash, two steps a byte. A processor with a CRC unit replaces this function. */
uint32_t hil_crc32(uint32_t crc, const uint8_t *bytes, size_t count)
{
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ table[crc & 15u];
        crc = (crc >> 4) ^ table[crc & 15u];
    }
    return ~crc;
}

/* --- COBS, written byte by byte so that header, payload and CRC need not lie in one place. */
typedef struct {
    uint8_t *out;
    size_t used, code_at;
    uint8_t code;
} cobs_writer;

static void end_run(cobs_writer *writer)
{
    writer->out[writer->code_at] = writer->code;
    writer->code_at = writer->used++;
    writer->code = 1;
}

static cobs_writer cobs_begin(uint8_t *out)
{
    cobs_writer writer = {out, 1, 0, 1};
    return writer;
}

static void cobs_write(cobs_writer *writer, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* Only when more follows: where the data end in a full run, the short form is sent. */
        if (writer->code == FULL_RUN)
            end_run(writer);
        if (bytes[i] == 0) {
            end_run(writer);
        } else {
            writer->out[writer->used++] = bytes[i];
            writer->code++;
        }
    }
}

static size_t cobs_end(cobs_writer *writer)
{
    writer->out[writer->code_at] = writer->code;
    return writer->used;
}

size_t hil_cobs_encode(const uint8_t *raw, size_t count, uint8_t *stuffed)
{
    cobs_writer writer = cobs_begin(stuffed);
    cobs_write(&writer, raw, count);
    return cobs_end(&writer);
}

bool hil_cobs_decode(const uint8_t *stuffed, size_t count, uint8_t *raw, size_t *raw_count)
{
    size_t at = 0, used = 0;
    while (at < count) {
        uint8_t code = stuffed[at++];
        size_t run = (size_t)code - 1u;
        if (code == 0 || run > count - at)
            return false;
        for (size_t i = 0; i < run; i++) {
            uint8_t byte = stuffed[at++];
            if (byte == 0)
                return false;
            raw[used++] = byte;
        }
        if (code != FULL_RUN && at < count)
            raw[used++] = 0;
    }
    *raw_count = used;
    return true;
}

/* --- frames */
static void put_header(uint8_t *header, const hil_frame *frame)
{
    hil_put_header_version_kind(header, (uint8_t)(HIL_PROTOCOL_MAJOR << 4 | frame->kind));
    hil_put_header_opcode(header, frame->opcode);
    hil_put_header_seq(header, frame->seq);
    hil_put_header_session(header, frame->session);
    hil_put_header_boot_id(header, frame->boot_id);
    hil_put_header_status(header, frame->status);
    hil_put_header_credit(header, frame->credit);
    hil_put_header_length(header, frame->length);
}

size_t hil_frame_encode(const hil_frame *frame, uint8_t *wire)
{
    uint8_t header[HIL_HEADER_SIZE], crc[HIL_CRC_SIZE];
    if (frame->length > HIL_MAX_PAYLOAD)
        return 0;
    put_header(header, frame);
    hil_put_u32(crc, hil_crc32(hil_crc32(0, header, sizeof header), frame->payload, frame->length));
    cobs_writer writer = cobs_begin(wire);
    cobs_write(&writer, header, sizeof header);
    cobs_write(&writer, frame->payload, frame->length);
    cobs_write(&writer, crc, sizeof crc);
    size_t used = cobs_end(&writer);
    wire[used++] = 0;
    return used;
}

static enum hil_verdict check_header(const uint8_t *header, size_t actual)
{
    uint8_t kind = hil_header_version_kind(header) & 0x0Fu;
    if (hil_header_version_kind(header) >> 4 != HIL_PROTOCOL_MAJOR)
        return HIL_FRAME_VERSION;
    if (kind < HIL_KIND_REQUEST || kind > HIL_KIND_EVENT)
        return HIL_FRAME_KIND;
    if (hil_header_length(header) > HIL_MAX_PAYLOAD)
        return HIL_FRAME_OVER_MAX;
    if (hil_header_length(header) != actual)
        return HIL_FRAME_LENGTH_LIE;
    if (kind == HIL_KIND_REQUEST && (hil_header_status(header) != 0 || hil_header_credit(header) != 0))
        return HIL_FRAME_RESERVED;
    return HIL_FRAME_ACCEPT;
}

enum hil_verdict hil_frame_decode(const uint8_t *raw, size_t count, hil_frame *frame)
{
    if (count < HIL_HEADER_SIZE + HIL_CRC_SIZE)
        return HIL_FRAME_SHORT;
    size_t body = count - HIL_CRC_SIZE;
    if (hil_crc32(0, raw, body) != hil_get_u32(raw + body))
        return HIL_FRAME_CRC;
    enum hil_verdict verdict = check_header(raw, body - HIL_HEADER_SIZE);
    if (verdict != HIL_FRAME_ACCEPT)
        return verdict;
    frame->kind = hil_header_version_kind(raw) & 0x0Fu;
    frame->opcode = hil_header_opcode(raw);
    frame->seq = hil_header_seq(raw);
    frame->session = hil_header_session(raw);
    frame->boot_id = hil_header_boot_id(raw);
    frame->status = hil_header_status(raw);
    frame->credit = hil_header_credit(raw);
    frame->length = hil_header_length(raw);
    frame->payload = raw + HIL_HEADER_SIZE;
    return HIL_FRAME_ACCEPT;
}

/* --- the stream */
void hil_deframer_reset(hil_deframer *deframer)
{
    deframer->used = 0;
    deframer->discarding = false;
    deframer->zeros = 0;
    deframer->verdict = HIL_FRAME_ACCEPT;
}

static hil_got rejected(hil_deframer *deframer, enum hil_verdict verdict)
{
    deframer->verdict = verdict;
    return HIL_GOT_REJECT;
}

static hil_got append(hil_deframer *deframer, uint8_t byte)
{
    deframer->zeros = 0;
    if (deframer->discarding)
        return HIL_NOTHING;
    if (deframer->used < sizeof deframer->buffer) {
        deframer->buffer[deframer->used++] = byte;
        return HIL_NOTHING;
    }
    deframer->used = 0;
    deframer->discarding = true;
    return rejected(deframer, HIL_FRAME_BABBLE);
}

static hil_got unpack(hil_deframer *deframer, hil_frame *frame)
{
    size_t count = 0;
    bool is_cobs = hil_cobs_decode(deframer->buffer, deframer->used, deframer->buffer, &count);
    deframer->used = 0;
    if (!is_cobs)
        return rejected(deframer, HIL_FRAME_COBS);
    enum hil_verdict verdict = hil_frame_decode(deframer->buffer, count, frame);
    return verdict == HIL_FRAME_ACCEPT ? HIL_GOT_FRAME : rejected(deframer, verdict);
}

hil_got hil_deframer_byte(hil_deframer *deframer, uint8_t byte, hil_frame *frame)
{
    if (byte != 0)
        return append(deframer, byte);
    deframer->discarding = false;
    if (deframer->zeros <= HIL_STOP_ZEROS)
        deframer->zeros++;
    if (deframer->used > 0)
        return unpack(deframer, frame);
    return deframer->zeros == HIL_STOP_ZEROS ? HIL_GOT_STOP : HIL_NOTHING;
}
