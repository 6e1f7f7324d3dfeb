/*
 * The directive of the redis room:
 *
 *   convo_redis redis://[USER[:PASSWORD]@]HOST[:PORT][/DB] | unix:PATH
 *               [password_file=PATH] [timeout=TIME]
 *
 * valid in http, server and location, inherited as a whole.  Wherever it says
 * the same, it is the same object, so that a process has one connection per
 * Redis however many locations ask it.
 *
 * A name is looked up by the location's "resolver" at each connection, or,
 * where none is configured, once when the configuration is read.  Addresses
 * and paths need no looking up.  The password file is read with the
 * configuration; a process has no right to read it later.
 */

#include "ngx_http_convo_redis_internal.h"


#define NGX_HTTP_CONVO_REDIS_TIMEOUT      1000
#define NGX_HTTP_CONVO_REDIS_TIMEOUT_MIN  10
#define NGX_HTTP_CONVO_REDIS_TIMEOUT_MAX  60000


/* what a directive says; zeroed before it is filled, so that bytes compare */

typedef struct {
    convo_redis_url_t                 url;
    ngx_msec_t                        timeout;
} ngx_http_convo_redis_settings_t;


typedef struct {
    ngx_array_t                       redises;   /* ngx_http_convo_redis_t * */
} ngx_http_convo_redis_main_conf_t;


typedef struct {
    ngx_http_convo_redis_settings_t  *settings;
    ngx_http_convo_redis_t           *redis;
} ngx_http_convo_redis_loc_conf_t;


static void *ngx_http_convo_redis_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_convo_redis_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_convo_redis_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_convo_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static void ngx_http_convo_redis_hide(ngx_str_t *address);
static char *ngx_http_convo_redis_parameter(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_convo_redis_settings_t *settings);
static char *ngx_http_convo_redis_password_file(ngx_conf_t *cf,
    ngx_str_t *path, convo_redis_url_t *url);
static ssize_t ngx_http_convo_redis_read_file(ngx_conf_t *cf, ngx_str_t *path,
    u_char *data, size_t size);
static ngx_http_convo_redis_t *ngx_http_convo_redis_bind(ngx_conf_t *cf,
    ngx_http_convo_redis_settings_t *settings);
static ngx_http_convo_redis_t *ngx_http_convo_redis_create(ngx_conf_t *cf,
    ngx_http_convo_redis_settings_t *settings, ngx_resolver_t *resolver);
static ngx_int_t ngx_http_convo_redis_set_name(ngx_conf_t *cf,
    ngx_http_convo_redis_t *redis);
static ngx_int_t ngx_http_convo_redis_set_addrs(ngx_conf_t *cf,
    ngx_http_convo_redis_t *redis);
static ngx_uint_t ngx_http_convo_redis_is_name(convo_redis_url_t *url);
static ngx_int_t ngx_http_convo_redis_init_process(ngx_cycle_t *cycle);
static void ngx_http_convo_redis_exit_process(ngx_cycle_t *cycle);
static void ngx_http_convo_redis_cleanup(void *data);


static ngx_command_t  ngx_http_convo_redis_directives[] = {

    { ngx_string("convo_redis"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_convo_redis,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_redis_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_convo_redis_create_main_conf, /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_convo_redis_create_loc_conf,  /* create location configuration */
    ngx_http_convo_redis_merge_loc_conf    /* merge location configuration */
};


ngx_module_t  ngx_http_convo_redis_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_redis_module_ctx,      /* module context */
    ngx_http_convo_redis_directives,       /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_convo_redis_init_process,     /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_convo_redis_exit_process,     /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_http_convo_redis_t *
ngx_http_convo_redis_get(ngx_http_request_t *r)
{
    ngx_http_convo_redis_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_redis_module);

    return lcf->redis;
}


ngx_http_convo_redis_t *
ngx_http_convo_redis_configured(ngx_conf_t *cf)
{
    ngx_http_convo_redis_loc_conf_t  *lcf;

    lcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_convo_redis_module);

    return lcf->redis;
}


