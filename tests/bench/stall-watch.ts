import { monitorEventLoopDelay } from 'node:perf_hooks';

/**
 * Loaded before the service: measures how late its event loop comes round, and writes the longest delay since the last
 * asking to its parent when that asks. Milliseconds, beside the sampling interval.
 */
const RESOLUTION_MS = 5;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
process.on('message', () => {
  process.send?.({
    stallMs: Math.max(0, delay.max / 1e6 - RESOLUTION_MS),
    stallP99Ms: Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS),
  });
  delay.reset();
});
// The service must be able to end.
process.channel?.unref();
