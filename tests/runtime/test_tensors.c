/* SPDX-License-Identifier: MIT
 * safetensors: round trip, digest, bad files (golden lines), truncations, bit flips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <xxhash.h>

#include "tensor_files.h"

/* A file with the given header text and then n bytes of zeros. */
static void spill_header(const char *header, size_t n)
{
    unsigned char b[4096] = {0};
    size_t length = strlen(header);

    assert_true(8 + length + n <= sizeof b);
    b[0] = (unsigned char)length;
    b[1] = (unsigned char)(length >> 8);
    memcpy(b + 8, header, length);
    spill(b, 8 + length + n);
}

static void expect_refused(const char *line)
{
    struct lockstep_error err = {0};
    struct ls_tensors t;

    assert_int_equal(ls_tensors_load(file, &t, &err), LOCKSTEP_E_CHECKPOINT);
    assert_int_equal(err.status, LOCKSTEP_E_CHECKPOINT);
    assert_int_equal(strncmp(err.text, file, strlen(file)), 0);
    assert_string_equal(err.text + strlen(file), line);
    assert_null(t.storage);
    assert_null(t.tensor);
}

static void test_round_trip(void **state)
{
    struct lockstep_error err = {0};
    struct ls_tensors t;
    struct bytes b;
    const char *header = "{\"__metadata__\":{\"format\":\"pt\",\"lockstep.model\":\"linear(3) | relu\\n# \\\"x\\\"\"},"
                         "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]},"
                         "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[24,36]},"
                         "\"scale\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[36,40]}}";

    (void)state;
    save_small();
    b = slurp();
    assert_int_equal(b.n % 8, 40 % 8);
    assert_int_equal(b.at[0] + 256 * b.at[1], b.n - 48);
    assert_memory_equal(b.at + 8, header, strlen(header));
    assert_memory_equal(b.at + b.n - 40, weight, 24);
    free(b.at);

    assert_int_equal(ls_tensors_load(file, &t, &err), LOCKSTEP_OK);
    assert_int_equal(t.n, N);
    for (size_t i = 0; i < N; i++) {
        assert_string_equal(t.tensor[i].name, small[i].name);
        assert_int_equal(t.tensor[i].rank, small[i].rank);
        for (size_t d = 0; d < small[i].rank; d++)
            assert_int_equal(t.tensor[i].shape[d], small[i].shape[d]);
    }
    assert_memory_equal(t.tensor[0].data, weight, sizeof weight);
    assert_memory_equal(t.tensor[1].data, bias, sizeof bias);
    assert_memory_equal(t.tensor[2].data, scale, sizeof scale);
    assert_string_equal(ls_tensors_meta(&t, "format"), "pt");
    assert_string_equal(ls_tensors_meta(&t, "lockstep.model"), meta[1].value);
    assert_null(ls_tensors_meta(&t, "other"));
    assert_int_equal(strncmp(t.metadata_json, "{\"format\":\"pt\",", 15), 0);
    ls_tensors_free(&t);
    assert_null(t.storage);
    ls_tensors_free(&t);
}

static void test_no_metadata_no_tensors(void **state)
{
    struct lockstep_error err = {0};
    struct ls_tensors t;

    (void)state;
    assert_int_equal(ls_tensors_save(file, NULL, 0, NULL, 0, &err), LOCKSTEP_OK);
    assert_int_equal(ls_tensors_load(file, &t, &err), LOCKSTEP_OK);
    assert_int_equal(t.n, 0);
    assert_string_equal(t.metadata_json, "{}");
    assert_null(ls_tensors_meta(&t, "format"));
    ls_tensors_free(&t);
}

static void test_equal_bytes(void **state)
{
    struct bytes a, b;

    (void)state;
    save_small();
    a = slurp();
    save_small();
    b = slurp();
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.at, b.at, a.n);
    free(a.at);
    free(b.at);
}

