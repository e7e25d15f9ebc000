#include "serve/signed_link.h"

#include "base/encode.h"
#include "base/str.h"
#include "hash/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the key --- */

static enum ps_code make_key(struct ps_link_key *key, const char *path, struct ps_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum ps_code code = PS_OK;

    if (fd < 0) {
        return ps_err_set_errno(err, errno, "%s", path);
    }
    if (getrandom(key->bytes, sizeof(key->bytes), 0) != (ssize_t)sizeof(key->bytes)) {
        code = ps_err_set_errno(err, errno, "random numbers");
    } else if (write(fd, key->bytes, sizeof(key->bytes)) != (ssize_t)sizeof(key->bytes) ||
               fsync(fd) != 0) {
        code = ps_err_set_errno(err, errno, "%s", path);
    }
    (void)close(fd);
    if (code != PS_OK) {
        (void)unlink(path);
    }
    return code;
}

static enum ps_code read_key(struct ps_link_key *key, const char *path, int fd, struct ps_err *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0) {
        return ps_err_set_errno(err, errno, "%s", path);
    }
    if ((status.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
        return ps_err_set(err, PS_E_DENIED, "%s: signs links and others may have it: run chmod 600",
                          path);
    }
    if (status.st_size != (off_t)sizeof(key->bytes) ||
        read(fd, key->bytes, sizeof(key->bytes)) != (ssize_t)sizeof(key->bytes)) {
        return ps_err_set(err, PS_E_INVALID,
                          "%s: is no key of %d bytes: remove it, and a new one is made", path,
                          PS_LINK_KEY_SIZE);
    }
    return PS_OK;
}

enum ps_code ps_link_key_load(struct ps_link_key *key_out, const char *path, struct ps_err *err)
{
    struct ps_link_key key;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum ps_code code;

    if (fd >= 0) {
        code = read_key(&key, path, fd, err);
        (void)close(fd);
    } else if (errno == ENOENT) {
        code = make_key(&key, path, err);
    } else {
        code = ps_err_set_errno(err, errno, "%s", path);
    }
    if (code == PS_OK) {
        *key_out = key;
    }
    explicit_bzero(&key, sizeof(key));
    return code;
}

/* --- links --- */

/* False when memory is out. No field has a line end: keys with control bytes are refused before. */
static bool sign(const struct ps_link_key *link_key, const char *store, const char *kind,
                 const char *scope, int64_t expires_unix_s, char hex[PS_HEX_SIZE(PS_SHA256_SIZE)])
{
    char *text =
        ps_str_format("purser link 1\n%s\n%s\n%s\n%" PRId64, store, kind, scope, expires_unix_s);
    uint8_t mac[PS_SHA256_SIZE];

    if (text == NULL) {
        return false;
    }
    ps_hmac_sha256(link_key->bytes, sizeof(link_key->bytes), text, strlen(text), mac);
    (void)ps_hex_encode(mac, sizeof(mac), hex);
    free(text);
    return true;
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return true;
        }
    }
    return false;
}

static enum ps_code append_path(struct ps_buf *buf, const struct ps_link *link, struct ps_err *err)
{
    const char *slash = strrchr(link->key, '/');
    char *path = link->is_prefix
                     ? ps_strndup(link->key, slash != NULL ? (size_t)(slash + 1 - link->key) : 0)
                     : ps_strdup(link->key);
    enum ps_code code = path != NULL ? ps_buf_append_format(buf, err, "/a/%s/", link->store)
                                     : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    if (code == PS_OK) {
        code = ps_uri_encode(buf, path, PS_URI_KEEP_SLASH, err);
    }
    free(path);
    return code;
}

enum ps_code ps_signed_link_format(struct ps_buf *buf, const struct ps_link_key *link_key,
                                   const struct ps_link *link, struct ps_err *err)
{
    char hex[PS_HEX_SIZE(PS_SHA256_SIZE)];
    enum ps_code code;

    if (has_control(link->key) || has_control(link->store)) {
        return ps_err_set(err, PS_E_INVALID, "a link cannot have control characters");
    }
    if (!sign(link_key, link->store, link->is_prefix ? "prefix" : "key", link->key,
              link->expires_unix_s, hex)) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    code = append_path(buf, link, err);
    if (code == PS_OK) {
        code = ps_buf_append_format(buf, err, "?expires=%" PRId64, link->expires_unix_s);
    }
    if (code == PS_OK && link->is_prefix) {
        code = ps_buf_append_str(buf, "&prefix=", err);
        if (code == PS_OK) {
            code = ps_uri_encode(buf, link->key, PS_URI_KEEP_NONE, err);
        }
    }
    return code == PS_OK ? ps_buf_append_format(buf, err, "&sig=%s", hex) : code;
}

/* In a time that does not depend on where they differ. */
static bool same(const char *a, const char *b)
{
    const volatile char *x = a;
    const volatile char *y = b;
    unsigned differs = 0;

    if (strlen(a) != strlen(b)) {
        return false;
    }
    for (size_t i = 0; b[i] != '\0'; i++) {
        differs |= (unsigned)(x[i] ^ y[i]);
    }
    return differs == 0;
}

enum ps_link_answer ps_signed_link_check(const struct ps_link_key *link_key,
                                         const struct ps_target *target, const char *store,
                                         const char *key, int64_t now_unix_s)
{
    const char *given = ps_target_arg(target, "sig");
    const char *prefix = ps_target_arg(target, "prefix");
    const char *expires = ps_target_arg(target, "expires");
    char hex[PS_HEX_SIZE(PS_SHA256_SIZE)];
    uint64_t expires_unix_s = 0;

    if (given == NULL) {
        return PS_LINK_NONE;
    }
    if (expires == NULL || !ps_u64_parse(expires, &expires_unix_s) || expires_unix_s > INT64_MAX ||
        (prefix != NULL && (has_control(prefix) || !ps_str_has_prefix(key, prefix))) ||
        !sign(link_key, store, prefix != NULL ? "prefix" : "key", prefix != NULL ? prefix : key,
              (int64_t)expires_unix_s, hex) ||
        !same(given, hex)) {
        return PS_LINK_WRONG;
    }
    return now_unix_s < (int64_t)expires_unix_s ? PS_LINK_VALID : PS_LINK_EXPIRED;
}
