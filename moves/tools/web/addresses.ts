import { lookup } from 'node:dns/promises';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { callbackify } from 'node:util';
import { isLoopback } from '../../../shared/origins.ts';
import { ToolError } from '../tool.ts';

/** IPv4 that is not reachable everywhere: IANA IPv4 Special-Purpose Address Registry, and multicast. */
const SPECIAL_V4: readonly [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];
/** Of 2000::/3, all that is given out, what is not reachable everywhere or leads to an IPv4 address (IANA IPv6 registry). */
const SPECIAL_V6: readonly [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const special = new BlockList();
for (const [net, bits] of SPECIAL_V4) special.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of SPECIAL_V6) special.addSubnet(net, bits, 'ipv6');
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');

/** Whether an address is one of the public network, not of this machine, its neighbours or its cloud. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !special.check(address, 'ipv4');
  return version === 6 && global.check(address, 'ipv6') && !special.check(address, 'ipv6');
}

/** The addresses of a name, as the system resolves it. */
export type Resolve = (hostname: string) => Promise<{ address: string; family: number }[]>;

export const systemResolve: Resolve = (hostname) => lookup(hostname, { all: true });

/**
 * The `lookup` of connections that may lead to the public network only: whoever owns the DNS of an allowed name must not be able to
 * point it at what stands next to this service. Asked for the very connection, so that a second answer cannot differ from the one that
 * was checked. An origin that is allowed by its address is not looked up, and `localhost` may be this machine.
 */
export function publicLookup(resolve: Resolve): LookupFunction {
  const find = callbackify(async (hostname: string) => {
    const found = await resolve(hostname);
    const may = ({ address }: { address: string }) =>
      isLoopback(hostname) ? isLoopback(address) : isPublicAddress(address);
    if (found.length === 0 || !found.every(may)) throw forbidden(hostname);
    return found;
  });
  return (hostname, { all }, callback) =>
    find(hostname, (error, found) => {
      if (error || all) callback(error, found);
      else callback(null, found[0]?.address ?? '', found[0]?.family);
    });
}

function forbidden(hostname: string): ToolError {
  const mend = 'list the origin by its address in ENGINE_ALLOWED_ORIGINS, if it is to be read';
  return new ToolError('TOOL_ADDRESS_FORBIDDEN', `${hostname} is not on the public network; ${mend}.`, {
    refused: true,
  });
}
