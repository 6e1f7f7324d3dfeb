// What was done to the system, as an excuse for what it did not do meanwhile.

const by = (parts) => ({ kind }) => parts.includes(kind.split('-')[0])
  || kind === 'stall';

// The times in which nothing was done to these parts ("worker", "redis", …),
// nor shortly before, within [from, to].
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
