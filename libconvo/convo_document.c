/*
 * Strict JSON in place; see convo_document.h.
 *
 * The reader never returns to a byte and never calls itself: what is open is
 * a row of pointers as long as the depth allows.  The NUL after the text ends
 * every loop, as NUL is part of nothing; so no byte needs a bounds check.
 *
 * Members are told apart by a set of 64 bits per object, in which those of
 * real tokens seldom collide; who collides is compared with the members
 * before.  An object of many members is sorted at its end instead, so that
 * nobody can choose names to make it slow.
 */

#include "convo_document.h"

#include <string.h>

#include "convo_number.h"

/* Up to here a member is compared with those before it. */
#define CONVO_DOCUMENT_PAIRS_MAX 32

#define CONVO_DOCUMENT_EACH(byte) (UINT64_MAX / 255 * (byte))

typedef struct {
    convo_value_t *value; /* the object or array */
    uint64_t seen;        /* the hashes of its names */
} convo_document_open_t;

typedef struct {
    unsigned char *at;   /* the next byte */
    unsigned char *stop; /* the NUL after the text */
    convo_value_t *next; /* the next value's place */
    convo_value_t *end;
    size_t depth;
    size_t depth_max;
    convo_document_open_t open[CONVO_DOCUMENT_DEPTH_MAX];
} convo_document_reader_t;

/* Passes blanks and returns the byte after them, which is not passed. */
static unsigned char
convo_document_peek(convo_document_reader_t *reader)
{
    while (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\r'
           || *reader->at == '\t') {
        reader->at++;
    }

    return *reader->at;
}

/* Plain ASCII: stands for itself inside a string. */
static bool
convo_document_is_plain(unsigned char ch)
{
    return ch >= 0x20 && ch < 0x80 && ch != '"' && ch != '\\';
}

/*
 * The first byte at or after at that is not plain.  Of eight bytes at once a
 * high bit tells one below 0x20, one above 0x7f, '"' or '\\'; what a borrow
 * adds is only ever after such a byte.
 */
static unsigned char *
convo_document_pass_plain(unsigned char *at)
{
    uint64_t word;

    for (;;) {
        memcpy(&word, at, sizeof(word));

        if (((word | (word - CONVO_DOCUMENT_EACH(0x20))
              | ((word ^ CONVO_DOCUMENT_EACH('"')) - CONVO_DOCUMENT_EACH(1))
              | ((word ^ CONVO_DOCUMENT_EACH('\\')) - CONVO_DOCUMENT_EACH(1)))
             & CONVO_DOCUMENT_EACH(0x80)) != 0) {
            break;
        }

        at += sizeof(word);
    }

    while (convo_document_is_plain(*at)) {
        at++;
    }

    return at;
}

/*
 * How many bytes of well-formed UTF-8 (Unicode 15, table 3-7) the character
 * at this byte above 0x7f has; 0 when it is none.
 */
static size_t
convo_document_utf8(const unsigned char *at)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t len;

    if (at[0] < 0xc2 || at[0] > 0xf4) {
        return 0;
    }

    len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    /* neither overlong, nor a surrogate, nor above U+10FFFF */
    switch (at[0]) {
    case 0xe0:
        low = 0xa0;
        break;
    case 0xed:
        high = 0x9f;
        break;
    case 0xf0:
        low = 0x90;
        break;
    case 0xf4:
        high = 0x8f;
        break;
    default:
        break;
    }

    if (at[1] < low || at[1] > high) {
        return 0;
    }

    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return len;
}

