/*
 * Files of secrets, read while NGINX reads its configuration: as the master,
 * before it gives up its rights, at start and at every reload.
 */

#ifndef _NGX_HTTP_CONVO_SECRET_H_INCLUDED_
#define _NGX_HTTP_CONVO_SECRET_H_INCLUDED_


#include "ngx_http_convo.h"
#include "convo_secrets.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/*
 * Reads the file of a parameter secret_file=PATH, which must not be empty, as
 * convo_secrets.h describes it, each secret of at least min bytes.  A relative
 * path is relative to the main configuration file, and *path becomes the full
 * one.  The message of a failure names the directive being read, the file and
 * what is wrong with it, and nothing of its content.  Returns NGX_CONF_OK or
 * NGX_CONF_ERROR.
 */
char *ngx_http_convo_read_secrets(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *path, size_t min, convo_secrets_t *secrets);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_SECRET_H_INCLUDED_ */
