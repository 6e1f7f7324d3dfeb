/*
 * convo_room_list: any bytes as what LiveKit answers.  What is taken for
 * people and rooms has all that its header promises.
 */

#include "input.h"

#include "convo_keys.h"
#include "convo_room_list.h"

#include <string.h>

#define SID "abcdefghijklmnopqrstuvwxyz"


static void
take_room(void *data, const char *name, size_t len, int64_t participants)
{
    size_t *rooms = data;

    MUST(len > 0 && strlen(name) == len);
    MUST(participants >= 0);
    (*rooms)++;
}


static void
check_person(const convo_room_person_t *person)
{
    MUST(person->there || !person->active);

    if (person->active) {
        MUST(person->joined_ms > 0);
        MUST(person->psid[0] != '\0');
        MUST(memchr(person->psid, '\0', sizeof(person->psid)) != NULL);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    input_t input = { data, len };
    input_text_t text = input_rest(&input);
    convo_room_people_t people;
    size_t rooms = 0;

    if (convo_room_people(text.data, text.len, SID, &people) == 0) {
        size_t known = (size_t) (people.side[0].there + people.side[1].there);

        check_person(&people.side[0]);
        check_person(&people.side[1]);
        MUST(people.listed >= known);
    }

    if (convo_room_each(text.data, text.len, take_room, &rooms) != 0) {
        MUST(rooms == 0);
    }
    MUST(rooms <= CONVO_ROOM_LIST_MAX);

    free(text.data);

    return 0;
}
