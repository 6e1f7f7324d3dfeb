
/*
 * The metrics room: counters that every room adds to, /metrics, /healthz and
 * /readyz.  This file has directives and the shared memory;
 * ngx_http_convo_metrics_text.c writes Prometheus' text,
 * ngx_http_convo_health.c answers the probes.
 *
 * Each process counts for itself, in the slot that NGINX gave it, so that
 * nothing is locked and no processor waits for another; whoever asks adds the
 * slots up.
 *
 * How it fails: a process that dies leaves its counters standing, the next one
 * in its slot goes on with them, and clears the gauges.  A reload keeps all.
 * An NGINX that starts anew begins at zero, which Prometheus expects.
 */


#include "ngx_http_convo_metrics_conf.h"


typedef struct {
    ngx_atomic_t  counters[NGX_HTTP_CONVO_COUNTERS];
    ngx_atomic_t  gauges[NGX_HTTP_CONVO_GAUGES];
} ngx_http_convo_metrics_t;

/* the zone: a structure for each process, and the slab allocator's own */

#define NGX_HTTP_CONVO_METRICS_ZONE                                           \
    (NGX_MAX_PROCESSES * sizeof(ngx_http_convo_metrics_t) + 16 * ngx_pagesize)


typedef struct {
    ngx_flag_t    enabled;    /* one of the directives is here */
    ngx_array_t  *pools;      /* ngx_str_t, or NULL */
} ngx_http_convo_metrics_loc_conf_t;


static void ngx_http_convo_metrics_clear(void);
static ngx_int_t ngx_http_convo_metrics_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_convo_metrics_init_zone(ngx_shm_zone_t *zone,
    void *data);