static void test_tensors_in_data_order(void **state)
{
    struct lockstep_error err = {0};
    struct ls_tensors t;

    (void)state;
    spill_header("{\"b\":{\"data_offsets\":[4,8],\"shape\":[1],\"dtype\":\"F32\"},"
                 "\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]}} \n",
                 8);
    assert_int_equal(ls_tensors_load(file, &t, &err), LOCKSTEP_OK);
    assert_string_equal(t.tensor[0].name, "a");
    assert_string_equal(t.tensor[1].name, "b");
    assert_ptr_equal(t.tensor[1].data, t.tensor[0].data + 1);
    ls_tensors_free(&t);
}

static void digest_of_bytes(const void *data, size_t n, char hex[33])
{
    XXH128_hash_t h = XXH3_128bits(data, n);
    snprintf(hex, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

static void test_digest(void **state)
{
    enum { BIG = 3000 };
    struct bytes b;
    float *x = malloc(BIG * sizeof *x);
    struct ls_tensor t[2] = {{"a", 2, {1000, 2}, x}, {"b", 1, {1000}, x + 2000}};
    char ours[33], theirs[33];

    (void)state;
    save_small();
    b = slurp();
    ls_tensors_digest(small, N, ours);
    digest_of_bytes(b.at + b.n - 40, 40, theirs);
    assert_string_equal(ours, theirs);
    free(b.at);

    assert_non_null(x);
    for (size_t i = 0; i < BIG; i++)
        x[i] = (float)i * 0.37f - 11;
    x[17] = NAN;
    ls_tensors_digest(t, 2, ours);
    digest_of_bytes(x, BIG * sizeof *x, theirs);
    assert_string_equal(ours, theirs);
    memcpy(&x[17], &(uint32_t){0xff800001}, 4);
    ls_tensors_digest(t, 2, ours);
    assert_string_equal(ours, theirs);
    x[17] = INFINITY;
    ls_tensors_digest(t, 2, ours);
    assert_string_not_equal(ours, theirs);
    ls_tensors_digest(NULL, 0, ours);
    digest_of_bytes("", 0, theirs);
    assert_string_equal(ours, theirs);
    free(x);
}

/* ---- bad files ---- */

#define F32(name, shape, begin, end)                                                                                   \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"
#define A "tensor \"a\": "

static const struct {
    const char *header;
    size_t data;
    const char *line;
} bad[] = {
    {"[]", 0, "header at byte 8: expected \"{\", got byte 0x5b"},
    {" {}", 0, "header at byte 8: expected \"{\", got byte 0x20"},
    {"{\"a\"}", 0, "header at byte 13: expected JSON, got ':' expected"},
    {"{}x", 0, "header at byte 11: expected JSON, got end of file expected"},
    {"{\"\xff\":1}", 0, "header at byte 10: expected JSON, got unable to decode byte 0xff"},
    {"{" F32("a", "[1]", 0, 4) "," F32("a", "[1]", 4, 8) "}", 8,
     "header at byte 65: expected JSON, got duplicate object key"},
    {"{\"a\":[[[[[[[[[[]]]]]]]]]]}", 0, "header at byte 8: expected one object for each tensor, got more brackets"},
    {"{\"__metadata__\":[]}", 0, "__metadata__: expected an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "__metadata__: expected strings only"},
    {"{" F32("", "[1]", 0, 4) "}", 4, "tensor name: expected 1 to 63 printable characters, got 0 bytes"},
    {"{" F32("a\\u001b", "[1]", 0, 4) "}", 4, "tensor name: expected 1 to 63 printable characters, got 2 bytes"},
    {"{" F32("0123456789012345678901234567890123456789012345678901234567890123", "[1]", 0, 4) "}", 4,
     "tensor name: expected 1 to 63 printable characters, got 64 bytes"},
    {"{\"a\":1}", 0, A "expected dtype, shape and data_offsets, got other keys"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 0, A "expected dtype, shape and data_offsets, got other keys"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":1}}", 4,
     A "expected dtype, shape and data_offsets, got other keys"},
    {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
     A "dtype: expected F32, got F16 (save the weights as float32)"},
    {"{" F32("a", "4", 0, 4) "}", 4, A "shape: expected a list of at most 4 numbers"},
    {"{" F32("a", "[1,1,1,1,1]", 0, 4) "}", 4, A "shape: expected a list of at most 4 numbers"},
    {"{" F32("a", "[0]", 0, 0) "}", 0, A "shape: expected whole numbers from 1"},
    {"{" F32("a", "[-1]", 0, 4) "}", 4, A "shape: expected whole numbers from 1"},
    {"{" F32("a", "[1.0]", 0, 4) "}", 4, A "shape: expected whole numbers from 1"},
    {"{" F32("a", "[4294967296,4294967296]", 0, 0) "}", 0, A "shape: the product of its dimensions overflows"},
    {"{" F32("a", "[4611686018427387904]", 0, 0) "}", 0, A "shape: the product of its dimensions overflows"},
    {"{" F32("a", "[2147483648,2147483648,2,2]", 0, 4) "}", 4, A "shape: the product of its dimensions overflows"},
    {"{" F32("a", "[9223372036854775808]", 0, 4) "}", 4, "header at byte 56: expected JSON, got too big integer"},
    {"{" F32("a", "[1]", 0, 4.0) "}", 4, A "data_offsets: expected two whole numbers, begin and end"},
    {"{" F32("a", "[1]", -4, 0) "}", 4, A "data_offsets: expected two whole numbers, begin and end"},
    {"{" F32("a", "[1]", 4, 0) "}", 4, A "data_offsets: expected two whole numbers, begin and end"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4,
     A "data_offsets: expected two whole numbers, begin and end"},
    {"{" F32("a", "[2]", 0, 8) "}", 7, A "data_offsets: expected an end of at most 7, got 8 (is the file cut off?)"},
    {"{" F32("a", "[1]", 9223372036854775803, 9223372036854775807) "}", 4,
     A "data_offsets: expected an end of at most 4, got 9223372036854775807 (is the file cut off?)"},
    {"{" F32("a", "[3]", 0, 8) "}", 8, A "data_offsets: expected 12 bytes (by its shape), got 8"},
    {"{" F32("a", "[1]", 0, 4) "," F32("b", "[1]", 0, 4) "}", 8,
     "tensor \"b\": data_offsets: expected to begin at 4, got 0 (a hole or an overlap)"},
    {"{" F32("b", "[2]", 0, 8) "," F32("a", "[1]", 4, 8) "}", 8,
     A "data_offsets: expected to begin at 8, got 4 (a hole or an overlap)"},
    {"{" F32("a", "[1]", 4, 8) "}", 8, A "data_offsets: expected to begin at 0, got 4 (a hole or an overlap)"},
    {"{" F32("b", "[1]", 0, 4) "," F32("a", "[1]", 8, 12) "}", 12,
     A "data_offsets: expected to begin at 4, got 8 (a hole or an overlap)"},
    {"{" F32("a", "[1]", 0, 4) "}", 5, "data: expected 4 bytes (by the header), got 5"},
    {"{}", 1, "data: expected 0 bytes (by the header), got 1"},
};

static void test_bad_headers(void **state)
{
    char line[512];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spill_header(bad[i].header, bad[i].data);
        snprintf(line, sizeof line, ": %s", bad[i].line);
        expect_refused(line);
    }
}

static void test_header_lengths(void **state)
{
    static const struct {
        uint64_t length;
        const char *line;
    } c[] = {
        {0, ": header length at byte 0: expected 2 to 24, got 0 (cut off or not a safetensors file)"},
        {1, ": header length at byte 0: expected 2 to 24, got 1 (cut off or not a safetensors file)"},
        {25, ": header length at byte 0: expected 2 to 24, got 25 (cut off or not a safetensors file)"},
        {UINT64_C(1) << 63, ": header length at byte 0: expected 2 to 24, got 9223372036854775808 (cut off or not a "
                            "safetensors file)"},
        {UINT64_MAX, ": header length at byte 0: expected 2 to 24, got 18446744073709551615 (cut off or not a "
                     "safetensors file)"},
    };
    unsigned char b[32] = "12345678{}";

    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        memcpy(b, &c[i].length, 8);
        spill(b, sizeof b);
        expect_refused(c[i].line);
    }
    memset(b, 0, sizeof b);
    spill(b, sizeof b);
    expect_refused(c[0].line);
    memcpy(b, &(uint64_t){(16 << 20) + 1}, 8);
    spill(b, 8);
    assert_int_equal(truncate(file, 20 << 20), 0);
    expect_refused(
        ": header length at byte 0: expected 2 to 16777216, got 16777217 (cut off or not a safetensors file)");
    spill(b, 0);
    expect_refused(": expected at least 10 bytes, got 0 (not a safetensors file)");
}

static void test_non_finite(void **state)
{
    static const struct {
        uint32_t bits;
        const char *line;
    } c[] = {{0x7fc00000, ": tensor \"0.bias\": expected finite values, got NaN at element 1"},
             {0xff800001, ": tensor \"0.bias\": expected finite values, got NaN at element 1"},
             {0x7f800000, ": tensor \"0.bias\": expected finite values, got Inf at element 1"},
             {0xff800000, ": tensor \"0.bias\": expected finite values, got Inf at element 1"}};

    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        struct bytes b;

        memcpy(&bias[1], &c[i].bits, 4);
        save_small();
        b = slurp();
        assert_memory_equal(b.at + b.n - 12, &c[i].bits, 4); /* written as it is */
        free(b.at);
        expect_refused(c[i].line);
    }
    bias[1] = 8;
}

