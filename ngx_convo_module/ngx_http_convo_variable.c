
/*
 * Variables and parameters, as every room sets them; see ngx_http_convo.h.
 *
 * How it fails: a parameter that stands twice stops the start, or the reload,
 * with a message that names the directive.
 */


#include "ngx_http_convo.h"


ngx_int_t
ngx_http_convo_add_variables(ngx_conf_t *cf,
    const ngx_http_variable_t *variables)
{
    ngx_str_t             name;
    ngx_http_variable_t  *var;

    for ( /* void */ ; variables->name.len; variables++) {

        name = variables->name;

        var = ngx_http_add_variable(cf, &name, variables->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = variables->get_handler;
        var->data = variables->data;
    }

    return NGX_OK;
}


void
ngx_http_convo_set_variable(ngx_http_variable_value_t *v,
    const ngx_str_t *text)
{
    if (text == NULL) {
        v->not_found = 1;
        return;
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = text->len;
    v->data = text->data;
}


ngx_int_t
ngx_http_convo_parameter(ngx_conf_t *cf, ngx_command_t *cmd,
    const ngx_str_t *parameter, const char *name, ngx_str_t *value)
{
    size_t  len;

    len = ngx_strlen(name);

    if (ngx_strncmp(parameter->data, name, len) != 0) {
        return NGX_DECLINED;
    }

    if (value->data != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has the parameter \"%V\" a second time",
                           &cmd->name, parameter);
        return NGX_ERROR;
    }

    value->data = parameter->data + len;
    value->len = parameter->len - len;

    return NGX_OK;
}
