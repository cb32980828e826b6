#include "server/httpd/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that wait to be accepted; the kernel lowers it to its own limit. */
enum { BACKLOG = 1024 };

static bool is_loopback(const struct sockaddr *address) {
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  }
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
  return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool split(const char *address, char host[256], char port[8]) {
  const char *colon = strrchr(address, ':');
  if (colon == NULL || strlen(colon + 1) == 0 || strlen(colon + 1) > 5 || strspn(colon + 1, "0123456789") != strlen(colon + 1))
    return false;
  size_t length = (size_t)(colon - address);
  if (length > 2 && address[0] == '[' && address[length - 1] == ']') {
    address++;
    length -= 2;
  } else if (memchr(address, ':', length) != NULL) {
    return false;
  }
  if (length == 0 || length >= 256) return false;
  memcpy(host, address, length);
  host[length] = '\0';
  strcpy(port, colon + 1);
  return true;
}

static int bind_one(const struct addrinfo *info) {
  int descriptor = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(descriptor, info->ai_addr, info->ai_addrlen) == 0 && listen(descriptor, BACKLOG) == 0) return descriptor;
  int saved = errno;
  close(descriptor);
  errno = saved;
  return -1;
}

qn_status qn_listen_open(qn_listen *listening, const char *address, qn_error *error) {
  char host[256], port[8];
  memset(listening, 0, sizeof *listening);
  listening->descriptor = -1;
  if (!split(address, host, port))
    return qn_error_set(error, QN_INVALID, "\"%.100s\" is no address to listen on; accepted is ADDRESS:PORT, such as 127.0.0.1:8080 or "
                                           "[::1]:8080", address);
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
  int failure = getaddrinfo(host, port, &hints, &found);
  if (failure != 0)
    return qn_error_set(error, QN_INVALID, "cannot listen on %.100s: %s", address, gai_strerror(failure));
  for (const struct addrinfo *info = found; info != NULL && listening->descriptor < 0; info = info->ai_next)
    listening->descriptor = bind_one(info);
  int reason = errno;
  freeaddrinfo(found);
  if (listening->descriptor < 0) return qn_error_set(error, QN_IO, "cannot listen on %.100s: %s", address, strerror(reason));

  struct sockaddr_storage bound;
  socklen_t size = sizeof bound;
  char name[INET6_ADDRSTRLEN], number[8];
  if (getsockname(listening->descriptor, (struct sockaddr *)&bound, &size) != 0 ||
      getnameinfo((struct sockaddr *)&bound, size, name, sizeof name, number, sizeof number, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    close(listening->descriptor);
    listening->descriptor = -1;
    return qn_error_set(error, QN_IO, "cannot tell the address that %.100s was bound to", address);
  }
  listening->loopback = is_loopback((struct sockaddr *)&bound);
  snprintf(listening->url, sizeof listening->url, bound.ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s", name, number);
  return QN_OK;
}
