/*
 * convo_aws_key: any bytes as an endpoint's answer, and as a profile's name
 * on the first line and a shared credentials file below it.
 */

#include "input.h"

#include <string.h>

#include "convo_aws_key.h"

#define PROFILE_MAX 64


/* Nothing that is taken can forge a header; what is not taken is empty. */
static void
check(convo_aws_key_e error, const convo_aws_key_t *key)
{
    static const convo_aws_key_t nothing;

    MUST(convo_aws_key_error(error) != NULL);

    if (error != CONVO_AWS_KEY_OK) {
        MUST(memcmp(key, &nothing, sizeof(nothing)) == 0);
        return;
    }

    MUST(key->id[0] != '\0' && key->secret[0] != '\0');
    MUST(strpbrk(key->id, " \r\n") == NULL);
    MUST(strpbrk(key->secret, " \r\n") == NULL);
    MUST(strpbrk(key->session, " \r\n") == NULL);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static convo_aws_key_t key;
    char profile[PROFILE_MAX + 1] = "";
    input_t input = { data, len };
    input_text_t all = input_rest(&input);
    input_text_t line, file;

    check(convo_aws_key_from_answer(&key, all.data, all.len), &key);
    MUST(key.id[0] == '\0' || key.expires_s > 0);

    input = (input_t){ data, len };
    line = input_line(&input);
    file = input_rest(&input);

    memcpy(profile, line.data,
           line.len < PROFILE_MAX ? line.len : PROFILE_MAX);
    check(convo_aws_key_from_file(&key, file.data, file.len, profile), &key);

    free(all.data);
    free(line.data);
    free(file.data);

    return 0;
}
