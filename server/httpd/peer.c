#include "server/httpd/peer.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void qn_peer_address(struct MHD_Connection *connection, char text[64]) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  const struct sockaddr *from = info != NULL ? info->client_addr : NULL;
  strcpy(text, "-");
  if (from == NULL) return;
  if (from->sa_family == AF_INET)
    inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)from)->sin_addr, text, 64);
  else if (from->sa_family == AF_INET6)
    inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, text, 64);
}

void qn_peer_request_id(qn_httpd *httpd, struct MHD_Connection *connection, char text[65]) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
  const char *given = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Request-Id");
  size_t length = given != NULL ? strlen(given) : 0;
  if (length > 0 && length < 65 && strspn(given, allowed) == length)
    strcpy(text, given);
  else
    snprintf(text, 65, "%016" PRIx64 "-%08" PRIx64, httpd->boot, (uint64_t)atomic_fetch_add(&httpd->requests, 1));
}
