/*
 * What every room of the edge needs and none of them owns: how an answer is
 * sent, how a body is read, how variables and parameters are set.  Rooms meet
 * each other only through ngx_http_convo_auth.h (who is the user) and
 * ngx_http_convo_redis.h (ask Redis).
 */

#ifndef _NGX_HTTP_CONVO_H_INCLUDED_
#define _NGX_HTTP_CONVO_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <jansson.h>


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* the longest JSON body any endpoint takes, and how deep it may nest */

#define NGX_HTTP_CONVO_BODY_MAX    (16 * 1024)
#define NGX_HTTP_CONVO_BODY_DEPTH  8


/*
 * An error as RFC 9457 problem+json.
 *
 *   status       the HTTP status, 4xx or 5xx
 *   code         the stable word that clients act on ("no_points")
 *   detail       one English sentence, or NULL; never user content
 *   retry_after  seconds for Retry-After, or -1 for none
 *   extra        further members for the body, or NULL; owned by the caller
 */

typedef struct {
    ngx_uint_t   status;
    const char  *code;
    const char  *detail;
    time_t       retry_after;
    json_t      *extra;
} ngx_http_convo_problem_t;


/*
 * Sends the problem and returns what a content handler returns, or a caller
 * in another phase gives to ngx_http_finalize_request().  Where error_page
 * names the status, the bare status is returned and NGINX takes its way.
 */
ngx_int_t ngx_http_convo_send_problem(ngx_http_request_t *r,
    const ngx_http_convo_problem_t *problem);

/* The same with neither Retry-After nor further members. */
ngx_int_t ngx_http_convo_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *code, const char *detail);

/*
 * Only the header of a 401, or of a 403 for what a token lacks:
 * "WWW-Authenticate: Bearer", with the error unless the code is missing_token
 * (RFC 6750, section 3).  ngx_http_convo_send_problem() does it itself for a
 * 401.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_convo_challenge(ngx_http_request_t *r,
    const ngx_http_convo_problem_t *problem);

/*
 * Adds a header to the answer.  Name (NUL terminated) and value must live as
 * long as r->pool.  NULL when out of memory.
 */
ngx_table_elt_t *ngx_http_convo_add_header(ngx_http_request_t *r,
    const char *name, u_char *value, size_t len);

/*
 * Sends a JSON text with "Cache-Control: no-store".  The bytes must live as
 * long as r->pool.  Returns what a content handler returns.
 */
ngx_int_t ngx_http_convo_send_json(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *json);

/* Sends 204, with "Cache-Control: no-store"; as above. */
ngx_int_t ngx_http_convo_send_no_content(ngx_http_request_t *r);

/*
 * NGX_OK when the method is one of the mask (NGX_HTTP_GET | NGX_HTTP_HEAD,
 * NGX_HTTP_POST, ...).  Otherwise the 405 with its Allow header was sent and
 * the value is what a content handler returns.
 */
ngx_int_t ngx_http_convo_check_method(ngx_http_request_t *r,
    ngx_uint_t methods);

/*
 * Reads the body of a POST or PUT as a JSON object, at most
 * NGX_HTTP_CONVO_BODY_MAX bytes.  No body means {}.  The handler is called
 * once with the object (freed after it returns), and finalizes the request;
 * it is not called when a 4xx (413, 415, 400) has already been sent.
 * Returns what a content handler returns.
 */
typedef void (*ngx_http_convo_body_pt)(ngx_http_request_t *r, json_t *body);

ngx_int_t ngx_http_convo_read_body(ngx_http_request_t *r,
    ngx_http_convo_body_pt handler);

/*
 * NGX_OK when every member of the object is one of the names (NULL ends the
 * list); otherwise NGX_DECLINED, and the caller answers 400 bad_request.
 */
ngx_int_t ngx_http_convo_only_members(json_t *object, const char *const *names);

/*
 * Adds the variables of a table that ends with ngx_http_null_variable, before
 * the configuration is read.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_convo_add_variables(ngx_conf_t *cf,
    const ngx_http_variable_t *variables);

/* Sets a variable to a text that lives as long as the request; NULL: it is not
 * there. */
void ngx_http_convo_set_variable(ngx_http_variable_value_t *v,
    const ngx_str_t *text);

/*
 * Takes a parameter "NAMEvalue" of a directive; name has its "=" at the end,
 * value->data is NULL until then.  NGX_OK; NGX_DECLINED when it is another
 * parameter; NGX_ERROR when it was taken before, which has been told.
 */
ngx_int_t ngx_http_convo_parameter(ngx_conf_t *cf, ngx_command_t *cmd,
    const ngx_str_t *parameter, const char *name, ngx_str_t *value);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_H_INCLUDED_ */
