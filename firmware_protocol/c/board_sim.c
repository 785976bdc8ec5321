/* A junction is in the state P or AP and switches at once at 600 mV: positive to P, negative to AP. Which state each one has at the
 * start is a fixed pattern, as good as random. Integers only: uS times uV are pA. */
#include "board_sim.h"

#include <stdlib.h>
#include <string.h>

#include "hil_dictionary.h"
#include "line_buffer.h"

#define DEVICES 65536u
#define P_US 200
#define AP_US 100
#define SHORT_US 100000
#define FULL_SCALE_CODE 65520

typedef struct {
    uint32_t last_pulse_id, versions[HIL_TABLES];
    uint16_t lengths[HIL_TABLES];
    uint8_t tables[HIL_TABLES][HIL_MAX_TABLE];
} durable;

struct hil_sim {
    hil_device device;
    hil_board board;
    hil_config config;
    uint64_t now_ns;
    bool is_p[DEVICES];
    uint8_t defects[DEVICES];
    durable memory;
    bool memory_fails;
    uint8_t route;
    uint16_t connected;
    uint32_t edges_out;
    hil_sim_pulse *pulses;
    size_t pulse_count, pulse_room;
    void (*listener)(void *, const hil_sim_pulse *);
    void *listener_context;
    hil_line_buffer out[HIL_LINES];
};

static const uint8_t dictionary[HIL_DICTIONARY_SIZE] = {HIL_DICTIONARY_BYTES};

/* --- junctions and converter */
static int64_t conductance_us(const hil_sim *sim, uint32_t device)
{
    if (sim->defects[device] == HIL_SIM_SHORT)
        return SHORT_US;
    if (sim->defects[device] == HIL_SIM_OPEN)
        return 0;
    return sim->is_p[device] ? P_US : AP_US;
}

/* What the converter cannot express is a reserved code, never the nearest number. */
static uint16_t convert(int64_t pa)
{
    const int64_t lsb = HIL_SIM_CODE_PA;
    int64_t code = (int64_t)HIL_SIM_ZERO_CODE + (pa >= 0 ? pa + lsb / 2 : pa - lsb / 2) / lsb;
    return code > 0 && code < FULL_SCALE_CODE ? (uint16_t)code : (uint16_t)HIL_CODE_SATURATED;
}

uint16_t hil_sim_code(const hil_sim *sim, uint16_t device, int32_t uv) { return convert(conductance_us(sim, device) * uv); }

static uint16_t sim_read(void *context, uint16_t device, int32_t uv, uint16_t averages)
{
    (void)averages;
    return hil_sim_code(context, device, uv);
}

static void sim_multiply(void *context, uint8_t kernel, bool drive_rows, const int32_t *uv, uint16_t *codes)
{
    const hil_sim *sim = context;
    uint32_t rows = sim->config.rows, columns = sim->config.columns, first = kernel * rows * columns;
    for (uint32_t sensed = 0; sensed < (drive_rows ? columns : rows); sensed++) {
        int64_t pa = 0;
        for (uint32_t driven = 0; driven < (drive_rows ? rows : columns); driven++) {
            uint32_t within = drive_rows ? driven * columns + sensed : sensed * columns + driven;
            pa += conductance_us(sim, first + within) * uv[driven];
        }
        codes[sensed] = convert(pa);
    }
}

/* --- pulses */
static void log_pulse(hil_sim *sim, hil_sim_pulse pulse)
{
    if (sim->pulse_count == sim->pulse_room) {
        size_t room = sim->pulse_room * 2 + 1024;
        hil_sim_pulse *grown = realloc(sim->pulses, room * sizeof *grown);
        if (grown == NULL)
            abort(); /* A truth with gaps would be none. */
        sim->pulses = grown;
        sim->pulse_room = room;
    }
    sim->pulses[sim->pulse_count++] = pulse;
    if (sim->listener != NULL)
        sim->listener(sim->listener_context, &pulse);
}