static unsigned char *
convo_document_put_utf8(unsigned char *out, uint32_t ch)
{
    if (ch < 0x80) {
        *out++ = (unsigned char) ch;

    } else if (ch < 0x800) {
        *out++ = (unsigned char) (0xc0 | ch >> 6);
        *out++ = (unsigned char) (0x80 | (ch & 0x3f));

    } else if (ch < 0x10000) {
        *out++ = (unsigned char) (0xe0 | ch >> 12);
        *out++ = (unsigned char) (0x80 | (ch >> 6 & 0x3f));
        *out++ = (unsigned char) (0x80 | (ch & 0x3f));

    } else {
        *out++ = (unsigned char) (0xf0 | ch >> 18);
        *out++ = (unsigned char) (0x80 | (ch >> 12 & 0x3f));
        *out++ = (unsigned char) (0x80 | (ch >> 6 & 0x3f));
        *out++ = (unsigned char) (0x80 | (ch & 0x3f));
    }

    return out;
}

/* Four hexadecimal digits; -1 when they are none. */
static int32_t
convo_document_hex(const unsigned char *at)
{
    int32_t value = 0;

    for (size_t i = 0; i < 4; i++) {
        unsigned char ch = at[i];

        if (ch >= '0' && ch <= '9') {
            value = value * 16 + (ch - '0');

        } else if ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f') {
            value = value * 16 + ((ch | 0x20) - 'a' + 10);

        } else {
            return -1;
        }
    }

    return value;
}

/*
 * The character of the escape whose "u" is at *at, which is moved past it; a
 * pair of surrogates is one character.  0 when it is none or NUL.
 */
static uint32_t
convo_document_unicode(const unsigned char **at)
{
    int32_t high = convo_document_hex(*at + 1);
    int32_t low;

    if (high < 0) {
        return 0;
    }

    *at += 5;

    if (high < 0xd800 || high > 0xdfff) {
        return (uint32_t) high;
    }

    if (high > 0xdbff || (*at)[0] != '\\' || (*at)[1] != 'u') {
        return 0;
    }

    low = convo_document_hex(*at + 2);

    if (low < 0xdc00 || low > 0xdfff) {
        return 0;
    }

    *at += 6;

    return 0x10000 + ((uint32_t) (high - 0xd800) << 10)
           + (uint32_t) (low - 0xdc00);
}

/* The same for any escape, whose character after the backslash is at *at. */
static uint32_t
convo_document_escape(const unsigned char **at)
{
    static const char names[] = "\"\\/bfnrt";
    static const char characters[] = "\"\\/\b\f\n\r\t";
    const char *name;

    if (**at == 'u') {
        return convo_document_unicode(at);
    }

    name = **at != '\0' ? strchr(names, **at) : NULL;

    if (name == NULL) {
        return 0;
    }

    (*at)++;

    return (uint32_t) characters[name - names];
}

/*
 * Decodes on from the first byte that is not plain.  What is written never
 * overtakes what is read.  Returns the end of the decoded string, or NULL.
 */
static unsigned char *
convo_document_decode(convo_document_reader_t *reader, unsigned char *out)
{
    const unsigned char *in = out;
    uint32_t ch;
    size_t len;

    for (;;) {
        if (convo_document_is_plain(*in)) {
            *out++ = *in++;

        } else if (*in == '"') {
            reader->at += in + 1 - reader->at;
            return out;

        } else if (*in == '\\') {
            in++;
            ch = convo_document_escape(&in);

            if (ch == 0) {
                return NULL;
            }

            out = convo_document_put_utf8(out, ch);

        } else {
            len = convo_document_utf8(in);

            if (len == 0) {
                return NULL;
            }

            memmove(out, in, len);
            out += len;
            in += len;
        }
    }
}

/* Reads the string whose '"' is the next byte. */
static bool
convo_document_string(convo_document_reader_t *reader, const char **text,
                      uint16_t *len)
{
    unsigned char *start = reader->at + 1;
    unsigned char *end = convo_document_pass_plain(start);

    if (*end == '"') {
        reader->at = end + 1;

    } else {
        end = convo_document_decode(reader, end);

        if (end == NULL) {
            return false;
        }
    }

    *end = '\0';
    *text = (const char *) start;
    *len = (uint16_t) (end - start);

    return true;
}