const ngx_http_convo_redis_counters_t *
ngx_http_convo_redis_counters(ngx_http_convo_redis_t *redis)
{
    return &redis->counters;
}


ngx_msec_t
ngx_http_convo_redis_timeout(ngx_http_convo_redis_t *redis)
{
    return redis->timeout;
}


const ngx_str_t *
ngx_http_convo_redis_name(ngx_http_convo_redis_t *redis)
{
    return &redis->name;
}


/* Every worker process connects at once: the first request need not wait. */

static ngx_int_t
ngx_http_convo_redis_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                         i;
    ngx_http_convo_redis_t           **redis;
    ngx_http_convo_redis_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_convo_redis_module);

    if (mcf == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    redis = mcf->redises.elts;

    for (i = 0; i < mcf->redises.nelts; i++) {
        ngx_http_convo_redis_link_demand(&redis[i]->commands.link);
    }

    return NGX_OK;
}


static void
ngx_http_convo_redis_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                         i;
    ngx_http_convo_redis_t           **redis;
    ngx_http_convo_redis_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_convo_redis_module);

    if (mcf == NULL) {
        return;
    }

    redis = mcf->redises.elts;

    for (i = 0; i < mcf->redises.nelts; i++) {
        ngx_http_convo_redis_cleanup(redis[i]);
    }
}


/* The process ends, or its configuration goes: may come more than once. */

static void
ngx_http_convo_redis_cleanup(void *data)
{
    ngx_http_convo_redis_t *redis = data;

    ngx_http_convo_redis_commands_close(redis);
    ngx_http_convo_redis_subscriber_close(redis);
}


static void *
ngx_http_convo_redis_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_convo_redis_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_redis_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&mcf->redises, cf->pool, 2,
                       sizeof(ngx_http_convo_redis_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return mcf;
}


static void *
ngx_http_convo_redis_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_convo_redis_loc_conf_t  *lcf;

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_redis_loc_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    lcf->settings = NGX_CONF_UNSET_PTR;

    return lcf;
}


static char *
ngx_http_convo_redis_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_convo_redis_loc_conf_t *prev = parent;
    ngx_http_convo_redis_loc_conf_t *conf = child;

    ngx_conf_merge_ptr_value(conf->settings, prev->settings, NULL);

    if (conf->settings) {
        conf->redis = ngx_http_convo_redis_bind(cf, conf->settings);
        if (conf->redis == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_convo_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_redis_loc_conf_t *lcf = conf;

    ngx_str_t                        *value;
    ngx_uint_t                        i;
    const char                       *error;
    ngx_http_convo_redis_settings_t  *settings;

    if (lcf->settings != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    settings = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_redis_settings_t));
    if (settings == NULL) {
        return NGX_CONF_ERROR;
    }

    lcf->settings = settings;

    error = convo_redis_url_parse((char *) value[1].data, value[1].len,
                                  &settings->url);
    if (error) {
        ngx_http_convo_redis_hide(&value[1]);
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid address \"%V\" in \"convo_redis\": %s",
                           &value[1], error);
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_convo_redis_parameter(cf, &value[i], settings)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (settings->timeout == 0) {
        settings->timeout = NGX_HTTP_CONVO_REDIS_TIMEOUT;
    }

    if (settings->url.user[0] && !settings->url.password[0]) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"convo_redis\" names the user \"%s\" without a "
                           "password: expected USER:PASSWORD@ or "
                           "password_file=PATH", settings->url.user);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* Leaves of an address what may be shown: no user and no password. */

static void
ngx_http_convo_redis_hide(ngx_str_t *address)
{
    u_char  *p, *last;

    last = address->data + address->len;

    for (p = last; p > address->data; p--) {
        if (p[-1] == '@') {
            address->data = p;
            address->len = last - p;
            return;
        }
    }
}


