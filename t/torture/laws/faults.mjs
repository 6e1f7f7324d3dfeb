// What was done to the system, as an excuse for what it did not do meanwhile.

// The one loss of Redis's data that there may be, from when until when.
export function lossOf(run) {
  return run.faults.find(({ kind }) => kind === 'redis-lose');
}

const by = (what) => ({ kind }) => kind === 'stall'
  || what.some((one) => kind === one || kind.startsWith(`${one}-`));

// The times in which nothing was done to these parts ("worker", "redis", …) or
// nothing of these kinds ("edge-cut"), nor shortly before, within [from, to].
export function quietTimes(run, parts, from, to, recoverMs) {
  const faults = run.faults.filter(by(parts)).map((fault) => ({
    from: fault.from, to: (fault.to ?? Infinity) + recoverMs,
  })).filter((fault) => fault.from < to && fault.to > from)
    .sort((a, b) => a.from - b.from);
  const times = [];
  let since = from;
  for (const fault of faults) {
    if (fault.from > since) {
      times.push({ from: since, to: fault.from });
    }
    since = Math.max(since, fault.to);
  }
  return since < to ? [...times, { from: since, to }] : times;
}

// Whether all of it was quiet.
export function isQuiet(run, parts, from, to, recoverMs) {
  const [first] = quietTimes(run, parts, from, to, recoverMs);
  return first?.from === from && first.to === to;
}
