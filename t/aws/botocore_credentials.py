"""What botocore finds, for t/aws/credentials.test.mjs.

Each line of the input is {"env": the whole environment, "profile": a name, or
null}; each of the output {"id", "secret", "session"}, or {"why"}.
"""

import json
import os
import sys

import botocore.exceptions
import botocore.session


def find(given):
    os.environ.clear()
    os.environ.update(given['env'])
    try:
        found = botocore.session.Session(
            profile=given['profile']).get_credentials()
        if found is None:
            return {'why': 'none'}
        found = found.get_frozen_credentials()
    except (botocore.exceptions.BotoCoreError, ValueError, KeyError) as error:
        return {'why': repr(error)}
    return {'id': found.access_key, 'secret': found.secret_key,
            'session': found.token or ''}


for line in sys.stdin:
    print(json.dumps(find(json.loads(line))), flush=True)
