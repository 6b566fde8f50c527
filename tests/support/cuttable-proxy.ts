import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface CuttableProxy {
  port: number;
  /** Breaks every connection and accepts no new one. */
  cut(): Promise<void>;
  /** Accepts connections again, on the same port. */
  restore(): Promise<void>;
  /** Passes nothing on any more, of old connections and new ones, and breaks none: a server that hangs. */
  freeze(): void;
  /** Passes everything on again, also what came in the meantime. */
  thaw(): void;
  close(): Promise<void>;
}

function join([inside, outside]: [Socket, Socket]): void {
  inside.pipe(outside);
  outside.pipe(inside);
}

function part([inside, outside]: [Socket, Socket]): void {
  inside.unpipe(outside);
  outside.unpipe(inside);
}

/** Stands between a client and a server on loopback, so that a test can take the server away and give it back. */
export async function cuttableProxy(target: number): Promise<CuttableProxy> {
  const sockets = new Set<Socket>();
  const pairs = new Set<[Socket, Socket]>();
  let frozen = false;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  };
  const server = createServer((inside) => {
    const outside = connect(target, '127.0.0.1');
    keep(inside);
    keep(outside);
    const pair: [Socket, Socket] = [inside, outside];
    pairs.add(pair);
    if (!frozen) join(pair);
    inside.once('close', () => pairs.delete(pair) && outside.destroy());
    outside.once('close', () => inside.destroy());
  });
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const cut = async () => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const freeze = () => {
    frozen = true;
    pairs.forEach(part);
  };
  const thaw = () => {
    frozen = false;
    pairs.forEach(join);
  };
  return { port, cut, restore: () => listen(port), freeze, thaw, close: cut };
}