static char *
ngx_http_convo_redis_parameter(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_convo_redis_settings_t *settings)
{
    u_char     *end;
    ngx_int_t   timeout;
    ngx_str_t   text;

    if (ngx_strncmp(value->data, "timeout=", 8) == 0) {

        text.data = value->data + 8;
        text.len = value->len - 8;

        timeout = ngx_parse_time(&text, 0);

        if (settings->timeout
            || timeout < NGX_HTTP_CONVO_REDIS_TIMEOUT_MIN
            || timeout > NGX_HTTP_CONVO_REDIS_TIMEOUT_MAX)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"convo_redis\": "
                               "expected one timeout from 10ms to 60s", value);
            return NGX_CONF_ERROR;
        }

        settings->timeout = timeout;

        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "password_file=", 14) == 0) {

        text.data = value->data + 14;
        text.len = value->len - 14;

        return ngx_http_convo_redis_password_file(cf, &text, &settings->url);
    }

    if (ngx_strcmp(value->data, "cluster") == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"convo_redis\" does not support \"cluster\" yet: "
                           "expected a single Redis");
        return NGX_CONF_ERROR;
    }

    /* the name alone: the value may be a password in the wrong place */

    text.data = value->data;
    end = ngx_strlchr(value->data, value->data + value->len, '=');
    text.len = end ? (size_t) (end - value->data) : value->len;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"convo_redis\": expected "
                       "password_file=PATH or timeout=TIME", &text);

    return NGX_CONF_ERROR;
}


/* The password is the first line of the file, of 1 to 511 bytes. */

static char *
ngx_http_convo_redis_password_file(ngx_conf_t *cf, ngx_str_t *path,
    convo_redis_url_t *url)
{
    u_char   *end;
    size_t    len;
    ssize_t   n;
    u_char    data[CONVO_REDIS_PASSWORD_MAX + 3];

    if (url->password[0]) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"convo_redis\" has two passwords: expected one, "
                           "in the address or in password_file=PATH");
        return NGX_CONF_ERROR;
    }

    if (path->len == 0 || ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"convo_redis\" has an empty \"password_file\": "
                           "expected password_file=PATH");
        return NGX_CONF_ERROR;
    }

    n = ngx_http_convo_redis_read_file(cf, path, data, sizeof(data));
    if (n == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    end = ngx_strlchr(data, data + n, '\n');
    len = end ? (size_t) (end - data) : (size_t) n;

    if (len > 0 && data[len - 1] == '\r') {
        len--;
    }

    if (len == 0 || len > CONVO_REDIS_PASSWORD_MAX
        || ngx_strlchr(data, data + len, '\0') != NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no password in \"%V\" of \"convo_redis\": expected "
                           "a first line of 1 to %d bytes", path,
                           CONVO_REDIS_PASSWORD_MAX);
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(url->password, data, len);

    return NGX_CONF_OK;
}


static ssize_t
ngx_http_convo_redis_read_file(ngx_conf_t *cf, ngx_str_t *path, u_char *data,
    size_t size)
{
    ssize_t   n;
    ngx_fd_t  fd;

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" of \"convo_redis\" failed",
                           path);
        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, data, size);

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_read_fd_n " \"%V\" of \"convo_redis\" failed",
                           path);
        n = NGX_ERROR;
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", path);
    }

    return n;
}


/*
 * The object of these settings at this level: where the resolvers differ, so
 * may the addresses of a name, and the objects.
 */

