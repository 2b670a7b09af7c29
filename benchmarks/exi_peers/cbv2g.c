/* The C library libcbv2g as a codec of this benchmark: decodes and encodes given messages when told to, and says how long it took.
 *
 * Arguments: a file with one message a line, `SCHEMA HEX`. Then on stdin, one answer a line each:
 * `decode I N`, `encode I N` -> nanoseconds for N codings of message I; `same I` -> the octets as they come out again, in hex.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cbv2g/app_handshake/appHand_Datatypes.h"
#include "cbv2g/app_handshake/appHand_Decoder.h"
#include "cbv2g/app_handshake/appHand_Encoder.h"
#include "cbv2g/din/din_msgDefDatatypes.h"
#include "cbv2g/din/din_msgDefDecoder.h"
#include "cbv2g/din/din_msgDefEncoder.h"
#include "cbv2g/iso_2/iso2_msgDefDatatypes.h"
#include "cbv2g/iso_2/iso2_msgDefDecoder.h"
#include "cbv2g/iso_2/iso2_msgDefEncoder.h"
#include "cbv2g/iso_20/iso20_AC_Datatypes.h"
#include "cbv2g/iso_20/iso20_AC_Decoder.h"
#include "cbv2g/iso_20/iso20_AC_Encoder.h"
#include "cbv2g/iso_20/iso20_CommonMessages_Datatypes.h"
#include "cbv2g/iso_20/iso20_CommonMessages_Decoder.h"
#include "cbv2g/iso_20/iso20_CommonMessages_Encoder.h"
#include "cbv2g/iso_20/iso20_DC_Datatypes.h"
#include "cbv2g/iso_20/iso20_DC_Decoder.h"
#include "cbv2g/iso_20/iso20_DC_Encoder.h"

enum { MAX_MESSAGES = 64, MAX_OCTETS = 16384, MAX_LINE = 2 * MAX_OCTETS + 64 };

/* One document at a time: the largest takes 300 KB. */
static union {
    struct appHand_exiDocument app;
    struct din_exiDocument din;
    struct iso2_exiDocument iso2;
    struct iso20_exiDocument iso20_common;
    struct iso20_ac_exiDocument iso20_ac;
    struct iso20_dc_exiDocument iso20_dc;
} document;

typedef int coding(exi_bitstream_t *stream);

#define CODEC(member, type)                                                                                            \
    static int decode_##member(exi_bitstream_t *stream) { return decode_##type##_exiDocument(stream, &document.member); } \
    static int encode_##member(exi_bitstream_t *stream) { return encode_##type##_exiDocument(stream, &document.member); }

CODEC(app, appHand)
CODEC(din, din)
CODEC(iso2, iso2)
CODEC(iso20_common, iso20)
CODEC(iso20_ac, iso20_ac)
CODEC(iso20_dc, iso20_dc)

static const struct schema {
    const char *name;
    coding *decode;
    coding *encode;
} schemas[] = {
    {"app", decode_app, encode_app},
    {"din", decode_din, encode_din},
    {"iso2", decode_iso2, encode_iso2},
    {"iso20-common", decode_iso20_common, encode_iso20_common},
    {"iso20-ac", decode_iso20_ac, encode_iso20_ac},
    {"iso20-dc", decode_iso20_dc, encode_iso20_dc},
};

static struct message {
    const struct schema *schema;
    uint8_t octets[MAX_OCTETS];
    size_t length;
} messages[MAX_MESSAGES];
static size_t message_count;

static uint8_t output[MAX_OCTETS];
static char line[MAX_LINE];

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void read_messages(const char *path)
{
    FILE *file = fopen(path, "r");
    char name[32];
    if (file == NULL)
        fail("no messages");
    while (fgets(line, sizeof line, file) != NULL) {
        int start = 0;
        struct message *message = &messages[message_count];
        if (message_count == MAX_MESSAGES || sscanf(line, "%31s %n", name, &start) != 1)
            fail("too many messages, or a line that is none");
        for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++)
            if (strcmp(name, schemas[i].name) == 0)
                message->schema = &schemas[i];
        unsigned octet;
        for (const char *hex = line + start; sscanf(hex, "%2x", &octet) == 1; hex += 2)
            message->octets[message->length++] = (uint8_t)octet;
        message_count++;
    }
    fclose(file);
}

static int decode(struct message *message)
{
    exi_bitstream_t stream;
    exi_bitstream_init(&stream, message->octets, message->length, 0, NULL);
    return message->schema->decode(&stream);
}

static int encode(struct message *message, size_t *length)
{
    exi_bitstream_t stream;
    exi_bitstream_init(&stream, output, sizeof output, 0, NULL);
    int error = message->schema->encode(&stream);
    *length = exi_bitstream_get_length(&stream);
    return error;
}

static long long nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Returns the first error code of the library, or 0. */
static int answer(const char *verb, struct message *message, long calls)
{
    size_t length = 0;
    int error = message->schema == NULL ? -1 : decode(message);
    if (error != 0)
        return error;
    if (strcmp(verb, "same") == 0) {
        if ((error = encode(message, &length)) != 0)
            return error;
        for (size_t i = 0; i < length; i++)
            printf("%02x", output[i]);
        printf("\n");
        return 0;
    }
    int encoding = strcmp(verb, "encode") == 0;
    long long start = nanoseconds();
    for (long call = 0; call < calls && error == 0; call++)
        error = encoding ? encode(message, &length) : decode(message);
    long long taken = nanoseconds() - start;
    if (error == 0)
        printf("%lld\n", taken);
    return error;
}

int main(int count, char **arguments)
{
    char verb[16];
    unsigned index;
    if (count != 2)
        fail("usage: cbv2g MESSAGES");
    read_messages(arguments[1]);
    while (fgets(line, sizeof line, stdin) != NULL) {
        long calls = 0;
        if (sscanf(line, "%15s %u %ld", verb, &index, &calls) < 2 || index >= message_count)
            fail("no such command");
        int error = answer(verb, &messages[index], calls);
        if (error != 0)
            printf("error %d\n", error);
        fflush(stdout);
    }
    return 0;
}
