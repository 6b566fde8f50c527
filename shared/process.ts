import type { Logger } from './logger.ts';

/**
 * Whoever reads what the service writes may go away: a log collector that dies, a terminal that is closed. What cannot be written is
 * dropped then, and the service goes on. Without this each line that fails would be a fault, which is logged, which fails.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/** Resolves with what asks the process to stop: a signal, or a fault that nobody foresaw. */
export function stopRequest(logger: Logger): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
    for (const fault of ['uncaughtException', 'unhandledRejection'] as const)
      process.on(fault, (error: unknown) => {
        logger.error('Unforeseen fault, stopping', { fault, error });
        process.exitCode = 1;
        resolve(fault);
      });
  });
}
