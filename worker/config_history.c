/*
 * The directive "history"; see config_reader.h and conf/worker.conf.
 */

#include "config_reader.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


/* The folder of a path, with its slash. */
static void
folder_of(const char *path, char folder[PATH_MAX])
{
    char *slash;

    strcpy(folder, path);
    slash = strrchr(folder, '/');

    if (slash != NULL) {
        slash[1] = '\0';
    } else {
        strcpy(folder, ".");
    }
}


static const char *
set_sqlite(convo_reader_t *reader)
{
    char *path = reader->config->history_path;
    char folder[PATH_MAX];
    struct stat info;

    if (convo_reader_resolve(reader, reader->word[2], path) != 0) {
        return convo_reader_expected(reader, 2, "expected a shorter path");
    }

    folder_of(path, folder);

    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)
        || access(folder, W_OK | X_OK) != 0)
    {
        return convo_reader_expected(reader, 2, "expected a file in a folder "
                                                "that can be written to");
    }

    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        return convo_reader_expected(reader, 2, "expected a file, found %s",
                                     S_ISDIR(info.st_mode) ? "a folder"
                                                           : "no file");
    }

    return NULL;
}


const char *
convo_reader_set_history(convo_reader_t *reader, const convo_directive_t *self)
{
    (void) self;

    return strcmp(reader->word[1], "sqlite") == 0
               ? set_sqlite(reader)
               : convo_reader_expected(reader, 1, "expected sqlite PATH");
}
