// Loaded into a service process before anything else (`--import`): lets the harness move that process' wall clock through a
// file that holds the offset in milliseconds. Timers and performance.now() go on as they do when a real clock is corrected.
import { readFileSync } from 'node:fs';

const file = process.env['CHAOS_CLOCK_FILE'] ?? '';
const parent = process.ppid;
const RealDate = Date;
let offset = 0;

function look(): void {
  // A harness that was killed leaves no service behind.
  if (process.ppid !== parent) process.exit(1);
  try {
    offset = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    offset = 0;
  }
}

const now = () => RealDate.now() + offset;

const shifted: DateConstructor = new Proxy(RealDate, {
  construct: (target, args: unknown[], made): object =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, made === shifted ? target : made) as object,
  apply: () => new RealDate(now()).toString(),
  get: (target, key) => (key === 'now' ? now : (Reflect.get(target, key) as unknown)),
});

globalThis.Date = shifted;
RealDate.prototype.constructor = shifted;
look();
setInterval(look, 100).unref();
