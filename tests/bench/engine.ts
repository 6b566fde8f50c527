import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * An engine in a process of its own that answers at once, or never when asked for `/hang`. It tells its parent its port, and for
 * `/hang` the run of each call.
 */
const server = createServer((request, response) => {
  request.resume().on('end', () => {
    if (request.url?.startsWith('/hang')) {
      process.send?.({ run: String(request.headers['idempotency-key']).split('/')[0], at: Date.now() });
      return;
    }
    response.setHeader('content-type', 'application/json');
    response.end('{"success":true,"data":{"saved":10,"cost":0}}');
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.once('disconnect', () => process.exit());
