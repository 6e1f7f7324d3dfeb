/*
 * The store's records as items of DynamoDB and back: {"name": {"S": "text"}}.
 * Numbers travel as strings.  docs/stores.md has the tables.
 *
 * How it fails: an item came from outside and may be anything; one that is
 * none of ours is refused whole.
 */

#ifndef CONVO_DYNAMODB_ITEM_H
#define CONVO_DYNAMODB_ITEM_H

#include "store.h"

#include <jansson.h>

/* Values of attributes: new references, never NULL. */
json_t *convo_dynamodb_string(const char *text);
json_t *convo_dynamodb_number(int64_t number);

/* A record as an item: a new reference, or NULL when a text is no UTF-8. */
json_t *convo_dynamodb_item_session(const convo_store_session_t *session);
json_t *convo_dynamodb_item_report(const convo_store_report_t *report);

/* All but the key of a user as values: {":points": {"N": "15"}, ...}. */
json_t *convo_dynamodb_item_user(const convo_store_user_t *user);

/* An item as a record: 0, or -1 when it is none. */
int convo_dynamodb_item_read_session(const json_t *item,
                                     convo_store_session_t *session);
int convo_dynamodb_item_read_report(const json_t *item,
                                    convo_store_report_t *report);
int convo_dynamodb_item_read_user(const json_t *item,
                                  convo_store_user_t *user);

/* The text of an attribute, or NULL. */
const char *convo_dynamodb_item_text(const json_t *item, const char *name);

/* The list of an attribute that is a set of texts, or NULL. */
const json_t *convo_dynamodb_item_set(const json_t *item, const char *name);

#endif /* CONVO_DYNAMODB_ITEM_H */
