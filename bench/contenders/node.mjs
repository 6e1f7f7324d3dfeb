// Sign-in checked by Node and AWS's own aws-jwt-verify, which bench/auth.mjs
// measures: a server that answers with the bytes of NGINX's empty_gif.
//
//   node node.mjs PORT KEYS-FILE ISSUER CLIENT
//
// The keys are given to the verifier at the start, as its README advises where
// they are known.  /bare answers without a look at the token; /served says in
// the words of stub_status how many requests came.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../t/package.json', import.meta.url));
const { CognitoJwtVerifier } = require('aws-jwt-verify');

const GIF = Buffer.from(
  'R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICTAEAOw==', 'base64');

const [port, keys, issuer, clientId] = process.argv.slice(2);

const verifier = CognitoJwtVerifier.create({
  userPoolId: issuer.split('/').at(-1), clientId, tokenUse: 'id',
  customJwtCheck({ payload }) {
    if (payload.email_verified !== true) {
      throw new Error('the e-mail address is not verified');
    }
  },
});
verifier.cacheJwks(JSON.parse(readFileSync(keys, 'utf8')));

let served = 0;

function user(request) {
  const token = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '');
  return verifier.verifySync(token[1]).sub;
}

createServer((request, response) => {
  served += 1;
  if (request.url === '/served') {
    response.end(`server accepts handled requests\n ${served} ${served} ${
      served}\n`);
    return;
  }
  try {
    request.user = request.url === '/bare' ? null : user(request);
  } catch {
    response.writeHead(401).end();
    return;
  }
  response.setHeader('Content-Type', 'image/gif');
  response.end(GIF);
}).listen(Number(port), '127.0.0.1');
