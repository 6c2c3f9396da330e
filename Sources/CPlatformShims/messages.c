#define _GNU_SOURCE
#include "CPlatformShims.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int imgpipe_fork(void) {
    return fork();
}

int imgpipe_socket_pair(int sockets[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets);
}

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(2 * sizeof(int))];
};

int imgpipe_send(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count, int milliseconds) {
    struct iovec part = {(void *)(uintptr_t)bytes, count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union control control;

    if (descriptor_count > 2) {
        errno = EINVAL;
        return -1;
    }
    if (descriptor_count > 0) {
        size_t size = (size_t)descriptor_count * sizeof(int);
        memset(&control, 0, sizeof control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(&control.header), descriptors, size);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(size);
    }
    while (sendmsg(socket, &message, MSG_NOSIGNAL | (milliseconds >= 0 ? MSG_DONTWAIT : 0)) < 0) {
        /* As many descriptors as one user may have under way, or no memory: others will take theirs. */
        if (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM || (errno == EAGAIN && milliseconds > 0)) {
            if (milliseconds == 0) return -1;
            if (milliseconds > 0) milliseconds--;
            usleep(1000);
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

ssize_t imgpipe_receive(int socket, void *bytes, size_t size, int *descriptors, int *descriptor_count) {
    struct iovec part = {bytes, size};
    union control control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t received;

    *descriptor_count = 0;
    do {
        /* Reset by one who has ended without reading all: what he has sent before is still there. */
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && (errno == EINTR || errno == ECONNRESET));
    if (received < 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        *descriptor_count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(descriptors, CMSG_DATA(header), (size_t)*descriptor_count * sizeof(int));
    }
    if (message.msg_flags & MSG_CTRUNC) {
        for (int i = 0; i < *descriptor_count; i++) close(descriptors[i]);
        *descriptor_count = -1;
    }
    if (message.msg_flags & MSG_TRUNC) {
        for (int i = 0; i < *descriptor_count; i++) close(descriptors[i]);
        *descriptor_count = 0;
        errno = EMSGSIZE;
        return -1;
    }
    return received;
}
