#include "server/httpd/origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* "name:port" without its port, "[::1]:80" without brackets and port; false when it is neither. */
static bool name_of(const char *authority, char name[256]) {
  bool bracketed = authority[0] == '[';
  size_t length = strcspn(authority + bracketed, bracketed ? "]" : ":");
  const char *rest = authority + bracketed + length;
  if (bracketed && *rest != ']') return false;
  rest += bracketed;
  if (length == 0 || length >= 256 || (*rest != '\0' && *rest != ':')) return false;
  if (*rest == ':' && strspn(rest + 1, "0123456789") != strlen(rest + 1)) return false;
  memcpy(name, authority + bracketed, length);
  name[length] = '\0';
  return true;
}

static bool is_this_machine(const char *name) {
  struct in_addr v4;
  struct in6_addr v6;
  if (strcasecmp(name, "localhost") == 0 || strcasecmp(name, "localhost.") == 0) return true;
  if (inet_pton(AF_INET, name, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool accept_host(const char *host, const char *served) {
  char name[256], own[256];
  if (!name_of(host, name)) return false;
  return is_this_machine(name) || (name_of(served, own) && strcasecmp(name, own) == 0);
}

static bool same_origin(const char *origin, const char *host) {
  size_t scheme = strncasecmp(origin, "http://", 7) == 0 ? 7 : strncasecmp(origin, "https://", 8) == 0 ? 8 : 0;
  return scheme > 0 && host != NULL && strcasecmp(origin + scheme, host) == 0;
}

bool qn_origin_accept(const qn_origin *from, const char *method, const char *served, char reason[256]) {
  if (from->host != NULL && !accept_host(from->host, served)) {
    snprintf(reason, 256,
             "Without tokens this server answers to localhost, 127.0.0.1 and [::1] alone, not to the host \"%.100s\"; with a token any name will do.",
             from->host);
    return false;
  }
  bool safe = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
  bool site = from->site == NULL || strcasecmp(from->site, "same-origin") == 0 || strcasecmp(from->site, "none") == 0;
  bool origin = from->origin == NULL || same_origin(from->origin, from->host);
  if (safe || (site && origin)) return true;
  snprintf(reason, 256, "Without tokens no page of another site (%.100s) may change anything here; with a token it may.",
           !origin ? from->origin : from->site);
  return false;
}
