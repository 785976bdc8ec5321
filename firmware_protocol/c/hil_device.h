/* The firmware of a crossbar controller, all of it but the board: link, session, states, limits, pulse ids, long operations.
 *
 * Rule 1: no memory but the struct, no library but memcpy, memset and memcmp; the board lies behind the functions of hil_board.
 * Rule 2: hil_device_poll does one small thing: one junction read or one pulse given. An emergency stop that arrives meanwhile is
 *         heard by the next hil_device_feed, so it takes effect within one junction.
 * Rule 3: a request that is refused has changed nothing. An ordered request is executed at most once, whatever the line does.
 * Not re-entrant: feed, poll and edge are called from one loop. */
#ifndef HIL_DEVICE_H
#define HIL_DEVICE_H

#include "hil_codec.h"

/* --- sizes, for the compiler's command line. `make memory` prints what they cost. */
#ifndef HIL_WINDOW
#define HIL_WINDOW 8 /* requests that may be under way, and as many answers that can be asked for again */
#endif
#ifndef HIL_MAX_KERNELS
#define HIL_MAX_KERNELS 32
#endif
#ifndef HIL_MAX_ROWS
#define HIL_MAX_ROWS 25
#endif
#ifndef HIL_MAX_COLUMNS
#define HIL_MAX_COLUMNS 25
#endif
#ifndef HIL_LINES
#define HIL_LINES 1 /* clients that can be connected at once: 1 on a UART */
#endif
#ifndef HIL_WEAR_COUNTERS
#define HIL_WEAR_COUNTERS 1 /* 0: no COUNTERS, and six bytes less for each junction */
#endif
#define HIL_COMMANDS_KEPT 64 /* pulse commands whose outcome QUERY_PULSE knows */

#define HIL_MAX_PER_KERNEL (HIL_MAX_ROWS * HIL_MAX_COLUMNS)
#define HIL_MAX_LINES_OF_KERNEL (HIL_MAX_ROWS > HIL_MAX_COLUMNS ? HIL_MAX_ROWS : HIL_MAX_COLUMNS)
#define HIL_SENSE_LINE_BYTES 8
#define HIL_MAX_TABLE (HIL_SENSE_LINE_BYTES * HIL_MAX_LINES_OF_KERNEL)
#define HIL_TABLES 2
#define HIL_NEVER UINT64_MAX

HIL_STATIC_ASSERT(HIL_WINDOW >= 1 && HIL_WINDOW <= 64, a_window_is_small);
HIL_STATIC_ASSERT(HIL_MAX_KERNELS * HIL_MAX_PER_KERNEL <= 0xFFFF, a_device_number_has_16_bits);
HIL_STATIC_ASSERT(HIL_MAX_PER_KERNEL * 2 + HIL_BLOCK_SIZE <= HIL_MAX_PAYLOAD, a_kernel_fits_one_frame);

/* Some rows and columns of a kernel. */
typedef struct {
    uint8_t row_count, column_count;
    uint8_t rows[HIL_MAX_ROWS], columns[HIL_MAX_COLUMNS];
} hil_crossings;