static ngx_int_t ngx_http_convo_metrics_init_process(ngx_cycle_t *cycle);
static void ngx_http_convo_metrics_exit_process(ngx_cycle_t *cycle);
static void *ngx_http_convo_metrics_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_convo_metrics_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_convo_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_convo_health(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* of all processes; NULL while the configuration is only tested */

static ngx_http_convo_metrics_t  *ngx_http_convo_metrics_shared;


static ngx_command_t  ngx_http_convo_metrics_commands[] = {

    { ngx_string("convo_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_ANY,
      ngx_http_convo_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_health"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_convo_health,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_metrics_module_ctx = {
    NULL,                                    /* preconfiguration */
    ngx_http_convo_metrics_init,             /* postconfiguration */

    NULL,                                    /* create main configuration */
    NULL,                                    /* init main configuration */

    NULL,                                    /* create server configuration */
    NULL,                                    /* merge server configuration */

    ngx_http_convo_metrics_create_loc_conf,  /* create location conf */
    ngx_http_convo_metrics_merge_loc_conf    /* merge location conf */
};


ngx_module_t  ngx_http_convo_metrics_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_metrics_module_ctx,      /* module context */
    ngx_http_convo_metrics_commands,         /* module directives */
    NGX_HTTP_MODULE,                         /* module type */
    NULL,                                    /* init master */
    NULL,                                    /* init module */
    ngx_http_convo_metrics_init_process,     /* init process */
    NULL,                                    /* init thread */
    NULL,                                    /* exit thread */
    ngx_http_convo_metrics_exit_process,     /* exit process */
    NULL,                                    /* exit master */
    NGX_MODULE_V1_PADDING
};


void
ngx_http_convo_count(ngx_http_convo_counter_e counter)
{
    if (ngx_http_convo_metrics_shared) {
        ngx_http_convo_metrics_shared[ngx_process_slot].counters[counter]++;
    }
}


void
ngx_http_convo_gauge(ngx_http_convo_gauge_e gauge, ngx_int_t by)
{
    if (ngx_http_convo_metrics_shared) {
        ngx_http_convo_metrics_shared[ngx_process_slot].gauges[gauge] += by;
    }
}


ngx_atomic_uint_t
ngx_http_convo_metrics_counter(ngx_http_convo_counter_e counter)
{
    ngx_uint_t         slot;
    ngx_atomic_uint_t  sum;

    sum = 0;

    for (slot = 0;
         ngx_http_convo_metrics_shared && slot < NGX_MAX_PROCESSES;
         slot++)
    {
        sum += ngx_http_convo_metrics_shared[slot].counters[counter];
    }

    return sum;
}


ngx_atomic_int_t
ngx_http_convo_metrics_gauge(ngx_http_convo_gauge_e gauge)
{
    ngx_uint_t        slot;
    ngx_atomic_int_t  sum;

    sum = 0;

    for (slot = 0;
         ngx_http_convo_metrics_shared && slot < NGX_MAX_PROCESSES;
         slot++)
    {
        sum += ngx_http_convo_metrics_shared[slot].gauges[gauge];
    }

    return sum;
}


const ngx_array_t *
ngx_http_convo_metrics_pools(ngx_http_request_t *r)
{
    ngx_http_convo_metrics_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_metrics_module);

    return mlcf->pools;
}


static ngx_int_t
ngx_http_convo_metrics_init(ngx_conf_t *cf)
{
    ngx_shm_zone_t  *zone;

    static ngx_str_t  name = ngx_string("convo_metrics");

    zone = ngx_shared_memory_add(cf, &name,
                                 NGX_HTTP_CONVO_METRICS_ZONE,
                                 &ngx_http_convo_metrics_module);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_http_convo_metrics_init_zone;

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_metrics_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t  *slab;

    if (data == NULL) {
        slab = (ngx_slab_pool_t *) zone->shm.addr;

        data = zone->shm.exists
               ? slab->data
               : ngx_slab_calloc(slab, NGX_MAX_PROCESSES
                                       * sizeof(ngx_http_convo_metrics_t));

        if (data == NULL) {
            return NGX_ERROR;
        }

        slab->data = data;
    }

    zone->data = data;
    ngx_http_convo_metrics_shared = data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_metrics_init_process(ngx_cycle_t *cycle)
{
    ngx_http_convo_metrics_clear();

    return NGX_OK;
}


static void
ngx_http_convo_metrics_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_convo_metrics_clear();
}


static void
ngx_http_convo_metrics_clear(void)
{
    ngx_uint_t  i;

    if (ngx_http_convo_metrics_shared == NULL) {
        return;
    }

    for (i = 0; i < NGX_HTTP_CONVO_GAUGES; i++) {
        ngx_http_convo_metrics_shared[ngx_process_slot].gauges[i] = 0;
    }
}


static void *
ngx_http_convo_metrics_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_metrics_loc_conf_t));
}


/* Only an "if" inherits: in the endpoint's location, it answers there too. */

static char *
ngx_http_convo_metrics_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_convo_metrics_loc_conf_t  *prev = parent;
    ngx_http_convo_metrics_loc_conf_t  *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname) {
        conf->pools = prev->pools;
    }

    return NGX_CONF_OK;
}


/* convo_metrics [POOL ...] */

static char *
ngx_http_convo_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_metrics_loc_conf_t  *mlcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    if (mlcf->enabled) {
        return "is duplicate";
    }

    mlcf->enabled = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_convo_metrics_handler;

    return ngx_http_convo_pools_conf(cf, cmd, 1, &mlcf->pools);
}


/* convo_health live, or convo_health ready [POOL ...] */

static char *
ngx_http_convo_health(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_metrics_loc_conf_t  *mlcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (mlcf->enabled) {
        return "is duplicate";
    }

    mlcf->enabled = 1;

    value = cf->args->elts;
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (ngx_strcmp(value[1].data, "ready") == 0) {
        clcf->handler = ngx_http_convo_health_ready_handler;
        return ngx_http_convo_pools_conf(cf, cmd, 2, &mlcf->pools);
    }

    if (ngx_strcmp(value[1].data, "live") == 0 && cf->args->nelts == 2) {
        clcf->handler = ngx_http_convo_health_live_handler;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" does not know \"%V\", expected \"live\" or "
                       "\"ready [POOL ...]\"", &cmd->name,
                       &value[cf->args->nelts - 1]);

    return NGX_CONF_ERROR;
}
