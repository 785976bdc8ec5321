/* Opcode -> what it does. Which opcode is legal when stands in HIL_RULES, generated; nothing about order or state stands here. */
#include "hil_internal.h"

static const hil_rule rules[HIL_RULE_COUNT] = {HIL_RULES};

static const hil_handler handlers[] = {
    {HIL_OP_GET_DICT, hil_begin_get_dict, NULL, NULL, NULL},
    {HIL_OP_ECHO, hil_begin_echo, NULL, NULL, NULL},
    {HIL_OP_STATUS, hil_begin_status, NULL, NULL, NULL},
    {HIL_OP_ARM, hil_begin_arm, hil_switch_ns, hil_step_arm, NULL},
    {HIL_OP_ESTOP, hil_begin_estop, NULL, NULL, NULL},
    {HIL_OP_KEEPALIVE, hil_begin_nothing, NULL, NULL, NULL},
    {HIL_OP_SET_LIMITS, hil_begin_set_limits, NULL, NULL, NULL},
    {HIL_OP_ABORT, hil_begin_abort, NULL, NULL, NULL},
    {HIL_OP_DISARM, hil_begin_disarm, hil_switch_ns, hil_step_disarm, hil_finish_disarm},
    {HIL_OP_CLEAR_FAULT, hil_begin_clear_fault, NULL, NULL, NULL},
    {HIL_OP_SELECT, hil_begin_select, hil_switch_ns, hil_step_select, NULL},
    {HIL_OP_READ_BLOCK, hil_begin_read_block, hil_read_block_ns, hil_step_read_block, NULL},
    {HIL_OP_PROGRAM, hil_begin_program, hil_program_ns, hil_step_program, hil_finish_program},
    {HIL_OP_VMM, hil_begin_vmm, hil_vmm_ns, hil_step_vmm, NULL},
    {HIL_OP_QUERY_PULSE, hil_begin_query_pulse, NULL, NULL, NULL},
    {HIL_OP_SCAN, hil_begin_scan, NULL, NULL, NULL},
    {HIL_OP_COUNTERS, hil_begin_counters, NULL, NULL, NULL},
    {HIL_OP_READ_LIST, hil_begin_read_list, hil_read_list_ns, hil_step_read_list, NULL},
    {HIL_OP_READ_DIE, hil_begin_read_die, NULL, NULL, NULL},
    {HIL_OP_WRITE_VERIFY, hil_begin_write_verify, NULL, NULL, NULL},
    {HIL_OP_OUTER_PRODUCT, hil_begin_outer_product, hil_outer_product_ns, hil_step_outer_product, hil_finish_outer_product},
    {HIL_OP_GET_CALIBRATION, hil_begin_get_calibration, NULL, NULL, NULL},
    {HIL_OP_SET_CALIBRATION, hil_begin_set_calibration, NULL, NULL, NULL},
    {HIL_OP_OPERATION, hil_begin_operation, NULL, NULL, NULL},
    {HIL_OP_RESULT, hil_begin_result, NULL, NULL, NULL},
};

/* HELLO is the link's own: it decides whose requests the others are. */
HIL_STATIC_ASSERT(sizeof handlers / sizeof handlers[0] + 1 == HIL_RULE_COUNT, every_rule_has_a_handler);

const hil_handler *hil_handler_for(uint8_t opcode)
{
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i].opcode == opcode)
            return &handlers[i];
    return NULL;
}

const hil_rule *hil_rule_for(uint8_t opcode)
{
    for (size_t i = 0; i < HIL_RULE_COUNT; i++)
        if (rules[i].opcode == opcode)
            return &rules[i];
    return NULL;
}
