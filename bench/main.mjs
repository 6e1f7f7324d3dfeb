// Runs the parts one after the other and makes the report of what they say.
//
// A part is a file that exports `title` and `measure(progress)`, which gives
// rows and a paragraph of what they are; lib.mjs has what the parts share.
//
// How it fails: a part that cannot measure (something does not start, an
// answer is not the expected one) ends the run with its message and a non-zero
// status, and the last report stays as it is. However it ends, what was
// started is ended first; only after SIGKILL may a Redis or a stack be left.

import { writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { bench, endAll, table } from './lib.mjs';

const PARTS = ['auth', 'match', 'streams'];

const HOW_TO_READ = `
\`make bench\` wrote this file; no test reads it. Every line compares two things
that were measured in turns in the same run, a pair a round: A then B, B then
A, and so on. *Ratio* is the median over the rounds of A/B, and *spread* is the
least and the greatest of them: where it is wide, the machine was busy with
other things and the line says little. The medians of A and B themselves
depend on the machine and stand there only to give an idea; do not compare
them with those of another run. Where it says *CPU*, it is the time that the
kernel counted for the measured process, so that the speed of the client and
other programs' load do not enter; elsewhere it is the clock on the wall.
`;

function machine() {
  const gigabytes = Math.round(os.totalmem() / 2 ** 30);
  const load = os.loadavg()[0].toFixed(1);
  return `${os.availableParallelism()} shared cores, ${gigabytes} GB of `
    + `memory, a load of ${load} at the start; all on loopback.`;
}

function section({ title }, { rows, text }) {
  return `## ${title}\n\n${text.trim()}\n\n${table(rows)}\n`;
}

async function main(names) {
  const unknown = names.find((name) => !PARTS.includes(name));
  if (unknown) {
    throw new Error(`usage: bench/run [${PARTS.join('|')} ...]`);
  }
  const report = [
    `# convo, measured side by side\n\n${HOW_TO_READ.trim()}\n\n`
    + `The machine: ${machine()}\n`];

  for (const name of names.length ? names : PARTS) {
    const part = await import(`./${name}.mjs`);
    const started = Date.now();
    const progress = (text) => console.log(`bench ${name}: ${text}`);
    try {
      report.push(section(part, await part.measure(progress)));
    } finally {
      await endAll();
    }
    progress(`done in ${Math.round((Date.now() - started) / 1000)} s`);
    console.log(`\n${report.at(-1)}`);
  }

  if (names.length === 0) {
    writeFileSync(path.join(bench, 'report.md'), report.join('\n'));
    console.log('bench: the report is in bench/report.md');
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => endAll().finally(() => process.exit(130)));
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`bench: ${error.stderr || error.stack}`);
  process.exitCode = 1;
}
