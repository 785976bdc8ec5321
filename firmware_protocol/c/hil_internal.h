/* What the parts of the firmware know of each other. Nobody outside includes this. */
#ifndef HIL_INTERNAL_H
#define HIL_INTERNAL_H

#include "hil_device.h"

#define HIL_MAX_AVERAGES 4096
#define HIL_US 1000u
#define HIL_MS 1000000u

/* What one opcode does. begin checks everything and refuses, or has its effect, or sets command.steps and takes its time: then
 * step is called so often, each at the end of its step_ns. finish completes the answer, also of a command that was cut; where it is
 * NULL a cut command is refused. step_ns: board time of step `index`, ns. */
typedef struct {
    uint8_t opcode;
    void (*begin)(hil_device *device, hil_call *call);
    uint64_t (*step_ns)(const hil_device *device, uint32_t index);
    void (*step)(hil_device *device);
    void (*finish)(hil_device *device, hil_call *call);
} hil_handler;

/* hil_handlers.c */
const hil_handler *hil_handler_for(uint8_t opcode);
const hil_rule *hil_rule_for(uint8_t opcode); /* NULL for an opcode that this firmware does not have */

/* hil_link.c: who may ask, how often, and what is sent */
void hil_link_reset(hil_device *device);
void hil_link_receive(hil_device *device, uint8_t line, const hil_frame *frame);
bool hil_link_owns(const hil_device *device, const hil_frame *frame);
void hil_link_answer(hil_device *device, hil_call *call);
void hil_link_event(hil_device *device, uint8_t opcode, const uint8_t *payload, uint16_t length);

/* hil_command.c: one ordered request after the other, in board time */
bool hil_command_is_readable(const hil_device *device, hil_call *call); /* false after refusing what cannot be decoded */
bool hil_command_enqueue(hil_device *device, uint8_t line, const hil_frame *frame); /* false: the queue is full */
void hil_command_begin(hil_device *device, hil_call *call); /* of what is readable: state checked, then the handler's begin */
void hil_command_step(hil_device *device);
void hil_command_cut(hil_device *device, uint8_t status, int64_t value); /* status, value: answer to what has then done nothing */
void hil_command_refuse_queue(hil_device *device, uint8_t status, int64_t value);
void hil_command_run_queue(hil_device *device, uint64_t start_ns);

/* hil_device.c: states */
uint64_t hil_now(const hil_device *device);
uint64_t hil_takes(const hil_device *device, uint64_t board_ns); /* how long poll must hold back what takes so long */
void hil_stop(hil_device *device);
void hil_isolate(hil_device *device, uint8_t reason);
void hil_connect(hil_device *device, uint8_t route, uint16_t selected);

/* hil_states.c */
void hil_put_limits_in_force(const hil_device *device, uint8_t *at);
uint32_t hil_limits_crc32(const hil_device *device);

/* hil_checks.c: false after refusing the call */
bool hil_refuse(hil_call *call, uint8_t status, int64_t value, int64_t limit);
bool hil_check_kernels(const hil_device *device, hil_call *call, uint32_t first, uint32_t count);
bool hil_check_device(const hil_device *device, hil_call *call, uint32_t number);
bool hil_check_device_list(const hil_device *device, hil_call *call, const uint8_t *list, uint32_t count);
bool hil_check_reading(const hil_device *device, hil_call *call, int32_t read_uv, uint16_t averages);
bool hil_check_amplitude(const hil_device *device, hil_call *call, int32_t uv);
bool hil_check_width(const hil_device *device, hil_call *call, uint32_t ns);
bool hil_check_pulse_count(const hil_device *device, hil_call *call, uint32_t count);

/* hil_lines.c: logical numbers in, the board's own out; counts what wears */
uint32_t hil_per_kernel(const hil_device *device);
uint32_t hil_devices(const hil_device *device);
uint16_t hil_physical(const hil_device *device, uint16_t number);
uint8_t hil_physical_column(const hil_device *device, uint8_t column);
uint16_t hil_lines_read(hil_device *device, uint16_t number, int32_t uv, uint16_t averages);
void hil_lines_multiply(hil_device *device, uint8_t kernel, bool drive_rows, const int32_t *uv, uint16_t *codes);
void hil_lines_pulse(hil_device *device, uint16_t number, int32_t uv, uint32_t ns);
void hil_lines_pulse_many(hil_device *device, uint8_t kernel, const hil_crossings *crossings, int32_t uv, uint32_t ns);
void hil_lines_counts(const hil_device *device, uint8_t kernel, uint8_t wear, uint8_t *counts);

