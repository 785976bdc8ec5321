/* Bytes <-> frames. Rule 1: a frame either arrives whole and checked, or not at all; the reason is named.
 * Rule 2: whatever came before, reading starts afresh at the next 0x00.
 *
 * On the wire: COBS(header, payload, CRC-32) and a 0x00. No memory but the caller's, no state but a hil_deframer. */
#ifndef HIL_CODEC_H
#define HIL_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "hil_protocol.h"

/* One checked frame. payload points into the buffer it was read from, or to what shall be sent. */
typedef struct {
    uint8_t kind, opcode;
    uint16_t seq, session, boot_id;
    uint8_t status, credit;
    uint16_t length;
    const uint8_t *payload;
} hil_frame;

/* CRC-32/ISO-HDLC, as zlib's. crc: 0 to begin, the last result to go on. */
uint32_t hil_crc32(uint32_t crc, const uint8_t *bytes, size_t count);

/* stuffed needs count + count / 254 + 1 bytes. Returns how many it took; no delimiter. */
size_t hil_cobs_encode(const uint8_t *raw, size_t count, uint8_t *stuffed);

/* raw may be the same place as stuffed. False where stuffed is no COBS. */
bool hil_cobs_decode(const uint8_t *stuffed, size_t count, uint8_t *raw, size_t *raw_count);

/* Bytes on the wire, delimiter included; wire needs HIL_LONGEST_WIRE bytes. 0 when the payload is too long. */
size_t hil_frame_encode(const hil_frame *frame, uint8_t *wire);

/* From raw bytes, after COBS. HIL_FRAME_ACCEPT, or the first rule broken; frame is then not to be used. */
enum hil_verdict hil_frame_decode(const uint8_t *raw, size_t count, hil_frame *frame);

/* What one byte completed. */
typedef enum { HIL_NOTHING, HIL_GOT_FRAME, HIL_GOT_REJECT, HIL_GOT_STOP } hil_got;

/* The reading end of one byte stream. verdict: of what was rejected last. */
typedef struct {
    uint8_t buffer[HIL_BUFFER_LIMIT];
    size_t used;
    bool discarding;
    uint8_t zeros;
    enum hil_verdict verdict;
} hil_deframer;

void hil_deframer_reset(hil_deframer *deframer);

/* HIL_GOT_FRAME: frame is filled in; its payload lies in the buffer and is good until the next byte. */
hil_got hil_deframer_byte(hil_deframer *deframer, uint8_t byte, hil_frame *frame);

#endif
