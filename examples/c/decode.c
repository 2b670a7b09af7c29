/* Decodes a V2G message given in hexadecimal digits, prints it as JSON text, encodes the text again and compares the octets.
 *
 *     cargo build --release -p iso15118-exi-c
 *     make -C examples/c
 *     examples/c/decode iso15118/exi/tables/app.exig 80400040
 *
 * Exit status: 0 the same octets came back, 1 refused (the reason is on stderr), 2 wrong usage, 3 other octets came back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iso15118_exi.h"

enum { REFUSED = 1, USAGE = 2, DIFFERENT = 3 };

static int refused(const iso15118_exi_error *error)
{
    fprintf(stderr, "%s: %s", error->path[0] != '\0' ? error->path : "refused", error->reason);
    if (error->bit_offset >= 0) {
        fprintf(stderr, " (bit %" PRId64 ")", error->bit_offset);
    }
    if (error->expected[0] != '\0') {
        fprintf(stderr, "; expected %s", error->expected);
    }
    fputc('\n', stderr);
    return REFUSED;
}

static unsigned char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    unsigned char *content = NULL;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        rewind(file);
        content = size > 0 ? malloc((size_t)size) : NULL;
        if (content != NULL && fread(content, 1, (size_t)size, file) == (size_t)size) {
            *length = (size_t)size;
        } else {
            free(content);
            content = NULL;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return content;
}

/* The octets of hexadecimal digits; NULL for anything else. */
static uint8_t *octets_of(const char *digits, size_t *length)
{
    static const char known[] = "0123456789abcdef0123456789ABCDEF";
    size_t count = strlen(digits);
    uint8_t *octets = count > 0 && count % 2 == 0 ? calloc(count / 2, 1) : NULL;
    for (size_t index = 0; octets != NULL && index < count; index++) {
        const char *digit = strchr(known, digits[index]);
        if (digit == NULL) {
            free(octets);
            return NULL;
        }
        octets[index / 2] = (uint8_t)(octets[index / 2] << 4 | ((digit - known) & 15));
    }
    *length = count / 2;
    return octets;
}

/* Asks for the length of the text, takes memory for it, and has it written. */
static int show(const iso15118_exi_codec *codec, const uint8_t *octets, size_t length, uint32_t flags)
{
    iso15118_exi_error error;
    size_t text_length = 0, again_length = 0;
    uint32_t deviations = 0;
    int result = REFUSED;
    if (iso15118_exi_decode(codec, octets, length, flags, NULL, 0, &text_length, NULL, &error)
        != ISO15118_EXI_STATUS_BUFFER_TOO_SMALL) {
        return refused(&error);
    }
    char *text = malloc(text_length + 1);
    uint8_t *again = malloc(length);
    if (text == NULL || again == NULL) {
        fputs("out of memory\n", stderr);
    } else if (iso15118_exi_decode(codec, octets, length, flags, text, text_length + 1, NULL, &deviations, &error)
               != ISO15118_EXI_STATUS_OK) {
        refused(&error);
    } else {
        puts(text);
        /* The same message takes no more octets than it had, and fewer only if it had some too many. */
        enum iso15118_exi_status status = iso15118_exi_encode(
            codec, text, text_length, flags & ISO15118_EXI_FRAGMENT, again, length, &again_length, &error);
        if (status == ISO15118_EXI_STATUS_OK && again_length == length && memcmp(octets, again, length) == 0) {
            puts("encodes to the same octets");
            result = EXIT_SUCCESS;
        } else if (status == ISO15118_EXI_STATUS_OK || status == ISO15118_EXI_STATUS_BUFFER_TOO_SMALL) {
            printf("encodes to other octets (deviations 0x%" PRIx32 ")\n", deviations);
            result = DIFFERENT;
        } else {
            refused(&error);
        }
    }
    free(text);
    free(again);
    return result;
}

int main(int count, char **arguments)
{
    iso15118_exi_error error;
    iso15118_exi_codec *codec = NULL;
    uint32_t flags = 0;
    if (count > 1 && strcmp(arguments[1], "--fragment") == 0) {
        flags = ISO15118_EXI_FRAGMENT;
        arguments++;
        count--;
    }
    if (count != 3) {
        fputs("usage: decode [--fragment] TABLES.exig HEX\n", stderr);
        return USAGE;
    }
    size_t size = 0, length = 0;
    unsigned char *tables = read_file(arguments[1], &size);
    uint8_t *octets = octets_of(arguments[2], &length);
    int result = USAGE;
    if (tables == NULL || octets == NULL) {
        fprintf(stderr, "%s\n", tables == NULL ? "cannot read the tables" : "not an even number of hexadecimal digits");
    } else if (iso15118_exi_load(tables, size, 0, &codec, &error) != ISO15118_EXI_STATUS_OK) {
        result = refused(&error);
    } else {
        result = show(codec, octets, length, flags);
    }
    iso15118_exi_free(codec);
    free(tables);
    free(octets);
    return result;
}
