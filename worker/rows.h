/*
 * Rows on stdout for programs and people: JSON Lines, one object a line, or
 * CSV (RFC 4180) with a head.
 *
 *     convo_rows_begin(&rows, CONVO_ROWS_CSV, names, 2);
 *     convo_rows_text(&rows, "ann");
 *     convo_rows_number(&rows, 15);
 *     convo_rows_end(&rows);
 *
 * Each row has all of its columns, in their order.  Rows are written as they
 * come and kept nowhere.
 */

#ifndef CONVO_ROWS_H
#define CONVO_ROWS_H

#include <stddef.h>
#include <stdint.h>

typedef enum { CONVO_ROWS_JSONL, CONVO_ROWS_CSV } convo_rows_format_e;

typedef struct {
    convo_rows_format_e format;
    const char *const *names;
    size_t columns;
    size_t column; /* the next one */
} convo_rows_t;

/* Begins, with the head when there is one; names[columns] must outlive it. */
void convo_rows_begin(convo_rows_t *rows, convo_rows_format_e format,
                      const char *const *names, size_t columns);

/* The next column.  Bytes that are no UTF-8 become U+FFFD in JSON. */
void convo_rows_text(convo_rows_t *rows, const char *text);
void convo_rows_number(convo_rows_t *rows, int64_t number);

/*
 * The same for words of strangers: in CSV a text that a spreadsheet would take
 * for a formula (it begins with = + - @, a tab or a CR) gets a "'" before it.
 */
void convo_rows_words(convo_rows_t *rows, const char *text);

/* After the last one: 0, or -1 with errno when stdout took not everything. */
int convo_rows_end(convo_rows_t *rows);

#endif /* CONVO_ROWS_H */
