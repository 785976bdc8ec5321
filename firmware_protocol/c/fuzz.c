/* fuzz COUNT SEED: COUNT valid frames, each spoilt on the wire, and how many of them the reader accepts as something else.
 * Spoilt: bits flipped, bytes dropped, doubled, swapped, cut off, bursts of 5 to 20 bytes. Ends with 1 when one was accepted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hil_codec.h"

#define SPOILT_MAX (HIL_LONGEST_WIRE + 64)
#define LONG_ONE_IN 64u
#define SHORT_PAYLOAD 48u

static uint64_t state;

/* xorshift64*, Marsaglia and Vigna. */
static uint32_t dice(uint32_t sides)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545F4914F6CDD1DULL) >> 33) % sides;
}

static uint8_t any_byte(void) { return (uint8_t)dice(256); }

static size_t valid_frame(uint8_t *wire)
{
    static uint8_t payload[HIL_MAX_PAYLOAD];
    uint16_t length = (uint16_t)dice(dice(LONG_ONE_IN) == 0 ? HIL_MAX_PAYLOAD + 1u : SHORT_PAYLOAD);
    for (size_t i = 0; i < length; i++)
        payload[i] = dice(4) == 0 ? 0 : any_byte();
    uint8_t kind = (uint8_t)(1u + dice(3));
    bool is_request = kind == HIL_KIND_REQUEST;
    hil_frame frame = {
        kind, any_byte(), (uint16_t)dice(65536), (uint16_t)dice(65536), (uint16_t)dice(65536),
        is_request ? 0 : any_byte(), is_request ? 0 : any_byte(), length, payload,
    };
    return hil_frame_encode(&frame, wire);
}

/* One of the ways a line spoils a frame; the delimiter is spoilt like any other byte. Returns the new length. */
static size_t spoil(uint8_t *wire, size_t count)
{
    size_t at = dice((uint32_t)count), burst = 5u + dice(16);
    uint8_t byte = wire[at];
    switch (dice(6)) {
    case 0:
        for (uint32_t flips = 1u + dice(4); flips > 0; flips--)
            wire[dice((uint32_t)count)] ^= (uint8_t)(1u << dice(8));
        return count;
    case 1:
        memmove(wire + at, wire + at + 1, count - at - 1);
        return count - 1;
    case 2:
        memmove(wire + at + 1, wire + at, count - at);
        return count + 1;
    case 3:
        if (at + 1 < count) {
            wire[at] = wire[at + 1];
            wire[at + 1] = byte;
        }
        return count;
    case 4:
        return at;
    default:
        for (size_t i = at; i < at + burst && i < count; i++)
            wire[i] = any_byte();
        return count;
    }
}

/* Whether the reader takes from `wire` a frame that is not the one sent. */
static bool accepts_another(const uint8_t *wire, size_t count, const uint8_t *sent, size_t sent_count)
{
    static hil_deframer deframer;
    static uint8_t again[HIL_LONGEST_WIRE];
    hil_frame frame;
    bool another = false;
    hil_deframer_reset(&deframer);
    for (size_t i = 0; i <= count; i++) {
        if (hil_deframer_byte(&deframer, i < count ? wire[i] : 0, &frame) != HIL_GOT_FRAME)
            continue;
        size_t again_count = hil_frame_encode(&frame, again);
        another = another || again_count != sent_count || memcmp(again, sent, sent_count) != 0;
    }
    return another;
}

int main(int count, char **words)
{
    static uint8_t sent[HIL_LONGEST_WIRE], spoilt[SPOILT_MAX];
    unsigned long long spoilt_count = 0, accepted = 0;
    if (count != 3) {
        fputs("usage: fuzz COUNT SEED\n", stderr);
        return 2;
    }
    unsigned long long wanted = strtoull(words[1], NULL, 10);
    state = strtoull(words[2], NULL, 10) * 0x9E3779B97F4A7C15ULL + 1u;
    while (spoilt_count < wanted) {
        size_t sent_count = valid_frame(sent), length = sent_count;
        memcpy(spoilt, sent, sent_count);
        for (uint32_t times = 1u + dice(3); times > 0 && length > 0; times--)
            length = spoil(spoilt, length);
        if (length == sent_count && memcmp(spoilt, sent, sent_count) == 0)
            continue; /* Two equal bytes were swapped: nothing is spoilt. */
        spoilt_count++;
        accepted += accepts_another(spoilt, length, sent, sent_count);
    }
    printf("%llu spoilt frames, %llu accepted as another\n", spoilt_count, accepted);
    return accepted > 0;
}
