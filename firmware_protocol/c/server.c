/* Clients of the simulated device: sockets or a pseudo-terminal, waited for without spinning. */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE 700

#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define STEPS_AT_ONCE 2000u /* small steps before anybody is heard again: well under a millisecond */
#define READ_AT_ONCE 4096
#define S_NS 1000000000u
#define NOBODY (-1)

static volatile sig_atomic_t ending, power_cut;

static void on_signal(int number)
{
    if (number == SIGHUP)
        power_cut = 1;
    else
        ending = 1;
}

void hil_fail(const char *what)
{
    fprintf(stderr, "hil_device: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t hil_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * S_NS + (uint64_t)now.tv_nsec;
}

static void never_block(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        hil_fail("fcntl");
}

/* --- ways in */
static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 || bind(fd, (struct sockaddr *)&address, size) < 0
        || listen(fd, HIL_LINES) < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        hil_fail("socket");
    never_block(fd);
    printf("ready socket://127.0.0.1:%d\n", ntohs(address.sin_port));
    return fd;
}

/* The other side is opened here as well and kept: the line stays up between two clients. */
static int open_pty(void)
{
    struct termios settings;
    int fd = posix_openpt(O_RDWR | O_NOCTTY);
    if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0)
        hil_fail("pty");
    const char *name = ptsname(fd);
    int other = open(name, O_RDWR | O_NOCTTY);
    if (other < 0 || tcgetattr(other, &settings) < 0)
        hil_fail("pty");
    settings.c_iflag = settings.c_oflag = settings.c_lflag = 0;
    settings.c_cflag = CS8 | CREAD | CLOCAL;
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    if (tcsetattr(other, TCSANOW, &settings) < 0)
        hil_fail("pty");
    never_block(fd);
    printf("ready %s\n", name);
    return fd;
}

static void accept_client(hil_server *all)
{
    int on = 1, fd = accept(all->listener, NULL, NULL);
    if (fd < 0)
        return;
    for (uint8_t line = 0; line < HIL_LINES; line++) {
        if (all->clients[line].fd == NOBODY && fd < FD_SETSIZE) {
            never_block(fd);
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            all->clients[line].fd = fd;
            return;
        }
    }
    close(fd);
}

/* --- bytes */
static void lose(hil_server *all, uint8_t line)
{
    hil_client *gone = &all->clients[line];
    if (all->listener == NOBODY)
        return;
    close(gone->fd);
    gone->fd = NOBODY;
    gone->held = 0;
    hil_sim_drop(all->sim, line);
    hil_device_close_line(hil_sim_device(all->sim), line);
}

static bool is_passing(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

static void hear(hil_server *all, uint8_t line)
{
    uint8_t bytes[READ_AT_ONCE];
    ssize_t count = read(all->clients[line].fd, bytes, sizeof bytes);
    if (count > 0)
        hil_device_feed_line(hil_sim_device(all->sim), line, bytes, (size_t)count);
    else if (count == 0 || !is_passing(errno))
        lose(all, line);
}

static void speak(hil_server *all, uint8_t line)
{
    hil_client *to = &all->clients[line];
    for (;;) {
        if (to->held == 0)
            to->held = hil_sim_take(all->sim, line, to->bytes, sizeof to->bytes);
        if (to->held == 0)
            return;
        ssize_t count = write(to->fd, to->bytes, to->held);
        if (count < 0 && !is_passing(errno))
            lose(all, line);
        if (count <= 0)
            return;
        to->held -= (size_t)count;
        memmove(to->bytes, to->bytes + count, to->held);
    }
}

static void serve_clients(hil_server *all, const fd_set *readable)
{
    for (uint8_t line = 0; line < HIL_LINES; line++) {
        if (all->clients[line].fd != NOBODY && FD_ISSET(all->clients[line].fd, readable))
            hear(all, line);
        if (all->clients[line].fd != NOBODY)
            speak(all, line);
    }
}

/* --- waiting, without spinning */
static int watched(const hil_server *all, fd_set *readable, fd_set *writable)
{
    int highest = all->listener;
    FD_ZERO(readable);
    FD_ZERO(writable);
    if (all->listener != NOBODY)
        FD_SET(all->listener, readable);
    for (uint8_t line = 0; line < HIL_LINES; line++) {
        int fd = all->clients[line].fd;
        if (fd == NOBODY)
            continue;
        FD_SET(fd, readable);
        if (all->clients[line].held > 0)
            FD_SET(fd, writable);
        highest = fd > highest ? fd : highest;
    }
    return highest;
}

static struct timespec time_left(const hil_server *all)
{
    uint64_t due_ns = hil_device_due_ns(hil_sim_device(all->sim)), now = hil_clock_ns();
    uint64_t left_ns = due_ns == HIL_NEVER ? 3600ull * S_NS : due_ns > now ? due_ns - now : 0;
    struct timespec left = {(time_t)(left_ns / S_NS), (long)(left_ns % S_NS)};
    return left;
}

static void restart_if_asked(hil_server *all)
{
    if (!power_cut)
        return;
    power_cut = 0;
    all->boot_id = (uint16_t)(all->boot_id % 65535u + 1u);
    (void)hil_sim_restart(all->sim, all->boot_id);
}

static void serve(hil_server *all, const sigset_t *while_waiting)
{
    fd_set readable, writable;
    while (!ending) {
        hil_sim_set_time(all->sim, hil_clock_ns());
        restart_if_asked(all);
        (void)hil_sim_run(all->sim, STEPS_AT_ONCE);
        for (uint8_t line = 0; line < HIL_LINES; line++)
            if (all->clients[line].fd != NOBODY)
                speak(all, line);
        struct timespec left = time_left(all);
        int highest = watched(all, &readable, &writable);
        /* Signals arrive only in here, so that none is missed between asking `ending` and waiting. */
        if (pselect(highest + 1, &readable, &writable, NULL, &left, while_waiting) < 0) {
            if (errno != EINTR)
                hil_fail("pselect");
            continue;
        }
        /* What was due before these bytes came has been done before them. */
        hil_sim_set_time(all->sim, hil_clock_ns());
        (void)hil_sim_run(all->sim, STEPS_AT_ONCE);
        if (all->listener != NOBODY && FD_ISSET(all->listener, &readable))
            accept_client(all);
        serve_clients(all, &readable);
    }
}

static void take_signals(sigset_t *while_waiting)
{
    struct sigaction action = {.sa_handler = on_signal}, ignored = {.sa_handler = SIG_IGN};
    const int heard[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t all;
    sigemptyset(&all);
    for (size_t i = 0; i < sizeof heard / sizeof heard[0]; i++) {
        sigaddset(&all, heard[i]);
        sigaction(heard[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &all, while_waiting);
    for (size_t i = 0; i < sizeof heard / sizeof heard[0]; i++)
        sigdelset(while_waiting, heard[i]);
    sigaction(SIGPIPE, &ignored, NULL);
}

void hil_serve(hil_server *all, hil_sim *sim, int port, uint16_t boot_id)
{
    sigset_t while_waiting;
    take_signals(&while_waiting);
    all->sim = sim;
    all->boot_id = boot_id;
    for (size_t line = 0; line < HIL_LINES; line++)
        all->clients[line].fd = NOBODY;
    all->listener = port == HIL_PTY ? NOBODY : listen_on(port);
    if (port == HIL_PTY)
        all->clients[0].fd = open_pty();
    fflush(stdout);
    serve(all, &while_waiting);
}