static bool
convo_document_number(convo_document_reader_t *reader, convo_value_t *value)
{
    convo_number_t number;
    const char *start = (const char *) reader->at;
    const char *end = convo_number_scan(&number, start,
                                        (const char *) reader->stop);

    if (end == NULL) {
        return false;
    }

    value->text = start;
    value->len = (uint16_t) (end - start);
    value->type = CONVO_VALUE_NUMBER;
    reader->at += value->len;

    return true;
}

static bool
convo_document_word(convo_document_reader_t *reader, convo_value_t *value,
                    const char *word, convo_value_e type)
{
    size_t len = strlen(word);

    if (strncmp((const char *) reader->at, word, len) != 0) {
        return false;
    }

    value->type = (uint16_t) type;
    reader->at += len;

    return true;
}

static bool
convo_document_open(convo_document_reader_t *reader, convo_value_t *value,
                    convo_value_e type)
{
    if (reader->depth == reader->depth_max) {
        return false;
    }

    reader->open[reader->depth].value = value;
    reader->open[reader->depth].seen = 0;
    reader->depth++;

    value->type = (uint16_t) type;
    reader->at++;

    return true;
}

/* Reads a value's text, of an object or array only how it begins. */
static bool
convo_document_value(convo_document_reader_t *reader, convo_value_t *value)
{
    switch (convo_document_peek(reader)) {
    case '"':
        value->type = CONVO_VALUE_STRING;
        return convo_document_string(reader, &value->text, &value->len);
    case '{':
        return convo_document_open(reader, value, CONVO_VALUE_OBJECT);
    case '[':
        return convo_document_open(reader, value, CONVO_VALUE_ARRAY);
    case 't':
        return convo_document_word(reader, value, "true", CONVO_VALUE_TRUE);
    case 'f':
        return convo_document_word(reader, value, "false",
                                   CONVO_VALUE_FALSE);
    case 'n':
        return convo_document_word(reader, value, "null", CONVO_VALUE_NULL);
    default:
        return convo_document_number(reader, value);
    }
}

static bool
convo_document_same_name(const convo_value_t *a, const convo_value_t *b)
{
    return a->name_len == b->name_len
           && memcmp(a->name, b->name, a->name_len) == 0;
}

/* False when the object that is open has a member of this name already. */
static bool
convo_document_is_new(convo_document_open_t *open, const convo_value_t *member)
{
    const unsigned char *name = (const unsigned char *) member->name;
    size_t len = member->name_len;
    const convo_value_t *before;
    unsigned int hash;

    /* the NUL of an empty name is there to be read */
    hash = name[0] + name[len / 2] * 3u + name[len - (len > 0)] * 5u
           + (unsigned int) len * 7u;

    if ((open->seen >> (hash & 63) & 1) == 0) {
        open->seen |= UINT64_C(1) << (hash & 63);
        return true;
    }

    if (open->value->len > CONVO_DOCUMENT_PAIRS_MAX) {
        return true; /* sorting will tell */
    }

    for (before = open->value + 1; before < member; before += before->span) {
        if (convo_document_same_name(before, member)) {
            return false;
        }
    }

    return true;
}

/* Reads a member's name and what separates it from its value. */
static bool
convo_document_name(convo_document_reader_t *reader,
                    convo_document_open_t *open, convo_value_t *member)
{
    if (convo_document_peek(reader) != '"'
        || !convo_document_string(reader, &member->name, &member->name_len)
        || convo_document_peek(reader) != ':') {
        return false;
    }

    reader->at++;

    return convo_document_is_new(open, member);
}

static int
convo_document_order(const convo_value_t *a, const convo_value_t *b)
{
    if (a->name_len != b->name_len) {
        return a->name_len < b->name_len ? -1 : 1;
    }

    return memcmp(a->name, b->name, a->name_len);
}

