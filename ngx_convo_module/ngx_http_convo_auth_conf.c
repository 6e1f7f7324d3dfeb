
/*
 * What the auth directives mean, how they inherit, and what each refuses.
 *
 * A message names the directive, quotes the value and says what was
 * expected.  What only shows when a location is whole is checked in
 * ngx_http_convo_auth_check.c.
 */


#include "ngx_http_convo_auth_private.h"


#define NGX_HTTP_CONVO_AUTH_LEEWAY       30     /* seconds */
#define NGX_HTTP_CONVO_AUTH_LEEWAY_MAX   600
#define NGX_HTTP_CONVO_AUTH_CHECK        10000  /* milliseconds */
#define NGX_HTTP_CONVO_AUTH_FRONT        (8 * 1024 * 1024)
#define NGX_HTTP_CONVO_AUTH_FRONT_MIN    (64 * 1024)


static char *ngx_http_convo_auth_set_zone(ngx_conf_t *cf,
    ngx_http_convo_auth_main_conf_t *amcf, const ngx_str_t *zone);
static char *ngx_http_convo_auth_set_front(ngx_conf_t *cf,
    ngx_http_convo_auth_main_conf_t *amcf, ngx_str_t *front);
static ngx_array_t *ngx_http_convo_auth_add_texts(ngx_conf_t *cf,
    ngx_array_t *texts);
static void ngx_http_convo_auth_inherit(
    const ngx_http_convo_auth_loc_conf_t *prev,
    ngx_http_convo_auth_loc_conf_t *conf);
static void ngx_http_convo_auth_make_rules(
    ngx_http_convo_auth_loc_conf_t *conf);


char *
ngx_http_convo_auth_set_issuer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    ngx_str_t  *value;

    if (alcf->issuer.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strncmp(value[1].data, "https://", 8) != 0
        && ngx_strncmp(value[1].data, "http://", 7) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\", expected the "
                           "issuer's URL, exactly as its tokens carry it in "
                           "\"iss\"", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    alcf->issuer = value[1];

    return NGX_CONF_OK;
}