static ngx_http_convo_redis_t *
ngx_http_convo_redis_bind(ngx_conf_t *cf,
    ngx_http_convo_redis_settings_t *settings)
{
    ngx_uint_t                         i;
    ngx_resolver_t                    *resolver;
    ngx_http_convo_redis_t           **redis;
    ngx_http_core_loc_conf_t          *clcf;
    ngx_http_convo_redis_main_conf_t  *mcf;

    resolver = NULL;

    if (ngx_http_convo_redis_is_name(&settings->url)) {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

        /* without "resolver" it is an object of no servers */

        if (clcf->resolver && clcf->resolver->connections.nelts) {
            resolver = clcf->resolver;
        }
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_convo_redis_module);
    redis = mcf->redises.elts;

    for (i = 0; i < mcf->redises.nelts; i++) {

        if (redis[i]->resolver == resolver
            && redis[i]->timeout == settings->timeout
            && ngx_memcmp(&redis[i]->url, &settings->url,
                          sizeof(convo_redis_url_t))
               == 0)
        {
            return redis[i];
        }
    }

    return ngx_http_convo_redis_create(cf, settings, resolver);
}


static ngx_http_convo_redis_t *
ngx_http_convo_redis_create(ngx_conf_t *cf,
    ngx_http_convo_redis_settings_t *settings, ngx_resolver_t *resolver)
{
    ngx_pool_cleanup_t                *cln;
    ngx_http_convo_redis_t            *redis, **slot;
    ngx_http_convo_redis_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_convo_redis_module);

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_redis_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);
    slot = ngx_array_push(&mcf->redises);

    if (redis == NULL || cln == NULL || slot == NULL) {
        return NULL;
    }

    *slot = redis;

    redis->url = settings->url;
    redis->timeout = settings->timeout;
    redis->resolver = resolver;

    if (ngx_http_convo_redis_set_name(cf, redis) != NGX_OK
        || (resolver == NULL
            && ngx_http_convo_redis_set_addrs(cf, redis) != NGX_OK))
    {
        return NULL;
    }

    ngx_http_convo_redis_commands_init(redis);
    ngx_http_convo_redis_subscriber_init(redis);

    cln->handler = ngx_http_convo_redis_cleanup;
    cln->data = redis;

    return redis;
}


static ngx_int_t
ngx_http_convo_redis_set_name(ngx_conf_t *cf, ngx_http_convo_redis_t *redis)
{
    u_char             *name;
    convo_redis_url_t  *url;

    url = &redis->url;

    name = ngx_pnalloc(cf->pool, NGX_HTTP_CONVO_REDIS_NAME_MAX);
    if (name == NULL) {
        return NGX_ERROR;
    }

    redis->name.data = name;

    if (url->path[0]) {
        name = ngx_sprintf(name, "unix:%s", url->path);

    } else {
        name = ngx_sprintf(name, url->ipv6 ? "redis://[%s]:%ud/%ud"
                                           : "redis://%s:%ud/%ud",
                           url->host, url->port, url->db);
    }

    redis->name.len = name - redis->name.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_redis_set_addrs(ngx_conf_t *cf, ngx_http_convo_redis_t *redis)
{
    u_char             *p;
    ngx_url_t           u;
    convo_redis_url_t  *url;

    url = &redis->url;

    /* as NGINX writes it: "HOST:PORT" with brackets, or "unix:PATH" */

    p = ngx_pnalloc(cf->pool, NGX_HTTP_CONVO_REDIS_NAME_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url.data = p;

    if (url->path[0]) {
        p = ngx_sprintf(p, "unix:%s", url->path);

    } else {
        p = ngx_sprintf(p, url->ipv6 ? "[%s]:%ud" : "%s:%ud", url->host,
                        url->port);
    }

    u.url.len = p - u.url.data;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"convo_redis\" %V",
                           u.err ? u.err : "no address", &redis->name);
        return NGX_ERROR;
    }

    redis->addrs = u.addrs;
    redis->naddrs = u.naddrs;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_convo_redis_is_name(convo_redis_url_t *url)
{
    return url->path[0] == '\0' && !url->ipv6
           && ngx_inet_addr((u_char *) url->host, ngx_strlen(url->host))
              == INADDR_NONE;
}
