/* Who may talk to this server through a browser. A page of another site can make a browser send
 * requests here (cross-site request forgery), and can point a name of its own at 127.0.0.1 to read
 * the answers (DNS rebinding). Both show: in Origin and Sec-Fetch-Site, and in Host. So Host must
 * be localhost, an IP literal that is loopback or the one the connection arrived at, or a name from
 * the configuration, and Origin, when sent, must be one of the same. */
#include "engine/http/http_int.h"

static bool parse_ip(struct sb_str host, struct sockaddr_storage *out) {
    char z[64];
    bool v6 = host.n > 2 && host.p[0] == '[';
    if (v6) host = sb_str_sub(host, 1, host.n - 2);
    if (host.n >= sizeof z) return false;
    memcpy(z, host.p, host.n);
    z[host.n] = 0;
    memset(out, 0, sizeof *out);
    return v6 ? uv_ip6_addr(z, 0, (struct sockaddr_in6 *)out) == 0
              : uv_ip4_addr(z, 0, (struct sockaddr_in *)out) == 0;
}

static bool is_loopback(const struct sockaddr_storage *a) {
    if (a->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b) {
    if (a->ss_family == AF_INET && b->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    if (b->ss_family != AF_INET6) return false;
    const struct in6_addr *b6 = &((const struct sockaddr_in6 *)b)->sin6_addr;
    if (a->ss_family == AF_INET6)
        return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, b6, sizeof *b6) == 0;
    return IN6_IS_ADDR_V4MAPPED(b6) &&
           memcmp(b6->s6_addr + 12, &((const struct sockaddr_in *)a)->sin_addr, 4) == 0;
}

static bool known_host(struct http_conn *c, struct sb_str host) {
    if (sb_str_ieq(host, SB_STR("localhost"))) return true;
    const char *const *names = c->shard->server->o.hosts;
    for (; names && *names; names++)
        if (sb_str_ieq(host, sb_str_of(*names))) return true;
    struct sockaddr_storage ip, local;
    int len = sizeof local;
    if (!parse_ip(host, &ip)) return false;
    if (is_loopback(&ip)) return true;
    return uv_tcp_getsockname(&c->tcp, (struct sockaddr *)&local, &len) == 0 &&
           same_address(&ip, &local);
}

bool http_guard_host(struct http_conn *c, struct sb_str value) {
    struct sb_str host, port;
    if (value.n == c->host_n && memcmp(value.p, c->host, value.n) == 0) return true;
    if (!sb_http_authority_split(value, &host, &port) || !known_host(c, host)) return false;
    if (value.n && value.n <= sizeof c->host) {
        memcpy(c->host, value.p, value.n);
        c->host_n = (uint8_t)value.n;
    }
    return true;
}

bool http_guard_origin(struct http_conn *c, struct sb_str origin) {
    struct sb_str host, port;
    if (sb_str_starts(origin, SB_STR("http://")))
        origin = sb_str_sub(origin, 7, origin.n);
    else if (sb_str_starts(origin, SB_STR("https://")))
        origin = sb_str_sub(origin, 8, origin.n);
    else
        return false;
    return sb_http_authority_split(origin, &host, &port) && known_host(c, host);
}