static void sim_pulse(void *context, uint16_t device, int32_t uv, uint32_t ns)
{
    hil_sim *sim = context;
    hil_sim_pulse pulse = {device, uv, ns};
    if (sim->defects[device] == HIL_SIM_GOOD && (uv >= HIL_SIM_SWITCH_UV || uv <= -HIL_SIM_SWITCH_UV))
        sim->is_p[device] = uv > 0;
    log_pulse(sim, pulse);
}

static void sim_pulse_many(void *context, uint8_t kernel, const hil_crossings *crossings, int32_t uv, uint32_t ns)
{
    const hil_sim *sim = context;
    for (uint32_t r = 0; r < crossings->row_count; r++) {
        uint32_t first = ((uint32_t)kernel * sim->config.rows + crossings->rows[r]) * sim->config.columns;
        for (uint32_t c = 0; c < crossings->column_count; c++)
            sim_pulse(context, (uint16_t)(first + crossings->columns[c]), uv, ns);
    }
}

/* --- outputs, time */
static uint64_t sim_now(void *context) { return ((hil_sim *)context)->now_ns; }

static void sim_isolate(void *context)
{
    hil_sim *sim = context;
    sim->route = HIL_ROUTE_NONE;
    sim->connected = HIL_NO_DEVICE;
}

static void sim_connect(void *context, uint8_t route, uint16_t device)
{
    hil_sim *sim = context;
    sim->route = route;
    sim->connected = device;
}

static void sim_trigger(void *context) { ((hil_sim *)context)->edges_out++; }

/* --- durable memory */
static uint32_t sim_load_id(void *context) { return ((hil_sim *)context)->memory.last_pulse_id; }

static bool sim_store_id(void *context, uint32_t last)
{
    hil_sim *sim = context;
    if (!sim->memory_fails)
        sim->memory.last_pulse_id = last;
    return !sim->memory_fails;
}

static uint16_t sim_load_table(void *context, uint8_t table, uint32_t *version, uint8_t *data)
{
    const durable *memory = &((hil_sim *)context)->memory;
    *version = memory->versions[table];
    memcpy(data, memory->tables[table], memory->lengths[table]);
    return memory->lengths[table];
}

static bool sim_store_table(void *context, uint8_t table, uint32_t version, const uint8_t *data, uint16_t count)
{
    hil_sim *sim = context;
    if (sim->memory_fails)
        return false;
    sim->memory.versions[table] = version;
    sim->memory.lengths[table] = count;
    memcpy(sim->memory.tables[table], data, count);
    return true;
}

/* --- transmitter */
static bool sim_send(void *context, uint8_t line, bool is_event, const uint8_t *frame, size_t count)
{
    return hil_line_put(&((hil_sim *)context)->out[line], is_event, frame, count);
}

static size_t sim_events_waiting(void *context, uint8_t line) { return ((hil_sim *)context)->out[line].events.used; }

size_t hil_sim_waiting(const hil_sim *sim, uint8_t line) { return sim->out[line].answers.used + sim->out[line].events.used; }
size_t hil_sim_take(hil_sim *sim, uint8_t line, uint8_t *bytes, size_t room) { return hil_line_take(&sim->out[line], bytes, room); }
void hil_sim_drop(hil_sim *sim, uint8_t line) { hil_line_clear(&sim->out[line]); }

/* --- the whole */
void hil_sim_default_config(hil_config *config)
{
    const hil_config reference = {
        .kernels = 32, .rows = 25, .columns = 25,
        .limits = {1200000, 300000, 1000000, 1500, 625},
        .capabilities = HIL_ALL_CAPABILITIES,
        .switch_ns = 5000, .settle_ns = 20000, .adc_ns = 10000,
        .pace = HIL_PACE_EMULATED,
        .adc_zero_code = HIL_SIM_ZERO_CODE, .adc_code_pa = HIL_SIM_CODE_PA,
        .dictionary = dictionary, .dictionary_size = sizeof dictionary,
    };
    *config = reference;
}