static void test_not_a_file(void **state)
{
    static const struct {
        const char *path, *line;
    } c[] = {{"/tmp", "/tmp: expected a regular file, got a folder"},
             {"/dev/zero", "/dev/zero: expected a regular file, got something else"},
             {"/no/such", "/no/such: no such file (check the path)"},
             {"", ": no such file (check the path)"}};
    struct lockstep_error err;
    struct ls_tensors t;

    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        assert_int_equal(ls_tensors_load(c[i].path, &t, &err), LOCKSTEP_E_CHECKPOINT);
        assert_string_equal(err.text, c[i].line);
    }
    assert_int_equal(mkfifo(file, 0600), 0);
    expect_refused(": expected a regular file, got something else");
}

static void test_truncations(void **state)
{
    struct lockstep_error err;
    struct ls_tensors t;
    struct bytes b;

    (void)state;
    save_small();
    b = slurp();
    for (size_t n = 0; n < b.n; n++) {
        spill(b.at, n);
        assert_int_equal(ls_tensors_load(file, &t, &err), LOCKSTEP_E_CHECKPOINT);
    }
    b.at[b.n] = 0;
    spill(b.at, b.n + 1);
    assert_int_equal(ls_tensors_load(file, &t, &err), LOCKSTEP_E_CHECKPOINT);
    free(b.at);
}