/* The board. Device numbers and columns are physical ones: COLUMN_ORDER has been applied. Amplitudes in uV, across the cell. */
typedef struct {
    void *context; /* first argument of every function */
    uint64_t (*now_ns)(void *context); /* never goes back */

    /* Outputs. isolate: every junction, no bias; also called at the start. connect: exactly this to the SMU, all else isolated. */
    void (*isolate)(void *context);
    void (*connect)(void *context, uint8_t route, uint16_t device);
    void (*trigger_out)(void *context);

    /* One pulse, or one on every crossing of some rows and columns of a kernel at once. Returns when it is over and the junctions
     * are isolated again. The width is a hardware one-shot's, never a software loop's. */
    void (*pulse)(void *context, uint16_t device, int32_t uv, uint32_t ns);
    void (*pulse_many)(void *context, uint8_t kernel, const hil_crossings *crossings, int32_t uv, uint32_t ns);

    /* One reading code; and one for each sensed line, with uv on each driven one. */
    uint16_t (*read)(void *context, uint16_t device, int32_t uv, uint16_t averages);
    void (*multiply)(void *context, uint8_t kernel, bool drive_rows, const int32_t *uv, uint16_t *codes);

    /* Memory that outlives a restart. False where it could not be written: the pulses are then not given. */
    uint32_t (*load_pulse_id)(void *context);
    bool (*store_pulse_id)(void *context, uint32_t last);
    uint16_t (*load_table)(void *context, uint8_t table, uint32_t *version, uint8_t *data); /* bytes of data, at most HIL_MAX_TABLE */
    bool (*store_table)(void *context, uint8_t table, uint32_t version, const uint8_t *data, uint16_t count);

    /* The transmitter. send: a whole frame or nothing, never waits; false drops it, and the host asks again. Answers may go ahead of
     * events that wait, so that a slow line full of blocks delays none. events_waiting: their bytes that have not left yet. */
    bool (*send)(void *context, uint8_t line, bool is_event, const uint8_t *frame, size_t count);
    size_t (*events_waiting)(void *context, uint8_t line);
} hil_board;

typedef struct {
    uint32_t device_uv, read_uv, pulse_ns;
    uint16_t dead_man_ms, pulses_per_command;
} hil_limits;

/* HARDWARE: the board's functions take their time themselves. EMULATED: they return at once and hil_device_poll holds each step
 * back for its board time. FAST: nothing takes any time. */
typedef enum { HIL_PACE_HARDWARE, HIL_PACE_EMULATED, HIL_PACE_FAST } hil_pace;

/* What a board is. dictionary: zlib JSON, see hil_dictionary.h; stays the caller's. */
typedef struct {
    uint8_t kernels, rows, columns;
    hil_limits limits;
    uint16_t capabilities; /* HIL_CAP_ bits of what the board behind it can do */
    uint32_t switch_ns, settle_ns, adc_ns; /* board times, for estimates and for HIL_PACE_EMULATED */
    hil_pace pace;
    uint16_t adc_zero_code;
    uint32_t adc_code_pa;
    const uint8_t *dictionary;
    uint32_t dictionary_size;
} hil_config;

/* One request with everything that becomes its answer. status OK: reply is the answer's payload; else value and limit are. */
typedef struct {
    hil_frame frame; /* payload points to whatever holds it */
    uint8_t line, status;
    int64_t value, limit;
    uint16_t reply_length;
    uint8_t *reply;
} hil_call;

typedef struct {
    hil_frame frame;
    uint8_t line;
    uint8_t payload[HIL_MAX_PAYLOAD];
} hil_request;

typedef struct {
    uint16_t seq, length; /* length 0: empty */
    uint8_t wire[HIL_LONGEST_WIRE];
} hil_remembered;

/* Ids first to first + count - 1 of one command of a session; the first `executed` were given. */
typedef struct {
    uint32_t first, count, executed;
    uint16_t session;
    bool running;
} hil_pulse_record;

typedef struct {
    uint32_t last, total, forgotten; /* ids up to forgotten: nobody knows any more */
    hil_pulse_record records[HIL_COMMANDS_KEPT];
    uint8_t used, next;
} hil_pulse_log;

/* The ordered request that takes board time now. due_ns: when its next step is over. */
typedef struct {
    bool running;
    uint32_t at, steps;
    uint64_t due_ns;
    hil_call call;
    uint8_t reply[HIL_MAX_PAYLOAD];
    hil_pulse_record *record;
    uint8_t quadrant, row_level, column_level; /* of an outer product's next event */
} hil_command;