static void wire_up(hil_sim *sim)
{
    const hil_board board = {
        .context = sim, .now_ns = sim_now, .isolate = sim_isolate, .connect = sim_connect, .trigger_out = sim_trigger,
        .pulse = sim_pulse, .pulse_many = sim_pulse_many, .read = sim_read, .multiply = sim_multiply,
        .load_pulse_id = sim_load_id, .store_pulse_id = sim_store_id, .load_table = sim_load_table, .store_table = sim_store_table,
        .send = sim_send, .events_waiting = sim_events_waiting,
    };
    sim->board = board;
}

hil_sim *hil_sim_new(const hil_config *config, uint16_t boot_id)
{
    hil_sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL)
        return NULL;
    sim->config = *config;
    for (uint32_t device = 0; device < DEVICES; device++)
        sim->is_p[device] = (uint32_t)(device * 2654435761u) >> 13 & 1u;
    wire_up(sim);
    if (!hil_sim_restart(sim, boot_id)) {
        hil_sim_free(sim);
        return NULL;
    }
    return sim;
}

hil_sim *hil_sim_open(uint8_t kernels, uint8_t rows, uint8_t columns, int pace, const uint8_t *limits, const uint8_t *described,
                      uint32_t dictionary_size, uint16_t boot_id)
{
    hil_config config;
    hil_sim_default_config(&config);
    config.kernels = kernels;
    config.rows = rows;
    config.columns = columns;
    config.pace = (hil_pace)pace;
    config.limits.device_uv = hil_limits_device_uv(limits);
    config.limits.read_uv = hil_limits_read_uv(limits);
    config.limits.pulse_ns = hil_limits_pulse_ns(limits);
    config.limits.dead_man_ms = hil_limits_dead_man_ms(limits);
    config.limits.pulses_per_command = hil_limits_pulses_per_command(limits);
    config.dictionary = described;
    config.dictionary_size = dictionary_size;
    return hil_sim_new(&config, boot_id);
}

void hil_sim_free(hil_sim *sim)
{
    if (sim != NULL)
        free(sim->pulses);
    free(sim);
}

bool hil_sim_restart(hil_sim *sim, uint16_t boot_id)
{
    for (uint8_t line = 0; line < HIL_LINES; line++)
        hil_sim_drop(sim, line);
    return hil_device_start(&sim->device, &sim->board, &sim->config, boot_id);
}

hil_device *hil_sim_device(hil_sim *sim) { return &sim->device; }
const hil_board *hil_sim_board(const hil_sim *sim) { return &sim->board; }
void hil_sim_set_time(hil_sim *sim, uint64_t now_ns) { sim->now_ns = now_ns; }

bool hil_sim_run(hil_sim *sim, uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++)
        if (!hil_device_poll(&sim->device))
            return false;
    return hil_device_due_ns(&sim->device) <= sim->now_ns;
}

size_t hil_sim_pulse_count(const hil_sim *sim) { return sim->pulse_count; }
const hil_sim_pulse *hil_sim_pulses(const hil_sim *sim) { return sim->pulses; }
uint8_t hil_sim_route(const hil_sim *sim) { return sim->route; }
uint16_t hil_sim_connected(const hil_sim *sim) { return sim->route == HIL_ROUTE_JUNCTION ? sim->connected : HIL_NO_DEVICE; }
uint32_t hil_sim_edges_out(const hil_sim *sim) { return sim->edges_out; }
void hil_sim_set_defect(hil_sim *sim, uint16_t device, hil_sim_defect defect) { sim->defects[device] = (uint8_t)defect; }
void hil_sim_fail_memory(hil_sim *sim, bool fails) { sim->memory_fails = fails; }

void hil_sim_on_pulse(hil_sim *sim, void (*listener)(void *context, const hil_sim_pulse *pulse), void *context)
{
    sim->listener = listener;
    sim->listener_context = context;
}