/* Every flipped bit outside the data is refused or gives tensors that fit the data. */
static void test_bit_flips(void **state)
{
    struct lockstep_error err;
    struct ls_tensors t;
    struct bytes b;
    size_t loaded = 0;

    (void)state;
    save_small();
    b = slurp();
    for (size_t bit = 0; bit < 8 * (b.n - 40); bit++) {
        size_t elements = 0;
        char hex[33];

        b.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
        spill(b.at, b.n);
        b.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
        if (ls_tensors_load(file, &t, &err) != LOCKSTEP_OK) {
            assert_int_equal(err.status, LOCKSTEP_E_CHECKPOINT);
            assert_null(t.storage);
            continue;
        }
        loaded++;
        for (size_t i = 0; i < t.n; i++) {
            size_t e = 1;
            for (size_t d = 0; d < t.tensor[i].rank; d++)
                e *= t.tensor[i].shape[d];
            elements += e;
        }
        assert_int_equal(elements, 10);
        ls_tensors_digest(t.tensor, t.n, hex);
        ls_tensors_free(&t);
    }
    assert_true(loaded > 0); /* a flip inside a name cannot be seen */
    free(b.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),     TEST(test_no_metadata_no_tensors),
        TEST(test_equal_bytes),    TEST(test_tensors_in_data_order),
        TEST(test_digest),         TEST(test_bad_headers),
        TEST(test_header_lengths), TEST(test_non_finite),
        TEST(test_not_a_file),     TEST(test_truncations),
        TEST(test_bit_flips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
