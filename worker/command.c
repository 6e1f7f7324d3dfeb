/*
 * What the commands share; see command.h.
 */

#include "command.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>


static void
tell_usage(const convo_command_t *self, FILE *file)
{
    fprintf(file, "Usage: convo-worker [-c FILE] %s%s%s\n", self->name,
            self->arguments[0] != '\0' ? " " : "", self->arguments);
}


static void
tell(const convo_command_t *self, const char *format, va_list args)
{
    fprintf(stderr, "convo-worker: %s: ", self->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}


int
convo_command_wrong(const convo_command_t *self, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(self, format, args);
    va_end(args);
    tell_usage(self, stderr);

    return CONVO_COMMAND_WRONG;
}


int
convo_command_failed(const convo_command_t *self, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(self, format, args);
    va_end(args);

    return CONVO_COMMAND_FAILED;
}


void
convo_command_note(const convo_command_t *self, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(self, format, args);
    va_end(args);
}


/* --- the line --- */

/* The option that the word names, with *value what stands after its "=". */
static convo_command_option_t *
find_option(const char *word, convo_command_option_t *options, size_t n,
            const char **value)
{
    size_t len = strcspn(word, "=");

    *value = word[len] == '=' ? word + len + 1 : NULL;

    for (size_t i = 0; i < n; i++) {
        if (strlen(options[i].name) == len
            && memcmp(options[i].name, word, len) == 0)
        {
            return &options[i];
        }
    }

    return NULL;
}


/* Reads the option at argv[*at] and goes on: -1, or the exit status. */
static int
take_option(const convo_command_t *self, int argc, char **argv, int *at,
            convo_command_option_t *options, size_t n)
{
    const char *word = argv[(*at)++];
    convo_command_option_t *option;
    const char *value = NULL;

    option = word[1] == '-' ? find_option(word + 2, options, n, &value)
                            : NULL;

    if (option == NULL) {
        return convo_command_wrong(self, "unknown option \"%s\"", word);
    }
    if (option->value != NULL) {
        return convo_command_wrong(self, "--%s stands twice", option->name);
    }
    if (!option->has_value && value != NULL) {
        return convo_command_wrong(self, "--%s takes no value", option->name);
    }
    if (option->has_value && value == NULL) {
        if (*at == argc) {
            return convo_command_wrong(self, "--%s: expected a value",
                                       option->name);
        }
        value = argv[(*at)++];
    }

    option->value = option->has_value ? value : "";

    return -1;
}


int
convo_command_options(const convo_command_t *self, int argc, char **argv,
                      convo_command_option_t *options, size_t n, int *words)
{
    int i = 1;

    *words = 0;

    while (i < argc && strcmp(argv[i], "--") != 0) {
        int code;

        if (strcmp(argv[i], "--help") == 0) {
            tell_usage(self, stdout);
            printf("\nIt %s.\n", self->does);
            return CONVO_COMMAND_DONE;
        }

        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[++*words] = argv[i++];
            continue;
        }

        code = take_option(self, argc, argv, &i, options, n);
        if (code >= 0) {
            return code;
        }
    }

    for (i++; i < argc; i++) {
        argv[++*words] = argv[i];
    }

    return -1;
}


/* --- doing it --- */

const convo_config_t *
convo_command_load(const char *path)
{
    static convo_config_t config;
    char error[CONVO_CONFIG_ERROR];

    if (convo_config_load(&config, path, error) != 0) {
        fprintf(stderr, "convo-worker: %s\n", error);
        return NULL;
    }

    /* what goes well is told on stdout, not in a log */
    convo_log_set_level(config.log_level == CONVO_LOG_DEBUG
                            ? CONVO_LOG_DEBUG
                            : CONVO_LOG_WARN);

    return &config;
}


int
convo_command_redis(const convo_command_t *self, convo_redis_t *redis)
{
    if (convo_redis_ready(redis) == 0 && convo_redis_run(redis) == 0) {
        return 0;
    }

    convo_command_failed(self, "Redis does not answer; what was begun may "
                               "have taken effect and may be repeated");

    return -1;
}