/* Lets the member at i sink to its place in the heap of n. */
static void
convo_document_sink(const convo_value_t **members, size_t i, size_t n)
{
    const convo_value_t *member = members[i];

    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n
            && convo_document_order(members[child], members[child + 1]) < 0) {
            child++;
        }

        if (convo_document_order(member, members[child]) >= 0) {
            break;
        }

        members[i] = members[child];
    }

    members[i] = member;
}

/*
 * True when no two members have one name.  A heap gives them up from the
 * last to the first, so that equal ones come one after the other.
 */
static bool
convo_document_all_differ(const convo_value_t *object)
{
    const convo_value_t *members[CONVO_DOCUMENT_MEMBERS_MAX];
    const convo_value_t *last = NULL;
    const convo_value_t *member = NULL;
    size_t n = 0;

    if (object->len > CONVO_DOCUMENT_MEMBERS_MAX) {
        return false;
    }

    while ((member = convo_value_next(object, member)) != NULL) {
        members[n++] = member;
    }

    for (size_t i = n / 2; i-- > 0;) {
        convo_document_sink(members, i, n);
    }

    while (n > 0) {
        if (last != NULL && convo_document_same_name(last, members[0])) {
            return false;
        }

        last = members[0];
        members[0] = members[--n];
        convo_document_sink(members, 0, n);
    }

    return true;
}

static bool
convo_document_close(convo_document_reader_t *reader)
{
    convo_value_t *value = reader->open[--reader->depth].value;

    value->span = (uint16_t) (reader->next - value);
    reader->at++;

    return value->type == CONVO_VALUE_ARRAY
           || value->len <= CONVO_DOCUMENT_PAIRS_MAX
           || convo_document_all_differ(value);
}

/* Reads what comes next in the innermost object or array, or its end. */
static bool
convo_document_step(convo_document_reader_t *reader)
{
    convo_document_open_t *open = &reader->open[reader->depth - 1];
    bool is_array = open->value->type == CONVO_VALUE_ARRAY;
    unsigned char ch = convo_document_peek(reader);
    convo_value_t *value = reader->next;

    if (ch == (is_array ? ']' : '}')) {
        return convo_document_close(reader);
    }

    if (open->value->len > 0) {
        if (ch != ',') {
            return false;
        }

        reader->at++;
    }

    if (value == reader->end) {
        return false;
    }

    *value = (convo_value_t){ .span = 1 };

    if (!is_array && !convo_document_name(reader, open, value)) {
        return false;
    }

    open->value->len++;
    reader->next++;

    return convo_document_value(reader, value);
}

size_t
convo_document_read(convo_value_t *values, size_t max, size_t depth,
                    char *text, size_t len)
{
    convo_document_reader_t reader = {
        .at = (unsigned char *) text,
        .stop = (unsigned char *) text + len,
        .next = values,
        .end = values + max,
        .depth_max = depth,
    };
    unsigned char ch;

    if (len > CONVO_DOCUMENT_LEN_MAX || max == 0) {
        return 0;
    }

    memset(text + len, '\0', CONVO_DOCUMENT_SLACK);

    ch = convo_document_peek(&reader);

    if (ch != '{' && ch != '[') {
        return 0;
    }

    *reader.next = (convo_value_t){ .span = 1 };

    if (!convo_document_value(&reader, reader.next++)) {
        return 0;
    }

    while (reader.depth > 0) {
        if (!convo_document_step(&reader)) {
            return 0;
        }
    }

    /* a NUL inside the text is not its end */
    convo_document_peek(&reader);

    return reader.at == reader.stop ? (size_t) (reader.next - values) : 0;
}

void
convo_document_move(convo_value_t *values, size_t n, const char *from,
                    char *to)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i].name != NULL) {
            values[i].name = to + (values[i].name - from);
        }

        if (values[i].text != NULL) {
            values[i].text = to + (values[i].text - from);
        }
    }
}
