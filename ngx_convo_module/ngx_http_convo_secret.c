
/*
 * Files of secrets; see ngx_http_convo_secret.h.
 *
 * How it fails: a file that is missing, not readable, too long or not as
 * convo_secrets.h wants it stops the start, or the reload, which leaves the
 * running configuration as it was.
 */


#include "ngx_http_convo_secret.h"


static ssize_t ngx_http_convo_read_secret_file(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_str_t *path, u_char *to, size_t size);


char *
ngx_http_convo_read_secrets(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *path, size_t min, convo_secrets_t *secrets)
{
    ssize_t          n;
    u_char           text[CONVO_SECRETS_FILE_MAX + 1];
    convo_secrets_e  error;

    if (path->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has no secret, expected "
                           "\"secret_file=PATH\"", &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    n = ngx_http_convo_read_secret_file(cf, cmd, path, text, sizeof(text));
    if (n == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    if (n > CONVO_SECRETS_FILE_MAX) {
        error = CONVO_SECRETS_LONG;

    } else {
        error = convo_secrets_parse(secrets, (char *) text, n, min);
    }

    ngx_explicit_memzero(text, sizeof(text));

    if (error == CONVO_SECRETS_OK) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\": secret file \"%V\" %s, expected one secret "
                       "of %uz to %d characters on a line, at most two lines",
                       &cmd->name, path, convo_secrets_error(error), min,
                       CONVO_SECRET_LEN_MAX);

    return NGX_CONF_ERROR;
}


static ssize_t
ngx_http_convo_read_secret_file(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *path, u_char *to, size_t size)
{
    ssize_t    n;
    ngx_fd_t   fd;
    ngx_err_t  err;

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\": secret file \"%V\" cannot be opened",
                           &cmd->name, path);
        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, to, size);
    err = ngx_errno;

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", path);
    }

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                           "\"%V\": secret file \"%V\" cannot be read",
                           &cmd->name, path);
        return NGX_ERROR;
    }

    return n;
}
