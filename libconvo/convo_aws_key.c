/*
 * AWS access keys; see convo_aws_key.h.
 *
 * The file is read line by line as Python's configparser does it, which is
 * what AWS's own command line uses; only the values of one profile are kept.
 */

#include "convo_aws_key.h"
#include "convo_json.h"
#include "convo_since.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

/* Far more than AWS says; deeper or wider is no answer of it. */
static const convo_json_limits_t limits = { .depth = 4, .count = 64 };

/* A text in memory, not NUL terminated; NULL: there is none. */
typedef struct {
    const char *text;
    size_t len;
} piece_t;

enum { ID, SECRET, SESSION, PARTS };

static const char *const names[PARTS] = {
    [ID] = "aws_access_key_id",
    [SECRET] = "aws_secret_access_key",
    [SESSION] = "aws_session_token",
};

/* How far a file has been read. */
typedef struct {
    piece_t profile; /* the one that is looked for */
    int seen;        /* its heading */
    int section;     /* a heading has been read ... */
    int inside;      /* ... and it was that of the profile */
    int option;      /* a name has been read since */
    int part;        /* the part it is, or PARTS */
    size_t indent;   /* blanks before it */
    piece_t parts[PARTS];
} file_t;


/* --- a key of its parts --- */

/* Copies a text of size - 1 bytes at most: 0, or -1 when it is none. */
static int
copy(char *out, size_t size, piece_t from)
{
    if (from.len >= size) {
        return -1;
    }

    for (size_t i = 0; i < from.len; i++) {
        if (from.text[i] <= ' ' || from.text[i] >= 0x7f) {
            return -1;
        }
    }

    if (from.len > 0) {
        memcpy(out, from.text, from.len);
    }
    out[from.len] = '\0';

    return 0;
}


static convo_aws_key_e
make_key(convo_aws_key_t *key, const piece_t parts[PARTS])
{
    memset(key, 0, sizeof(*key));

    if (parts[ID].len == 0) {
        return CONVO_AWS_KEY_NONE;
    }

    if (parts[SECRET].len == 0) {
        return CONVO_AWS_KEY_PARTIAL;
    }

    if (copy(key->id, sizeof(key->id), parts[ID]) != 0
        || copy(key->secret, sizeof(key->secret), parts[SECRET]) != 0
        || copy(key->session, sizeof(key->session), parts[SESSION]) != 0)
    {
        convo_aws_key_wipe(key);
        return CONVO_AWS_KEY_TEXT;
    }

    return CONVO_AWS_KEY_OK;
}


static piece_t
whole(const char *text)
{
    return (piece_t){ text, text != NULL ? strlen(text) : 0 };
}


convo_aws_key_e
convo_aws_key_set(convo_aws_key_t *key, const char *id, const char *secret,
                  const char *session)
{
    piece_t parts[PARTS] = {
        [ID] = whole(id),
        [SECRET] = whole(secret),
        [SESSION] = whole(session),
    };

    return make_key(key, parts);
}


void
convo_aws_key_wipe(convo_aws_key_t *key)
{
    OPENSSL_cleanse(key, sizeof(*key));
}


/* --- the shared credentials file --- */

static int
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}


static piece_t
trim(piece_t piece)
{
    while (piece.len > 0 && is_blank(piece.text[0])) {
        piece.text++;
        piece.len--;
    }

    while (piece.len > 0 && is_blank(piece.text[piece.len - 1])) {
        piece.len--;
    }

    return piece;
}


static int
is_comment(piece_t line)
{
    return line.len == 0 || line.text[0] == '#' || line.text[0] == ';';
}


/* "[profile]", and a comment behind it. */
static convo_aws_key_e
take_heading(file_t *file, piece_t line)
{
    const char *end = memchr(line.text, ']', line.len);
    piece_t name, rest;

    if (end == NULL) {
        return CONVO_AWS_KEY_MALFORMED;
    }

    name = (piece_t){ line.text + 1, (size_t) (end - line.text) - 1 };
    rest = (piece_t){ end + 1, line.len - name.len - 2 };

    if (!is_comment(trim(rest))) {
        return CONVO_AWS_KEY_MALFORMED;
    }

    name = trim(name);

    file->section = 1;
    file->option = 0;
    file->inside = name.len == file->profile.len
                   && memcmp(name.text, file->profile.text, name.len) == 0;

    if (file->inside && file->seen) {
        return CONVO_AWS_KEY_TWICE;
    }

    file->seen |= file->inside;

    return CONVO_AWS_KEY_OK;
}


