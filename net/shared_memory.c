#define _GNU_SOURCE // memfd_create, F_ADD_SEALS
#include "net/shared_memory.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST_LETTERS = 64 }; /* that are read from a door: strangers can put some there, too */

static const int SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

int tf_shared_memory_make(size_t size) {
    struct rlimit most; // of files: whoever exceeds it is killed
    if (getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur < size) return -1;
    int file = memfd_create("trefoil", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0) return -1;
    // All pages at once: a process that touches one which cannot be had any more is killed.
    if (posix_fallocate(file, 0, (off_t)size) == 0 && fcntl(file, F_ADD_SEALS, SEALS) == 0) return file;
    close(file);
    return -1;
}

void *tf_shared_memory_map(int file, size_t size) {
    struct stat about;
    void *data = MAP_FAILED;
    if (fcntl(file, F_GET_SEALS) == SEALS && fstat(file, &about) == 0 && about.st_size == (off_t)size)
        data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (data == MAP_FAILED) return NULL;
    (void)!madvise(data, size, MADV_DONTDUMP);
    return data;
}

void tf_shared_memory_unmap(void *data, size_t size) {
    if (data) munmap(data, size);
}

int tf_door_open(tf_door *door) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof address.sun_family; // and no name: the kernel finds one, in no folder
    memset(door, 0, sizeof *door);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    bool good = bind(fd, (struct sockaddr *)&address, size) == 0;
    size = sizeof address;
    good = good && getsockname(fd, (struct sockaddr *)&address, &size) == 0;
    size -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
    good = good && size > 0 && size <= TF_DOOR_NAME && getrandom(door->token, TF_DOOR_TOKEN, 0) == TF_DOOR_TOKEN;
    if (!good) {
        close(fd);
        return -1;
    }
    memcpy(door->name, address.sun_path, size);
    door->name_size = (unsigned char)size;
    return fd;
}

/** A letter with a token, and room for a file. */
typedef struct letter {
    unsigned char token[TF_DOOR_TOKEN];
    struct iovec text;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } file;
    struct msghdr message;
} letter;

static void prepare(letter *l) {
    memset(l, 0, sizeof *l);
    l->text = (struct iovec){l->token, sizeof l->token};
    // Room for one file and no byte more: the kernel would put a second one into what aligns the first, and it would be
    // open here without being known.
    l->message = (struct msghdr){
        .msg_iov = &l->text, .msg_iovlen = 1, .msg_control = l->file.bytes, .msg_controllen = CMSG_LEN(sizeof(int))};
}

bool tf_door_hand(const tf_door *door, int file) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (door->name_size == 0 || door->name_size > TF_DOOR_NAME) return false;
    memcpy(address.sun_path, door->name, door->name_size);
    letter l;
    prepare(&l);
    memcpy(l.token, door->token, TF_DOOR_TOKEN);
    l.message.msg_name = &address;
    l.message.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + door->name_size);
    l.file.header =
        (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof file), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&l.file.header), &file, sizeof file);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    bool good = sendmsg(fd, &l.message, MSG_NOSIGNAL) == (ssize_t)sizeof l.token;
    close(fd);
    return good;
}

int tf_door_take(int socket, const tf_door *door) {
    int taken = -1;
    for (int letters = 0; letters < MOST_LETTERS && taken < 0; letters++) {
        letter l;
        prepare(&l);
        ssize_t size = recvmsg(socket, &l.message, MSG_CMSG_CLOEXEC);
        if (size < 0) break;
        const struct cmsghdr *header = CMSG_FIRSTHDR(&l.message);
        if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
            header->cmsg_len != CMSG_LEN(sizeof taken))
            continue;
        memcpy(&taken, CMSG_DATA(header), sizeof taken);
        if (size == TF_DOOR_TOKEN && CRYPTO_memcmp(l.token, door->token, TF_DOOR_TOKEN) == 0) break;
        close(taken);
        taken = -1;
    }
    close(socket);
    return taken;
}
