/* A pretended crossbar behind hil_board, so that the firmware runs on any computer: junctions that switch, a converter, memory that
 * outlives a restart, a transmitter, and a log of every pulse: the truth, for whoever tests the firmware. */
#ifndef HIL_BOARD_SIM_H
#define HIL_BOARD_SIM_H

#include "hil_device.h"

#define HIL_SIM_ZERO_CODE 22282u
#define HIL_SIM_CODE_PA 38147u
#define HIL_SIM_SWITCH_UV 600000

typedef enum { HIL_SIM_GOOD, HIL_SIM_STUCK, HIL_SIM_SHORT, HIL_SIM_OPEN } hil_sim_defect;

typedef struct {
    uint16_t device;
    int32_t uv;
    uint32_t ns;
} hil_sim_pulse;

typedef struct hil_sim hil_sim;

/* A simulated device: firmware and board. NULL without memory or where the sizes do not fit. */
hil_sim *hil_sim_new(const hil_config *config, uint16_t boot_id);
void hil_sim_free(hil_sim *sim);

/* The configuration of the reference board, for changing. */
void hil_sim_default_config(hil_config *config);

/* The same for callers without this header: limits as SET_LIMITS encodes them; the dictionary stays the caller's. */
hil_sim *hil_sim_open(uint8_t kernels, uint8_t rows, uint8_t columns, int pace, const uint8_t *limits, const uint8_t *dictionary,
                      uint32_t dictionary_size, uint16_t boot_id);

/* Power cycle. Junctions, pulse log and durable memory stay; what waited to be sent is lost. */
bool hil_sim_restart(hil_sim *sim, uint16_t boot_id);

hil_device *hil_sim_device(hil_sim *sim);
const hil_board *hil_sim_board(const hil_sim *sim);

/* The time that the device sees. */
void hil_sim_set_time(hil_sim *sim, uint64_t now_ns);

/* Everything that is due by now, at most `steps` small steps. True where work is left over. */
bool hil_sim_run(hil_sim *sim, uint32_t steps);

/* Bytes that the device has sent on a line and that were not taken yet, at most `room`: answers, or one event. drop: the client is
 * gone. */
size_t hil_sim_take(hil_sim *sim, uint8_t line, uint8_t *bytes, size_t room);
void hil_sim_drop(hil_sim *sim, uint8_t line);
size_t hil_sim_waiting(const hil_sim *sim, uint8_t line);

/* The truth. code: what a reading would give now. connected: physical junction at the SMU, HIL_NO_DEVICE for none. */
size_t hil_sim_pulse_count(const hil_sim *sim);
const hil_sim_pulse *hil_sim_pulses(const hil_sim *sim);
uint16_t hil_sim_code(const hil_sim *sim, uint16_t device, int32_t uv);
uint8_t hil_sim_route(const hil_sim *sim);
uint16_t hil_sim_connected(const hil_sim *sim);
uint32_t hil_sim_edges_out(const hil_sim *sim);
void hil_sim_set_defect(hil_sim *sim, uint16_t device, hil_sim_defect defect);
void hil_sim_fail_memory(hil_sim *sim, bool fails);

/* Called after each pulse; for a log on disk. */
void hil_sim_on_pulse(hil_sim *sim, void (*listener)(void *context, const hil_sim_pulse *pulse), void *context);

#endif
