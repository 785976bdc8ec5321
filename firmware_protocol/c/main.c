/* The firmware and a pretended board behind a TCP socket or a pseudo-terminal, so that a host can be tried without hardware.
 *
 *     hil_device --socket PORT | --pty [--kernels K --rows R --columns C] [--clock real|fast] [--dictionary FILE] [--pulse-log FILE]
 *     hil_device --memory
 *
 * Prints "ready ADDRESS" when it can be reached; ends on SIGTERM; SIGHUP cuts the board's power for a moment. A client that leaves
 * changes no output. POSIX from here on. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

#define NO_PORT (-2)

typedef struct {
    hil_config config;
    int port; /* or HIL_PTY */
    const char *pulse_log;
} options;

static void usage(void)
{
    fputs("usage: hil_device --socket PORT | --pty [--kernels K --rows R --columns C] [--clock real|fast] [--dictionary FILE]"
          " [--pulse-log FILE]\n       hil_device --memory\n", stderr);
    exit(2);
}

static unsigned long number(const char *text, unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == 0 || *end != 0 || value > most)
        usage();
    return value;
}

static void set_port(options *given, int port)
{
    if (given->port != NO_PORT)
        usage();
    given->port = port;
}

static void load_dictionary(hil_config *config, const char *path)
{
    static uint8_t bytes[65536];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        hil_fail(path);
    config->dictionary = bytes;
    config->dictionary_size = (uint32_t)fread(bytes, 1, sizeof bytes, file);
    fclose(file);
}

static void print_memory(void)
{
    printf("window %d, %d kernels of %d x %d, wear counters %s, lines %d: RAM %zu bytes\n", HIL_WINDOW, HIL_MAX_KERNELS, HIL_MAX_ROWS,
           HIL_MAX_COLUMNS, HIL_WEAR_COUNTERS ? "on" : "off", HIL_LINES, sizeof(hil_device));
    exit(0);
}

static void take_option(options *given, const char *name, const char *value)
{
    if (strcmp(name, "--socket") == 0)
        set_port(given, (int)number(value, 65535));
    else if (strcmp(name, "--kernels") == 0)
        given->config.kernels = (uint8_t)number(value, HIL_MAX_KERNELS);
    else if (strcmp(name, "--rows") == 0)
        given->config.rows = (uint8_t)number(value, HIL_MAX_ROWS);
    else if (strcmp(name, "--columns") == 0)
        given->config.columns = (uint8_t)number(value, HIL_MAX_COLUMNS);
    else if (strcmp(name, "--clock") == 0 && (strcmp(value, "fast") == 0 || strcmp(value, "real") == 0))
        given->config.pace = *value == 'f' ? HIL_PACE_FAST : HIL_PACE_EMULATED;
    else if (strcmp(name, "--dictionary") == 0)
        load_dictionary(&given->config, value);
    else if (strcmp(name, "--pulse-log") == 0)
        given->pulse_log = value;
    else
        usage();
}

static options parse(int count, char **words)
{
    options given = {.port = NO_PORT};
    hil_sim_default_config(&given.config);
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--memory") == 0)
            print_memory();
        else if (strcmp(words[i], "--pty") == 0)
            set_port(&given, HIL_PTY);
        else if (i + 1 < count)
            take_option(&given, words[i], words[i + 1]), i++;
        else
            usage();
    }
    if (given.port == NO_PORT)
        usage();
    return given;
}

static void log_pulse(void *file, const hil_sim_pulse *pulse)
{
    fprintf(file, "%u %ld %lu\n", pulse->device, (long)pulse->uv, (unsigned long)pulse->ns);
    fflush(file);
}

int main(int count, char **words)
{
    static hil_server server;
    options given = parse(count, words);
    uint16_t boot_id = (uint16_t)(1u + (hil_clock_ns() / 1000u + (uint64_t)getpid()) % 65535u);
    hil_sim *sim = hil_sim_new(&given.config, boot_id);
    if (sim == NULL) {
        fputs("hil_device: this geometry is beyond the sizes it was compiled for\n", stderr);
        return 1;
    }
    FILE *log = given.pulse_log == NULL ? NULL : fopen(given.pulse_log, "a");
    if (given.pulse_log != NULL && log == NULL)
        hil_fail(given.pulse_log);
    if (log != NULL)
        hil_sim_on_pulse(sim, log_pulse, log);
    hil_serve(&server, sim, given.port, boot_id);
    hil_sim_free(sim);
    if (log != NULL)
        fclose(log);
    return 0;
}