/* The latest long operation, running or over. line: of the request that began it. */
typedef struct {
    bool known, running, blocked; /* blocked: by a transmitter that is full of blocks */
    uint16_t session, seq;
    uint8_t opcode, line, state;
    uint32_t done, total, first_pulse_id, pulses;
    uint64_t due_ns;

    uint8_t kernel, first_kernel; /* of READ_DIE and WRITE_VERIFY */
    uint16_t averages, at; /* at: next junction of the pass */
    int32_t read_uv;
    uint16_t codes[HIL_MAX_PER_KERNEL]; /* row-major, last readings */

    bool pulsing; /* WRITE_VERIFY from here */
    uint8_t max_pulses;
    int32_t set_uv, reset_uv;
    uint32_t width_ns, reserved;
    uint16_t tolerance_in, tolerance_out;
    hil_pulse_record *record;
    uint16_t targets[HIL_MAX_PER_KERNEL];
    uint8_t pulses_of[HIL_MAX_PER_KERNEL], marks[HIL_MAX_PER_KERNEL];

    bool raised; /* SCAN from here */
    uint16_t first_device, sentinel_device, sentinel_every;
    uint32_t settle_us, timeout_ms, edges_out, edges_in, overruns;
    uint64_t progress_ns;
} hil_operation;

typedef struct {
    uint32_t version;
    uint16_t length;
    uint8_t data[HIL_MAX_TABLE];
} hil_table;

/* The whole firmware. Fields are for reading; only the functions of this library change them. */
typedef struct hil_device {
    const hil_board *board;
    hil_config config;
    uint16_t boot_id;
    uint64_t booted_ns;

    hil_deframer deframers[HIL_LINES]; /* the link */
    uint32_t rejected_frames;
    bool open, gap_refused;
    uint16_t session, expected, capabilities;
    uint8_t owner_line;
    uint64_t heard_ns; /* when the owner was last heard */
    hil_remembered remembered[HIL_WINDOW];
    hil_request queue[HIL_WINDOW + 1]; /* the head is the one that runs */
    uint8_t queue_head, queue_used;

    uint8_t state, route, safe_reason; /* the board */
    uint16_t selected, stops; /* stops: emergency stops since the start, repeated ones included */
    hil_limits limits;
    uint32_t reads;
    hil_table tables[HIL_TABLES];
    hil_pulse_log pulse_log;
    hil_command command;
    hil_operation operation;
#if HIL_WEAR_COUNTERS
    uint16_t wear[3][HIL_MAX_KERNELS * HIL_MAX_PER_KERNEL]; /* by HIL_WEAR_, by physical junction */
#endif

    uint8_t reply[HIL_MAX_PAYLOAD], wire[HIL_LONGEST_WIRE]; /* what is being answered at once */
} hil_device;

/* Power on: isolates, forgets everything but what the board's durable memory holds. boot_id: not 0, another one at every start.
 * False when the configuration is beyond the compiled sizes; everything is isolated then, too. */
bool hil_device_start(hil_device *device, const hil_board *board, const hil_config *config, uint16_t boot_id);

/* Bytes that came in, in any split. Emergency stops and questions are executed before it returns; the rest is queued for poll. */
void hil_device_feed(hil_device *device, const uint8_t *bytes, size_t count);
void hil_device_feed_line(hil_device *device, uint8_t line, const uint8_t *bytes, size_t count);

/* A client is gone; half a frame of it is forgotten. Changes no output: that is the dead man's business. */
void hil_device_close_line(hil_device *device, uint8_t line);

/* One small step of whatever is due, the dead man included. False when nothing was due. Call it in every turn of the main loop. */
bool hil_device_poll(hil_device *device);

/* When poll will next have something to do; HIL_NEVER: not before more bytes, an edge, or room in the transmitter. */
uint64_t hil_device_due_ns(const hil_device *device);

/* An edge came on the trigger line from the SMU. */
void hil_device_edge(hil_device *device);

/* A UART break, or a stop button: as 16 zero bytes. */
void hil_device_stop(hil_device *device);

#endif
