// A file of SQLite as another program sees it.

import { execFileSync, spawn } from 'node:child_process';

const program = `
import json, sqlite3, sys
name, mode, sql = sys.argv[1:4]
try:
    db = sqlite3.connect(f"file:{name}?mode={mode}", uri=True, timeout=10)
    db.row_factory = sqlite3.Row
    if mode == "ro":
        out = [dict(row) for row in db.execute(sql)]
    else:
        db.executemany(sql, json.load(sys.stdin))
        db.commit()
        out = []
except sqlite3.OperationalError as error:
    if "unable to open" not in str(error) and "no such table" not in str(error):
        raise
    out = []
print(json.dumps(out))
`;

// The rows that a SELECT answers; none when there is no such file or table:
// making it is the worker's.
export function select(file, sql) {
  return JSON.parse(execFileSync('python3',
    ['-c', program, file, 'ro', sql], { maxBuffer: 1 << 28 }));
}

// Inserts rows, each a list of values, into a table that is there.
export function insert(file, table, rows) {
  const marks = rows[0].map(() => '?').join();
  execFileSync('python3', ['-c', program, file, 'rw',
    `INSERT INTO ${table} VALUES (${marks})`],
  { input: JSON.stringify(rows) });
}

const locker = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
`;

// Holds the file so that nobody else can write; resolves to what lets go.
export function lock(file) {
  const child = spawn('python3', ['-c', locker, file],
    { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  return new Promise((resolve) => child.stdout.once('data', () => resolve(
    async () => {
      child.stdin.end();
      await exited;
    })));
}
