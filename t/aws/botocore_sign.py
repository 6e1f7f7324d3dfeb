"""botocore's signatures, for t/aws/sigv4.test.mjs.

  botocore_sign.py requests   signs each request on its input; the lines are
                              those of t/aws/sign.c
  botocore_sign.py dynamodb   what botocore's own client of DynamoDB sends for
                              each call on its input, {"operation",
                              "parameters", "key", "endpoint", "region"}: the
                              request as t/aws/sign.c takes it, and the
                              signature
"""

import datetime
import json
import sys

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.session


def credentials(key):
    return botocore.credentials.Credentials(
        key['id'], key['secret'], key['session'] or None)


def set_clock(epoch_s):
    now = datetime.datetime.fromtimestamp(
        epoch_s, datetime.timezone.utc).replace(tzinfo=None)
    botocore.auth.get_current_datetime = lambda: now


def signature(headers):
    return {'date': headers['X-Amz-Date'],
            'authorization': headers['Authorization']}


def sign(given):
    query = '?' + given['query'] if given['query'] else ''
    request = botocore.awsrequest.AWSRequest(
        method=given['method'],
        url='https://' + given['host'] + given['path'] + query,
        data=given['body'].encode())
    for name, value in given['headers']:
        request.headers[name] = value
    request.headers['Host'] = given['host']

    set_clock(given['time'])
    botocore.auth.SigV4Auth(credentials(given['key']), given['service'],
                            given['region']).add_auth(request)
    return signature(request.headers)


# What the client does not sign, or the signer adds itself.
UNSIGNED = {'authorization', 'host', 'x-amz-date', 'x-amz-security-token'}


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def sent_by_client(given):
    """The request is caught when it is about to leave."""
    caught = []

    def catch(request, **_):
        caught.append(request)
        return botocore.awsrequest.AWSResponse(
            request.url, 200, {}, type('Body', (), {
                'stream': lambda self, *_, **__: iter([b'{}']),
            })())

    key = given['key']
    client = botocore.session.Session().create_client(
        'dynamodb', region_name=given['region'],
        endpoint_url=given['endpoint'], aws_access_key_id=key['id'],
        aws_secret_access_key=key['secret'],
        aws_session_token=key['session'] or None,
        config=botocore.config.Config(retries={'total_max_attempts': 1}))
    client.meta.events.register('before-send.dynamodb.*', catch)
    set_clock(given['time'])
    client._make_api_call(given['operation'], given['parameters'])

    request = caught[0]
    headers = {name: text(value) for name, value in request.headers.items()}
    signed = headers['Authorization'].split('SignedHeaders=')[1]
    signed = set(signed.split(',')[0].split(';'))
    url = botocore.compat.urlsplit(request.url)
    return {
        'request': {
            'method': request.method, 'host': url.netloc,
            'path': url.path, 'query': url.query,
            'headers': [[name, value] for name, value in headers.items()
                        if name.lower() in signed - UNSIGNED],
            'body': text(request.body), 'region': given['region'],
            'service': 'dynamodb', 'time': given['time'], 'key': key,
        },
        'signature': signature(headers),
    }


def main():
    answer = sign if sys.argv[1] == 'requests' else sent_by_client
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))))


main()
