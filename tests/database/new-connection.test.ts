import { expect, test } from '@jest/globals';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { connectPool } from '../../database/postgres.ts';
import { SqlRecords } from '../../database/sql.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { silentLogger } from '../../shared/logger.ts';

/** A message of the server, as the protocol has it: its type, its length, its body. */
function message(type: string, body: string): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, Buffer.from(body, 'latin1')]);
}

test('a server that goes away in the very packet that greets a new connection is an outage and no crash', async () => {
  const fatal = 'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0';
  const greeting = Buffer.concat([message('R', '\0\0\0\0'), message('Z', 'I'), message('E', fatal)]);
  const server = createServer((socket) => {
    socket.on('error', () => undefined).once('data', () => socket.end(greeting));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pool = connectPool(`postgres://u:p@127.0.0.1:${(server.address() as AddressInfo).port}/x`, silentLogger);
  try {
    await expect(new SqlRecords(pool).ping()).rejects.toThrow(DatabaseUnavailableError);
  } finally {
    await pool.end();
    await new Promise((resolve) => server.close(resolve));
  }
});