/* "name = value" */
static convo_aws_key_e
take_option(file_t *file, piece_t line)
{
    piece_t name = { line.text, 0 };
    piece_t value;

    while (name.len < line.len && line.text[name.len] != '='
           && line.text[name.len] != ':')
    {
        name.len++;
    }

    if (!file->section || name.len == 0 || name.len == line.len) {
        return CONVO_AWS_KEY_MALFORMED;
    }

    value = (piece_t){ line.text + name.len + 1, line.len - name.len - 1 };
    value = trim(value);
    name = trim(name);

    file->option = 1;
    file->part = 0;

    while (file->part < PARTS
           && (strlen(names[file->part]) != name.len
               || strncasecmp(names[file->part], name.text, name.len) != 0))
    {
        file->part++;
    }

    if (file->inside && file->part < PARTS) {
        if (file->parts[file->part].text != NULL) {
            return CONVO_AWS_KEY_TWICE;
        }
        file->parts[file->part] = value;
    }

    return CONVO_AWS_KEY_OK;
}


static convo_aws_key_e
take_line(file_t *file, piece_t whole_line)
{
    piece_t line = trim(whole_line);
    size_t indent = (size_t) (line.text - whole_line.text);

    if (is_comment(line)) {
        return CONVO_AWS_KEY_OK;
    }

    if (file->option && indent > file->indent) {
        /* no part of a key has a second line */
        return file->inside && file->part < PARTS ? CONVO_AWS_KEY_TEXT
                                                  : CONVO_AWS_KEY_OK;
    }

    file->indent = indent;

    return line.text[0] == '[' ? take_heading(file, line)
                               : take_option(file, line);
}


convo_aws_key_e
convo_aws_key_from_file(convo_aws_key_t *key, const char *text, size_t len,
                        const char *profile)
{
    const char *end = text + len;
    convo_aws_key_e error = CONVO_AWS_KEY_OK;
    file_t file = { .profile = whole(profile) };

    memset(key, 0, sizeof(*key));

    while (text < end && error == CONVO_AWS_KEY_OK) {
        const char *lf = memchr(text, '\n', (size_t) (end - text));
        const char *stop = lf != NULL ? lf : end;

        error = take_line(&file,
                          (piece_t){ text, (size_t) (stop - text) });
        text = lf != NULL ? lf + 1 : end;
    }

    if (error != CONVO_AWS_KEY_OK) {
        return error;
    }

    return file.seen ? make_key(key, file.parts) : CONVO_AWS_KEY_ABSENT;
}


/* --- an endpoint's answer --- */

/* A string of the object that has no NUL in it, or none. */
static piece_t
member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return (piece_t){ json_string_value(value), json_string_length(value) };
}


/* When the key expires: epoch seconds, or -1. */
static int64_t
expiry(const json_t *answer)
{
    piece_t text = member(answer, "Expiration");

    /* a length of time, which is no such moment, is long past */
    return text.text != NULL ? convo_since_parse(text.text, text.len, 0) : -1;
}


static convo_aws_key_e
take_answer(convo_aws_key_t *key, const json_t *answer)
{
    piece_t parts[PARTS] = {
        [ID] = member(answer, "AccessKeyId"),
        [SECRET] = member(answer, "SecretAccessKey"),
        [SESSION] = member(answer, "Token"),
    };
    const char *code = json_string_value(json_object_get(answer, "Code"));
    int64_t expires_s = expiry(answer);
    convo_aws_key_e error;

    if (code != NULL && strcmp(code, "Success") != 0) {
        return CONVO_AWS_KEY_FAILED;
    }

    error = make_key(key, parts);
    if (error == CONVO_AWS_KEY_OK && parts[SESSION].len == 0) {
        error = CONVO_AWS_KEY_PARTIAL;
    }
    if (error == CONVO_AWS_KEY_OK && expires_s <= 0) {
        error = CONVO_AWS_KEY_EXPIRY;
    }

    key->expires_s = expires_s;

    if (error != CONVO_AWS_KEY_OK) {
        convo_aws_key_wipe(key);
    }

    return error;
}


convo_aws_key_e
convo_aws_key_from_answer(convo_aws_key_t *key, const char *text, size_t len)
{
    convo_aws_key_e error;
    json_t *answer;

    memset(key, 0, sizeof(*key));

    answer = len <= CONVO_AWS_ANSWER_MAX
                 ? convo_json_load_object(text, len, &limits)
                 : NULL;
    if (answer == NULL) {
        return CONVO_AWS_KEY_MALFORMED;
    }

    error = take_answer(key, answer);
    json_decref(answer);

    return error;
}


const char *
convo_aws_key_error(convo_aws_key_e error)
{
    switch (error) {
    case CONVO_AWS_KEY_OK:
        return "is good";
    case CONVO_AWS_KEY_ABSENT:
        return "has no such profile";
    case CONVO_AWS_KEY_NONE:
        return "holds no access key";
    case CONVO_AWS_KEY_PARTIAL:
        return "holds only a part of an access key";
    case CONVO_AWS_KEY_TEXT:
        return "holds an access key that cannot be one";
    case CONVO_AWS_KEY_TWICE:
        return "holds the profile, or a value of it, twice";
    case CONVO_AWS_KEY_EXPIRY:
        return "does not say until when its access key is good";
    case CONVO_AWS_KEY_FAILED:
        return "says that there is no access key";
    case CONVO_AWS_KEY_MALFORMED:
        break;
    }

    return "is not understood";
}
