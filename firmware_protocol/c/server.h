/* Where clients reach the simulated device. */
#ifndef HIL_SERVER_H
#define HIL_SERVER_H

#include "board_sim.h"

#define HIL_PTY (-1) /* instead of a port */
#define HIL_HELD_BYTES 4096

/* held: bytes taken from the device, not yet by the kernel. */
typedef struct {
    int fd;
    size_t held;
    uint8_t bytes[HIL_HELD_BYTES];
} hil_client;

typedef struct {
    hil_sim *sim;
    uint16_t boot_id;
    int listener;
    hil_client clients[HIL_LINES];
} hil_server;

/* Prints "ready ADDRESS" and serves until SIGTERM or SIGINT. SIGHUP cuts the board's power for a moment. */
void hil_serve(hil_server *server, hil_sim *sim, int port, uint16_t boot_id);

uint64_t hil_clock_ns(void);

/* Says what failed, and ends the process. */
void hil_fail(const char *what);

#endif
