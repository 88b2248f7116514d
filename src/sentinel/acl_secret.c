#include "sentinel/acl_inside.h"

#include <errno.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/text.h"

/* Passwords: hashed as Redis hashes them (plain SHA-256, so that an aclfile can move), and made. */

static const char hex_digits[] = "0123456789abcdef";

void acl_secret_hash(const char *password, size_t len, struct acl_hash *hash)
{
    int done = EVP_Digest(password, len, hash->bytes, NULL, EVP_sha256(), NULL);
    ASSERT(done == 1);
}

bool acl_secret_same(const struct acl_hash *a, const struct acl_hash *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static uint8_t acl_secret_digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

bool acl_secret_from_hex(const char *hex, size_t len, struct acl_hash *hash)
{
    if (len != ACL_HASH_HEX || !text_is_hex(hex, len)) {
        return false;
    }
    for (size_t i = 0; i < ACL_HASH_BYTES; i++) {
        uint8_t high = acl_secret_digit(hex[2 * i]);
        uint8_t low = acl_secret_digit(hex[2 * i + 1]);
        hash->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void acl_secret_to_hex(const struct acl_hash *hash, char hex[ACL_HASH_HEX + 1])
{
    for (size_t i = 0; i < ACL_HASH_BYTES; i++) {
        hex[2 * i] = hex_digits[hash->bytes[i] >> 4];
        hex[2 * i + 1] = hex_digits[hash->bytes[i] & 15];
    }
    hex[ACL_HASH_HEX] = '\0';
}

void acl_generate_password(size_t bits, char hex[ACL_GENPASS_HEX_MAX + 1])
{
    uint8_t bytes[ACL_GENPASS_BITS_MAX / 8];
    size_t digits = (bits + 3) / 4;
    size_t have = 0;

    ASSERT(bits > 0 && bits <= ACL_GENPASS_BITS_MAX);
    while (have < sizeof bytes) {
        ssize_t got = getrandom(bytes + have, sizeof bytes - have, 0);
        ASSERT(got > 0 || errno == EINTR);
        have += got > 0 ? (size_t)got : 0;
    }
    for (size_t i = 0; i < digits; i++) {
        hex[i] = hex_digits[(bytes[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15];
    }
    hex[digits] = '\0';
    OPENSSL_cleanse(bytes, sizeof bytes);
}