char *
ngx_http_convo_auth_set_client(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    alcf->clients = ngx_http_convo_auth_add_texts(cf, alcf->clients);

    return alcf->clients ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_convo_auth_set_provider(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    alcf->providers = ngx_http_convo_auth_add_texts(cf, alcf->providers);

    return alcf->providers ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_convo_auth_set_token_use(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    ngx_str_t  *value;

    if (alcf->uses) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "id") == 0) {
        alcf->uses = CONVO_CLAIMS_USE_ID;

    } else if (ngx_strcmp(value[1].data, "access") == 0) {
        alcf->uses = CONVO_CLAIMS_USE_ACCESS;

    } else if (ngx_strcmp(value[1].data, "any") == 0) {
        alcf->uses = CONVO_CLAIMS_USE_ID|CONVO_CLAIMS_USE_ACCESS;

    } else if (ngx_strcmp(value[1].data, "none") == 0) {
        alcf->uses = CONVO_CLAIMS_USE_NONE;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\", expected \"id\", "
                           "\"access\", \"any\" or \"none\"", &value[1],
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_convo_auth_set_keys_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    ngx_str_t  *value;

    if (alcf->keys) {
        return "is duplicate: keys come from one file or one request";
    }

    value = cf->args->elts;

    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    alcf->keys = ngx_http_convo_auth_keys_file(cf, &value[1]);

    return alcf->keys ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_convo_auth_set_keys_request(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    ngx_int_t    check;
    ngx_str_t   *value, time;

    if (alcf->keys) {
        return "is duplicate: keys come from one file or one request";
    }

    value = cf->args->elts;
    check = NGX_HTTP_CONVO_AUTH_CHECK;

    if (value[1].data[0] != '/' || ngx_strchr(value[1].data, '$')) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\", expected the URI "
                           "of an internal location without variables, as "
                           "\"/keys\"", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts > 2) {
        time = value[2];
        check = NGX_ERROR;

        if (ngx_strncmp(time.data, "check=", 6) == 0) {
            time.data += 6;
            time.len -= 6;
            check = ngx_parse_time(&time, 0);
        }

        if (check == NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"%V\", expected "
                               "\"check=TIME\"", &value[2], &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    alcf->keys = ngx_http_convo_auth_keys_request(cf, &value[1], check);

    return alcf->keys ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* what is listed is all that is accepted, whatever a key's "alg" says */

char *
ngx_http_convo_auth_set_algorithms(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    ngx_str_t    *value;
    ngx_uint_t    i;
    convo_jwa_e   algorithm;

    if (alcf->accept.named) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        algorithm = convo_jwa_by_name((char *) value[i].data);

        if (algorithm == CONVO_JWA_COUNT) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid value \"%V\" in \"%V\", expected "
                               CONVO_JWA_NAMES, &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        alcf->accept.named |= CONVO_JWA_BIT(algorithm);
    }

    alcf->accept.unnamed = alcf->accept.named;

    return NGX_CONF_OK;
}


char *
ngx_http_convo_auth_set_token(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    ngx_str_t   *value, *name;
    ngx_uint_t   i, skip;

    if (alcf->from_header != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    alcf->from_header = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "header") == 0) {
            alcf->from_header = 1;
            continue;
        }

        if (ngx_strncmp(value[i].data, "cookie=", 7) == 0) {
            name = &alcf->from_cookie;
            skip = 7;

        } else if (ngx_strncmp(value[i].data, "query=", 6) == 0) {
            name = &alcf->from_query;
            skip = 6;

        } else {
            goto invalid;
        }

        name->data = value[i].data + skip;
        name->len = value[i].len - skip;

        if (name->len == 0) {
            goto invalid;
        }
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\", expected \"header\", "
                       "\"cookie=NAME\" or \"query=NAME\"",
                       &value[i], &cmd->name);

    return NGX_CONF_ERROR;
}


char *
ngx_http_convo_auth_set_leeway(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    ngx_str_t  *value;

    if (alcf->leeway != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    alcf->leeway = ngx_parse_time(&value[1], 1);

    if (alcf->leeway == (time_t) NGX_ERROR
        || alcf->leeway > NGX_HTTP_CONVO_AUTH_LEEWAY_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\", expected a time "
                           "of at most 10m", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_convo_auth_set_lifetime(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    ngx_str_t  *value;

    if (alcf->lifetime != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        alcf->lifetime = 0;
        return NGX_CONF_OK;
    }

    alcf->lifetime = ngx_parse_time(&value[1], 1);

    if (alcf->lifetime == (time_t) NGX_ERROR || alcf->lifetime == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\", expected a time "
                           "of at least 1s, or \"off\"",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_convo_auth_set_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_auth_main_conf_t  *amcf = conf;

    ngx_int_t   rc;
    ngx_str_t  *value, zone, front;
    ngx_uint_t  i;

    if (amcf->cache || amcf->front) {
        return "is duplicate";
    }

    value = cf->args->elts;
    ngx_str_null(&zone);
    ngx_str_null(&front);

    for (i = 1; i < cf->args->nelts; i++) {

        rc = ngx_http_convo_parameter(cf, cmd, &value[i], "zone=", &zone);

        if (rc == NGX_DECLINED) {
            rc = ngx_http_convo_parameter(cf, cmd, &value[i], "front=",
                                          &front);
        }

        if (rc == NGX_DECLINED) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"%V\", expected "
                               "\"zone=NAME:SIZE\" or \"front=SIZE\"",
                               &value[i], &cmd->name);
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (zone.data
        && ngx_http_convo_auth_set_zone(cf, amcf, &zone) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_convo_auth_set_front(cf, amcf, &front);
}


static char *
ngx_http_convo_auth_set_zone(ngx_conf_t *cf,
    ngx_http_convo_auth_main_conf_t *amcf, const ngx_str_t *zone)
{
    u_char     *colon;
    ssize_t     size;
    ngx_str_t   name, s;

    colon = (u_char *) ngx_strchr(zone->data, ':');
    size = NGX_ERROR;

    if (colon && colon > zone->data) {
        name.data = zone->data;
        name.len = colon - name.data;
        s.data = colon + 1;
        s.len = zone->data + zone->len - s.data;
        size = ngx_parse_size(&s);
    }

    if (size < (ssize_t) (8 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"zone=%V\" in "
                           "\"convo_auth_cache\", expected "
                           "\"zone=NAME:SIZE\" with at least %uzk", zone,
                           (size_t) (8 * ngx_pagesize / 1024));
        return NGX_CONF_ERROR;
    }

    amcf->cache = ngx_http_convo_auth_cache_add(cf, &name, size);

    return amcf->cache ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_convo_auth_set_front(ngx_conf_t *cf,
    ngx_http_convo_auth_main_conf_t *amcf, ngx_str_t *front)
{
    ssize_t  size;

    size = front->data ? ngx_parse_size(front) : NGX_HTTP_CONVO_AUTH_FRONT;

    if (size == 0) {
        return NGX_CONF_OK;
    }

    if (size < NGX_HTTP_CONVO_AUTH_FRONT_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"front=%V\" in "
                           "\"convo_auth_cache\", expected \"front=SIZE\" "
                           "with 0 or at least %dk", front,
                           NGX_HTTP_CONVO_AUTH_FRONT_MIN / 1024);
        return NGX_CONF_ERROR;
    }

    amcf->front = ngx_http_convo_auth_front_create(cf, size);

    return amcf->front ? NGX_CONF_OK : NGX_CONF_ERROR;
}


void *
ngx_http_convo_auth_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_convo_auth_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_auth_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->enable = NGX_CONF_UNSET;
    conf->accepts = NGX_CONF_UNSET_PTR;
    conf->clients = NGX_CONF_UNSET_PTR;
    conf->from_header = NGX_CONF_UNSET_UINT;
    conf->requires = NGX_CONF_UNSET_PTR;
    conf->providers = NGX_CONF_UNSET_PTR;
    conf->leeway = NGX_CONF_UNSET;
    conf->lifetime = NGX_CONF_UNSET;
    conf->redirect = NGX_CONF_UNSET_PTR;

    return conf;
}


char *
ngx_http_convo_auth_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_convo_auth_loc_conf_t  *prev = parent;
    ngx_http_convo_auth_loc_conf_t  *conf = child;

    ngx_conf_merge_value(conf->enable, prev->enable, 0);

    if (ngx_http_convo_auth_inherit_accept(cf, prev, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (!conf->enable || conf->accepts == NULL) {
        return ngx_http_convo_auth_make_whole(cf, prev, conf);
    }

    ngx_http_convo_auth_inherit(prev, conf);

    if (ngx_http_convo_auth_check_place(cf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_convo_auth_accept(cf, conf);
}


char *
ngx_http_convo_auth_make_whole(ngx_conf_t *cf,
    const ngx_http_convo_auth_loc_conf_t *prev,
    ngx_http_convo_auth_loc_conf_t *conf)
{
    ngx_http_convo_auth_inherit(prev, conf);

    if (!conf->enable) {
        return NGX_CONF_OK;
    }

    if (ngx_http_convo_auth_check(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    conf->keys = ngx_http_convo_auth_keys_bind(cf, conf->keys, &conf->issuer);

    return conf->keys ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static void
ngx_http_convo_auth_inherit(const ngx_http_convo_auth_loc_conf_t *prev,
    ngx_http_convo_auth_loc_conf_t *conf)
{
    static const convo_jwa_accept_t  defaults = CONVO_JWA_ACCEPT_DEFAULT;

    ngx_conf_merge_str_value(conf->issuer, prev->issuer, "");
    ngx_conf_merge_ptr_value(conf->clients, prev->clients, NULL);
    ngx_conf_merge_ptr_value(conf->requires, prev->requires, NULL);
    ngx_conf_merge_ptr_value(conf->providers, prev->providers, NULL);
    ngx_conf_merge_sec_value(conf->leeway, prev->leeway,
                             NGX_HTTP_CONVO_AUTH_LEEWAY);
    ngx_conf_merge_sec_value(conf->lifetime, prev->lifetime, 0);
    ngx_conf_merge_ptr_value(conf->redirect, prev->redirect, NULL);

    if (conf->uses == 0) {
        conf->uses = prev->uses ? prev->uses : CONVO_CLAIMS_USE_ID;
    }

    if (conf->keys == NULL) {
        conf->keys = prev->keys;
    }

    if (conf->accept.named == 0) {
        conf->accept = prev->accept.named ? prev->accept : defaults;
    }

    if (conf->from_header == NGX_CONF_UNSET_UINT) {
        conf->from_header = prev->from_header;
        conf->from_cookie = prev->from_cookie;
        conf->from_query = prev->from_query;
    }

    if (conf->from_header == NGX_CONF_UNSET_UINT) {
        conf->from_header = 1;
    }

    ngx_http_convo_auth_make_rules(conf);
}


/* the directive's values after the name; repeating it at one level adds */

static ngx_array_t *
ngx_http_convo_auth_add_texts(ngx_conf_t *cf, ngx_array_t *texts)
{
    ngx_str_t     *value;
    ngx_uint_t     i;
    convo_text_t  *text;

    if (texts == NGX_CONF_UNSET_PTR) {
        texts = ngx_array_create(cf->pool, 2, sizeof(convo_text_t));
        if (texts == NULL) {
            return NULL;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "empty value \"\" in \"%V\", expected a name",
                               &value[0]);
            return NULL;
        }

        text = ngx_array_push(texts);
        if (text == NULL) {
            return NULL;
        }

        text->data = (char *) value[i].data;
        text->len = value[i].len;
    }

    return texts;
}


static void
ngx_http_convo_auth_make_rules(ngx_http_convo_auth_loc_conf_t *conf)
{
    convo_claims_rules_t  *rules;

    rules = &conf->rules;

    rules->issuer.data = (char *) conf->issuer.data;
    rules->issuer.len = conf->issuer.len;
    rules->uses = conf->uses;
    rules->leeway_s = conf->leeway;
    rules->lifetime_max_s = conf->lifetime;

    if (conf->clients) {
        rules->clients = conf->clients->elts;
        rules->nclients = conf->clients->nelts;
    }

    if (conf->providers) {
        rules->providers = conf->providers->elts;
        rules->nproviders = conf->providers->nelts;
    }

    if (conf->requires) {
        rules->requires = conf->requires->elts;
        rules->nrequires = conf->requires->nelts;
    }
}
