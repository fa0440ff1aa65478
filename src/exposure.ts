/** Whether an address is seen by this machine only: without API keys the service listens nowhere else. */
import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** True for `localhost`, 127.0.0.0/8, ::1 and the latter's IPv4-mapped forms; any other name may resolve anywhere. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host.toLowerCase() === 'localhost';
  return loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Throws when the service would be open to others: another address than loopback, and no key. */
export function refuseOpenService(host: string, keys: number): void {
  if (isLoopback(host) || keys > 0) return;
  throw new Error(
    `ERRATA_HOST: ${host} can be reached from other machines, and there is no API key: make one with errata keys create, or listen on 127.0.0.1`,
  );
}
