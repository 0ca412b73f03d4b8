/*
 * limit - what this machine's disk and sockets allow: the least that a durable receiver must do.
 *
 * Takes MLLP blocks, appends them to a file made beforehand, and answers AA. All blocks that are whole
 * after one turn of reading go to disk with one write and one fdatasync; their ACKs leave after it. Nothing
 * is parsed but MSH-10. At the end of the file it begins again, as a recycled log does.
 *
 *   limit FILE [MEBIBYTES]     (256) makes FILE of zeros on disk, listens on a free port of 127.0.0.1,
 *                              prints "ready mllp=127.0.0.1:PORT"; SIGTERM ends it
 *
 * Build: cc -O2 -Wall -Wextra -std=gnu11 -o limit limit.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { VT = 0x0b, FS = 0x1c, CR = 0x0d, EVENTS = 1024, MOST_BLOCK = 1 << 20 };

struct bytes {
    char *at;
    size_t len, cap;
};

struct conn {
    int fd;
    struct bytes in, out; /* out: the ACKs of this turn, and what the sender has not taken yet */
    bool is_dirty, wants_out, is_gone;
};

static struct bytes turn;   /* the blocks of this turn */
static struct conn **dirty; /* who is answered after the fdatasync */
static size_t n_dirty, dirty_cap;
static int ep, file;
static off_t offset, file_size;
static char stamp[20]; /* MSH-7 of the ACKs of this turn */

static void fail(const char *what)
{
    perror(what);
    exit(2);
}

static char *make_room(struct bytes *b, size_t more)
{
    if (b->cap - b->len < more) {
        b->cap = 2 * (b->len + more);
        if (!(b->at = realloc(b->at, b->cap)))
            fail("realloc");
    }
    return b->at + b->len;
}

static void add(struct bytes *b, const char *data, size_t len)
{
    memcpy(make_room(b, len), data, len);
    b->len += len;
}

/* ------------------------------------------------------------------------------------------------ a turn */

static void acknowledge(struct conn *c, const char *message, size_t len)
{
    const char *id = message, *end = message + len;
    for (int field = 1; field < 10 && id; field++) /* MSH-10 stands after the ninth separator */
        id = (id = memchr(id, '|', (size_t)(end - id))) ? id + 1 : NULL;
    size_t id_len = 0;
    while (id && id + id_len < end && id[id_len] != '|' && id[id_len] != CR)
        id_len++;
    char *to = make_room(&c->out, 2 * id_len + 256);
    c->out.len += (size_t)sprintf(
        to,
        "%cMSH|^~\\&|IDENTITES|CHU-X^000897406^FINEG|GAM|CHU-X^000897406^FINEG|%s||ACK^A28^ACK|L%.*s|P|2.5^FRA^2.11"
        "|||||FRA|UNICODE UTF-8\rMSA|AA|%.*s\r%c%c",
        VT, stamp, (int)id_len, id ? id : "", (int)id_len, id ? id : "", FS, CR);
    if (!c->is_dirty) {
        if (n_dirty == dirty_cap && !(dirty = realloc(dirty, (dirty_cap = 2 * dirty_cap + 64) * sizeof *dirty)))
            fail("realloc");
        dirty[n_dirty++] = c;
        c->is_dirty = true;
    }
}

static void take_blocks(struct conn *c)
{
    size_t at = 0;
    while (at < c->in.len) {
        char *begin = c->in.at + at, *end = memchr(begin, FS, c->in.len - at);
        if (!end || end + 1 == c->in.at + c->in.len)
            break;
        size_t len = (size_t)(end + 2 - begin);
        if (*begin == VT) {
            add(&turn, begin, len);
            acknowledge(c, begin + 1, len - 3);
        }
        at += len;
    }
    memmove(c->in.at, c->in.at + at, c->in.len - at);
    c->in.len -= at;
}

static void readable(struct conn *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, make_room(&c->in, 1 << 16), 1 << 16, 0);
        if (n > 0) {
            c->in.len += (size_t)n;
            if (n < 1 << 16)
                break; /* most likely all of it; if not, epoll says so */
        } else if (n < 0 && errno == EINTR)
            continue;
        else {
            c->is_gone = n == 0 || errno != EAGAIN;
            break;
        }
    }
    take_blocks(c);
    c->is_gone |= c->in.len > MOST_BLOCK;
}

static void keep_turn(void)
{
    if ((off_t)turn.len > file_size - offset)
        offset = 0;
    for (size_t done = 0; done < turn.len;) {
        ssize_t n = pwrite(file, turn.at + done, turn.len - done, offset);
        if (n < 0 && errno != EINTR)
            fail("pwrite");
        if (n > 0) {
            done += (size_t)n;
            offset += n;
        }
    }
    if (fdatasync(file))
        fail("fdatasync");
    turn.len = 0;
}

static void answer(struct conn *c)
{
    size_t sent = 0;
    while (sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.at + sent, c->out.len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            c->is_gone = errno != EAGAIN;
            break;
        }
        sent += (size_t)n;
    }
    memmove(c->out.at, c->out.at + sent, c->out.len - sent);
    c->out.len -= sent;
    bool wants_out = c->out.len && !c->is_gone;
    struct epoll_event ev = {.events = EPOLLIN | (wants_out ? EPOLLOUT : 0), .data.ptr = c};
    if (wants_out != c->wants_out && epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev))
        fail("epoll_ctl");
    c->wants_out = wants_out;
    c->is_dirty = false;
}

/* ----------------------------------------------------------------------------------------------- a server */

static void let_in(int listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = calloc(1, sizeof *c);
        if (!c)
            fail("calloc");
        c->fd = fd;
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
            fail("epoll_ctl");
    }
}

static void make_file(const char *path, long mebibytes)
{
    static char zeros[1 << 20];
    if ((file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
        fail(path);
    for (long i = 0; i < mebibytes; i++)
        if (write(file, zeros, sizeof zeros) != (ssize_t)sizeof zeros)
            fail("write");
    if (fsync(file))
        fail("fsync");
    file_size = (off_t)mebibytes << 20;
}

static int listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)&address, &len))
        fail("listen");
    printf("ready mllp=127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    long mebibytes = argc > 2 ? atol(argv[2]) : 256;
    if (argc < 2 || mebibytes < 1) {
        fputs("usage: limit FILE [MEBIBYTES]\n", stderr);
        return 2;
    }
    make_file(argv[1], mebibytes);
    ep = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_somewhere();
    struct epoll_event evs[EVENTS], ev = {.events = EPOLLIN, .data.ptr = NULL};
    if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev))
        fail("epoll");
    for (;;) {
        int n = epoll_wait(ep, evs, EVENTS, -1);
        time_t now = time(NULL);
        strftime(stamp, sizeof stamp, "%Y%m%d%H%M%S+0000", gmtime(&now));
        for (int i = 0; i < n; i++) {
            struct conn *c = evs[i].data.ptr;
            if (!c)
                let_in(listener);
            else if (evs[i].events & ~(unsigned)EPOLLOUT)
                readable(c);
            else
                answer(c); /* the rest of what was kept in an earlier turn */
        }
        if (turn.len)
            keep_turn();
        for (size_t i = 0; i < n_dirty; i++)
            answer(dirty[i]);
        n_dirty = 0;
        for (int i = 0; i < n; i++) {
            struct conn *c = evs[i].data.ptr;
            if (c && c->is_gone) {
                close(c->fd);
                free(c->in.at);
                free(c->out.at);
                free(c);
            }
        }
    }
}