/* hil_pulses.c: pulse ids */
void hil_pulses_reset(hil_device *device);
bool hil_pulses_check(const hil_device *device, hil_call *call, uint32_t first, uint64_t count);
hil_pulse_record *hil_pulses_begin(hil_device *device, hil_call *call, uint32_t first, uint32_t count);
void hil_pulses_given(hil_device *device, hil_pulse_record *record, uint32_t count);
uint8_t hil_pulses_fate(const hil_device *device, uint32_t id, uint16_t *of_session);

/* hil_reading.c, hil_operations.c, hil_scan.c, hil_write.c: long operations */
uint64_t hil_read_ns(const hil_device *device, uint32_t index, uint16_t averages);
uint64_t hil_kernel_ns(const hil_device *device, uint16_t averages);
uint64_t hil_pulse_ns(const hil_device *device, uint32_t width_ns);
uint16_t hil_junction_of(const hil_device *device, uint32_t index);
hil_operation *hil_operation_begin(hil_device *device, hil_call *call, uint32_t total);
void hil_operation_accept(hil_device *device, hil_call *call, uint64_t first_step_ns);
void hil_operation_end(hil_device *device, uint8_t state);
void hil_operation_step(hil_device *device);
void hil_operation_progress(hil_device *device);
uint64_t hil_operation_due_ns(const hil_device *device);
uint32_t hil_operation_remaining_ms(const hil_device *device);
void hil_scan_step(hil_device *device);
uint64_t hil_scan_due_ns(const hil_device *device);
uint64_t hil_scan_step_ns(const hil_device *device);
void hil_scan_result(const hil_device *device, uint8_t *data);
void hil_write_step(hil_device *device);
uint64_t hil_write_remaining_ns(const hil_device *device);
void hil_write_results(const hil_device *device, uint8_t *data);

/* begin, step, step_ns and finish of each opcode, in the table of hil_handlers.c */
void hil_hello(hil_device *device, uint8_t line, const hil_frame *frame);
void hil_begin_get_dict(hil_device *device, hil_call *call);
void hil_begin_status(hil_device *device, hil_call *call);
void hil_begin_counters(hil_device *device, hil_call *call);
void hil_begin_get_calibration(hil_device *device, hil_call *call);
void hil_begin_set_calibration(hil_device *device, hil_call *call);
void hil_load_tables(hil_device *device);
void hil_begin_query_pulse(hil_device *device, hil_call *call);
void hil_begin_echo(hil_device *device, hil_call *call);
void hil_begin_nothing(hil_device *device, hil_call *call);
void hil_begin_estop(hil_device *device, hil_call *call);
void hil_begin_set_limits(hil_device *device, hil_call *call);
void hil_begin_clear_fault(hil_device *device, hil_call *call);
void hil_begin_arm(hil_device *device, hil_call *call);
void hil_step_arm(hil_device *device);
void hil_begin_disarm(hil_device *device, hil_call *call);
void hil_step_disarm(hil_device *device);
void hil_finish_disarm(hil_device *device, hil_call *call);
void hil_begin_select(hil_device *device, hil_call *call);
void hil_step_select(hil_device *device);
uint64_t hil_switch_ns(const hil_device *device, uint32_t index);
void hil_begin_read_block(hil_device *device, hil_call *call);
void hil_step_read_block(hil_device *device);
uint64_t hil_read_block_ns(const hil_device *device, uint32_t index);
void hil_begin_read_list(hil_device *device, hil_call *call);
void hil_step_read_list(hil_device *device);
uint64_t hil_read_list_ns(const hil_device *device, uint32_t index);
void hil_begin_vmm(hil_device *device, hil_call *call);
void hil_step_vmm(hil_device *device);
uint64_t hil_vmm_ns(const hil_device *device, uint32_t index);
void hil_begin_program(hil_device *device, hil_call *call);
void hil_step_program(hil_device *device);
uint64_t hil_program_ns(const hil_device *device, uint32_t index);
void hil_finish_program(hil_device *device, hil_call *call);
void hil_begin_outer_product(hil_device *device, hil_call *call);
void hil_step_outer_product(hil_device *device);
uint64_t hil_outer_product_ns(const hil_device *device, uint32_t index);
void hil_finish_outer_product(hil_device *device, hil_call *call);
void hil_begin_abort(hil_device *device, hil_call *call);
void hil_begin_operation(hil_device *device, hil_call *call);
void hil_begin_result(hil_device *device, hil_call *call);
void hil_begin_read_die(hil_device *device, hil_call *call);
void hil_begin_scan(hil_device *device, hil_call *call);
void hil_begin_write_verify(hil_device *device, hil_call *call);

#endif
