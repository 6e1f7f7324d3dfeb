/*
 * Rows on stdout; see rows.h.
 *
 * stdio buffers and remembers a failed write, so that only the end looks.
 */

#include "rows.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */


void
convo_rows_begin(convo_rows_t *rows, convo_rows_format_e format,
                 const char *const *names, size_t columns)
{
    rows->format = format;
    rows->names = names;
    rows->columns = columns;
    rows->column = 0;

    if (format == CONVO_ROWS_CSV) {
        for (size_t i = 0; i < columns; i++) {
            printf("%s%s", i == 0 ? "" : ",", names[i]);
        }
        fputs("\r\n", stdout);
    }
}


static void
before_value(const convo_rows_t *rows)
{
    if (rows->format == CONVO_ROWS_JSONL) {
        printf("%c\"%s\":", rows->column == 0 ? '{' : ',',
               rows->names[rows->column]);
    } else if (rows->column > 0) {
        putchar(',');
    }
}


static void
after_value(convo_rows_t *rows)
{
    if (++rows->column == rows->columns) {
        rows->column = 0;
        fputs(rows->format == CONVO_ROWS_JSONL ? "}\n" : "\r\n", stdout);
    }
}


/* --- JSON --- */

/* The text with every byte above ASCII replaced: what is no UTF-8 was made by
 * nobody who can read it. */
static json_t *
repaired(const char *text)
{
    char *copy = malloc(strlen(text) * strlen(REPLACEMENT) + 1);
    char *out = copy;
    json_t *string;

    if (copy == NULL) {
        return NULL;
    }

    for (; *text != '\0'; text++) {
        if ((unsigned char) *text < 0x80) {
            *out++ = *text;
        } else {
            memcpy(out, REPLACEMENT, strlen(REPLACEMENT));
            out += strlen(REPLACEMENT);
        }
    }

    *out = '\0';
    string = json_string(copy);
    free(copy);

    return string;
}


static void
put_json(const char *text)
{
    json_t *string = json_string(text);

    if (string == NULL) {
        string = repaired(text);
    }
    if (string == NULL
        || json_dumpf(string, stdout, JSON_ENCODE_ANY | JSON_COMPACT) != 0)
    {
        fputs("null", stdout);
    }

    json_decref(string);
}


/* --- CSV --- */

static void
put_csv(const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, stdout);
        return;
    }

    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            putchar('"');
        }
        putchar(*text);
    }
    putchar('"');
}


/* --- both --- */

void
convo_rows_text(convo_rows_t *rows, const char *text)
{
    before_value(rows);

    if (rows->format == CONVO_ROWS_JSONL) {
        put_json(text);
    } else {
        put_csv(text);
    }

    after_value(rows);
}


void
convo_rows_words(convo_rows_t *rows, const char *text)
{
    char *harmless;

    if (rows->format == CONVO_ROWS_CSV && text[0] != '\0'
        && strchr("=+-@\t\r", text[0]) != NULL
        && asprintf(&harmless, "'%s", text) > 0)
    {
        convo_rows_text(rows, harmless);
        free(harmless);
        return;
    }

    convo_rows_text(rows, text);
}


void
convo_rows_number(convo_rows_t *rows, int64_t number)
{
    before_value(rows);
    printf("%" PRId64, number);
    after_value(rows);
}


int
convo_rows_end(convo_rows_t *rows)
{
    (void) rows;

    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : -1;
}
